// A figure that the reader moves: controls, numbers and plots. What computes it is not its business.
import { element, format, makeControl, makePlay } from "./controls.js";
import { makePhotograph } from "./photograph.js";
import { Pictures } from "./pictures.js";
import { Plot } from "./plot.js";
import { makeText } from "./text.js";

const REST = 300; // milliseconds without a move: longer than a step of Play
const MAKERS = { text: makeText, photograph: makePhotograph };
let figures = 0;

/** What a reader is told when something failed. */
export const failure = (what, error) => `This figure ${what}: ${error.message}. Reload the page to try again.`;

export class Figure {
  #resting;

  /** Build the figure of a description into `root`; `onMove` is called after every move of a control. */
  constructor(root, description, onMove) {
    Object.assign(this, { root, description, plots: [] });
    const { controls } = description;
    const prefix = `explorer-${description.name}-${++figures}`;
    const make = (c) => (MAKERS[c.kind] ?? makeControl)(c, prefix, onMove);
    this.controls = Object.fromEntries(controls.map((c) => [c.name, make(c)]));
    const [iterations] = controls;
    this.play = makePlay(iterations, this.controls[iterations.name], onMove);
    this.controls[iterations.name].row.append(this.play.button);
    this.#build();
    // The page turned light or dark: a transition (see explorer.css) tells of it wherever the figure stands. JupyterLab
    // takes the cell out of the document meanwhile, which cancels it; a frame later all has its colour.
    const turn = ({ target, propertyName }) => {
      if (target === root && propertyName === "color" && this.last)
        requestAnimationFrame(() => this.show(this.last, "draw"));
    };
    for (const end of ["transitionend", "transitioncancel"]) root.addEventListener(end, turn);
  }

  #build() {
    const { title, controls, panels, readouts } = this.description;
    const rows = (isText) => controls.filter(({ kind }) => (kind === "text") === isText).map((c) => this.controls[c.name].row);
    const [t, ...others] = rows(false);
    this.numbers = readouts.map(() => element("dd", {}));
    const list = readouts.map(({ label }, i) => element("div", {}, element("dt", {}, label), this.numbers[i]));
    this.status = element("p", { class: "status", role: "status" });
    this.spoken = element("p", { class: "spoken", role: "status" });
    const [first, ...rest] = panels.map((panel) => this.#panel(panel));
    this.root.classList.add("rich-explorer");
    this.root.setAttribute("role", "group");
    this.root.setAttribute("aria-label", title);
    this.root.replaceChildren(
      element("p", { class: "title" }, title),
      ...rows(true),
      t, // the slider that matters stands right above the plot that it moves, on a phone too
      first,
      element("div", { class: "controls" }, ...others),
      element("dl", { class: "readouts" }, ...list),
      this.status,
      this.spoken,
      element("div", { class: "panels" }, ...rest),
    );
  }

  #panel(panel) {
    const { title, alt, figure } = panel;
    if (!figure) {
      const pictures = new Pictures(panel);
      this.plots.push(pictures);
      return element("figure", {}, element("figcaption", {}, title), pictures.element);
    }
    const canvas = element("div", { class: "plot", role: "img", "aria-label": alt });
    const names = element("ul", { class: "legend" });
    this.plots.push(new Plot(canvas, names, figure, this.description.dark));
    return element("figure", {}, element("figcaption", {}, title), names, canvas);
  }

  /** What the controls are set to. */
  get settings() {
    return Object.fromEntries(Object.entries(this.controls).map(([name, control]) => [name, control.get()]));
  }

  /** Set controls by name, without a move. */
  set(values) {
    for (const [name, value] of Object.entries(values)) this.controls[name].set(value);
  }

  /** A line for the reader, below the numbers. */
  say(text) {
    this.status.textContent = text;
  }

  /** Show a frame: by moving the curves ("update"), or by drawing all anew ("draw"). */
  async show(frame, how = "update") {
    this.last = frame;
    this.description.readouts.forEach((readout, i) => {
      const text = format(frame.readouts[readout.name], readout.format);
      this.numbers[i].textContent = readout.unit ? `${text} ${readout.unit}` : text;
    });
    for (const [name, reading] of Object.entries(frame.readings ?? {})) this.controls[name].tell(reading);
    const done = (plot, i) => {
      const { title, ticks } = this.description.panels[i];
      return plot[ticks && plot.mark(frame.readings[ticks].ticks) ? "draw" : how](frame.arrays[title]);
    };
    if (how === "draw") return (this.drawn = Promise.all(this.plots.map(done)));
    this.#rest();
    await this.drawn;
    await Promise.all(this.plots.map(done));
  }

  #rest() {
    clearTimeout(this.#resting);
    this.#resting = setTimeout(() => (this.play.running() ? this.#rest() : this.#settle()), REST);
  }

  /** Say the numbers, once and not at every step; then let plotly catch up, a panel at a time, so that no move waits. */
  async #settle() {
    const [t] = this.description.controls;
    const numbers = this.description.readouts.map(({ label }, i) => `${label} ${this.numbers[i].textContent}`);
    this.spoken.textContent = `${t.label} ${this.controls[t.name].get()}: ${numbers.join("; ")}`;
    for (const plot of this.plots) {
      await plot.settle();
      await new Promise((resolve) => setTimeout(resolve));
    }
  }

  close() {
    clearTimeout(this.#resting);
    this.play.stop();
  }
}
