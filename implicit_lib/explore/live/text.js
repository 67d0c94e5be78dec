// A text that the reader types: a field of several lines, examples to pick, and what the reading of it says.
import { element, OWN } from "./controls.js";

/** The control's rows, and how to read, set and watch it. It changes where the reader applies it, not at every letter. */
export function makeText({ name, label, hint, value, examples, longest }, prefix, onApply) {
  const id = `${prefix}-${name}`;
  let applied = value;
  const labels = Object.keys(examples);
  const labelOf = (text) => labels.find((each) => examples[each] === text) ?? OWN;
  const select = element("select", { id: `${id}-examples` });
  for (const each of [...labels, OWN]) select.append(element("option", { value: each }, each));
  const rows = Math.max(...Object.values(examples).map((text) => text.trim().split("\n").length)) + 1;
  // JupyterLab leaves keys alone where it finds the last one.
  const field = element("textarea", { id, rows, maxlength: longest, autocomplete: "off", autocapitalize: "off", spellcheck: "false", "aria-describedby": `${id}-hint ${id}-refusal`, "data-lm-suppress-shortcuts": "true" });
  const button = element("button", { type: "button" }, "Apply");
  const said = element("p", { class: "said", role: "status" });
  const refusal = element("p", { class: "refusal", id: `${id}-refusal`, role: "status" });

  const set = (text) => {
    if (text === applied && field.value) return; // what is being typed stays
    field.value = applied = text;
    select.value = labelOf(text);
  };
  const apply = () => {
    applied = field.value;
    select.value = labelOf(applied);
    onApply();
  };
  /** What the reading says, or why there is none. */
  const tell = (reading) => {
    const refused = reading.refused ? `Refused: ${reading.refused}. The figure is still that of the text before.` : "";
    if (said.textContent !== reading.said) said.textContent = reading.said; // set anew, it would be spoken anew
    if (refusal.textContent !== refused) refusal.textContent = refused;
    field.setAttribute("aria-invalid", String(Boolean(reading.refused)));
  };

  field.value = value;
  field.addEventListener("input", () => (select.value = labelOf(field.value)));
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    event.stopPropagation(); // a notebook would run the cell
    apply();
  });
  button.addEventListener("click", apply);
  select.addEventListener("change", () => {
    if (!(select.value in examples)) return;
    field.value = examples[select.value];
    apply();
  });
  const row = element(
    "div",
    { class: "typed" },
    element("div", { class: "control" }, element("label", { for: select.id }, "Examples"), select),
    element("label", { for: id }, label),
    field,
    element("p", { class: "hint", id: `${id}-hint` }, hint),
    element("div", { class: "control" }, button, "or Ctrl + Enter"),
    refusal,
    said,
  );
  const takes = (text) => typeof text === "string" && text.length <= longest;
  return { row, get: () => applied, set, tell, takes };
}
