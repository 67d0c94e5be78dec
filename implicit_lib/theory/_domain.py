"""Typed domains: intervals and boxes with open, closed or infinite ends, and holes in them.

domain   = interval {"x" interval} {"\\" hole}
hole     = "{" point {"," point} "}" | interval {"x" interval}
interval = ("(" | "[") end "," end (")" | "]")
point    = sum, or "(" sum {"," sum} ")" in a box
end      = sum | ["-"] "inf"
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from implicit_lib.theory._arrays import ARRAYS
from implicit_lib.theory._parse import Parser
from implicit_lib.theory._tree import Node, evaluate
from implicit_lib.theory._written import written


@dataclass(frozen=True)
class Axis:
    """An interval.

    Attributes:
        low: The lower end, exactly as it was typed; None for −∞.
        high: The upper end; None for ∞.
        low_open: Whether the lower end is left out.
        high_open: Whether the upper end is left out.
    """

    low: Node | None
    high: Node | None
    low_open: bool
    high_open: bool

    @property
    def low_value(self) -> float:
        """The lower end, rounded to double precision."""
        return -math.inf if self.low is None else float(evaluate(self.low, ARRAYS, {}))

    @property
    def high_value(self) -> float:
        """The upper end, rounded to double precision."""
        return math.inf if self.high is None else float(evaluate(self.high, ARRAYS, {}))

    def contains(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
        """Which numbers lie in the interval: an array of the same shape."""
        above = values > self.low_value if self.low_open else values >= self.low_value
        below = values < self.high_value if self.high_open else values <= self.high_value
        return above & below

    def __str__(self) -> str:
        """The interval as it is typed."""
        low = "-inf" if self.low is None else written(self.low)
        high = "inf" if self.high is None else written(self.high)
        return f"{'(' if self.low_open else '['}{low}, {high}{')' if self.high_open else ']'}"


@dataclass(frozen=True)
class Domain:
    """An interval, or a box of several, without some closed boxes or points.

    Attributes:
        text: As it was typed.
        axes: The interval of each variable.
        holes: What is left out: for each hole its closed interval on every axis; both ends of a point's are the same.
    """

    text: str
    axes: tuple[Axis, ...]
    holes: tuple[tuple[Axis, ...], ...]

    @staticmethod
    def parse(text: str) -> Domain:
        r"""Read a domain.

        Args:
            text: For instance `(0, 1]`, `[-1, 1] \ {0}`, `(-pi/2, pi/2)`, `(0, inf)`, `[-2, 2] \ [-0.5, 0.5]`, and in
                two variables `[-1, 1] x (0, 2] \ {(0, 1)}`.

        Raises:
            FormulaError: If the text is no domain, or nothing is left of it; it names the character and the reason.
            TypeError: If the text is not a string.

        >>> [str(part) for part in Domain.parse(r"[-1, 1] \ {0}").components]
        ['[-1, 0)', '(0, 1]']
        """
        return _DomainParser(text).domain()

    @property
    def dimension(self) -> int:
        """How many variables it is for."""
        return len(self.axes)

    @property
    def components(self) -> tuple[Axis, ...]:
        """The intervals of which it consists, from left to right.

        Raises:
            ValueError: If it has more than one variable.
        """
        if self.dimension != 1:
            raise ValueError(f"only a domain in one variable consists of intervals, got {self.text}")
        pieces = [self.axes[0]]
        for (hole,) in self.holes:
            pieces = [rest for piece in pieces for rest in _without(piece, hole)]
        return tuple(pieces)

    def contains(self, points: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """Which points lie in it, compared in double precision.

        Args:
            points: An array of shape (n, dimension).

        Returns:
            An array of shape (n,).

        Raises:
            ValueError: If the shape is another one.
        """
        points = np.asarray(points, dtype=np.float64)
        if points.ndim != 2 or points.shape[1] != self.dimension:
            raise ValueError(f"points of this domain have the shape (n, {self.dimension}), got {points.shape}")
        inside = _in_box(self.axes, points)
        for hole in self.holes:
            inside &= ~_in_box(hole, points)
        return inside

    def __str__(self) -> str:
        """The text."""
        return self.text


class _DomainParser(Parser):
    """Reads a domain; its ends are formulas without variables."""

    def __init__(self, text: str) -> None:
        super().__init__(text, ())

    def domain(self) -> Domain:
        """The whole text."""
        axes, holes = self._box(), list[tuple[Axis, ...]]()
        if any(map(self._is_point, axes)):
            self.refuse("an interval of the domain has two different ends", 0)
        while self.take("\\"):
            position = self.token.position
            found = self._points(len(axes)) if self.take("{") else [self._hole()]
            if any(len(hole) != len(axes) for hole in found):
                self.refuse(f"the hole needs {len(axes)} intervals, as the domain has", position)
            holes += found
        if self.token.kind != "end":
            self.refuse("only an x with another interval, or a \\ with a hole, may follow here")
        domain = Domain(self.text, axes, tuple(holes))
        if any(_covers(hole, axes) for hole in holes) or (domain.dimension == 1 and not domain.components):
            self.refuse("the holes leave nothing of the domain")
        return domain

    def _box(self) -> tuple[Axis, ...]:
        axes = [self._interval()]
        while self.take("x"):
            axes.append(self._interval())
        return tuple(axes)

    def _hole(self) -> tuple[Axis, ...]:
        position = self.token.position
        box = self._box()
        if any(axis.low_open or axis.high_open for axis in box):
            self.refuse("a hole is closed: write its intervals with [ and ]", position)
        return box

    def _interval(self) -> Axis:
        opening = self.token
        if self.take("(", "[") is None:
            self.refuse("an interval is expected here: [a, b], (a, b], [a, b) or (a, b)")
        low = self._end("-")
        self.expect(",", " between the ends of an interval")
        high = self._end("")
        closing = self.token
        if self.take(")", "]") is None:
            self.refuse("the interval is not closed: ) or ] is expected here")
        axis = Axis(low, high, opening.text == "(", closing.text == ")")
        for end, is_open, sign in ((low, axis.low_open, opening), (high, axis.high_open, closing)):
            if end is None and not is_open:
                self.refuse("an infinite end is open: write ( or )", sign.position)
        if not (axis.low_value < axis.high_value or self._is_point(axis)):
            self.refuse(f"the interval {axis} is empty: its lower end is not below the upper one", opening.position)
        return axis

    def _end(self, sign: str) -> Node | None:
        """An end; None if it is infinite, with the sign that it has on this side."""
        following = [token.text for token in self._tokens[self._next : self._next + 2]]
        if "inf" not in (following[0], following[-1] if following[0] in ("-", "+") else ""):
            return self.sum().node
        if following[: len(sign) + 1] != [*sign, "inf"]:
            self.refuse("-inf is a lower end and inf an upper one")
        self._next += len(sign) + 1
        return None

    def _points(self, dimension: int) -> list[tuple[Axis, ...]]:
        points = [self._point(dimension)]
        while self.take(","):
            points.append(self._point(dimension))
        self.expect("}", " after the last point")
        return points

    def _point(self, dimension: int) -> tuple[Axis, ...]:
        if dimension == 1:
            return (_at(self.sum().node),)
        self.expect("(", f" before the {dimension} coordinates of a point")
        coordinates = [self.sum().node]
        while self.take(","):
            coordinates.append(self.sum().node)
        self.expect(")", " after the coordinates of a point")
        return tuple(map(_at, coordinates))

    @staticmethod
    def _is_point(axis: Axis) -> bool:
        return axis.low_value == axis.high_value and not (axis.low_open or axis.high_open)


def _at(value: Node) -> Axis:
    return Axis(value, value, low_open=False, high_open=False)


def _without(axis: Axis, hole: Axis) -> list[Axis]:
    """What a closed hole leaves of an interval."""
    if hole.high_value < axis.low_value or hole.low_value > axis.high_value:
        return [axis]
    left = Axis(axis.low, hole.low, axis.low_open, high_open=True)
    right = Axis(hole.high, axis.high, low_open=True, high_open=axis.high_open)
    return [part for part in (left, right) if part.low_value < part.high_value]


def _covers(hole: Sequence[Axis], axes: Sequence[Axis]) -> bool:
    return all(h.low_value <= a.low_value and h.high_value >= a.high_value for h, a in zip(hole, axes, strict=True))


def _in_box(box: Sequence[Axis], points: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    inside = np.ones(len(points), dtype=np.bool_)
    for axis, values in zip(box, points.T, strict=True):
        inside &= axis.contains(values)
    return inside
