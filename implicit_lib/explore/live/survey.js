// The slopes of a function on a window, from samples: they can refute, and never prove.
import { steps } from "./window.js";

// By the number of variables: cells along each axis; halvings of a cell in which slopes differ; halvings towards an open
// end or a hole, so many of them searched for singular points; samples along each axis of a cell; and how small, relative
// to where it is, a box becomes in that search, in halvings.
const PLANS = {
  1: { cells: 32, splits: 3, ladder: 20, followed: 12, samples: 24, depth: 36 },
  2: { cells: 16, splits: 3, ladder: 14, followed: 6, samples: 4, depth: 26 },
};
const JUDGED = 12; // the smallest scales, at which growth counts
const SAFETY = 1.5; // between the largest slope that was sampled, and the one that is used
const CLOSER = 8; // steps between which a steeper part is looked for
const NAMES = ["x", "y"];

const number = (x) => String(Number(x.toPrecision(6)));

/** What a look at a cell has found. */
class Found extends Error {
  constructor(kind, statement) {
    super(statement);
    Object.assign(this, { kind, statement });
  }
}

/**
 * Samples F on a window, cell by cell: yields the share that is done, and returns { verdict: { kind, statement, lines },
 * cells: [{ box, inverse }] } with boxes [[low, high], …], and 1/M as far as samples tell.
 */
export function* survey(F, window) {
  const look = new Survey(F, window);
  const boxes = product(window.axes.map(({ low, high }) => intervals(steps(low, high, look.plan.cells))));
  const cells = [];
  try {
    for (const [i, box] of boxes.entries()) {
      for (const cell of look.cells(box)) {
        cells.push(cell);
        yield i / boxes.length;
      }
    }
  } catch (error) {
    if (!(error instanceof Found)) throw error;
    return { verdict: { kind: error.kind, statement: error.statement, lines: [look.line()] }, cells: [] };
  }
  const statement = `not refuted in ${look.count} samples; this is no proof, the notebook looks for one`;
  return { verdict: { kind: "sampled", statement, lines: [look.line()] }, cells };
}

const intervals = (ends) => ends.slice(1).map((end, i) => [ends[i], end]);

/** All choices of one element from each list; the last list runs fastest. */
const product = (lists) => lists.reduce((rows, list) => rows.flatMap((row) => list.map((each) => [...row, each])), [[]]);

/** Calls `visit` with every point of a grid; it is one array, which moves. The last axis runs fastest. */
function walk(ticks, visit, point = ticks.map(([first]) => first), i = 0) {
  if (i === ticks.length) return visit(point);
  for (const x of ticks[i]) {
    point[i] = x;
    walk(ticks, visit, point, i + 1);
  }
}

function halves(box, i) {
  const [low, high] = box[i];
  const middle = (low + high) / 2;
  return [box.with(i, [low, middle]), box.with(i, [middle, high])];
}

class Survey {
  constructor(F, window) {
    Object.assign(this, { F, window, plan: PLANS[window.axes.length], count: 0, steepest: 0 });
  }

  line() {
    return `${this.count} samples, slopes up to ${number(this.steepest)}`;
  }

  value(point) {
    this.count += 1;
    const value = this.F(point);
    if (Number.isNaN(value)) throw new Found("refuted", `at ${this.where(point)}: F is undefined there`);
    if (!Number.isFinite(value)) throw new Found("undecided", `at ${this.where(point)} the value of F is beyond double precision`);
    return value;
  }

  where(point) {
    return point.map((x, i) => `${NAMES[i]} = ${number(x)}`).join(", ");
  }

  /** Cells that cover a box. Towards an open end or a hole they halve the distance again and again; the last have no bound. */
  *cells(box, halvings = box.map(() => 0)) {
    const towards = this.missing(box);
    if (!towards) return yield { box, inverse: 0 };
    if (towards.length) {
      const i = towards.reduce((a, b) => (halvings[b] < halvings[a] ? b : a));
      const [low, high] = box[i];
      if (halvings[i] === this.plan.ladder || high - low < 2 ** -36 * Math.max(-low, high)) return yield { box, inverse: 0 };
      for (const half of halves(box, i)) yield* this.cells(half, halvings.with(i, halvings[i] + 1));
      return;
    }
    if (Math.max(...halvings) <= this.plan.followed) box.forEach((_, axis) => this.follow(box, axis));
    yield* this.bounded(box, Math.max(...halvings) ? 1 : this.plan.splits); // beside an end cells are small anyway
  }

  /** The axes along which a box reaches out of the domain; null if it lies in a hole. */
  missing(box) {
    const { axes, holes } = this.window;
    const found = new Set();
    axes.forEach(({ low, high, lowOpen, highOpen }, i) => ((lowOpen && box[i][0] === low) || (highOpen && box[i][1] === high)) && found.add(i));
    for (const hole of holes) {
      if (hole.some(([from, to], i) => from > box[i][1] || to < box[i][0])) continue;
      const beyond = hole.flatMap(([from, to], i) => (from <= box[i][0] && box[i][1] <= to ? [] : [i]));
      if (!beyond.length) return null;
      beyond.forEach((i) => found.add(i));
    }
    return [...found];
  }

  /** The cell with its slope, halved where slopes differ much. */
  *bounded(box, splits) {
    const { least, largest, steepAxis } = this.slopes(box);
    if (splits > 0 && largest > 1 && largest > 2 * least) {
      for (const half of halves(box, steepAxis)) yield* this.bounded(half, splits - 1);
      return;
    }
    this.steepest = Math.max(this.steepest, largest);
    yield { box, inverse: 1 / (SAFETY * largest) };
  }

  /** Lengths of gradients, by difference quotients between samples and close to each; and the axis along which F changes most. */
  slopes(box) {
    const ticks = box.map(([low, high]) => steps(low, high, this.plan.samples).slice(0, -1));
    const gaps = box.map(([low, high]) => (high - low) / this.plan.samples);
    const along = box.map(() => 0);
    let [least, largest] = [Infinity, 0];
    walk(ticks, (point) => {
      const here = this.value(point);
      let square = 0;
      for (let i = 0; i < point.length; i += 1) {
        const x = point[i];
        let rate = 0;
        for (const end of [Math.min(x + gaps[i], box[i][1]), x + gaps[i] * 2 ** -10]) {
          point[i] = end;
          rate = Math.max(rate, Math.abs(this.value(point) - here) / (end - x));
        }
        point[i] = x;
        along[i] = Math.max(along[i], rate);
        square += rate * rate;
      }
      [least, largest] = [Math.min(least, Math.sqrt(square)), Math.max(largest, Math.sqrt(square))];
    });
    const changes = along.map((rate, i) => rate * (box[i][1] - box[i][0]));
    return { least, largest, steepAxis: changes.indexOf(Math.max(...changes)) };
  }

  /** Follow the largest difference along an axis of a box: where it grows steeper at every scale, F is refuted. */
  follow(box, axis) {
    const scales = box.map(([low, high]) => Math.max(-low, high));
    const seen = [];
    while (box.every(([low, high], i) => high - low > scales[i] * 2 ** -this.plan.depth)) {
      const look = this.closer(box, axis);
      if (look.rise <= look.size * 2 ** -40) return; // as flat as double precision can tell
      seen.push(look);
      ({ box } = look);
    }
    if (seen.length >= JUDGED) this.judge(seen.slice(-JUDGED), box, scales);
  }

  /** The largest difference between neighbours on a grid, its slope, the largest value, and the smaller box around it. */
  closer(box, axis) {
    const ticks = box.map(([low, high]) => steps(low, high, CLOSER));
    const values = [];
    walk(ticks, (point) => values.push(this.value(point)));
    const strides = box.map((_, i) => (CLOSER + 1) ** (box.length - 1 - i));
    const place = (k, i) => Math.floor(k / strides[i]) % (CLOSER + 1);
    let [rise, best, size] = [-1, 0, 0];
    values.forEach((value, k) => {
      size = Math.max(size, Math.abs(value));
      const here = place(k, axis) < CLOSER ? Math.abs(values[k + strides[axis]] - value) : -1;
      if (here > rise) [rise, best] = [here, k];
    });
    const [low, high] = box[axis];
    // of every axis the same share, so that its slopes are compared in boxes of one shape
    const around = ticks.map((list, i) => [-1, 2].map((step) => list[Math.min(Math.max(place(best, i), 1), CLOSER - 2) + step]));
    return { rise, slope: (rise * CLOSER) / (high - low), size, box: around };
  }

  /** What differences at ever smaller scales say. A pole may lie anywhere between samples: the largest of three count. */
  judge(seen, box, scales) {
    const grows = (name) => {
      const largest = (looks) => Math.max(...looks.map((look) => look[name]));
      return largest(seen.slice(-3)) / largest(seen.slice(0, 3));
    };
    const middle = box.map(([low, high]) => (low + high) / 2);
    const where = `at ${this.where(middle.map((x, i) => (Math.abs(x) < scales[i] * 2 ** (6 - this.plan.depth) ? 0 : x)))}`;
    if (grows("slope") < 1.2) return;
    if (grows("slope") < 3) throw new Found("undecided", `${where} slopes grow slowly the closer one looks`);
    if (grows("size") > 1.2) throw new Found("refuted", `${where}: F has a pole there, its values grow without bound`);
    if (grows("rise") > 0.3) throw new Found("refuted", `${where}: F jumps there, by ${number(seen.at(-1).rise)}`);
    throw new Found("refuted", `${where}: F has an infinite slope there`);
  }
}
