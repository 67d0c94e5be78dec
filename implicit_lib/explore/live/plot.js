// Panels drawn by plotly, in the colours of where they stand, light and dark.
import { moveTrace } from "./curves.js";

function load(source) {
  return new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = source;
    script.onload = () => resolve(window.Plotly);
    script.onerror = () => reject(new Error(`could not load ${source}`));
    document.head.append(script);
  });
}

const vendored = async () => new URL("../vendor/plotly/plotly-cartesian.min.js", import.meta.url).href;

/** The one copy of plotly that all figures share; the first to ask says where it comes from. */
export function plotly(findSource = vendored) {
  window.plotlyOfExplorers ??= findSource()
    .then(load)
    .catch((error) => {
      delete window.plotlyOfExplorers; // the next figure tries again
      throw error;
    });
  return window.plotlyOfExplorers;
}

/** The colour of the text where a figure stands. */
const inkOf = (element) => getComputedStyle(element).color;

/** Whether the page is dark: then its text is light. */
function isDark(element) {
  const [red, green, blue] = inkOf(element).match(/[\d.]+/g).map(Number);
  return red + green + blue > 3 * 128;
}

/** A copy of a plotly description in which every colour of the book's palette is its dark variant. */
function recolour(value, swap) {
  if (Array.isArray(value)) return value.map((part) => recolour(part, swap));
  if (value && typeof value === "object")
    return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, recolour(part, swap)]));
  return swap[value] ?? value;
}

/** A trace whose every point is drawn, as it is when the curve moves: dashes would jump where points were left out. */
const unsimplified = (trace) => (trace.type === "scatter" ? { ...trace, line: { simplify: false, ...trace.line } } : trace);

const LINES = { gridcolor: "rgba(128,128,128,.25)", zerolinecolor: "rgba(128,128,128,.7)" };

function layout(figure, element) {
  const ink = inkOf(element);
  // Labels may hang over the ends: hiding those that do measures every one.
  const axis = { ...LINES, color: ink, nticks: 5, ticklabeloverflow: "allow" };
  return {
    ...figure.layout,
    template: undefined,
    height: 300,
    margin: { l: 60, r: 10, t: 14, b: 42 }, // fixed: automatic ones draw everything twice
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: getComputedStyle(element).fontFamily, size: 13, color: ink },
    dragmode: false, // a finger on the plot scrolls the page
    showlegend: false, // see legend()
    xaxis: { ...axis, ...figure.layout.xaxis },
    yaxis: { ...axis, ...figure.layout.yaxis },
  };
}

const SVG = "http://www.w3.org/2000/svg";
const DASHES = { dash: "6 4", dot: "2 3", dashdot: "6 3 2 3" };

function svg(tag, attributes) {
  const node = document.createElementNS(SVG, tag);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  return node;
}

/** How a trace looks: a piece of its line, or its marker. */
function swatch(trace, swap) {
  const drawing = svg("svg", { width: 26, height: 12, "aria-hidden": "true" });
  const colour = (part) => swap[part?.color] ?? part?.color ?? "currentColor";
  if (trace.mode === "markers") drawing.append(svg("circle", { cx: 13, cy: 6, r: 4, fill: colour(trace.marker) }));
  else {
    const dash = DASHES[trace.line?.dash] ?? "";
    drawing.append(svg("path", { d: "M1 6H25", stroke: colour(trace.line), "stroke-width": 2, "stroke-dasharray": dash }));
  }
  return drawing;
}

/** The names of a figure's traces. Plotly's own legend is drawn anew at every move, and takes as long as the curves. */
function legend(figure, swap) {
  const named = figure.data.filter((trace) => trace.type === "scatter" && trace.showlegend !== false);
  if (named.length < 2) return [];
  return named.map((trace) => {
    const item = document.createElement("li");
    item.append(swatch(trace, swap), trace.name);
    return item;
  });
}

const CONFIG = { displayModeBar: false, displaylogo: false, showSendToCloud: false };

/** One panel: drawn whole, moved with the hand, and settled when the hand rests. */
export class Plot {
  /** `element` is the plot's place, `names` the list of its legend, `dark` the colours to swap in the dark. */
  constructor(element, names, figure, dark) {
    Object.assign(this, { element, names, figure, dark });
    this.onScreen = true; // until the observer has looked
    new IntersectionObserver((entries) => this.#look(entries.at(-1).isIntersecting)).observe(element); // the newest is last
    new ResizeObserver(() => this.#fit()).observe(element);
  }

  /** A plot out of sight waits with its newest arrays, so that the ones in sight follow the hand. */
  #look(onScreen) {
    this.onScreen = onScreen;
    if (onScreen && this.waiting) this[this.waiting.how](this.waiting.arrays);
  }

  #fit() {
    const { clientWidth, _fullLayout: drawn } = this.element;
    if (clientWidth && drawn && clientWidth !== drawn.width) window.Plotly.Plots.resize(this.element);
  }

  /** Put ticks along the axes, { x: [[value, label], …] }; whether they are others than before. */
  mark(ticks) {
    const text = JSON.stringify(ticks);
    if (text === this.marked) return false;
    this.marked = text;
    const { layout } = this.figure;
    const marked = Object.entries(ticks).map(([axis, pairs]) => {
      const [tickvals, ticktext] = [0, 1].map((part) => pairs.map((pair) => pair[part]));
      return [`${axis}axis`, { ...layout[`${axis}axis`], tickmode: "array", tickvals, ticktext }];
    });
    this.figure = { ...this.figure, layout: { ...layout, ...Object.fromEntries(marked) } };
    return true;
  }

  async draw(arrays) {
    const Plotly = await plotly();
    // JupyterLab keeps cells that are out of sight out of the document, without a size and a colour.
    this.waiting = this.element.clientWidth ? null : { how: "draw", arrays };
    if (this.waiting) return;
    this.moved = null;
    const swap = isDark(this.element) ? this.dark : {};
    const data = this.figure.data.map((trace) => ({ ...unsimplified(recolour(trace, swap)), ...arrays[trace.name] }));
    this.names.replaceChildren(...legend(this.figure, swap));
    await Plotly.react(this.element, data, recolour(layout(this.figure, this.element), swap), CONFIG);
  }

  /** Move the curves; plotly itself draws only what cannot be moved, and hears of the rest in `settle`. */
  async update(arrays) {
    const how = this.waiting?.how ?? "update";
    this.waiting = this.onScreen && how === "update" ? null : { how, arrays };
    if (this.waiting) return;
    this.moved = arrays;
    const moved = this.#bound(arrays).every((i) => moveTrace(this.element, i, arrays[this.figure.data[i].name]));
    if (!moved) await this.settle();
  }

  /** Tell plotly the arrays that are shown: it answers the mouse, and draws anew in another theme or size. */
  async settle() {
    if (!this.moved) return;
    const arrays = this.moved;
    this.moved = null;
    const indices = this.#bound(arrays);
    const changes = {};
    for (const key of ["x", "y"]) {
      const current = indices.map((i) => ({ ...this.figure.data[i], ...arrays[this.figure.data[i].name] })[key]);
      if (indices.some((i) => key in arrays[this.figure.data[i].name])) changes[key] = current;
    }
    if (indices.length) await (await plotly()).restyle(this.element, changes, indices);
  }

  /** The places of the traces that have arrays of their own. */
  #bound(arrays) {
    return this.figure.data.flatMap((trace, i) => (trace.name in arrays ? [i] : []));
  }
}
