// Optimal solutions of small linear programs by HiGHS in WebAssembly, loaded when the first one is asked for: the twin of
// implicit_lib/cases/linear_programs/_optimum.py.

const ZERO = 1e-9; // dual variables below it, of costs of size 1, are zero

let loading = null;

/** HiGHS, loaded once. */
function solver() {
  const home = new URL("../vendor/highs/", import.meta.url);
  loading ??= import(new URL("highs.mjs", home).href)
    .then(({ default: load }) => load({ locateFile: (file) => new URL(file, home).href }))
    .catch((error) => {
      loading = null; // the next program tries again
      throw error;
    });
  return loading;
}

/** Rows of numbers as the matrix that HiGHS takes. */
function sparse(rows, numCols) {
  const entries = rows.map((row) => row.flatMap((value, j) => (value === 0 ? [] : [[j, value]])));
  const starts = [0];
  for (const row of entries) starts.push(starts.at(-1) + row.length);
  const flat = entries.flat();
  return { format: "csr", numRows: rows.length, numCols, starts, indices: flat.map(([j]) => j), values: flat.map(([, value]) => value) };
}

/** Of every row the activities that it allows: up to b, or b itself. */
const lowest = ({ b, equality }) => b.map((value, i) => (equality[i] ? value : -Infinity));

/** ½ q yᵀy + cᵀy at its least, with lower ≤ y ≤ upper and rowLower ≤ A y ≤ b. */
function model(highs, { A, b, lower, upper }, { colCost, rowLower, q = 0, options = {} }, read) {
  const n = lower.length;
  const all = [...Array(n + 1).keys()];
  const hessian = { format: "triangular", dimension: n, starts: all, indices: all.slice(0, n), values: Array(n).fill(q) };
  const data = { numCols: n, numRows: b.length, colCost, colLower: lower, colUpper: upper, rowLower, rowUpper: b, matrix: sparse(A, n) };
  return highs.withModel(q ? { ...data, hessian } : data, (made) => {
    made.options.set({ output_flag: false, ...options });
    made.run();
    return read(made, made.getModelStatus());
  });
}

/**
 * The optimal solution, of several the one of least norm; or why there is none: "infeasible", "unbounded", or HiGHS's own
 * word. `program` holds A (rows), b, equality (1 or 0), c, lower and upper.
 */
export async function optimum(program) {
  const highs = await solver();
  const { modelStatus } = highs.constants;
  const scale = Math.max(...program.c.map(Math.abs)) || 1;
  const linear = { colCost: program.c.map((value) => value / scale), rowLower: lowest(program) };
  const read = (made, status) => [status, status === modelStatus.optimal && made.getSolution()];
  let [status, found] = model(highs, program, linear, read);
  // presolve alone cannot tell infeasible from unbounded
  if (status === modelStatus.unboundedOrInfeasible) [status, found] = model(highs, program, { ...linear, options: { presolve: "off" } }, read);
  if (status !== modelStatus.optimal) return Object.keys(modelStatus).find((name) => modelStatus[name] === status);
  return leastNorm(highs, program, found);
}

/**
 * The point of least norm on the optimal face: a feasible y is optimal exactly where it is complementary to one (any)
 * optimal dual solution.
 */
function leastNorm(highs, program, { colValue, colDual, rowDual }) {
  const stays = (dual) => Math.abs(dual) > ZERO;
  const [lower, upper] = [program.lower, program.upper].map((limits) => limits.map((limit, j) => (stays(colDual[j]) ? colValue[j] : limit)));
  const low = lowest(program).map((limit, i) => (stays(rowDual[i]) ? program.b[i] : limit));
  const face = { ...program, lower, upper };
  return model(highs, face, { colCost: Array(lower.length).fill(0), rowLower: low, q: 1 }, (made, status) =>
    status === highs.constants.modelStatus.optimal ? Array.from(made.getSolution().colValue) : Array.from(colValue),
  );
}
