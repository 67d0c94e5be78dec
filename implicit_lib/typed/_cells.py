"""A table of cells made small enough to be printed into a page, with a radius that is still a lower bound."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy

from implicit_lib.theory._radius import LARGEST_RADIUS, LipschitzRadius

# A cell that is wholly lost costs its width, times this many halvings.
LOST = 60.0


@dataclass(frozen=True)
class Cells:
    """Intervals with 1/M each, from left to right: arrays of shape (J,)."""

    lows: np.ndarray[tuple[int], np.dtype[np.float64]]
    highs: np.ndarray[tuple[int], np.dtype[np.float64]]
    inverses: np.ndarray[tuple[int], np.dtype[np.float64]]

    @staticmethod
    def of(table: LipschitzRadius) -> Cells:
        """Those of a radius in one variable."""
        lows, highs, inverses = table.lows[:, 0].numpy(), table.highs[:, 0].numpy(), table.inverses.numpy()
        order = np.argsort(lows, kind="stable")
        return Cells(lows[order], highs[order], inverses[order])

    def within(self, low: float, high: float) -> Cells:
        """What of them makes the radius smaller between two points: it is at most 1/2, so nothing further away."""
        low, high = low - LARGEST_RADIUS, high + LARGEST_RADIUS
        near = (self.highs >= low) & (self.lows <= high)
        return Cells(self.lows[near].clip(min=low), self.highs[near].clip(max=high), self.inverses[near])

    def merged(self, count: int) -> Cells:
        """At most `count` cells, whose radius is at most that of these.

        Two neighbours become the interval that holds both, with the smaller 1/M: it is nearer to every x than either,
        and its constant is not smaller. Merged first are those that lose the least width of the domain, times the
        number of halvings of 1/M.
        """
        lows, highs, inverses = self.lows.copy(), self.highs.copy(), self.inverses.copy()
        while len(lows) > count:
            at = int(np.argmin(_losses(lows, highs, inverses)))
            highs[at] = max(highs[at], highs[at + 1])
            inverses[at] = min(inverses[at], inverses[at + 1])
            lows, highs, inverses = (np.delete(each, at + 1) for each in (lows, highs, inverses))
        return Cells(lows, highs, inverses)

    def radius(self, x: sympy.Expr) -> sympy.Expr:
        """r̂(x) = min(1/2, min_j max(dist(x, I_j), 1/M_j))."""
        table = zip(self.lows.tolist(), self.highs.tolist(), self.inverses.tolist(), strict=True)
        return Radius(x, *(number for cell in table for number in cell))


class Radius(sympy.Function):  # type: ignore[misc]  # sympy has no types
    """r̂ at its first argument, for the cells that follow: low, high and 1/M of each.

    As sympy's own Min of Max it would be compared pair by pair whenever it is rebuilt. The printers find the methods.
    """

    @property
    def _table(self) -> list[list[float]]:
        numbers = [float(number) for number in self.args[1:]]
        return [numbers[i : i + 3] for i in range(0, len(numbers), 3)]

    def _javascript(self, printer: Any) -> str:
        x = printer.doprint(self.args[0])
        cells = (f"Math.max({low!r} - ({x}), {x} - ({high!r}), {inverse!r})" for low, high, inverse in self._table)
        return f"Math.min({', '.join([repr(LARGEST_RADIUS), *cells])})"

    def _numpycode(self, printer: Any) -> str:
        if not self._table:
            return repr(LARGEST_RADIUS)
        array, maximum, minimum = (printer._module_format(f"numpy.{name}") for name in ("array", "maximum", "minimum"))
        x = f"{array}({printer.doprint(self.args[0])})[..., None]"
        lows, highs, inverses = (f"{array}({list(column)})" for column in zip(*self._table, strict=True))
        beyond = f"{maximum}({maximum}({lows} - {x}, {x} - {highs}), {inverses})"
        return f"{minimum}({LARGEST_RADIUS!r}, {beyond}.min(axis=-1))"


def _losses(*cells: np.ndarray[tuple[int], np.dtype[np.float64]]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """What it costs to merge each cell with the next one, the gap between them included."""
    lows, highs, inverses = cells
    smaller = np.minimum(inverses[:-1], inverses[1:])
    gap = np.maximum(lows[1:] - highs[:-1], 0) * _halvings(LARGEST_RADIUS, smaller)
    widths = highs - lows
    left, right = _halvings(inverses[:-1], smaller), _halvings(inverses[1:], smaller)
    return np.asarray(gap + widths[:-1] * left + widths[1:] * right)


def _halvings(
    larger: np.ndarray[tuple[int], np.dtype[np.float64]] | float,
    smaller: np.ndarray[tuple[int], np.dtype[np.float64]],
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ratios = np.log2(larger / smaller)
    return np.where(larger == smaller, 0.0, np.minimum(np.where(np.isnan(ratios), LOST, ratios), LOST))
