// Curves that follow the hand. Plotly spends a frame or three on axes, defaults and legends that no move changes; here
// only the shapes that it drew are moved, and plotly hears of it once the hand rests (see plot.js).

const FAR = 1e5; // pixels: far outside of every plot, near enough for a browser to draw towards

/** Where a value stands along an axis, in pixels; NaN where a curve has a gap. On a logarithmic axis, 0 is far below. */
const place = (axis, value) => Math.round(100 * Math.max(-FAR, Math.min(FAR, axis.c2p(axis.d2c(value), true)))) / 100;

const isPoint = ([x, y]) => !Number.isNaN(x + y);

function path(points, shape) {
  let d = "";
  let drawing = false;
  for (const point of points) {
    const [x, y] = point;
    if (isPoint(point)) d += !drawing ? `M${x},${y}` : shape === "hv" ? `H${x}V${y}` : `L${x},${y}`;
    drawing = isPoint(point);
  }
  return d;
}

/** What can be moved: lines, markers, and a text that is the same at every point, between axes that stay. */
function movable(trace, { xaxis, yaxis }) {
  if (trace.type !== "scatter" || xaxis.autorange || yaxis.autorange) return false;
  if (trace.mode?.includes("text") && typeof trace.text !== "string") return false;
  return !trace.connectgaps && ["linear", "hv"].includes(trace.line?.shape ?? "linear");
}

function moveLine(group, points, shape) {
  const [line, ...afterGaps] = group.querySelectorAll(".js-line");
  afterGaps.forEach((piece) => piece.remove());
  line?.setAttribute("d", path(points, shape));
  return line !== undefined;
}

/** Move the nodes of a kind, one for each point; false if there is none to make more of. */
function moveNodes(group, kind, points, move) {
  const seen = points.filter(isPoint);
  const nodes = [...group.querySelectorAll(kind)];
  if (!nodes.length) return !seen.length;
  while (nodes.length < seen.length) nodes.push(nodes[0].parentNode.appendChild(nodes[0].cloneNode(true)));
  nodes.splice(seen.length).forEach((node) => node.remove());
  nodes.forEach((node, i) => move(node, seen[i]));
  return true;
}

const moveMarker = (node, point) => node.setAttribute("transform", `translate(${point})`);

function moveText(node, [x, y]) {
  const text = node.querySelector("text"); // its transform, which plotly set, is how it stands to the point
  text.setAttribute("x", x);
  text.setAttribute("y", y);
}

/**
 * Move one trace of a plot that plotly has drawn to new arrays. False where plotly has to draw it itself: a trace of
 * another kind, or one that had nothing to show until now.
 */
export function moveTrace(plot, index, arrays) {
  const { _fullData, _fullLayout: layout } = plot;
  const trace = _fullData[index];
  if (!movable(trace, layout)) return false;
  const group = plot.querySelector(`.scatterlayer .trace${trace.uid}`);
  if (!group) return Object.values(arrays).some((values) => !values.length);
  const { x, y } = { x: trace.x, y: trace.y, ...arrays };
  const points = Array.from(x, (value, i) => [place(layout.xaxis, value), place(layout.yaxis, y[i])]);
  const has = (part) => trace.mode.includes(part);
  return (
    (!has("lines") || moveLine(group, points, trace.line.shape)) &&
    (!has("markers") || moveNodes(group, ".point", points, moveMarker)) &&
    (!has("text") || moveNodes(group, ".textpoint", points, moveText))
  );
}
