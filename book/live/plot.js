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
  return { gridcolor: grid, zerolinecolor: isDark() ? "#6b7280" : "#9ca3af", automargin: true, color: ink, ...own };
}

function layout(figure) {
  const ink = isDark() ? "#e5e7eb" : "#1f2937";
  return {
    ...figure.layout,
    template: undefined,
    height: 300,
    margin: { l: 48, r: 10, t: 8, b: 40 },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: getComputedStyle(document.body).fontFamily, size: 13, color: ink },
    dragmode: false, // a finger on the plot scrolls the page
    showlegend: figure.layout.showlegend ?? figure.data.length > 1,
    legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0, ...figure.layout.legend },
    xaxis: axis(figure.layout.xaxis, ink),
    yaxis: axis(figure.layout.yaxis, ink),
  };
}

const CONFIG = { displayModeBar: false, responsive: true, displaylogo: false, showSendToCloud: false };

/** One panel: draw it whole, or only replace the arrays of its traces. */
export class Plot {
  constructor(element, figure, dark) {
    this.element = element;
    this.figure = figure;
    this.dark = dark;
  }

  async draw(arrays) {
    const data = this.figure.data.map((trace) => ({ ...trace, ...arrays[trace.name] }));
    const swap = isDark() ? this.dark : {};
    const Plotly = await plotly();
    await Plotly.react(this.element, recolour(data, swap), recolour(layout(this.figure), swap), CONFIG);
  }

  async update(arrays) {
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
