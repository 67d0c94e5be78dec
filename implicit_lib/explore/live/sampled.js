// The Lipschitz radius of a function in the browser, from samples: they can refute, and never prove. And the system of
// its regular operator, the twin of implicit_lib/typed.

const CELLS = 32;
const SPLITS = 3; // further halvings of a cell in which slopes differ
const LADDER = 20; // halvings towards an open end
const FOLLOWED = 12; // of them, so many are searched for singular points
const SAMPLES = 24; // in a cell
const JUDGED = 12; // the smallest scales, at which growth counts
const CAP = 0.5;
const SAFETY = 1.5; // between the largest slope that was sampled, and the one that is used
const REACH = 8; // of an infinite interval
const POINTS = 160;
const PROBE_STEPS = 200;

const number = (x) => String(Number(x.toPrecision(6)));

/** The bounded part of a domain that is looked at. */
export function windowOf(parts) {
  return parts.map(({ low, high, lowOpen, highOpen }) => {
    const from = low === -Infinity ? (high === Infinity ? -REACH : high - REACH) : low;
    const to = high === Infinity ? (low === -Infinity ? REACH : low + REACH) : high;
    return { low: from, high: to, lowOpen, highOpen };
  });
}

/** What a look at a cell has found. */
class Found extends Error {
  constructor(kind, statement) {
    super(statement);
    Object.assign(this, { kind, statement });
  }
}

/** Samples F on all parts of a window: { verdict: { kind, statement, lines }, cells: [[low, high, 1/M]] }. */
export function survey(F, parts) {
  const look = new Survey(F);
  const cells = [];
  try {
    for (const part of parts) cells.push(...look.part(part));
  } catch (error) {
    if (!(error instanceof Found)) throw error;
    return { verdict: { kind: error.kind, statement: error.statement, lines: [look.line()] }, cells: [] };
  }
  for (let i = 1; i < parts.length; i += 1) cells.push([parts[i - 1].high, parts[i].low, 0]);
  const statement = `not refuted in ${look.count} samples; this is no proof, the notebook looks for one`;
  return { verdict: { kind: "sampled", statement, lines: [look.line()] }, cells };
}

class Survey {
  constructor(F) {
    Object.assign(this, { F, count: 0, steepest: 0 });
  }

  line() {
    return `${this.count} samples, slopes up to ${number(this.steepest)}`;
  }

  value(x) {
    this.count += 1;
    const value = this.F(x);
    if (Number.isNaN(value)) throw new Found("refuted", `at x = ${number(x)}: F is undefined there`);
    if (!Number.isFinite(value)) throw new Found("undecided", `at x = ${number(x)} the value of F is beyond double precision`);
    return value;
  }

  part({ low, high, lowOpen, highOpen }) {
    const cells = [];
    const width = (high - low) / CELLS;
    for (let i = 0; i < CELLS; i += 1) {
      const [a, b] = [low + i * width, i === CELLS - 1 ? high : low + (i + 1) * width];
      if (i === 0 && lowOpen) cells.push(...this.ladder(b, a));
      else if (i === CELLS - 1 && highOpen) cells.push(...this.ladder(a, b));
      else {
        this.follow(a, b);
        cells.push(...this.cell(a, b, SPLITS));
      }
    }
    return cells;
  }

  /** Cells that halve the distance to an open end again and again, and a last one without a bound. */
  ladder(from, end) {
    const cells = [];
    const sorted = (a, b) => [Math.min(a, b), Math.max(a, b)];
    let near = from;
    for (let k = 1; k <= LADDER; k += 1) {
      const next = end + (from - end) / 2 ** k;
      if (next === near || next === end) break;
      if (k <= FOLLOWED) this.follow(...sorted(near, next));
      cells.push(...this.cell(...sorted(near, next), 1));
      near = next;
    }
    return [...cells, [...sorted(near, end), 0]];
  }

  /** The cell with its slope, halved where slopes differ much. */
  cell(a, b, splits) {
    const slopes = this.slopes(a, b);
    const largest = Math.max(...slopes);
    if (splits > 0 && largest > 1 && largest > 2 * Math.min(...slopes)) {
      const middle = (a + b) / 2;
      return [...this.cell(a, middle, splits - 1), ...this.cell(middle, b, splits - 1)];
    }
    this.steepest = Math.max(this.steepest, largest);
    return [[a, b, 1 / (SAFETY * largest)]];
  }

  /** Difference quotients between samples, and close to each. */
  slopes(a, b) {
    const gap = (b - a) / SAMPLES;
    const h = gap * 2 ** -10;
    const slopes = [];
    let before = this.value(a);
    for (let i = 0; i < SAMPLES; i += 1) {
      const x = a + i * gap;
      const after = this.value(i === SAMPLES - 1 ? b : x + gap);
      slopes.push(Math.abs(after - before) / gap, Math.abs(this.value(x + h) - before) / (x + h - x));
      before = after;
    }
    return slopes;
  }

  /** Follow the largest difference in an interval: where it grows steeper at every scale, F is refuted. */
  follow(a, b) {
    const scale = Math.max(Math.abs(a), Math.abs(b));
    const seen = [];
    while (b - a > scale * 2 ** -36) {
      const xs = Array.from({ length: 9 }, (_, i) => (i === 8 ? b : a + ((b - a) * i) / 8));
      const values = xs.map((x) => this.value(x));
      const rises = values.slice(1).map((value, i) => Math.abs(value - values[i]));
      const at = rises.indexOf(Math.max(...rises));
      const size = Math.max(...values.map(Math.abs));
      if (rises[at] <= size * 2 ** -40) return; // as flat as double precision can tell
      seen.push({ rise: rises[at], slope: rises[at] / (xs[at + 1] - xs[at]), size });
      [a, b] = [xs[Math.max(at - 1, 0)], xs[Math.min(at + 2, 8)]];
    }
    if (seen.length >= JUDGED) this.judge(seen.slice(-JUDGED), (a + b) / 2, scale);
  }

  /** What differences at ever smaller scales say. A pole may lie anywhere between samples: the largest of three count. */
  judge(seen, x, scale) {
    const grows = (name) => {
      const largest = (looks) => Math.max(...looks.map((look) => look[name]));
      return largest(seen.slice(-3)) / largest(seen.slice(0, 3));
    };
    const where = `at x = ${number(Math.abs(x) < scale * 2 ** -30 ? 0 : x)}`;
    if (grows("slope") < 1.2) return;
    if (grows("slope") < 3) throw new Found("undecided", `${where} slopes grow slowly the closer one looks`);
    if (grows("size") > 1.2) throw new Found("refuted", `${where}: F has a pole there, its values grow without bound`);
    if (grows("rise") > 0.3) throw new Found("refuted", `${where}: F jumps there, by ${number(seen.at(-1).rise)}`);
    throw new Found("refuted", `${where}: F has an infinite slope there`);
  }
}

const inside = (parts) => (x) =>
  parts.some(({ low, high, lowOpen, highOpen }) => (lowOpen ? x > low : x >= low) && (highOpen ? x < high : x <= high));

/** About POINTS points, as the window of implicit_lib/typed has them. */
export function pointsOf(parts) {
  const total = parts.reduce((sum, { low, high }) => sum + high - low, 0);
  const grids = parts.flatMap(({ low, high, lowOpen, highOpen }) => {
    const count = Math.max(8, Math.round((POINTS * (high - low)) / total));
    const steps = Array.from({ length: count + 1 }, (_, i) => i).slice(Number(lowOpen), highOpen ? count : count + 1);
    return steps.map((i) => low + ((high - low) * i) / count);
  });
  const holes = parts.slice(1).map(({ low }, i) => (parts[i].high + low) / 2);
  return [...grids, ...holes].sort((a, b) => a - b);
}

/** y ← y + ε(x) (F(x) − y), with its slope and the limit of that, as the page runs a system. */
export function systemOf(F, parts, cells) {
  const width = parts.at(-1).high - parts[0].low;
  const isIn = inside(parts);
  const radius = (x) => cells.reduce((least, [low, high, inverse]) => Math.min(least, Math.max(low - x, x - high, inverse)), CAP);
  const quotient = (f, x, h) => {
    const [a, b] = [isIn(x - h) ? x - h : x, isIn(x + h) ? x + h : x];
    return (f(b) - f(a)) / (b - a);
  };
  const start = (_, x) => {
    if (!isIn(x)) return [0, 0, 1, 0, 0, 0, 0, NaN];
    const [f, df, r] = [F(x), quotient(F, x, width * 2 ** -22), radius(x)];
    const size = 1 + Math.abs(f);
    const dr = (radius(x + width * 2 ** -24) - radius(x - width * 2 ** -24)) / (width * 2 ** -23);
    return [0, 0, r / size, dr / size - (r * Math.sign(f) * df) / size ** 2, f, df, 0, 0];
  };
  const step = ([y, dy, e, de, f, df, limit, gap]) => [
    y + e * (f - y),
    (1 - e) * dy + de * (f - y) + e * df,
    e,
    de,
    f,
    df,
    (1 - e) * limit + 2 * (1 + Math.abs(y)),
    gap,
  ];
  const view = ([y, dy, e, , f, , limit, gap], x, { x0 }, t) => {
    const slope = Math.abs(dy);
    const before = t < 1 ? NaN : 0; // a logarithmic axis has no 0
    return [
      ...[x + gap, f, y, e, slope, limit, x0], // in the order of the fields of implicit_lib/typed
      ...[f + gap, y + gap, Math.abs(f - y) + gap, e + gap, slope + gap, limit + gap],
      ...[slope + before, limit + before, slope + before + gap, limit + before + gap],
    ];
  };
  return { kind: "symbolic", points: pointsOf(parts), probe: "x0", stepControls: ["x0"], start, step, view };
}

/** The fields of a figure's description that depend on F: title, probe and the ranges of the axes. */
export function describe(template, title, parts, views) {
  const description = structuredClone(template);
  const [low, high] = [parts[0].low, parts.at(-1).high];
  const [first, last] = [Number(parts[0].lowOpen), PROBE_STEPS - Number(parts.at(-1).highOpen)];
  const step = (high - low) / PROBE_STEPS;
  const value = low + (first + Math.round(0.3 * (last - first))) * step;
  description.title = title;
  description.name += "_typed";
  Object.assign(description.controls[1], { minimum: low + first * step, maximum: low + last * step, step, value });
  const [iterates, steps, slopes] = description.panels.map((panel) => panel.figure.layout);
  iterates.xaxis.range = steps.xaxis.range = [low, high];
  iterates.yaxis.range = rangeOfValues(views[0]);
  const isPoint = views[0].x.map((x) => !Number.isNaN(x));
  steps.yaxis.range = decades(views[0].step.filter((_, i) => isPoint[i]));
  const top = Math.max(...views.map((view) => view.limit));
  const bottom = Math.min(top, ...views.map((view) => view.slope).filter((slope) => slope > 0));
  slopes.yaxis.range = decades([Math.max(bottom, 1e-4 * top), top]);
  return description;
}

/** All of F but its far ends, and 0, where the iterates start. */
function rangeOfValues({ target, x }) {
  const values = target.filter((_, i) => !Number.isNaN(x[i])).sort((a, b) => a - b);
  const sorted = [...values, 0].sort((a, b) => a - b);
  const quantile = (share) => sorted[Math.round(share * (sorted.length - 1))];
  const reach = 0.35 * (quantile(0.94) - quantile(0.06)) || 1;
  const low = Math.max(quantile(0.06) - reach, values[0] - 0.1 * reach);
  const high = Math.min(quantile(0.94) + reach, values.at(-1) + 0.1 * reach);
  return [Math.min(low, -0.1 * reach), Math.max(high, 0.1 * reach)];
}

const decades = (values) => [Math.log10(Math.min(...values)) - 0.3, Math.log10(Math.max(...values)) + 0.3];
