"""A table of cells made small enough to be printed into a page, with a radius that is still a lower bound."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy
from sympy.core.symbol import Str

from implicit_lib.theory._radius import LARGEST_RADIUS, LipschitzRadius

# A cell that is wholly lost costs its volume, times this many halvings.
LOST = 60.0
LARGEST = 1e300  # of coordinates
BITS = 60  # of coordinates, by which cells are brought into order
Array = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Cells:
    """Boxes with 1/M each: arrays of shape (J, d), (J, d) and (J,)."""

    lows: Array
    highs: Array
    inverses: Array

    @staticmethod
    def of(table: LipschitzRadius) -> Cells:
        return Cells(table.lows.numpy(), table.highs.numpy(), table.inverses.numpy())

    def within(self, lows: Sequence[float], highs: Sequence[float]) -> Cells:
        """What of them makes the radius smaller in a box: it is at most 1/2, so nothing further away."""
        low, high = np.array(lows) - LARGEST_RADIUS, np.array(highs) + LARGEST_RADIUS
        near = ((self.highs >= low) & (self.lows <= high)).all(axis=1)
        return Cells(self.lows[near].clip(min=low), self.highs[near].clip(max=high), self.inverses[near])

    def merged(self, count: int) -> Cells:
        """At most `count` cells, whose radius is at most that of these.

        Two neighbours become the box that holds both, with the smaller 1/M: it is nearer to every x than either, and
        its constant is not smaller. Neighbours are those that follow each other on a Z-order curve; merged first are
        those that lose the least volume of the domain, times the number of halvings of 1/M.
        """
        order = self._along_a_curve()
        lows, highs, inverses = self.lows[order], self.highs[order], self.inverses[order]
        while len(lows) > count:
            at = int(np.argmin(_losses(lows, highs, inverses)))
            lows[at] = np.minimum(lows[at], lows[at + 1])
            highs[at] = np.maximum(highs[at], highs[at + 1])
            inverses[at] = min(inverses[at], inverses[at + 1])
            lows, highs, inverses = (np.delete(each, at + 1, axis=0) for each in (lows, highs, inverses))
        return Cells(lows, highs, inverses)

    def _along_a_curve(self) -> np.ndarray[Any, np.dtype[np.intp]]:
        """The Z-order of the centres, by the bits of their coordinates in turn; in one variable, from left to right."""
        if not len(self.lows):
            return np.arange(0)
        low, high = self.lows.min(axis=0), self.highs.max(axis=0)
        shares = ((self.lows + self.highs) / 2 - low) / np.where(high > low, high - low, 1.0)
        numbers = (shares.clip(0, 1 - 2.0**-53) * 2**BITS).astype(np.int64)
        return np.lexsort([(column >> bit) & 1 for bit in range(BITS) for column in numbers.T])

    def radius(self, *point: sympy.Expr) -> tuple[sympy.Expr, list[sympy.Expr]]:
        """r̂(x) = min(1/2, min_j max(dist(x, I_j), 1/M_j)) at a point, and its slope along each axis.

        At a corner of r̂ the slope is that of one side.
        """
        d = len(point)
        sides = [side for axis in zip(self.lows.T, self.highs.T, strict=True) for side in axis]
        rows = np.column_stack([*sides, self.inverses])
        everywhere = [-LARGEST, LARGEST] * d + [LARGEST_RADIUS]  # 1/2 as one more cell
        table = Table(Str(json.dumps([*rows.ravel().tolist(), *everywhere])))
        row = Nearest(table, *point)
        beyond = [
            sympy.Max(x - Entry(table, row + 2 * i + 1), 0) - sympy.Max(Entry(table, row + 2 * i) - x, 0)
            for i, x in enumerate(point)
        ]
        distance, inverse = sympy.sqrt(sum(each**2 for each in beyond)), Entry(table, row + 2 * d)
        is_far = distance > inverse
        radius = sympy.Piecewise((distance, is_far), (inverse, True))
        return radius, [sympy.Piecewise((each / distance, is_far), (0, True)) for each in beyond]


class Table(sympy.Function):  # type: ignore[misc]  # sympy has no types
    """The numbers of cells, one after another: low and high along each axis, then 1/M. The printers find the methods.

    As a function of its own text it is one part of an expression however many cells there are, and printed once.
    """

    def _javascript(self, printer: Any) -> str:
        return str(self.args[0])

    def _numpycode(self, printer: Any) -> str:
        return f"{printer._module_format('numpy.array')}({self.args[0]})"


class Entry(sympy.Function):  # type: ignore[misc]
    """A number of a table, by its place."""

    is_extended_real = True

    def _javascript(self, printer: Any) -> str:
        table, place = map(printer.doprint, self.args)
        return f"{table}[{place}]"

    _numpycode = _javascript


class Nearest(sympy.Function):  # type: ignore[misc]
    """The place at which the row of a cell begins: the one that decides on r̂ at a point.

    As sympy's own Min of Max, r̂ would be compared pair by pair whenever it is rebuilt.
    """

    def _javascript(self, printer: Any) -> str:
        table, *point = map(printer.doprint, self.args)
        d = len(point)
        names = [f"x{i}" for i in range(d)]
        beyond = [f"d{i} = Math.max(cells[i + {2 * i}] - x{i}, x{i} - cells[i + {2 * i + 1}], 0)" for i in range(d)]
        square = " + ".join(f"d{i} * d{i}" for i in range(d))
        return (
            f"((cells, {', '.join(names)}) => {{ let least = Infinity; let nearest = 0; "
            f"for (let i = 0; i < cells.length; i += {2 * d + 1}) {{ "
            f"if (cells[i + {2 * d}] >= least) continue; const {', '.join(beyond)}; "
            f"const radius = Math.max(Math.sqrt({square}), cells[i + {2 * d}]); "
            f"if (radius < least) {{ least = radius; nearest = i; }} }} "
            f"return nearest; }})({table}, {', '.join(point)})"
        )

    def _numpycode(self, printer: Any) -> str:
        array, maximum, sqrt = (printer._module_format(f"numpy.{name}") for name in ("array", "maximum", "sqrt"))
        table, *point = map(printer.doprint, self.args)
        width = 2 * len(point) + 1
        columns = [f"{table}[{k}::{width}]" for k in range(width)]
        squares = []
        for i, coordinate in enumerate(point):
            x = f"{array}({coordinate})[..., None]"
            squares.append(f"{maximum}({maximum}({columns[2 * i]} - {x}, {x} - {columns[2 * i + 1]}), 0)**2")
        return f"{maximum}({sqrt}({' + '.join(squares)}), {columns[-1]}).argmin(axis=-1)*{width}"


def _losses(lows: Array, highs: Array, inverses: Array) -> Array:
    """What it costs to merge each cell with the next one, and all that their box holds besides."""
    smaller = np.minimum(inverses[:-1], inverses[1:])
    volumes = (highs - lows).prod(axis=1)
    box = (np.maximum(highs[:-1], highs[1:]) - np.minimum(lows[:-1], lows[1:])).prod(axis=1)
    besides = np.maximum(box - volumes[:-1] - volumes[1:], 0)
    left, right = _halvings(inverses[:-1], smaller), _halvings(inverses[1:], smaller)
    return np.asarray(besides * _halvings(LARGEST_RADIUS, smaller) + volumes[:-1] * left + volumes[1:] * right)


def _halvings(larger: Array | float, smaller: Array) -> Array:
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ratios = np.log2(larger / smaller)
    return np.where(larger == smaller, 0.0, np.minimum(np.where(np.isnan(ratios), LOST, ratios), LOST))
