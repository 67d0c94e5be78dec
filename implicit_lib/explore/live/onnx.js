// A system exported from torch: ONNX Runtime Web on one wasm thread. Loaded when a reader first touches such a figure.
import * as ort from "../vendor/onnxruntime/ort.wasm.min.mjs";

ort.env.wasm.wasmPaths = new URL("../vendor/onnxruntime/", import.meta.url).href;
ort.env.wasm.numThreads = 1; // more need headers that static hosts do not send

const numbers = (tensor) => (tensor.dims.length === 0 ? tensor.data[0] : Array.from(tensor.data));

/** Run a session on the named inputs that it reads: the exporter drops the ones it does not use. */
const run = (session, feeds) =>
  session.run(Object.fromEntries(session.inputNames.map((name) => [name, feeds[name]])));

export class OnnxRunner {
  /** Load the three graphs of `system`; `base` is the URL that its file names are relative to. */
  static async load(system, base) {
    const open = (part) => ort.InferenceSession.create(new URL(system.files[part], base).href);
    const [encode, step, view] = [await open("encode"), await open("step"), await open("view")];
    return new OnnxRunner(system, { encode, step, view });
  }

  constructor(system, sessions) {
    this.system = system;
    this.sessions = sessions;
    this.stepControls = system.stepControls;
  }

  async start(controls) {
    const scalars = this.stepControls.map((name) => [name, new ort.Tensor("float32", [controls[name]], [])]);
    this.encoded = await run(this.sessions.encode, Object.fromEntries(scalars));
    const { shape, values } = this.system.start;
    const size = shape.reduce((a, b) => a * b, 1);
    const data = typeof values === "number" ? new Float32Array(size).fill(values) : Float32Array.from(values);
    return new ort.Tensor("float32", data, shape);
  }

  async step(z) {
    return (await run(this.sessions.step, { z, ...this.encoded })).z_next;
  }

  async view(z, previous) {
    const seen = await run(this.sessions.view, { z, previous, ...this.encoded });
    return Object.fromEntries(this.system.fields.map(({ name }) => [name, numbers(seen[name])]));
  }
}
