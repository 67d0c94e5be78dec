// Typed formulas and domains on the page. math.js reads the text; its tree is walked against the grammar of
// implicit_lib/theory and becomes plain functions. Nothing of a text is ever evaluated.
import { partsOf } from "./window.js";

const LENGTH = 500;
const DEPTH = 64;
const NODES = 256;
const EXPONENT = 100;

const CONSTANTS = { pi: Math.PI, e: Math.E };
const COMPARISONS = {
  smaller: (a, b) => a < b,
  smallerEq: (a, b) => a <= b,
  larger: (a, b) => a > b,
  largerEq: (a, b) => a >= b,
  equal: (a, b) => a === b,
};
const OPERATORS = {
  add: (a, b) => a + b,
  subtract: (a, b) => a - b,
  multiply: (a, b) => a * b,
  divide: (a, b) => (b === 0 ? NaN : a / b),
  unaryMinus: (a) => -a,
  unaryPlus: (a) => a,
};
const FUNCTIONS = {
  abs: Math.abs,
  sqrt: Math.sqrt,
  exp: Math.exp,
  log: (a) => (a > 0 ? Math.log(a) : NaN),
  sin: Math.sin,
  cos: Math.cos,
  tan: Math.tan,
  atan: Math.atan,
  tanh: Math.tanh,
  gamma,
  min: Math.min,
  max: Math.max,
};
const NAMES = [...Object.keys(FUNCTIONS), "piecewise"];
const VARIABLES = ["x", "y"];

/** Γ, as implicit_lib/typed/_gamma.py has it; undefined at 0, −1, −2, … */
function gamma(x) {
  if (x <= 0 && Number.isInteger(x)) return NaN;
  if (x < 0.5) return Math.PI / (Math.sin(Math.PI * x) * gamma(1 - x));
  const series = GAMMA.reduce((sum, c, k) => sum + (k ? c / (x - 1 + k) : c), 0);
  const base = x - 0.5 + 607 / 128;
  const half = base ** (x / 2 - 0.25);
  return Math.sqrt(2 * Math.PI) * series * half * Math.exp(-base) * half;
}

const GAMMA = [
  0.99999999999999709182, 57.156235665862923517, -59.597960355475491248, 14.136097974741747174, -0.49191381609762019978,
  0.33994649984811888699e-4, 0.46523628927048575665e-4, -0.98374475304879564677e-4, 0.15808870322491248884e-3,
  -0.2102644417241048831e-3, 0.2174396181152126432e-3, -0.16431810653676389022e-3, 0.84418223983852743293e-4,
  -0.2619083840158140867e-4, 0.36899182659531622704e-5,
];

/** A text that cannot be read: where, and why. */
export class Refusal extends Error {
  constructor(text, position, reason) {
    super(reason);
    Object.assign(this, { text, position, reason });
  }

  /** The reason, and the text with a caret below the character. */
  get shown() {
    const start = Math.max(0, this.position - 30);
    const part = this.text.slice(start, start + 60).replace(/[^\x20-\x7e]/g, "\ufffd");
    return `character ${this.position + 1}: ${this.reason}\n  ${part}\n  ${" ".repeat(this.position - start)}^`;
  }
}

/** math.js, from the book's own host, loaded once. */
export function mathjs() {
  window.mathOfTyped ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = new URL("../vendor/mathjs/math.js", import.meta.url).href;
    script.onload = () => resolve(window.math);
    script.onerror = () => {
      delete window.mathOfTyped; // the next text tries again
      reject(new Error("the reader of formulas could not be loaded"));
    };
    document.head.append(script);
  });
  return window.mathOfTyped;
}

const TOKEN = /(?<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|(?<name>[A-Za-z][A-Za-z0-9_]*)|(?<sign>\*\*|<=|>=|==|[-+*/^(),<>])/y;

/** Refuse what no formula of the grammar has, before math.js sees it: characters, names, values without a sign between. */
function scan(text, variables, whole, offset) {
  const refuse = (at, reason) => {
    throw new Refusal(whole, offset + at, reason);
  };
  if (whole.length > LENGTH) refuse(LENGTH - offset, `the text has ${whole.length} characters, at most ${LENGTH} are read`);
  let [afterValue, afterFunction, depth] = [false, false, 0];
  const skip = /\s*/y;
  for (let at = 0; ; ) {
    skip.lastIndex = at;
    at += skip.exec(text)[0].length;
    if (at >= text.length) break;
    TOKEN.lastIndex = at;
    const found = TOKEN.exec(text);
    if (!found) refuse(at, `'${text[at]}' is not part of formulas`);
    const { number, name } = found.groups;
    const [token] = found;
    if (afterFunction && token !== "(") refuse(at, "a function needs its argument in brackets");
    if (afterValue && (number || name || token === "(")) refuse(at, `'${token}' follows without a sign: write * for times`);
    if (variables.length && VARIABLES.slice(variables.length).includes(name))
      refuse(at, `the domain has no interval for '${name}': give it one, as in [0, 1] x (0, 2]`);
    if (name && ![...variables, ...Object.keys(CONSTANTS), ...NAMES].includes(name))
      refuse(at, `'${name.slice(0, 20)}' is not known: names are ${[...variables, "pi", "e", ...NAMES].join(", ")}`);
    if (token === "(" && ++depth > DEPTH) refuse(at, `brackets are nested deeper than ${DEPTH}`);
    if (token === ")") depth -= 1;
    afterFunction = NAMES.includes(name);
    afterValue = (Boolean(number || name) && !afterFunction) || token === ")";
    at += token.length;
  }
  if (afterFunction) refuse(text.length, "a function needs its argument in brackets");
  if (!text.trim()) refuse(0, "a value is expected here");
}

/** The function that a text says, `([x, …]) => number`, NaN where it is undefined. Throws a Refusal. */
export async function readFormula(text, dimension) {
  return read(await mathjs(), text, VARIABLES.slice(0, dimension), text, 0).at;
}

function read(math, text, variables, whole, offset) {
  scan(text, variables, whole, offset);
  let tree;
  try {
    tree = math.parse(text.replaceAll("**", "^ ").replace(/\s/g, " "));
  } catch (error) {
    const at = Math.min(Math.max((error.char ?? 1) - 1, 0), text.length);
    throw new Refusal(whole, offset + at, at >= text.trimEnd().length ? "the text ends too early" : `'${text[at]}' is not expected here`);
  }
  return new Compiler(text, variables, whole, offset).compile(tree, 1);
}

/** Makes functions of the nodes of math.js; a part is { at: (point) => number, value: number where it holds no variable }. */
class Compiler {
  constructor(text, variables, whole, offset) {
    Object.assign(this, { text, variables, whole, offset, nodes: 0 });
  }

  refuse(reason, name = "") {
    throw new Refusal(this.whole, this.offset + Math.max(0, name ? this.text.search(new RegExp(`\\b${name}\\b`)) : 0), reason);
  }

  compile(node, depth) {
    if (++this.nodes > NODES) this.refuse(`the formula has more than ${NODES} parts`);
    if (depth > 2 * DEPTH) this.refuse(`the formula is nested deeper than ${DEPTH}`);
    const inner = (child) => this.compile(child, depth + 1);
    switch (node.type) {
      case "ParenthesisNode":
        return inner(node.content);
      case "ConstantNode":
        if (typeof node.value !== "number" || !Number.isFinite(node.value)) this.refuse("a number within double precision is expected");
        return this.constant(node.value);
      case "SymbolNode":
        if (Object.hasOwn(CONSTANTS, node.name)) return this.constant(CONSTANTS[node.name]);
        if (this.variables.includes(node.name)) return this.variable(this.variables.indexOf(node.name));
        return this.refuse(`'${node.name}' is not known here`, node.name);
      case "OperatorNode":
        if (node.implicit) this.refuse("write * for times");
        if (node.fn === "pow") return this.power(...node.args.map(inner));
        if (Object.hasOwn(OPERATORS, node.fn)) return this.apply(OPERATORS[node.fn], node.args.map(inner));
        return this.refuse("a comparison belongs into piecewise(condition, value, ..., value)");
      case "FunctionNode":
        return this.call(node, inner);
      default:
        return this.refuse("only numbers, names, + - * / **, brackets and functions are known");
    }
  }

  variable(i) {
    return { at: (point) => point[i] };
  }

  constant(value) {
    return { at: () => value, value };
  }

  call(node, inner) {
    const name = node.fn.type === "SymbolNode" ? node.fn.name : "";
    if (name === "piecewise") return this.piecewise(node.args, inner);
    if (!Object.hasOwn(FUNCTIONS, name)) this.refuse(`'${name}' is no function`, name);
    const many = name === "min" || name === "max";
    if (many ? node.args.length < 2 : node.args.length !== 1) this.refuse(`${name} takes ${many ? "2 values or more" : "1 value"}`, name);
    return this.apply(FUNCTIONS[name], node.args.map(inner));
  }

  apply(operation, parts) {
    const [first, second] = parts.map((part) => part.at);
    if (parts.every((part) => "value" in part)) {
      const value = operation(...parts.map((part) => part.value));
      if (!Number.isFinite(value)) this.refuse("a constant part of the formula is undefined, or too large");
      return this.constant(value);
    }
    if (parts.length === 1) return { at: (point) => operation(first(point)) };
    if (parts.length === 2) return { at: (point) => operation(first(point), second(point)) };
    return { at: (point) => operation(...parts.map((part) => part.at(point))) };
  }

  power(base, exponent) {
    const { value } = exponent;
    if (Math.abs(value) > EXPONENT) this.refuse(`the exponent is too large: at most ${EXPONENT}`);
    const whole = Number.isInteger(value);
    return this.apply((a, b) => (a > 0 || (whole ? a !== 0 || b >= 0 : a === 0 && b > 0) ? a ** b : NaN), [base, exponent]);
  }

  piecewise(args, inner) {
    const branches = [];
    const [rest] = args.slice(-1);
    if (args.length < 3 || args.length % 2 === 0) this.refuse("piecewise takes condition, value, ..., and the value that holds otherwise", "piecewise");
    for (let i = 0; i + 1 < args.length; i += 2) {
      const test = args[i];
      if (test.type !== "OperatorNode" || !Object.hasOwn(COMPARISONS, test.fn)) this.refuse("piecewise begins with a condition: piecewise(x < 0, -x, x)", "piecewise");
      const [left, right] = test.args.map(inner);
      branches.push({ left: left.at, right: right.at, holds: COMPARISONS[test.fn], then: inner(args[i + 1]).at });
    }
    const otherwise = inner(rest).at;
    return {
      at: (point) => {
        for (const { left, right, holds, then } of branches) {
          const [a, b] = [left(point), right(point)];
          if (Number.isNaN(a + b)) return NaN;
          if (holds(a, b)) return then(point);
        }
        return otherwise(point);
      },
    };
  }
}

/** A domain, as window.js describes it, with ±Infinity at infinite ends. Throws a Refusal. */
export async function readDomain(text) {
  return new DomainReader(await mathjs(), text).domain();
}

class DomainReader {
  constructor(math, text) {
    Object.assign(this, { math, text, at: 0 });
  }

  refuse(reason, at = this.at) {
    throw new Refusal(this.text, at, reason);
  }

  skip() {
    while (/\s/.test(this.text[this.at] ?? "")) this.at += 1;
    return this.text[this.at] ?? "";
  }

  /** Step over a sign, if it comes next. */
  take(sign) {
    const isNext = this.skip() === sign;
    if (isNext) this.at += 1;
    return isNext;
  }

  domain() {
    const axes = this.box();
    if (axes.some(({ low, high }) => low === high)) this.refuse("an interval of the domain has two different ends", 0);
    if (axes.length > VARIABLES.length) this.refuse("F has one variable or two: so has its domain", 0);
    const holes = [];
    while (this.take("\\")) {
      this.skip();
      const start = this.at;
      const found = this.take("{") ? this.points(axes.length) : [this.hole()];
      if (found.some((hole) => hole.length !== axes.length)) this.refuse(`the hole needs ${axes.length} intervals, as the domain has`, start);
      holes.push(...found);
    }
    if (this.skip()) this.refuse("only an x with another interval, or a \\ with a hole, may follow here");
    if (axes.some((_, i) => !partsOf({ axes, holes }, i).length)) this.refuse("the holes leave nothing of the domain", 0);
    return { axes, holes };
  }

  box() {
    const axes = [this.interval()];
    while (this.take("x")) axes.push(this.interval());
    return axes;
  }

  hole() {
    const start = this.at;
    const box = this.box();
    if (box.some(({ lowOpen, highOpen }) => lowOpen || highOpen)) this.refuse("a hole is closed: write its intervals with [ and ]", start);
    return box.map(({ low, high }) => [low, high]);
  }

  interval() {
    this.skip();
    const start = this.at;
    const lowOpen = this.take("(");
    if (!lowOpen && !this.take("[")) this.refuse("an interval is expected here: [a, b], (a, b], [a, b) or (a, b)");
    const low = this.end(",");
    const high = this.end(")]");
    const highOpen = this.text[this.at - 1] === ")";
    if (!(low < high || (low === high && !lowOpen && !highOpen))) this.refuse("the interval is empty: its lower end is not below the upper one", start);
    if ((low === -Infinity && !lowOpen) || (high === Infinity && !highOpen)) this.refuse("an infinite end is open: write ( or )", start);
    return { low, high, lowOpen, highOpen };
  }

  /** The number up to one of the signs, which is then behind us. */
  end(signs) {
    const start = this.at;
    let depth = 0;
    for (; this.at < this.text.length; this.at += 1) {
      const sign = this.text[this.at];
      if (depth === 0 && signs.includes(sign)) break;
      depth += (sign === "(") - (sign === ")");
    }
    if (this.at >= this.text.length) this.refuse(`one of ${[...signs].join(" ")} is missing`);
    const typed = this.text.slice(start, this.at);
    this.at += 1;
    if (/^\s*-\s*inf\s*$/.test(typed)) return -Infinity;
    if (/^\s*inf\s*$/.test(typed)) return Infinity;
    return read(this.math, typed, [], this.text, start).value;
  }

  /** The points of a hole up to its closing bracket, as closed boxes. */
  points(dimension) {
    const points = [];
    do {
      points.push(this.point(dimension).map((x) => [x, x]));
    } while (this.text[this.at - 1] === ",");
    return points;
  }

  /** The coordinates of a point, and the sign after it. */
  point(dimension) {
    if (dimension === 1) return [this.end(",}")];
    if (!this.take("(")) this.refuse(`( is expected before the ${dimension} coordinates of a point`);
    const coordinates = [];
    do {
      coordinates.push(this.end(",)"));
    } while (this.text[this.at - 1] === ",");
    if (!this.take(",") && !this.take("}")) this.refuse("} is expected after the last point");
    return coordinates;
  }
}
