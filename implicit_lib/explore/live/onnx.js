// A system exported from torch: ONNX Runtime Web on one wasm thread. Loaded when a reader first touches such a figure.
import * as ort from "../vendor/onnxruntime/ort.wasm.min.mjs";

ort.env.wasm.wasmPaths = new URL("../vendor/onnxruntime/", import.meta.url).href;
ort.env.wasm.numThreads = 1; // more need headers that static hosts do not send

const numbers = (tensor) => (tensor.dims.length === 0 ? tensor.data[0] : tensor.data);

/** Run a session on the named inputs that it reads: the exporter drops the ones it does not use. */
const run = (session, feeds) =>
  session.run(Object.fromEntries(session.inputNames.map((name) => [name, feeds[name]])));

const sessions = new Map();

/** The session of a graph, made once: systems share graphs. */
function open(url) {
  if (!sessions.has(url)) {
    const session = ort.InferenceSession.create(url);
    session.catch(() => sessions.delete(url)); // the next move tries again
    sessions.set(url, session);
  }
  return sessions.get(url);
}

const ARRAYS = { float32: Float32Array, float64: Float64Array };

const named = (prefix, tensors) => Object.fromEntries(tensors.map((tensor, i) => [`${prefix}${i}`, tensor]));

/** A system's iterates: each is a list of tensors, z0, z1, … */
export class OnnxRunner {
  /** Load the three graphs of `system`; `base` is the URL that its file names are relative to. */
  static async load(system, base) {
    const part = (name) => open(new URL(system.files[name], base).href);
    const [encode, step, view] = [await part("encode"), await part("step"), await part("view")];
    return new OnnxRunner(system, { encode, step, view });
  }

  constructor(system, graphs) {
    this.system = system;
    this.graphs = graphs;
    this.stepControls = system.stepControls;
  }

  async start(controls) {
    this.encoded = await run(this.graphs.encode, this.#given(this.stepControls, controls));
    return this.system.start.map(({ shape, values }) => this.#tensor(values, shape));
  }

  /** A tensor of these values, or of one value for all its entries. */
  #tensor(values, shape) {
    const data = new ARRAYS[this.system.dtype](shape.reduce((a, b) => a * b, 1));
    if (typeof values === "number") data.fill(values);
    else data.set(values);
    return new ort.Tensor(this.system.dtype, data, shape);
  }

  #given(names, controls) {
    const tensor = (given) => (typeof given === "number" ? this.#tensor(given, []) : this.#tensor(given.values, given.shape));
    return Object.fromEntries(names.map((name) => [name, tensor(controls[name])]));
  }

  async step(z) {
    const next = await run(this.graphs.step, { ...named("z", z), ...this.encoded });
    return z.map((_, i) => next[`next${i}`]);
  }

  async view(z, previous, controls) {
    const looked = this.#given(this.system.viewControls, controls);
    const seen = await run(this.graphs.view, { ...named("z", z), ...named("previous", previous), ...this.encoded, ...looked });
    return Object.fromEntries(this.system.fields.map((name) => [name, numbers(seen[name])]));
  }
}
