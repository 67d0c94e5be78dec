// <rich-explorer src="…/name.js">: a fixed-point iteration that the reader moves, run in the page itself.
import { element, format, makeControl, makePlay } from "./controls.js";
import { onThemeChange, Plot } from "./plot.js";
import { frame, SymbolicRunner, Trajectory } from "./trajectory.js";

class RichExplorer extends HTMLElement {
  #trajectories = new Map();
  #running = null;
  #walking = null;
  #stale = false;

  connectedCallback() {
    /** Resolves when the first frame is drawn. */
    this.ready ??= this.#open().catch((error) => this.#fail("could not start", error));
    this.ready.then(() => {
      if (this.isConnected && this.plots) this.observer = onThemeChange(() => this.#draw("draw"));
    });
  }

  disconnectedCallback() {
    this.observer?.disconnect();
    this.play?.stop();
  }

  async #open() {
    this.base = new URL(this.getAttribute("src"), document.baseURI);
    const { description, systems } = await import(this.base);
    Object.assign(this, { description, systems });
    this.#build();
    this.last = description.first;
    await this.#draw("draw");
  }

  #build() {
    const { name, title, controls, panels, readouts, dark } = this.description;
    this.plots = [];
    const changed = () => this.#update();
    this.controls = Object.fromEntries(controls.map((c) => [c.name, makeControl(c, `explorer-${name}`, changed)]));
    const [iterations] = controls;
    this.play = makePlay(iterations, this.controls[iterations.name], changed);
    this.controls[iterations.name].row.append(this.play.button);
    const [t, ...others] = controls.map((c) => this.controls[c.name].row);
    this.status = element("p", { class: "status", role: "status" });
    this.numbers = readouts.map(() => element("dd", {}));
    const list = element("dl", { class: "readouts" });
    readouts.forEach(({ label }, i) => {
      const spoken = { "aria-live": "polite", "aria-atomic": "true" }; // the number with its name
      list.append(element("div", spoken, element("dt", {}, label), this.numbers[i]));
    });
    const [first, ...rest] = panels.map(({ title: heading, alt, figure }) => {
      const canvas = element("div", { class: "plot", role: "img", "aria-label": alt });
      const names = element("ul", { class: "legend" });
      this.plots.push(new Plot(canvas, names, figure, dark));
      return element("figure", {}, element("figcaption", {}, heading), names, canvas);
    });
    this.setAttribute("role", "group");
    this.setAttribute("aria-label", title);
    this.replaceChildren(
      element("p", { class: "title" }, title),
      t, // the slider that matters stands right above the plot that it moves, on a phone too
      first,
      element("div", { class: "controls" }, ...others),
      list,
      this.status,
      element("div", { class: "panels" }, ...rest),
    );
    // The first touch of any control fetches what the figure needs to run; until then its first frame stands.
    for (const touch of ["pointerdown", "focusin"])
      this.addEventListener(touch, () => this.#runner().catch((error) => this.#fail("could not load", error)));
  }

  #say(text) {
    if (this.status) this.status.textContent = text;
    else this.replaceChildren(element("p", { role: "alert" }, text));
  }

  #fail(what, error) {
    this.#say(`This figure ${what}: ${error.message}. Reload the page to try again.`);
  }

  get #settings() {
    return Object.fromEntries(Object.entries(this.controls).map(([name, control]) => [name, control.get()]));
  }

  /** The trajectory of the chosen system; its runner is made once. */
  #runner() {
    const { chosenBy } = this.description;
    const key = chosenBy === null ? "" : this.controls[chosenBy].get();
    if (!this.#trajectories.has(key)) {
      const loading = this.#load(this.systems[key]).then((runner) => new Trajectory(runner));
      loading.catch(() => this.#trajectories.delete(key)); // the next move tries again
      this.#trajectories.set(key, loading);
    }
    return this.#trajectories.get(key);
  }

  async #load(system) {
    if (system.kind === "symbolic") return new SymbolicRunner(system);
    this.#say("Loading the model …");
    const { OnnxRunner } = await import("./onnx.js");
    const runner = await OnnxRunner.load(system, this.base);
    this.#say("");
    return runner;
  }

  /** Redraw for the controls as they stand; moves that arrive meanwhile are drawn together, once. */
  #update() {
    this.#stale = true;
    this.#running ??= this.#run()
      .catch((error) => this.#fail("stopped", error))
      .finally(() => (this.#running = null));
    return this.#running;
  }

  async #run() {
    await this.#walking;
    while (this.#stale) {
      this.#stale = false;
      const { [this.description.controls[0].name]: t, ...rest } = this.#settings;
      const numbers = Object.fromEntries(Object.entries(rest).filter(([, value]) => typeof value === "number"));
      const trajectory = await this.#runner();
      if (this.#stale) continue; // the reader moved on while the model loaded
      await trajectory.adopt(numbers);
      this.last = frame(this.description, await trajectory.viewsTo(t));
      await this.#draw("update");
      this.#say(""); // whatever failed before works now
    }
    setTimeout(() => (this.#walking = this.#walkAhead().catch(() => {}))); // a move will report what failed
  }

  /** Iterate on while the reader looks, so that the next move finds its iterates; any move interrupts. */
  async #walkAhead() {
    const { maximum } = this.description.controls[0];
    const trajectory = await this.#runner();
    while (!this.#running && this.isConnected && trajectory.views.length <= maximum) {
      await trajectory.viewsTo(trajectory.views.length);
      await new Promise((resolve) => setTimeout(resolve));
    }
  }

  async #draw(how) {
    const { arrays, readouts } = this.last;
    this.description.readouts.forEach((readout, i) => {
      const text = format(readouts[readout.name], readout.format);
      this.numbers[i].textContent = readout.unit ? `${text} ${readout.unit}` : text;
    });
    await Promise.all(this.plots.map((plot, i) => plot[how](arrays[this.description.panels[i].title])));
  }

  /** Set controls by name and redraw. Throws where a control or its value does not exist. */
  async set(values) {
    await this.ready;
    for (const [name, value] of Object.entries(values)) {
      const control = this.description.controls.find((c) => c.name === name);
      const fits = control && (control.kind === "choice" ? control.options.includes(value) : value >= control.minimum && value <= control.maximum);
      if (!fits) throw new RangeError(`control '${name}' does not take ${value}`);
    }
    for (const [name, value] of Object.entries(values)) {
      this.controls[name].set(value);
      const stands = this.controls[name].get();
      if (stands !== value && !(Math.abs(stands - value) < 1e-9)) throw new RangeError(`control '${name}' has no step at ${value}`);
    }
    await this.#update();
  }

  /** The arrays that are drawn now: { panel: { trace: { x, y } } }. */
  async arrays() {
    await this.ready;
    return this.last.arrays;
  }

  /** The numbers beside the plots, by the name of the view's entry. */
  async readouts() {
    await this.ready;
    return this.last.readouts;
  }
}

customElements.define("rich-explorer", RichExplorer);
