// Native controls: they take the keyboard, a finger and a screen reader as they are.

export const OWN = "your own"; // where a reader has something of their own in place of an example

/** A number, to as many digits as Python's format specs '.3g', '.2f' and '.1e' give it; otherwise a whole number. */
export function format(value, spec) {
  if (value === null || !Number.isFinite(value)) return value > 0 ? "∞" : value < 0 ? "−∞" : "undefined";
  const digits = Number(spec[1]);
  switch (spec[spec.length - 1]) {
    case "f":
      return value.toFixed(digits);
    case "e":
      return value.toExponential(digits);
    case "g":
      return String(Number(value.toPrecision(Math.max(digits, 1))));
    default:
      return String(Math.round(value));
  }
}

export function element(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

/** The control's row, and how to read, set and watch it; `takes` says whether it can be set to a value. */
export function makeControl(control, prefix, onInput) {
  const id = `${prefix}-${control.name}`;
  const label = element("label", { for: id }, control.label);
  if (control.kind === "choice") {
    const select = element("select", { id });
    for (const option of control.options) select.append(element("option", { value: option }, option));
    select.value = control.value;
    select.addEventListener("change", onInput);
    const row = element("div", { class: "control" }, label, select);
    return { row, get: () => select.value, set: (v) => (select.value = v), takes: (v) => control.options.includes(v) };
  }
  const { minimum, maximum, step, value } = control;
  const input = element("input", { id, type: "range", min: minimum, max: maximum, step });
  const output = element("output", { for: id, "aria-live": "off" }); // the slider says its value itself
  input.value = value;
  const say = () => (output.textContent = format(input.valueAsNumber, control.format ?? "d"));
  say();
  input.addEventListener("input", () => (say(), onInput()));
  const row = element("div", { class: `control ${control.kind}` }, label, input, output);
  const set = (v) => ((input.value = v), say());
  return { row, get: () => input.valueAsNumber, set, takes: (v) => v >= minimum && v <= maximum };
}

/** A button that walks the iteration count up, one step at a time, until it is pressed again or t is at its end. */
export function makePlay(control, t, onInput) {
  const button = element("button", { type: "button", class: "play" }, "Play");
  let timer = null;
  const stop = () => {
    clearInterval(timer);
    timer = null;
    button.textContent = "Play";
  };
  const walk = () => {
    t.set(t.get() + 1);
    onInput();
    if (t.get() >= control.maximum) stop();
  };
  button.addEventListener("click", () => {
    if (timer !== null) return stop();
    if (t.get() >= control.maximum) t.set(0);
    button.textContent = "Pause";
    timer = setInterval(walk, 200);
  });
  return { button, stop, running: () => timer !== null };
}
