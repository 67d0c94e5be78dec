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

/** What can be moved: lines and markers between axes that stay. */
function movable(trace, { xaxis, yaxis }) {
  if (trace.type !== "scatter" || xaxis.autorange || yaxis.autorange) return false;
  return !trace.connectgaps && ["linear", "hv"].includes(trace.line?.shape ?? "linear");
}

function moveLine(group, points, shape) {
  const [line, ...afterGaps] = group.querySelectorAll(".js-line");
  afterGaps.forEach((piece) => piece.remove());
  line?.setAttribute("d", path(points, shape));
  return line !== undefined;
}

function moveMarkers(group, points) {
  const seen = points.filter(isPoint);
  const marks = [...group.querySelectorAll(".point")];
  if (!marks.length) return !seen.length;
  while (marks.length < seen.length) marks.push(marks[0].parentNode.appendChild(marks[0].cloneNode()));
  marks.splice(seen.length).forEach((mark) => mark.remove());
  marks.forEach((mark, i) => mark.setAttribute("transform", `translate(${seen[i]})`));
  return true;
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
  const lines = !trace.mode.includes("lines") || moveLine(group, points, trace.line.shape);
  return lines && (!trace.mode.includes("markers") || moveMarkers(group, points));
}
