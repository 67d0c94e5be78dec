// The iterates of one system, extended on demand and never computed twice; and the arrays that a figure draws from them.
// The twin of implicit_lib/explore: same controls, same arrays.

/** A system printed from sympy: plain functions, float64, one call per point. */
export class SymbolicRunner {
  constructor(system) {
    this.system = system;
    this.stepControls = system.stepControls;
  }

  start(controls) {
    const { points, probe, start } = this.system;
    this.points = probe === null ? points : [...points, controls[probe]];
    this.controls = controls;
    return this.points.map((x) => start([], x, controls, 0));
  }

  step(state) {
    const { step } = this.system;
    return state.map((values, i) => step(values, this.points[i], this.controls, 0));
  }

  view(state, _previous, controls, t) {
    const { fields, points, view } = this.system;
    const rows = state.map((values, i) => view(values, this.points[i], controls, t));
    const n = points.length;
    const seen = {};
    fields.forEach(({ name, reduce }, k) => {
      const column = rows.map((row) => row[k]);
      if (reduce === "curve") seen[name] = column.slice(0, n);
      else if (reduce === "maximum") seen[name] = column.slice(0, n).reduce((a, b) => Math.max(a, b), -Infinity);
      else seen[name] = column[column.length - 1];
    });
    return seen;
  }
}

/** The iterates of one setting of the controls. */
export class Trajectory {
  constructor(runner) {
    this.runner = runner;
    this.states = [];
    this.views = [];
  }

  /** Keep what the new controls leave valid: iterates while no control of the step moved, views while none did. */
  async adopt(controls) {
    const old = this.controls;
    this.controls = { ...controls };
    if (!old || this.runner.stepControls.some((name) => old[name] !== controls[name])) {
      this.views = [];
      this.states = [await this.runner.start(this.controls)];
    } else if (Object.keys(controls).some((name) => old[name] !== controls[name])) {
      this.views = [];
    }
  }

  async viewsTo(t) {
    const { states, views, runner } = this;
    while (states.length <= t) states.push(await runner.step(states[states.length - 1]));
    while (views.length <= t) {
      const s = views.length;
      views.push({ ...(await runner.view(states[s], states[Math.max(s - 1, 0)], this.controls, s)), t: s });
    }
    return views.slice(0, t + 1);
  }
}

function resolve(reference, views) {
  if (reference.kind === "history") return views.map((view) => view[reference.name]);
  const at = views.length - 1 - reference.back;
  if (at < 0) return [];
  const value = views[at][reference.name];
  return typeof value === "number" ? [value] : Array.from(value); // of the many iterates only what is drawn
}

/** What the figure shows: { arrays: {panel: {trace: {x, y}}}, readouts: {name: number} }. */
export function frame(description, views) {
  const arrays = {};
  for (const { title, bind } of description.panels) {
    arrays[title] = {};
    for (const [trace, references] of Object.entries(bind)) {
      arrays[title][trace] = {};
      for (const [axis, reference] of Object.entries(references)) arrays[title][trace][axis] = resolve(reference, views);
    }
  }
  const last = views[views.length - 1];
  return { arrays, readouts: Object.fromEntries(description.readouts.map(({ name }) => [name, last[name]])) };
}
