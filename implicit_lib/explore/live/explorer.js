// <rich-explorer src="…/name.js">: a fixed-point iteration that the reader moves, run in the page itself. In place of
// the module that `src` names, its property `source` may hold the description and the systems.
import { element } from "./controls.js";
import { failure, Figure } from "./figure.js";
import { frame, SymbolicRunner, Trajectory } from "./trajectory.js";

class RichExplorer extends HTMLElement {
  #trajectories = new Map();
  #readings = {};
  #running = null;
  #walking = null;
  #stale = false;

  connectedCallback() {
    /** Resolves when the first frame is drawn. */
    this.ready ??= this.#open().catch((error) => this.#fail("could not start", error));
  }

  disconnectedCallback() {
    this.figure?.close();
  }

  async #open() {
    this.base = new URL(this.getAttribute("src") ?? "", document.baseURI);
    const { description, systems } = this.source ?? (await import(this.base));
    Object.assign(this, { description, systems });
    for (const [name, reading] of Object.entries(description.first.readings ?? {})) {
      const { value } = description.controls.find((control) => control.name === name);
      this.#readings[name] = { ...reading, value: reading.arrays && value }; // without its arrays it is yet to be read
    }
    this.figure = new Figure(this, description, () => this.#update());
    // The first touch of any control fetches what the figure needs to run; until then its first frame stands.
    for (const touch of ["pointerdown", "focusin"])
      this.addEventListener(touch, () => this.#runner().catch((error) => this.#fail("could not load", error)));
    await this.figure.show(description.first, "draw");
  }

  #fail(what, error) {
    const text = failure(what, error);
    if (this.figure) this.figure.say(text);
    else this.replaceChildren(element("p", { role: "alert" }, text));
  }

  /** The trajectory of the chosen system; its runner is made once. */
  #runner() {
    const { chosenBy } = this.description;
    const key = chosenBy === null ? "" : this.figure.settings[chosenBy];
    if (!this.#trajectories.has(key)) {
      const loading = this.#load(this.systems[key]).then((runner) => new Trajectory(runner));
      loading.catch(() => this.#trajectories.delete(key)); // the next move tries again
      this.#trajectories.set(key, loading);
    }
    return this.#trajectories.get(key);
  }

  async #load(system) {
    if (system.kind === "symbolic") return new SymbolicRunner(system);
    this.figure.say("Loading the model …");
    const { OnnxRunner } = await import("./onnx.js");
    const runner = await OnnxRunner.load(system, this.base);
    this.figure.say("");
    return runner;
  }

  /** What values that are read mean as they stand, or meant last: { name: { arrays, ticks, said, refused } }. */
  async #read() {
    for (const [name, known] of Object.entries(this.#readings)) {
      const value = this.figure.settings[name];
      if (value === known.value) continue;
      const { page, parameters } = this.description.controls.find((control) => control.name === name);
      this.figure.say("Reading …");
      const { read } = await import(new URL(page, import.meta.url));
      this.#readings[name] = { ...known, refused: "", ...(await read(value, parameters)), value };
    }
    return this.#readings;
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
      const { controls } = this.description;
      const { [controls[0].name]: t, ...others } = this.figure.settings;
      const number = ({ name, options }) => [name, options ? options.indexOf(others[name]) : others[name]]; // as systems read it
      const readings = await this.#read();
      const numbers = Object.assign(Object.fromEntries(controls.slice(1).map(number)), ...Object.values(readings).map(({ arrays }) => arrays));
      const trajectory = await this.#runner();
      if (this.#stale) continue; // the reader moved on while the model loaded
      await trajectory.adopt(numbers);
      await this.figure.show({ ...frame(this.description, await trajectory.viewsTo(t)), readings });
      this.figure.say(""); // whatever failed before works now
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

  /** Set controls by name and redraw. Throws where a control or its value does not exist. */
  async set(values) {
    await this.ready;
    const { controls } = this.figure;
    for (const [name, value] of Object.entries(values)) {
      if (!controls[name]?.takes(value)) throw new RangeError(`control '${name}' does not take ${value}`);
    }
    for (const [name, value] of Object.entries(values)) {
      controls[name].set(value);
      const stands = controls[name].get();
      if (stands !== value && !(Math.abs(stands - value) < 1e-9)) throw new RangeError(`control '${name}' has no step at ${value}`);
    }
    await this.#update();
  }

  /** The arrays that are drawn now: { panel: { trace: { x, y } } }. */
  async arrays() {
    await this.ready;
    return this.figure.last.arrays;
  }

  /** The numbers beside the plots, by the name of the view's entry. */
  async readouts() {
    await this.ready;
    return this.figure.last.readouts;
  }
}

customElements.define("rich-explorer", RichExplorer);
