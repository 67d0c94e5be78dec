// <rich-typed src="…/name-presets.js">: the reader types F and its domain. Presets were certified when the book was
// built; what is typed here is sampled, and the verdict says so.
import { element } from "./controls.js";
import "./explorer.js";
import { mathjs, readDomain, readFormula, Refusal } from "./formula.js";
import { describe, survey, systemOf, windowOf } from "./sampled.js";
import { frame, SymbolicRunner, Trajectory } from "./trajectory.js";

const OWN = "your own";
const OLD = "The figure below is the last one that was reached.";

class RichTyped extends HTMLElement {
  #asked = 0;

  connectedCallback() {
    /** Resolves when the first figure is there. */
    this.ready ??= this.#open().catch((error) => this.#say("error", `could not start: ${error.message}. Reload the page to try again.`));
  }

  async #open() {
    this.base = new URL(this.getAttribute("src"), document.baseURI);
    ({ presets: this.presets } = await import(this.base));
    this.#build();
    await this.#choose(this.presets[0]);
  }

  #build() {
    const name = this.getAttribute("name");
    const text = (id) => element("input", { id: `${name}-${id}`, type: "text", maxlength: 500, autocomplete: "off", autocapitalize: "off", spellcheck: "false", "aria-describedby": `${name}-refusal` });
    const row = (label, field) => element("div", { class: "control" }, element("label", { for: field.id }, label), field);
    this.preset = element("select", { id: `${name}-preset` });
    for (const label of [...this.presets.map((preset) => preset.label), OWN]) this.preset.append(element("option", { value: label }, label));
    [this.formula, this.domain] = [text("formula"), text("domain")];
    this.refusal = element("pre", { id: `${name}-refusal`, class: "refusal", role: "status" });
    this.verdict = element("div", { class: "certificate", role: "status" });
    this.explorer = element("div", { class: "rich-explorer" }); // its place, until there is one
    const show = element("button", { type: "submit" }, "Show");
    const form = element("form", {}, row("Examples", this.preset), row("F(x) =", this.formula), row("on", this.domain), show);
    form.addEventListener("submit", (event) => (event.preventDefault(), this.show()));
    form.addEventListener("focusin", ({ target }) => target.type === "text" && mathjs().catch(() => {})); // show() reports it
    for (const field of [this.formula, this.domain]) field.addEventListener("input", () => (this.preset.value = OWN));
    this.preset.addEventListener("change", () => {
      const chosen = this.presets.find((preset) => preset.label === this.preset.value);
      if (chosen) this.#choose(chosen).catch((error) => this.#say("error", error.message));
    });
    this.setAttribute("role", "group");
    this.setAttribute("aria-label", this.querySelector(".title").textContent);
    this.replaceChildren(this.querySelector(".title"), form, this.refusal, this.verdict, this.explorer);
  }

  /** Show a preset, as it was certified. */
  async #choose({ label, formula, domain, verdict, src }) {
    const asked = ++this.#asked;
    Object.assign(this.formula, { value: formula });
    Object.assign(this.domain, { value: domain });
    this.preset.value = label;
    this.#refuse(null);
    this.#say(verdict.kind, verdict.statement, verdict.lines, src === null);
    if (src === null) return;
    const { description, systems } = await import(new URL(src, this.base));
    if (asked === this.#asked) await this.#draw({ description, systems });
  }

  /** Read what was typed, sample it, and show its figure. */
  async show() {
    const asked = ++this.#asked;
    const [formula, domain] = [this.formula.value, this.domain.value];
    const known = this.presets.find((preset) => preset.formula === formula && preset.domain === domain);
    if (known) return this.#choose(known);
    this.preset.value = OWN;
    try {
      const F = await readFormula(formula);
      const parts = windowOf(await readDomain(domain));
      if (asked !== this.#asked) return;
      this.#refuse(null);
      const { verdict, cells } = survey(F, parts);
      this.#say(verdict.kind, verdict.statement, verdict.lines, !cells.length);
      if (cells.length) await this.#draw(await this.#figure(F, parts, cells, `F(x) = ${formula} on ${domain}, sampled`));
    } catch (error) {
      if (asked === this.#asked) this.#refuse(error);
    }
  }

  /** The description of a preset with the values of this F, and its system. */
  async #figure(F, parts, cells, title) {
    const { description: template, systems } = await import(new URL(this.presets[0].src, this.base));
    const system = { ...systemOf(F, parts, cells), fields: systems[""].fields };
    const [t, probe] = template.controls;
    const trajectory = new Trajectory(new SymbolicRunner(system));
    await trajectory.adopt({ [probe.name]: parts.at(-1).high });
    const description = describe(template, title, parts, await trajectory.viewsTo(t.maximum));
    await trajectory.adopt({ [probe.name]: description.controls[1].value });
    description.first = frame(description, await trajectory.viewsTo(t.value));
    return { description, systems: { "": system } };
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
