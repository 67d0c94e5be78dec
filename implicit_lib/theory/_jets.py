"""Values and first derivatives of a formula on a box, with everything that may be singular there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from flint import arb

from implicit_lib.theory import _interval as iv
from implicit_lib.theory._interval import Interval, Real
from implicit_lib.theory._tree import Apply, Compare, Constant, Node, Number, Piecewise, Variable, evaluate

SingularityKind = Literal["pole", "branch point", "kink", "jump", "undefined"]
UNBOUNDED: Real = arb(0, iv.INFINITY)


@dataclass(frozen=True)
class Singularity:
    """A place where a part of a formula may fail to be smooth, as far as its enclosures can tell.

    Attributes:
        kind: "pole", "branch point" (an infinite slope, or the end of the domain of a root or logarithm), "kink" (which
            is Lipschitz), "jump" (between the cases of a piecewise formula), or "undefined".
        part: the part of the formula.
        box: where: a low and a high coordinate for each variable.
        certain: whether the part is undefined on all of the box, and not only perhaps somewhere.
        guard: the expression on which it depends: nothing is singular where it is positive, nor, unless `positive` is
            set, where it is negative. None if nothing so simple can be said.
        positive: whether the guard must be positive.
    """

    kind: SingularityKind
    part: Node
    box: tuple[Interval, ...]
    certain: bool = False
    guard: Node | None = None
    positive: bool = False


@dataclass(frozen=True, slots=True)
class Jet:
    """An enclosure of an expression and of its generalised derivatives on a box.

    Attributes:
        value: encloses the values, wherever the expression is defined.
        slopes: for each variable, a ball around all partial derivatives; around Clarke's where there is a kink.
        node: the expression.
        squares: if the expression is known to be a sum of squares and a constant of at least 0, what is squared.
    """

    value: Interval
    slopes: tuple[Real, ...]
    node: Node
    squares: tuple[Jet, ...] | None = None

    @property
    def is_constant(self) -> bool:
        return all(slope.is_zero() for slope in self.slopes)


class Jets:
    """The algebra of jets on one box. `found` collects the singularities."""

    def __init__(self, box: tuple[Interval, ...]) -> None:
        self.box = box
        self.found: list[Singularity] = []
        self._flat = tuple(iv.ZERO for _ in box)

    def variables(self, names: Iterable[str]) -> dict[str, Jet]:
        count = len(self.box)
        slopes = [tuple(iv.ONE if i == j else iv.ZERO for j in range(count)) for i in range(count)]
        return {name: Jet(self.box[i], slopes[i], Variable(name)) for i, name in enumerate(names)}

    def number(self, value: Fraction) -> Jet:
        return Jet(iv.exactly(value), self._flat, Number(value))

    def constant(self, name: str) -> Jet:
        ball = arb.pi() if name == "pi" else arb.const_e()
        return Jet(iv.interval(ball, ball), self._flat, Constant(name))

    def power(self, base: Jet, exponent: Fraction) -> Jet:
        node = Apply("pow", (base.node, Number(exponent)))
        u = base.value
        if exponent.denominator == 1:
            if exponent < 0 and not u.is_nonzero():
                self._singular("pole", node, u.is_point(), base.node)
        elif not u.is_nonnegative() or (exponent < 0 and not u.is_positive()):
            self._singular("undefined", node, u.high < 0 or (exponent < 0 and u.high <= 0), base.node, True)
        elif exponent < 1 and not u.is_positive():
            self._singular("branch point", node, False, base.node, True)
        value = iv.power(u, exponent)
        if exponent == 0:
            return Jet(value, self._flat, node)
        slope = iv.multiply(iv.exactly(exponent), iv.power(u, exponent - 1))
        return Jet(value, _scaled(slope, base), node, (base,) if exponent == 2 else None)

    def apply(self, name: str, *args: Jet) -> Jet:
        node = Apply(name, tuple(arg.node for arg in args))
        if name in ("min", "max"):
            return self._extreme(name, args, node)
        method: Callable[..., Jet] = getattr(self, f"_{name}")
        return method(node, *args)

    def _add(self, node: Node, a: Jet, b: Jet) -> Jet:
        squares = _squares(a, b)
        return Jet(iv.add(a.value, b.value), _sums(a.slopes, b.slopes), node, squares)

    def _sub(self, node: Node, a: Jet, b: Jet) -> Jet:
        return Jet(iv.subtract(a.value, b.value), _sums(a.slopes, tuple(-s for s in b.slopes)), node)

    def _neg(self, node: Node, a: Jet) -> Jet:
        return Jet(iv.negative(a.value), tuple(-s for s in a.slopes), node)

    def _mul(self, node: Node, a: Jet, b: Jet) -> Jet:
        if a.node == b.node:
            return Jet(iv.square(a.value), _scaled(iv.multiply(iv.exactly(Fraction(2)), a.value), a), node, (a,))
        return Jet(iv.multiply(a.value, b.value), _sums(_scaled(b.value, a), _scaled(a.value, b)), node)

    def _div(self, node: Node, a: Jet, b: Jet) -> Jet:
        if not b.value.is_nonzero():
            self._singular("pole", node, b.value.is_point(), b.node)
        inverse = iv.reciprocal(b.value)
        value = iv.multiply(a.value, inverse)
        return Jet(value, _sums(_scaled(inverse, a), _scaled(iv.negative(iv.multiply(value, inverse)), b)), node)

    def _pow(self, node: Node, base: Jet, exponent: Jet) -> Jet:
        """exp(exponent · log(base))"""
        u, e = base.value, exponent.value
        if not u.is_positive():
            defined = u.is_nonnegative() and e.is_positive()
            certain = bool(u.high < 0) or (bool(u.high <= 0) and bool(e.high <= 0))
            self._singular("branch point" if defined else "undefined", node, certain, base.node, True)
        value = iv.exponential(iv.multiply(e, iv.logarithm(u)))
        if not u.is_positive():
            value = Interval(iv.ZERO, value.high)
        along_base = _scaled(iv.multiply(e, iv.multiply(value, iv.reciprocal(u))), base)
        return Jet(value, _sums(along_base, _scaled(iv.multiply(value, iv.logarithm(u)), exponent)), node)

    def _abs(self, node: Node, a: Jet) -> Jet:
        if a.value.is_nonnegative() or a.value.high <= 0:
            sign = 1 if a.value.is_nonnegative() else -1
            return Jet(iv.absolute(a.value), tuple(sign * s for s in a.slopes), node)
        self._singular("kink", node, False, a.node)
        return Jet(iv.absolute(a.value), _scaled(Interval(-iv.ONE, iv.ONE), a), node)

    def _sqrt(self, node: Node, a: Jet) -> Jet:
        value = iv.root(a.value)
        if a.value.is_positive():
            return Jet(value, _scaled(iv.reciprocal(iv.add(value, value)), a), node)
        if a.squares:
            # the length of a vector: 1-Lipschitz in what is squared
            self._singular("kink", node, False, a.node)
            slopes = self._flat
            for part in a.squares:
                slopes = _sums(slopes, _scaled(Interval(-iv.ONE, iv.ONE), part))
            return Jet(value, slopes, node)
        kind: SingularityKind = "branch point" if a.value.is_nonnegative() else "undefined"
        if not a.value.is_point() or not a.value.low.is_zero() or not a.is_constant:
            self._singular(kind, node, a.value.high < 0, a.node, True)
        return Jet(value, tuple(iv.ZERO if s.is_zero() else UNBOUNDED for s in a.slopes), node)

    def _exp(self, node: Node, a: Jet) -> Jet:
        value = iv.exponential(a.value)
        return Jet(value, _scaled(value, a), node)

    def _log(self, node: Node, a: Jet) -> Jet:
        if not a.value.is_positive():
            self._singular("undefined", node, a.value.high <= 0, a.node, True)
            return Jet(iv.logarithm(a.value), tuple(iv.ZERO if s.is_zero() else UNBOUNDED for s in a.slopes), node)
        return Jet(iv.logarithm(a.value), _scaled(iv.reciprocal(a.value), a), node)

    def _sin(self, node: Node, a: Jet) -> Jet:
        return Jet(iv.sine(a.value), _scaled(iv.cosine(a.value), a), node)

    def _cos(self, node: Node, a: Jet) -> Jet:
        return Jet(iv.cosine(a.value), _scaled(iv.negative(iv.sine(a.value)), a), node)

    def _tan(self, node: Node, a: Jet) -> Jet:
        if not iv.has_no_pole_of_tangent(a.value):
            self._singular("pole", node, False, Apply("cos", (a.node,)))
        value = iv.tangent(a.value)
        return Jet(value, _scaled(iv.add(Interval(iv.ONE, iv.ONE), iv.square(value)), a), node)

    def _atan(self, node: Node, a: Jet) -> Jet:
        slope = iv.reciprocal(iv.add(Interval(iv.ONE, iv.ONE), iv.square(a.value)))
        return Jet(iv.arctangent(a.value), _scaled(slope, a), node)

    def _tanh(self, node: Node, a: Jet) -> Jet:
        value = iv.hyperbolic_tangent(a.value)
        return Jet(value, _scaled(iv.subtract(Interval(iv.ONE, iv.ONE), iv.square(value)), a), node)

    def _gamma(self, node: Node, a: Jet) -> Jet:
        if not iv.has_no_pole_of_gamma(a.value):
            self._singular("pole", node, a.value.is_point())
        return Jet(iv.gamma(a.value), _scaled(iv.gamma_slope(a.value), a), node)

    def _extreme(self, name: str, args: tuple[Jet, ...], node: Node) -> Jet:
        pick = iv.smallest if name == "min" else iv.largest
        best = args[0]
        for other in args[1:]:
            low, high = (other, best) if name == "min" else (best, other)
            if iv.is_at_most(high.value, low.value):
                continue
            if iv.is_at_most(low.value, high.value):
                best = other
                continue
            self._singular("kink", node, False, Apply("sub", (best.node, other.node)))
            slopes = tuple(
                s.union(t) if s.is_finite() and t.is_finite() else UNBOUNDED
                for s, t in zip(best.slopes, other.slopes, strict=True)
            )
            best = Jet(pick(best.value, other.value), slopes, node)
        return best

    def piecewise(self, node: Piecewise, variables: Mapping[str, Jet]) -> Jet:
        live = []
        for test, branch in node.branches:
            holds = self.decide(test, variables)
            if holds is not False:
                live.append(evaluate(branch, self, variables))
            if holds:
                break
        else:
            live.append(evaluate(node.otherwise, self, variables))
        if len(live) == 1:
            return live[0]
        self._singular("jump", node, False)
        value = live[0].value
        for each in live[1:]:
            value = iv.hull(value, each.value)
        return Jet(value, tuple(UNBOUNDED for _ in self.box), node)

    def decide(self, test: Compare, variables: Mapping[str, Jet]) -> bool | None:
        """Whether a condition holds on all of the box (True), or nowhere on it (False)."""
        left, right = (evaluate(side, self, variables).value for side in (test.left, test.right))
        if test.relation == "==":
            if iv.is_below(left, right) or iv.is_below(right, left):
                return False
            return True if left.is_point() and right.is_point() and left.low == right.low else None
        if test.relation in (">", ">="):
            left, right = right, left
        if test.relation in ("<", ">"):
            return True if iv.is_below(left, right) else False if iv.is_at_most(right, left) else None
        return True if iv.is_at_most(left, right) else False if iv.is_below(right, left) else None

    def decide_on(self, test: Compare, names: Iterable[str]) -> bool | None:
        """`decide`, for the names of the variables."""
        return self.decide(test, self.variables(names))

    def _singular(
        self, kind: SingularityKind, part: Node, certain: bool, guard: Node | None = None, positive: bool = False
    ) -> None:
        self.found.append(Singularity(kind, part, self.box, bool(certain), guard, positive))


def _scaled(factor: Interval, jet: Jet) -> tuple[Real, ...]:
    ball = factor.ball()
    return tuple(_times(ball, slope) for slope in jet.slopes)


def _times(a: Real, b: Real) -> Real:
    if a.is_zero() or b.is_zero():
        return iv.ZERO
    product = a * b
    return product if product.is_finite() else UNBOUNDED


def _sums(a: tuple[Real, ...], b: tuple[Real, ...]) -> tuple[Real, ...]:
    return tuple(p + q for p, q in zip(a, b, strict=True))


def _squares(a: Jet, b: Jet) -> tuple[Jet, ...] | None:
    parts = [_own_squares(a), _own_squares(b)]
    if parts[0] is None or parts[1] is None:
        return None
    return parts[0] + parts[1]


def _own_squares(a: Jet) -> tuple[Jet, ...] | None:
    return () if a.is_constant and a.value.is_nonnegative() else a.squares
