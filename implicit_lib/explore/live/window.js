// The part of a domain that a figure shows, and the points in it: the twin of implicit_lib/typed/_grid.py.
// A domain is { axes: [{ low, high, lowOpen, highOpen }], holes: [[[low, high], …]] }: a box, and the closed boxes that
// are left out; of a point, both ends are the same.

const REACH = 8; // of an infinite interval
const POINTS = 160;

/** A domain without its parts at infinity, and without ends that a hole as wide as the box cuts off. */
export const windowOf = (domain) => ({ ...domain, axes: domain.axes.map((_, i) => shown(domain, i)) });

function shown(domain, i) {
  const parts = partsOf(domain, i).map(({ low, high, ...ends }) => ({
    low: low === -Infinity ? (high === Infinity ? -REACH : high - REACH) : low,
    high: high === Infinity ? (low === -Infinity ? REACH : Math.max(low, 0) + REACH) : high,
    ...ends,
  }));
  const [first, last] = [parts[0], parts.at(-1)];
  return { low: first.low, lowOpen: first.lowOpen, high: last.high, highOpen: last.highOpen };
}

/** What the holes that are as wide as the box leave of an axis, from left to right. */
export function partsOf({ axes, holes }, i) {
  const isWide = (hole) => axes.every(({ low, high }, j) => j === i || (hole[j][0] <= low && high <= hole[j][1]));
  return holes.filter(isWide).reduce((parts, hole) => without(parts, hole[i]), [axes[i]]);
}

/** What a closed hole leaves of intervals. */
function without(parts, [from, to]) {
  return parts.flatMap((part) => {
    if (to < part.low || from > part.high) return [part];
    const left = { ...part, high: from, highOpen: true };
    const right = { ...part, low: to, lowOpen: true };
    return [left, right].filter(({ low, high }) => low < high);
  });
}

/** Whether a point lies in it. */
export const contains = ({ axes, holes }, point) =>
  axes.every(({ low, high, lowOpen, highOpen }, i) => (lowOpen ? point[i] > low : point[i] >= low) && (highOpen ? point[i] < high : point[i] <= high)) &&
  !holes.some((hole) => hole.every(([from, to], i) => from <= point[i] && point[i] <= to));

/** From low to high in equal steps. */
export const steps = (low, high, count) => Array.from({ length: count + 1 }, (_, i) => (i === count ? high : low + ((high - low) * i) / count));

/** About POINTS points along the first axis, some of them in holes. */
export function pointsOf({ axes, holes }) {
  const [{ low, high, lowOpen, highOpen }] = axes;
  const within = holes.flatMap(([side]) => side).filter((end) => low < end && end < high);
  const ends = [...new Set([low, ...within, high])].sort((a, b) => a - b);
  const grids = ends.slice(1).map((end, i) => steps(ends[i], end, Math.max(8, Math.round((POINTS * (end - ends[i])) / (high - low)))));
  const points = [...new Set(grids.flat())];
  return points.slice(Number(lowOpen), points.length - Number(highOpen));
}
