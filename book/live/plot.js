// Panels drawn by plotly, in the page's own colours, light and dark.

const PLOTLY = new URL("../vendor/plotly/plotly-cartesian.min.js", import.meta.url).href;
let loading;

/** The one copy of plotly that all figures of a page share. */
export function plotly() {
  loading ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = PLOTLY;
    script.onload = () => resolve(window.Plotly);
    script.onerror = () => reject(new Error(`could not load ${PLOTLY}`));
    document.head.append(script);
  });
  return loading;
}

export const isDark = () => document.documentElement.dataset.theme === "dark";

/** Call `listener` whenever the page turns light or dark. */
export function onThemeChange(listener) {
  const observer = new MutationObserver(listener);
  observer.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
  return observer;
}

/** A copy of a plotly description in which every colour of the book's palette is its dark variant. */
function recolour(value, swap) {
  if (Array.isArray(value)) return value.map((part) => recolour(part, swap));
  if (value && typeof value === "object")
    return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, recolour(part, swap)]));
  return swap[value] ?? value;
}

function axis(own, ink) {
  const grid = isDark() ? "#3b4252" : "#e5e7eb";
  const zeroline = isDark() ? "#6b7280" : "#9ca3af";
  // Labels may hang over the ends: hiding those that do measures every label at every move.
  return { gridcolor: grid, zerolinecolor: zeroline, color: ink, nticks: 5, ticklabeloverflow: "allow", ...own };
}

function layout(figure) {
  const ink = isDark() ? "#e5e7eb" : "#1f2937";
  return {
    ...figure.layout,
    template: undefined,
    height: 300,
    margin: { l: 60, r: 10, t: 14, b: 42 }, // fixed: automatic margins draw everything twice
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: getComputedStyle(document.body).fontFamily, size: 13, color: ink },
    dragmode: false, // a finger on the plot scrolls the page
    showlegend: false, // see legend()
    xaxis: axis(figure.layout.xaxis, ink),
    yaxis: axis(figure.layout.yaxis, ink),
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

const CONFIG = { displayModeBar: false, responsive: true, displaylogo: false, showSendToCloud: false };

/** One panel: draw it whole, or only replace the arrays of its traces. */
export class Plot {
  /** `element` is the plot's place, `names` the list of its legend, `dark` the colours to swap in the dark. */
  constructor(element, names, figure, dark) {
    Object.assign(this, { element, names, figure, dark });
    this.onScreen = true; // until the observer has looked
    this.observer = new IntersectionObserver(([entry]) => this.#look(entry.isIntersecting));
    this.observer.observe(element);
  }

  /** A plot out of sight waits with its newest arrays, so that the ones in sight follow the hand. */
  #look(onScreen) {
    this.onScreen = onScreen;
    if (onScreen && this.waiting) this.update(this.waiting);
  }

  async draw(arrays) {
    this.waiting = null;
    const data = this.figure.data.map((trace) => ({ ...trace, ...arrays[trace.name] }));
    const swap = isDark() ? this.dark : {};
    this.names.replaceChildren(...legend(this.figure, swap));
    const Plotly = await plotly();
    await Plotly.react(this.element, recolour(data, swap), recolour(layout(this.figure), swap), CONFIG);
  }

  async update(arrays) {
    this.waiting = this.onScreen ? null : arrays;
    if (this.waiting) return;
    const indices = this.figure.data.map((trace, i) => (trace.name in arrays ? i : -1)).filter((i) => i >= 0);
    if (!indices.length) return;
    const bound = indices.map((i) => arrays[this.figure.data[i].name]);
    const changes = {};
    for (const key of ["x", "y"]) {
      const current = indices.map((i, k) => bound[k][key] ?? this.figure.data[i][key]);
      if (bound.some((references) => key in references)) changes[key] = current;
    }
    await (await plotly()).restyle(this.element, changes, indices);
  }
}
