"""That a formula is not locally Lipschitz at a point, proved by its behaviour beside the point.

Let F(p + h d) be known as a series in h for some directions d. A function that is Lipschitz near p is bounded there,
its values have one limit at p, which is F(p) if p belongs to the domain, and |F(p + h d) − limit| ≤ K |d| h. So F is
refuted

- where it has no value at p, or at all points p + h d for small h;
- if F(p + h d) is unbounded, or swings between values that stay apart;
- if two directions have different limits, or one has a limit that is not F(p);
- if (F(p + h d) − limit)/h is unbounded, or if differences within the way are (`Series.oscillates_steeply`).

Each is decided by ranks, which are exact, and by numbers whose balls certainly differ, or are certainly not 0.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations

from flint import arb

from implicit_lib.theory import _interval as iv
from implicit_lib.theory._asymptotics import Undefined, behaviour
from implicit_lib.theory._formula import Formula
from implicit_lib.theory._interval import Real
from implicit_lib.theory._places import PRECISION, Direction, Place
from implicit_lib.theory._series import FINITE, LINEAR, Growth, Huge, Series, Undecided, plus, split, times
from implicit_lib.theory._told import monomial_text, series_text, term_text
from implicit_lib.theory._tree import Apply, Node
from implicit_lib.theory._verdict import Verdict
from implicit_lib.theory._written import written

Sides = dict[Direction, Growth]


def refutation(formula: Formula, place: Place, name: str = "F") -> Verdict | None:
    """A verdict "refuted", if the formula is proved not to be locally Lipschitz at a place.

    Args:
        formula: the formula.
        place: a point with directions into the domain; it need not belong to the domain itself.
        name: of the function, for the verdict.
    """
    where = f"at {place}"
    with iv.working_precision(PRECISION):
        try:
            value = _value(formula, place) if place.belongs else None
            where, sides = f"beside {place}", _sides(formula.tree, place)
        except Undefined as undefined:
            verb = "has a pole" if _has_a_pole(undefined.part, place) else "has no value"
            statement = f"{name} is undefined {where}: {written(undefined.part)} {verb} there"
            return Verdict("refuted", statement, place.at)
        statement = _unbounded(sides) or _jump(sides, value) or _steep(sides, place, name)
        if not statement:
            return None
        lines = tuple(f"{name}({place.way(d)}) = {series_text(growth)}" for d, growth in sides.items())
        return Verdict("refuted", f"{name} {statement.format(place=place)}", place.at, lines)


def _sides(tree: Node, place: Place) -> Sides:
    """The behaviour in each direction in which the rules tell it."""
    sides = Sides()
    for direction in place.directions:
        try:
            sides[direction] = behaviour(tree, place.beside(direction), place.vanishes)
        except Undecided:
            continue
    return sides


def _value(formula: Formula, place: Place) -> Real | None:
    """F(p); None if the rules do not tell."""
    try:
        growth = behaviour(formula.tree, place.here(), place.vanishes)
    except Undecided:
        return None
    return growth.limit if isinstance(growth, Series) else None


def _has_a_pole(part: Node, place: Place) -> bool:
    """Whether a part that has no value at a place is unbounded beside it."""
    if not (isinstance(part, Apply) and part.name in ("div", "pow", "tan", "gamma")):
        return False
    try:
        return any(map(_is_unbounded, _sides(part, place).values()))
    except Undefined:
        return False


def _is_unbounded(growth: Growth) -> bool:
    return isinstance(growth, Huge) or growth.exceeds(FINITE)


def _unbounded(sides: Sides) -> str:
    return "has a pole at {place}: its values grow without bound" if any(map(_is_unbounded, sides.values())) else ""


def _jump(sides: Sides, value: Real | None) -> str:
    """Two sequences of points that tend to the place, with values that tend to different numbers."""
    finite = [growth for growth in sides.values() if isinstance(growth, Series)]
    for growth in finite:
        wave = growth.wave
        if wave and wave.rank == FINITE and Series(growth.terms, growth.rest).limit is not None:
            size = float(2 * abs(wave.amplitude))
            return f"oscillates without a limit at {{place}}: by {size:.3g} over any distance"
    limits = [limit for growth in finite if (limit := growth.limit) is not None]
    limits += [] if value is None else [value]
    size = max((float(arb(a - b).abs_lower()) for a, b in combinations(limits, 2)), default=0.0)
    return f"jumps at {{place}}: by {size:.3g} over any distance" if size > 0 else ""


def _steep(sides: Sides, place: Place, name: str) -> str:
    for direction, growth in sides.items():
        if isinstance(growth, Huge) or growth.limit is None:
            continue
        _, _, rest = split(growth)
        line = len(direction) == 1
        h, there = (place.distance(), f"there {name}") if line else ("h", f"{name}({place.way(direction)})")
        if rest.leading and rest.exceeds(LINEAR):
            rank, number = rest.leading
            return f"has an infinite slope at {{place}}: {there} changes like {term_text(rank, abs(number), h)}"
        if rest.wave and rest.oscillates_steeply():
            size, apart = monomial_text(rest.wave.rank, h), plus(LINEAR, times(rest.wave.phase, Fraction(-1)))
            swings = f"swings of about {size} are about {monomial_text(apart, h)} apart"
            return f"has an oscillating infinite slope at {{place}}: {swings}"
        if rest.exceeds(LINEAR):
            return "has an infinite slope at {place}"
    return ""
