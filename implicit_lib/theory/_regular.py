"""Is a typed operator G(y, x) regular? Its contraction and its Lipschitz growth in x, certified or refuted.

The states y may be unbounded. They are measured by s = y/(1 + |y|), between −1 and 1: with |y| = |s|/(1 − |s|) the
quotient |∂G/∂x| / (1 + |y|) becomes |∂G/∂x| (1 − |s|), from which sympy cancels the growth, and which is then enclosed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from flint import arb, fmpq

from implicit_lib.theory import _interval as iv
from implicit_lib.theory._algebraic import derivative, simplified
from implicit_lib.theory._asymptotics import Undefined, behaviour
from implicit_lib.theory._cells import MIDPOINTS, Box, middle_of
from implicit_lib.theory._domain import Domain
from implicit_lib.theory._enclosure import enclose
from implicit_lib.theory._exact import substituted
from implicit_lib.theory._formula import Formula, parse
from implicit_lib.theory._interval import Interval
from implicit_lib.theory._positive import positive_on
from implicit_lib.theory._radius import rounded_down
from implicit_lib.theory._ranges import Supremum, domain_boxes, upper_bound
from implicit_lib.theory._series import LINEAR, Huge, Undecided, constant, monomial, rational, times
from implicit_lib.theory._step_size import lipschitz_on
from implicit_lib.theory._told import series_text
from implicit_lib.theory._tree import Apply, Node, Number, Variable
from implicit_lib.theory._verdict import Verdict

VARIABLES = ("y", "x")
INVERSE = times(LINEAR, Fraction(-1))  # 1/h


@dataclass(frozen=True)
class Regularity:
    """What is known of an operator.

    Attributes:
        contraction: whether |∂G/∂y| < 1, for every x by a margin that does not depend on y.
        growth: whether |∂G/∂x| ≤ L (1 + |y|).
        modulus: a certified bound of |∂G/∂y| everywhere, below 1; None if there is none.
        constant: a certified L; None if there is none.
    """

    contraction: Verdict
    growth: Verdict
    modulus: float | None
    constant: float | None

    def __bool__(self) -> bool:
        return bool(self.contraction) and bool(self.growth)

    def __str__(self) -> str:
        return f"{self.contraction}\n{self.growth}"


@dataclass(frozen=True)
class Quantity:
    """A function of the state and x, in the coordinates (s, x), for states of one sign."""

    sign: int
    formula: Formula
    boxes: tuple[Box, ...]

    def point(self, at: tuple[float, ...]) -> tuple[float, ...]:
        """(y, x) at (s, x)."""
        s, x = at
        return (self.sign * (s / (1 - s) if s < 1 else math.inf), x)


def check_regular(
    G: Formula | str,
    domain: Domain | str,
    y_range: tuple[float, float] = (-math.inf, math.inf),
    constant: float | None = None,
) -> Regularity:
    """Whether an operator in one dimension is regular, for states in a range and x in a domain.

    Args:
        G: a smooth formula in y and x, in this order, or its text.
        domain: of x, in one variable, or its text.
        y_range: the states, possibly all.
        constant: an L to be confirmed or refuted; without one any will do.

    Raises:
        FormulaError: a text is no formula or no domain.
        ValueError: G does not have the variables y and x, the domain not one, or the range is empty.
    """
    domain = Domain.parse(domain) if isinstance(domain, str) else domain
    G = parse(G, VARIABLES) if isinstance(G, str) else G
    if G.variables != VARIABLES or domain.dimension != 1:
        raise ValueError(
            f"G must have the variables y and x, and x one dimension, but got {G.variables} on {domain.text}"
        )
    if not y_range[0] < y_range[1]:
        raise ValueError(f"y_range must run from low to high, but is {y_range}")
    with iv.working_precision(MIDPOINTS):
        contraction, modulus = _contraction(G, domain, y_range)
        growth, found = _growth(G, domain, y_range, constant)
    return Regularity(contraction, growth, modulus, found)


def _contraction(G: Formula, domain: Domain, y_range: tuple[float, float]) -> tuple[Verdict, float | None]:
    slope = derivative(G, "y")
    if slope is None:
        return Verdict("undecided", "∂G/∂y has no formula here: G has cases or kinks"), None
    parts = list(_quantities(slope.tree, domain, y_range))
    suprema = [_supremum(part) for part in parts]
    for part, supremum in zip(parts, suprema, strict=True):
        if supremum.seen >= 1:
            return _not_contractive(part.point(supremum.at), float(supremum.seen)), None
    largest = max(supremum.bound for supremum in suprema)
    if largest < 1:
        modulus = -rounded_down(-largest)
        return Verdict("certified", f"contractive with modulus {modulus:.6g}: |∂G/∂y| ≤ {modulus:.6g}"), modulus
    for sign in (1, -1):
        room = Apply("add" if sign < 0 else "sub", (Number(Fraction(1)), slope.tree))
        for part in _quantities(room, domain, y_range, closed=True):
            failed = positive_on(part.formula, part.boxes)
            if failed is not None and failed[0] == "refuted":
                return _not_contractive(part.point(failed[1]), None), None
            if failed is not None:
                y, x = part.point(failed[1])
                return Verdict("undecided", f"no proof of |∂G/∂y| < 1 near y = {y:.6g}, x = {x:.6g}", (y, x)), None
    return Verdict("certified", "contractive: |∂G/∂y| < 1 for every x, with no common modulus found"), None


def _not_contractive(at: tuple[float, ...], size: float | None) -> Verdict:
    found = "at least 1" if size is None else f"at least {size:.6g}"
    return Verdict("refuted", f"not contractive: |∂G/∂y| is {found} at y = {at[0]:.6g}, x = {at[1]:.6g}", at)


def _growth(
    G: Formula, domain: Domain, y_range: tuple[float, float], constant: float | None
) -> tuple[Verdict, float | None]:
    state = Fraction(min(max(0.0, y_range[0]), y_range[1]))
    across = Formula(G.text, ("x",), substituted(G.tree, "y", Number(state)))
    alone = lipschitz_on(across, domain, f"G({float(state):g}, ·)")
    if alone.kind == "refuted":
        at = (float(state), *alone.at) if alone.at else None
        return Verdict("refuted", f"not Lipschitz in x: {alone.statement}", at, alone.lines), None
    if not alone:
        return Verdict("undecided", alone.statement, alone.at and (float(state), *alone.at), alone.lines), None
    if not _crosses_holes(G, domain, y_range):
        return Verdict("undecided", "no proof that differences of G across the hole are bounded"), None
    slope = derivative(G, "x")
    if slope is None:
        return Verdict("undecided", "∂G/∂x has no formula here: G has cases or kinks"), None
    unbounded = _grows_with_state(slope, domain, y_range)
    if unbounded is not None:
        return unbounded, None
    parts = list(_quantities(slope.tree, domain, y_range, weight=True))
    suprema = [_supremum(part) for part in parts]
    return _constant(parts, suprema, constant)


def _crosses_holes(G: Formula, domain: Domain, y_range: tuple[float, float]) -> bool:
    """Whether G goes on across the holes, so that bounds of ∂G/∂x hold for differences across them."""
    formula = simplified(G) or G
    boxes = [box[0] for box in domain_boxes(domain)]
    states = iv.interval(arb(y_range[0]), arb(y_range[1]))
    gaps = (iv.interval(left.high, right.low) for left, right in pairwise(boxes))
    return not any(enclose(formula, (states, gap)).obstacles for gap in gaps)


def _constant(parts: list[Quantity], suprema: list[Supremum], constant: float | None) -> tuple[Verdict, float | None]:
    part, steepest = max(zip(parts, suprema, strict=True), key=lambda pair: float(pair[1].seen))
    y, x = part.point(steepest.at)
    where = f"y = {y:.6g}, x = {x:.6g}"
    if constant is not None and steepest.seen > constant:
        seen = float(steepest.seen)
        reason = f"|∂G/∂x| is {seen:.6g} (1 + |y|) at {where}, more than {constant:g} (1 + |y|)"
        return Verdict("refuted", reason, (y, x)), None
    largest = max(supremum.bound for supremum in suprema)
    if not largest.is_finite() or (constant is not None and largest > constant * (1 + 1e-8)):
        return Verdict(
            "undecided",
            f"no bound of |∂G/∂x| / (1 + |y|) was found; it is {float(steepest.seen):.6g} at {where}",
            (y, x),
        ), None
    bound = -rounded_down(-largest)
    return Verdict("certified", f"Lipschitz in x with constant {bound:.10g} (1 + |y|)"), bound


def _grows_with_state(slope: Formula, domain: Domain, y_range: tuple[float, float]) -> Verdict | None:
    """A verdict if |∂G/∂x| / (1 + |y|) grows with the state y = ±1/h, for an x in the middle of the domain."""
    for sign in (1, -1):
        if math.isfinite(y_range[sign > 0]):
            continue
        state = monomial(INVERSE, fmpq(sign))
        for box in domain_boxes(domain):
            x = middle_of(box[0])
            try:
                size = behaviour(slope.tree, {"y": state, "x": constant(rational(x))}, lambda tree: False)
            except (Undecided, Undefined):
                continue
            if isinstance(size, Huge) or size.exceeds(INVERSE):
                at = (sign * 2.0**16, float(x))
                way = f"at x = {at[1]:.6g}, y = {'−' if sign < 0 else ''}1/h, with h → 0"
                return Verdict("refuted", f"|∂G/∂x| grows faster than 1 + |y|: {way}, ∂G/∂x is {series_text(size)}", at)
    return None


def _quantities(
    tree: Node, domain: Domain, y_range: tuple[float, float], *, weight: bool = False, closed: bool = False
) -> Iterator[Quantity]:
    """A function of y and x in the coordinates s and x, for y ≥ 0 and for y ≤ 0.

    Args:
        tree: the function.
        domain: of x.
        y_range: the states.
        weight: whether to multiply by 1 − |s|, and take the domain with its holes: where a slope in x is bounded on all
            of that, it bounds differences across a hole, too.
        closed: whether to include the limit at |y| = ∞: what is positive there, too, is so by a margin.
    """
    s, one = Variable("y"), Number(Fraction(1))
    rest = Apply("sub", (one, s))
    x_boxes = [box[0] for box in domain_boxes(domain)]
    if weight:
        first, last = x_boxes[0], x_boxes[-1]
        x_boxes = [Interval(first.low, last.high, first.low_open, last.high_open)]
    for sign in (1, -1):
        low, high = (max(0.0, y_range[0]), y_range[1]) if sign > 0 else (max(0.0, -y_range[1]), -y_range[0])
        if low > high or (low == high and sign < 0):
            continue
        state = Apply("div", (s if sign > 0 else Apply("neg", (s,)), rest))
        inside = substituted(tree, "y", state)
        formula = Formula("", VARIABLES, Apply("mul", (inside, rest)) if weight else inside)
        ends = [iv.ONE if math.isinf(end) else arb(end) / (1 + arb(end)) for end in (low, high)]
        side = iv.interval(ends[0], ends[1], False, math.isinf(high) and not closed)
        yield Quantity(sign, simplified(formula) or formula, tuple((side, box) for box in x_boxes))


def _supremum(quantity: Quantity) -> Supremum:
    """Of the absolute value."""

    def size(box: Box) -> Interval:
        enclosure = enclose(quantity.formula, box)
        return iv.EVERYTHING if enclosure.obstacles else iv.absolute(enclosure.range)

    return upper_bound(quantity.boxes, size)
