// A linear program that the reader types: the twin of implicit_lib/cases/linear_programs/_typed.py and _typed_walk.py.
// Only the words of its grammar are read; nothing is evaluated.
import { optimum } from "./linear_optimum.js";

const NUMBER = String.raw`[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?|\.[0-9]+(?:[eE][+-]?[0-9]+)?`;
const NAME = "[A-Za-z][A-Za-z0-9_]*";
const TERM = new RegExp(` ?([+-])? ?(?:(${NUMBER})(?:(?: ?\\*)? ?(${NAME}))?|(${NAME})) ?`, "y");
const RELATION = /<=|>=|=/g;
const BLANKS = /[ \t\u00a0]+/g;
const ASCII = { "−": "-", "≤": "<=", "≥": ">=" };
const SIGNS = new Map([["min", 1], ["max", -1]]);
const LONGEST_NAME = 40;
const FORM = "write, for example, 'min: 2x - 3y', then lines such as 'x + 2y <= 4', 'x - y = 1' or '0 <= x <= 10'";
const SIGHT = 10; // units: values up to it are in sight
const REASONS = {
  infeasible: "no values satisfy all lines together; relax one of them",
  unbounded: "the objective can be made as good as one likes; bound the variables, or check its signs",
};
const UNSOLVED = "HiGHS cannot solve it; its numbers may be of too different sizes";

/** A text that is no linear program, or one without an optimum; the message is for the reader. */
class Refusal extends Error {}

const trim = (text) => text.replace(/^ | $/g, "");

/** The line in ASCII, where it has a form in it, with single blanks. */
const tidy = (line) => trim(line.replace(/[−≤≥]/g, (sign) => ASCII[sign]).replace(BLANKS, " "));

/** A text, but not all of a long one, quoted as Python does it. */
function shown(text) {
  const part = text.length <= 80 ? text : `${text.slice(0, 79)}…`;
  return part.includes("'") && !part.includes('"') ? `"${part}"` : `'${part}'`;
}

function finite(value, line) {
  if (!Number.isFinite(value)) throw new Refusal(`the line ${shown(line)} leads to numbers that are too large; scale it`);
  return value;
}

/** The coefficient of every variable, and under "" that of 1. */
function sum(text, line) {
  const found = new Map([["", 0]]);
  if (!trim(text)) throw new Refusal(`a side of the line ${shown(line)} is empty; ${FORM}`);
  for (let at = 0; at < text.length; ) {
    TERM.lastIndex = at;
    const term = TERM.exec(text);
    if (term === null || (at > 0 && !term[1])) throw new Refusal(`the line ${shown(line)} cannot be read at ${shown(trim(text.slice(at)))}; ${FORM}`);
    const name = term[3] ?? term[4] ?? "";
    if (name.length > LONGEST_NAME) throw new Refusal(`the name ${shown(name)} is longer than ${LONGEST_NAME} characters`);
    found.set(name, finite((found.get(name) ?? 0) + Number(term[2] ?? 1) * (term[1] === "-" ? -1 : 1), line));
    at += term[0].length;
  }
  return found;
}

/** Whether a line is an equality, and its row: row ≤ 0, or row = 0. */
function less(relation, left, right, line) {
  const [low, high] = relation === ">=" ? [right, left] : [left, right];
  const names = [...new Set([...low.keys(), ...high.keys()])];
  return { isEqual: relation === "=", row: new Map(names.map((name) => [name, finite((low.get(name) ?? 0) - (high.get(name) ?? 0), line)])) };
}

/** The variables in a row that do not cancel, with their factors. */
const factors = (row) => [...row].filter(([name, value]) => name && value !== 0);

/** Narrow the bounds of the row's only variable. */
function bound(bounds, { isEqual, row }, line) {
  const [[name, factor]] = factors(row);
  const limit = finite(0 - row.get("") / factor, line);
  let [lower, upper] = bounds.get(name) ?? [-Infinity, Infinity];
  if (isEqual || factor < 0) lower = Math.max(lower, limit);
  if (isEqual || factor > 0) upper = Math.min(upper, limit);
  if (lower > upper) {
    const [least, most] = [lower, upper].map((value) => Number(value.toPrecision(12)));
    throw new Refusal(`the line ${shown(line)} leaves no value for ${name}, which must be at least ${least} and at most ${most}`);
  }
  bounds.set(name, [lower, upper]);
}

/** The program of a text: A (rows, those with ≤ first), b, equality, c, lower, upper, and the names of its variables. */
export function parse(text) {
  const [first = "", ...lines] = text.split(/[\r\n]/).map(tidy).filter(Boolean);
  const [head, ...objective] = first.split(":");
  const sign = SIGNS.get(head.trim());
  if (!objective.length || !sign) throw new Refusal(`the first line must begin with 'min:' or 'max:'; ${FORM}`);
  const costs = sum(objective.join(":"), first);
  const names = new Set(costs.keys());
  const rows = [];
  const bounds = new Map();
  for (const line of lines) {
    const relations = line.match(RELATION) ?? [];
    if (!relations.length || relations.length > 2) throw new Refusal(`the line ${shown(line)} does not compare two sides; ${FORM}`);
    const sums = line.split(RELATION).map((side) => sum(side, line));
    for (const name of sums.flatMap((each) => [...each.keys()])) names.add(name);
    const pairs = relations.map((relation, i) => less(relation, sums[i], sums[i + 1], line));
    const counts = pairs.map(({ row }) => factors(row).length);
    if (relations.length === 2 && counts.some((count) => count !== 1))
      throw new Refusal(`the line ${shown(line)} has two comparisons, which only the bounds of a variable have`);
    pairs.forEach((pair, i) => {
      if (counts[i] === 0) throw new Refusal(`the line ${shown(line)} compares no variable, or only such as cancel`);
      if (counts[i] === 1) bound(bounds, pair, line);
      else rows.push(pair);
    });
  }
  names.delete("");
  if (!names.size) throw new Refusal(`there is no variable in it; ${FORM}`);
  return assembled([...names], costs, sign, rows, bounds);
}

function assembled(names, costs, sign, rows, bounds) {
  const sorted = [...rows.filter(({ isEqual }) => !isEqual), ...rows.filter(({ isEqual }) => isEqual)];
  return {
    names,
    A: sorted.map(({ row }) => names.map((name) => row.get(name) ?? 0)),
    b: sorted.map(({ row }) => 0 - row.get("")),
    equality: sorted.map(({ isEqual }) => Number(isEqual)),
    c: names.map((name) => sign * (costs.get(name) ?? 0)),
    lower: names.map((name) => bounds.get(name)?.[0] ?? -Infinity),
    upper: names.map((name) => bounds.get(name)?.[1] ?? Infinity),
  };
}

/** The arrays of a program with its optima, padded to the size that all programs have. */
function arraysOf({ A, b, equality, c, lower, upper }, optima, unit, { variables, constraints }) {
  const n = c.length;
  const wide = (row) => [...row, ...Array(variables - n).fill(0)];
  const tall = (column) => [...column, ...Array(constraints - b.length).fill(0)];
  const empty = Array(variables * (constraints - b.length)).fill(0);
  return {
    A: { shape: [constraints, variables], values: [...A.flatMap(wide), ...empty] },
    b: { shape: [constraints], values: tall(b) },
    equality: { shape: [constraints], values: tall(equality) },
    c: { shape: [variables], values: wide(c) },
    lower: { shape: [variables], values: wide(lower) },
    upper: { shape: [variables], values: wide(upper) },
    optima: { shape: [optima.length, variables], values: optima.flatMap(wide) },
    sizes: { shape: [2], values: [n, b.length] },
    unit: { shape: [], values: unit },
  };
}

/** The least of 1, 2, 5, 10, 20, … in which all optima are in sight. */
function unitOf(optima) {
  const sizes = optima.flat().map(Math.abs).filter(Number.isFinite);
  const largest = (Math.max(SIGHT, ...sizes) * (1 - 1e-9)) / SIGHT;
  const power = largest > 1 ? 10 ** Math.floor(Math.log10(largest) + 1e-12) : 1;
  return [1, 2, 5, 10].map((factor) => factor * power).find((unit) => unit >= largest);
}

/** Names where the figure places the variables, and values in their own unit. */
const ticksOf = (names, unit) => ({
  x: names.map((name, j) => [(j + 0.5) / names.length, name]),
  y: [-1, -0.5, 0, 0.5, 1].map((share) => [share * SIGHT, (share * SIGHT * unit).toFixed(0).replace("-", "−")]),
});

/** What the reader is told: the optimum, and where there is none. */
function saidOf(names, optimal, optima) {
  const values = names.map((name, j) => `${name} = ${optimal[j].toFixed(3)}`).join(", ");
  const said = `HiGHS's optimum: ${values.replaceAll("-", "−").replaceAll("−0.000", "0.000")}.`;
  const missing = optima.filter(([first]) => Number.isNaN(first)).length;
  return missing ? `${said} With ${missing} of the ${optima.length} changes of the cost of ${names[0]} there is none.` : said;
}

/** The arrays of a typed program, ticks, and what to say; or why it is refused. */
export async function read(text, { changes, variables, constraints, cost }) {
  try {
    const { names, ...program } = parse(text);
    const [n, m] = [names.length, program.b.length];
    if (n > variables || m > constraints)
      throw new Refusal(`it has ${n} variables and ${m} constraints, bounds not counted; the figure has room for ${variables} and ${constraints}`);
    const largest = Math.max(...program.c.map(Math.abs)) || 1;
    program.c = program.c.map((value) => (cost * value) / largest);
    const moved = (change) => ({ ...program, c: program.c.map((value, j) => (j === 0 ? value + cost * change : value)) });
    const found = [];
    for (const change of changes) found.push(await optimum(moved(change)));
    const optimal = found[changes.reduce((best, change, i) => (Math.abs(change) < Math.abs(changes[best]) ? i : best), 0)];
    if (typeof optimal === "string") throw new Refusal(optimal in REASONS ? `it is ${optimal}: ${REASONS[optimal]}` : UNSOLVED);
    const optima = found.map((each) => (typeof each === "string" ? Array(n).fill(NaN) : each));
    const unit = unitOf(optima);
    return { arrays: arraysOf(program, optima, unit, { variables, constraints }), ticks: ticksOf(names, unit), said: saidOf(names, optimal, optima) };
  } catch (error) {
    if (error instanceof Refusal) return { refused: error.message };
    throw error;
  }
}
