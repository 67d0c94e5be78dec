// <rich-typed src="…/name-presets.js">: the reader types F and its domain. Presets were certified when the book was
// built; what is typed here is sampled, and the verdict says so.
import { element, OWN } from "./controls.js";
import "./explorer.js";
import { mathjs, readDomain, readFormula, Refusal } from "./formula.js";
import { figureOf } from "./sampled.js";
import { survey } from "./survey.js";
import { windowOf } from "./window.js";

const SLICE = 30; // milliseconds of sampling between two moments in which the page answers the reader
const OLD = "The figure below is the last one that was reached.";

/** The next result of a generator after some milliseconds, or its last one. */
function lookFor(look, milliseconds) {
  const start = performance.now();
  let result = look.next();
  while (!result.done && performance.now() - start < milliseconds) result = look.next();
  return result;
}

class RichTyped extends HTMLElement {
  #asked = 0;

  connectedCallback() {
    /** Resolves when the first figure is there. */
    this.ready ??= this.#open().catch((error) => this.#say("error", `could not start: ${error.message}. Reload the page to try again.`));
  }

  async #open() {
    this.base = new URL(this.getAttribute("src"), document.baseURI);
    ({ presets: this.presets, hint: this.hint } = await import(this.base));
    this.#build();
    await this.#choose(this.presets[0]);
  }

  #build() {
    const name = this.getAttribute("name");
    const text = (id) => element("input", { id: `${name}-${id}`, type: "text", maxlength: 500, autocomplete: "off", autocapitalize: "off", spellcheck: "false", "aria-describedby": `${name}-hint ${name}-refusal` });
    const row = (label, field) => element("div", { class: "control" }, element("label", { for: field.id }, label), field);
    this.preset = element("select", { id: `${name}-preset` });
    for (const label of [...this.presets.map((preset) => preset.label), OWN]) this.preset.append(element("option", { value: label }, label));
    [this.formula, this.domain] = [text("formula"), text("domain")];
    this.progress = element("progress", { max: 1, "aria-label": "Sampling F" });
    const cancel = element("button", { type: "button" }, "Cancel");
    cancel.addEventListener("click", () => this.#cancel());
    this.working = element("div", { class: "control", hidden: "" }, "Sampling …", this.progress, cancel);
    this.refusal = element("pre", { id: `${name}-refusal`, class: "refusal", role: "status" });
    this.verdict = element("div", { class: "certificate", role: "status" });
    this.explorer = element("div", { class: "rich-explorer" }); // its place, until there is one
    const show = element("button", { type: "submit" }, "Show");
    const form = element("form", {}, row("Examples", this.preset), row("F =", this.formula), row("on", this.domain), show);
    form.addEventListener("submit", (event) => (event.preventDefault(), this.show()));
    form.addEventListener("focusin", ({ target }) => target.type === "text" && mathjs().catch(() => {})); // show() reports it
    for (const field of [this.formula, this.domain]) field.addEventListener("input", () => (this.preset.value = OWN));
    this.preset.addEventListener("change", () => {
      const chosen = this.presets.find((preset) => preset.label === this.preset.value);
      if (chosen) this.#choose(chosen).catch((error) => this.#say("error", error.message));
    });
    this.setAttribute("role", "group");
    this.setAttribute("aria-label", this.querySelector(".title").textContent);
    const hint = element("p", { class: "hint", id: `${name}-hint` }, this.hint);
    this.replaceChildren(this.querySelector(".title"), form, hint, this.working, this.refusal, this.verdict, this.explorer);
  }

  /** Show a preset, as it was certified. */
  async #choose({ label, formula, domain, verdict, src }) {
    const asked = this.#ask();
    Object.assign(this.formula, { value: formula });
    Object.assign(this.domain, { value: domain });
    this.preset.value = label;
    this.#refuse(null);
    this.#say(verdict.kind, verdict.statement, verdict.lines, src === null);
    if (src === null) return;
    const { description, systems } = await import(new URL(src, this.base));
    if (asked === this.#asked) await this.#draw({ description, systems });
  }

  /** The number of a question; what is still at work on an older one leaves its answer aside. */
  #ask() {
    this.working.hidden = true;
    return ++this.#asked;
  }

  #cancel() {
    this.#ask();
    this.refusal.textContent = "Cancelled. The figure is the last one that was reached.";
  }

  /** Read what was typed, sample it, and show its figure. */
  async show() {
    const asked = this.#ask();
    const [formula, domain] = [this.formula.value, this.domain.value];
    const known = this.presets.find((preset) => preset.formula === formula && preset.domain === domain);
    if (known) return this.#choose(known);
    this.preset.value = OWN;
    try {
      const shown = windowOf(await readDomain(domain));
      const F = await readFormula(formula, shown.axes.length);
      if (asked !== this.#asked) return;
      this.#refuse(null);
      const found = await this.#survey(F, shown, asked);
      if (asked !== this.#asked) return;
      this.working.hidden = true;
      const { verdict, cells } = found;
      this.#say(verdict.kind, verdict.statement, verdict.lines, !cells.length);
      const variables = ["x", "y"].slice(0, shown.axes.length).join(", ");
      if (cells.length) await this.#draw(await this.#figure(F, shown, cells, `F(${variables}) = ${formula} on ${domain}, sampled`));
    } catch (error) {
      if (asked !== this.#asked) return;
      this.working.hidden = true;
      this.#refuse(error);
    }
  }

  /** Sample F in slices, between which the page answers; undefined once the reader asks for something else. */
  async #survey(F, shown, asked) {
    const look = survey(F, shown);
    for (;;) {
      const { done, value } = lookFor(look, SLICE);
      if (done) return value;
      this.progress.value = value;
      this.working.hidden = false;
      await new Promise((resolve) => setTimeout(resolve));
      if (asked !== this.#asked) return undefined;
    }
  }

  /** The figure of a preset with as many variables, with the values of this F. */
  async #figure(F, shown, cells, title) {
    const like = this.presets.find(({ src, variables }) => src !== null && variables === shown.axes.length);
    if (!like) throw new Error(`this figure has no example of a function of ${shown.axes.length} variables to draw it like`);
    const { description: template, systems } = await import(new URL(like.src, this.base));
    return figureOf(F, shown, cells, title, { template, fields: systems[""].fields });
  }

  async #draw(source) {
    const explorer = element("rich-explorer", { class: "rich-explorer", name: source.description.name });
    explorer.source = source;
    this.explorer.replaceWith(explorer);
    this.explorer = explorer;
    await explorer.ready;
  }

  /** The verdict, and what it rests on, line by line. */
  #say(kind, statement, lines = [], isOld = false) {
    const list = element("ul", {}, ...lines.map((line) => element("li", {}, line)));
    const said = element("p", {}, element("strong", {}, kind), `: ${statement}`);
    (this.verdict ?? this).replaceChildren(said, ...(lines.length ? [list] : []), ...(isOld ? [element("p", {}, OLD)] : []));
    if (this.verdict) this.verdict.dataset.kind = kind;
  }

  /** What cannot be read, below the fields; the figure and its verdict stay. */
  #refuse(error) {
    this.refusal.textContent = error === null ? "" : error instanceof Refusal ? error.shown : error.message;
    const wrong = error instanceof Refusal ? error.text : null;
    for (const field of [this.formula, this.domain]) field.setAttribute("aria-invalid", String(wrong !== null && field.value === wrong));
  }
}

customElements.define("rich-typed", RichTyped);
