// The kernel's explorer in a notebook, by anywidget: Python computes, and the figure of the page shows it.
import { failure, Figure } from "./figure.js";
import { plotly } from "./plot.js";

const PATIENCE = 30_000; // milliseconds

/** Where the kernel's own plotly can be loaded from: it fits the figures that it describes, and no other host is asked. */
function fromKernel(model) {
  return new Promise((resolve, reject) => {
    setTimeout(() => reject(new Error("the kernel did not send plotly")), PATIENCE);
    model.on("msg:custom", async (_, [zipped]) => {
      const script = new Blob([zipped]).stream().pipeThrough(new DecompressionStream("gzip"));
      resolve(URL.createObjectURL(await new Response(script).blob()));
    });
    model.send("plotly");
  });
}

/** Float64 arrays, from the bytes that carry them. */
function unpack(value) {
  if (ArrayBuffer.isView(value)) return new Float64Array(value.buffer.slice(value.byteOffset, value.byteOffset + value.byteLength));
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, unpack(part)]));
}

function frameOf(model) {
  const { readings, ...packed } = model.get("frame");
  const { arrays, readouts } = unpack(packed);
  return { readings, arrays, readouts: Object.fromEntries(Object.entries(readouts).map(([name, [number]]) => [name, number])) };
}

function render({ model, el }) {
  const move = () => {
    model.set("settings", figure.settings);
    model.save_changes();
  };
  const figure = new Figure(el, model.get("description"), move);
  const fail = (error) => figure.say(failure("stopped", error));
  const follow = {
    "change:settings": () => figure.set(model.get("settings")), // moved in Python, or in another view
    "change:frame": () => figure.show(frameOf(model)).catch(fail),
  };
  for (const [event, listener] of Object.entries(follow)) model.on(event, listener);
  figure.set(model.get("settings"));
  // Arrows and the space bar move what has the focus; a notebook would take them for its own.
  el.addEventListener("keydown", (event) => event.ctrlKey || event.metaKey || event.stopPropagation());
  plotly(() => fromKernel(model)).catch(() => {}); // the figure says what failed
  figure.show(frameOf(model), "draw").catch(fail);
  return () => {
    for (const [event, listener] of Object.entries(follow)) model.off(event, listener);
    figure.close();
  };
}

export default { render };
