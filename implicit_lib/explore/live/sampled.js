// The figure of a function whose slopes were sampled in the browser: the twin of implicit_lib/typed/_figure.py.
import { frame, SymbolicRunner, Trajectory } from "./trajectory.js";
import { contains, pointsOf, steps } from "./window.js";

const CAP = 0.5; // of the radius
const PROBE_STEPS = 200;
const PROBE_SHARES = [0.3, 0.8, 0.05, 0.55]; // of its way, where a slider may stand first
const SECTIONS = 4; // steps of the second variable, for the ranges of the axes

/**
 * The description of a preset's figure with the values of another F of as many variables, and its system.
 * `cells` are those of a survey, `template` the preset's description, `fields` what its system views.
 */
export async function figureOf(F, window, cells, title, { template, fields }) {
  const description = structuredClone(template);
  const [t, ...probe] = description.controls;
  Object.assign(description, { title, name: `${template.name}_typed` });
  const places = PROBE_SHARES.map((share) => window.axes.map((axis) => range(axis, share)));
  const place = places.find((ranges) => contains(window, ranges.map(({ value }) => value))) ?? places[0];
  probe.forEach((slider, i) => Object.assign(slider, place[i]));
  const system = systemOf(F, window, cells, probe.map(({ name }) => name), fields);
  const trajectory = new Trajectory(new SymbolicRunner(system));
  const sections = [];
  for (const section of sectionsOf(probe)) {
    await trajectory.adopt({ [probe[0].name]: probe[0].maximum, ...section });
    sections.push(await trajectory.viewsTo(t.maximum));
  }
  setRanges(description.panels, window, sections);
  await trajectory.adopt(Object.fromEntries(probe.map(({ name, value }) => [name, value])));
  description.first = frame(description, await trajectory.viewsTo(t.value));
  return { description, systems: { "": system } };
}

/** Where the slider of a coordinate runs, and stands. */
function range({ low, high, lowOpen, highOpen }, share) {
  const step = (high - low) / PROBE_STEPS;
  const [minimum, maximum] = [low + step * Number(lowOpen), high - step * Number(highOpen)];
  return { minimum, maximum, step, value: minimum + Math.round((share * (maximum - minimum)) / step) * step };
}

/** Of a function of one variable there is one; else those at some values of the second. */
const sectionsOf = ([, second]) => (second ? steps(second.minimum, second.maximum, SECTIONS).map((value) => ({ [second.name]: value })) : [{}]);

/** r̂ of cells, and its slopes, at a point. */
function radiusOf(cells) {
  const matter = cells.filter(({ inverse }) => inverse < CAP);
  const table = Float64Array.from(matter.flatMap(({ box, inverse }) => [...box.flat(), inverse])); // a move reads it often
  return (point) => {
    const width = 2 * point.length + 1;
    let [least, nearest] = [CAP, -1];
    for (let at = 0; at < table.length; at += width) {
      const inverse = table[at + width - 1];
      if (inverse >= least) continue;
      let square = 0;
      for (let i = 0; i < point.length; i += 1) {
        const beyond = Math.max(table[at + 2 * i] - point[i], point[i] - table[at + 2 * i + 1], 0);
        square += beyond * beyond;
      }
      const radius = Math.max(Math.sqrt(square), inverse);
      if (radius < least) [least, nearest] = [radius, at];
    }
    const isFlat = nearest < 0 || least === table[nearest + width - 1];
    const there = (x, i) => Math.max(table[nearest + 2 * i], Math.min(x, table[nearest + 2 * i + 1]));
    return { radius: least, slopes: point.map((x, i) => (isFlat ? 0 : (x - there(x, i)) / least)) };
  };
}

/**
 * y ← y + ε(x) (F(x) − y), with its slopes and the limit of their length, as the page runs a system. Points run along the
 * first axis; the controls of the given names hold the coordinates of the probe.
 */
function systemOf(F, window, cells, names, fields) {
  const radiusAt = radiusOf(cells);
  const d = names.length;
  const quotient = (point, i) => {
    const h = (window.axes[i].high - window.axes[i].low) * 2 ** -22;
    const [a, b] = [point[i] - h, point[i] + h].map((x) => (contains(window, point.with(i, x)) ? point.with(i, x) : point));
    return (F(b) - F(a)) / (b[i] - a[i]);
  };
  // a state: y, ε, F, the limit, what hides holes; then the slopes of y, of ε and of F along each axis
  const start = (_, x, controls) => {
    const point = [x, ...names.slice(1).map((name) => controls[name])];
    if (!contains(window, point)) return [0, 1, 0, 0, NaN, ...Array(3 * d).fill(0)];
    const f = F(point);
    const slopes = point.map((_, i) => quotient(point, i));
    const { radius, slopes: bends } = radiusAt(point);
    const size = 1 + Math.abs(f);
    const rates = slopes.map((slope, i) => bends[i] / size - (radius * Math.sign(f) * slope) / size ** 2);
    return [0, radius / size, f, 0, 0, ...Array(d).fill(0), ...rates, ...slopes];
  };
  const step = (state) => {
    const [y, e, f, limit] = state;
    const next = [...state];
    next[0] = y + e * (f - y);
    next[3] = (1 - e) * limit + 2 * (1 + Math.abs(y));
    for (let i = 5; i < 5 + d; i += 1) next[i] = (1 - e) * state[i] + state[i + d] * (f - y) + e * state[i + 2 * d];
    return next;
  };
  const view = ([y, e, f, limit, gap, ...slopes], x, controls, t) => {
    const slope = Math.hypot(...slopes.slice(0, d));
    const before = t < 1 ? NaN : 0; // a logarithmic axis has no 0
    return [
      ...[x + gap, f, y, e, slope, limit, controls[names[0]]], // in the order of the fields of implicit_lib/typed
      ...[f + gap, y + gap, Math.abs(f - y) + gap, e + gap, slope + gap, limit + gap],
      ...[slope + before, limit + before, slope + before + gap, limit + before + gap],
    ];
  };
  return { kind: "symbolic", points: pointsOf(window), probe: names[0], stepControls: names, fields, start, step, view };
}

/** The axes show what the figure does at any t, in sections all over the window, but for the far ends of F. */
function setRanges(panels, window, sections) {
  const [iterates, step, slopes] = panels.map(({ figure }) => figure.layout);
  const [{ low, high }] = window.axes;
  iterates.xaxis.range = step.xaxis.range = [low, high];
  const inside = (name) => sections.map(([first]) => first[name].filter((_, i) => !Number.isNaN(first.x[i]))).filter((values) => values.length);
  const targets = inside("target");
  // at its first and last value the second variable may be next to a pole, where F is out of proportion
  iterates.yaxis.range = rangeOfValues((targets.length > 2 ? targets.slice(1, -1) : targets).flat());
  step.yaxis.range = decades(inside("step").flat().filter((value) => value > 0));
  const views = sections.flatMap((all) => all.slice(1));
  const top = Math.max(...views.map((view) => view.limit));
  const bottom = Math.min(top, ...views.map((view) => view.slope).filter((slope) => slope > 0));
  slopes.yaxis.range = decades([Math.max(bottom, 1e-4 * top), top]);
}

/** All of F but its far ends, and 0, where the iterates start. */
function rangeOfValues(values) {
  const sorted = [...values, 0].sort((a, b) => a - b);
  const quantile = (share) => sorted[Math.round(share * (sorted.length - 1))];
  const reach = 0.35 * (quantile(0.94) - quantile(0.06)) || 1;
  const low = Math.max(quantile(0.06) - reach, Math.min(...values) - 0.1 * reach);
  const high = Math.min(quantile(0.94) + reach, Math.max(...values) + 0.1 * reach);
  return [Math.min(low, -0.1 * reach), Math.max(high, 0.1 * reach)];
}

const decades = (values) => [Math.log10(Math.min(...values)) - 0.3, Math.log10(Math.max(...values)) + 0.3];
