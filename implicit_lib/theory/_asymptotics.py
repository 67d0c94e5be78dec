"""The behaviour of a formula beside a point: its value at p + h d for h → 0+, as a series in h."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from flint import arb, arb_series, fmpq, fmpq_series

from implicit_lib.theory._interval import Real
from implicit_lib.theory._series import (
    DEPTH,
    FINITE,
    FLAT,
    ORDER,
    Growth,
    Huge,
    Rank,
    Series,
    Undecided,
    Wave,
    add,
    constant,
    develop,
    equals,
    monomial,
    multiply,
    negative,
    normalised,
    of_order,
    power,
    series,
    sign,
    split,
)
from implicit_lib.theory._tree import Apply, Compare, Constant, Node, Number, Piecewise, Variable, evaluate

# −log h, the logarithm of that, …: what a logarithm makes of each factor of a monomial.
_LOGARITHMS: tuple[Rank, ...] = tuple(
    tuple(Fraction(-1 if i == j else 0) for j in range(DEPTH)) for i in range(1, DEPTH)
)
_LARGEST_POLE = 100  # of Γ: −100


class Undefined(Exception):
    """A part of the formula has no value at the point, or at any point close to it in this direction."""

    def __init__(self, part: Node) -> None:
        super().__init__(part)
        self.part = part


@dataclass(frozen=True)
class Part:
    """A part of a formula, and its behaviour."""

    node: Node
    growth: Growth


def behaviour(tree: Node, variables: Mapping[str, Series], vanishes: Callable[[Node], bool]) -> Growth:
    """A formula for variables that are series themselves: constants at a point, or p + d h beside it.

    Args:
        tree: the formula.
        variables: by name.
        vanishes: whether an expression is continuous at the point and exactly 0 there. Asked where a ball cannot tell.

    Raises:
        Undecided: the behaviour does not follow from the rules.
        Undefined: the formula has no value at the point, or at the points beside it.
    """
    parts = {name: Part(Variable(name), growth) for name, growth in variables.items()}
    return evaluate(tree, Behaviours(vanishes), parts).growth


class Behaviours:
    """The algebra of behaviours."""

    def __init__(self, vanishes: Callable[[Node], bool]) -> None:
        self._vanishes = vanishes

    def number(self, value: Fraction) -> Part:
        return Part(Number(value), constant(fmpq(value.numerator, value.denominator)))

    def constant(self, name: str) -> Part:
        return Part(Constant(name), constant(arb.pi() if name == "pi" else arb.const_e()))

    def power(self, base: Part, exponent: Fraction) -> Part:
        node = Apply("pow", (base.node, Number(exponent)))
        return self._exact(node, self._power(node, base.growth, exponent))

    def apply(self, name: str, *args: Part) -> Part:
        node = Apply(name, tuple(arg.node for arg in args))
        method: Callable[..., Growth] = getattr(self, f"_{name}")
        return self._exact(node, method(node, *args))

    def piecewise(self, node: Piecewise, variables: Mapping[str, Part]) -> Part:
        for test, branch in node.branches:
            if self._holds(test, variables):
                return evaluate(branch, self, variables)
        return evaluate(node.otherwise, self, variables)

    def _holds(self, test: Compare, variables: Mapping[str, Part]) -> bool:
        """Whether a condition holds at all points close to p, by the sign of the difference of its sides."""
        difference = self.apply("sub", *(evaluate(side, self, variables) for side in (test.left, test.right)))
        signs = {"<": (-1,), "<=": (-1, 0), "==": (0,), ">=": (0, 1), ">": (1,)}
        return _sign(difference.growth) in signs[test.relation]

    def _exact(self, node: Node, growth: Growth) -> Part:
        """With the constant term as an integer, where its ball contains one and algebra confirms it."""
        if isinstance(growth, Huge) or growth.limit is None or isinstance(growth.limit, fmpq):
            return Part(node, growth)
        number = self._integer(node, growth.limit)
        if number is growth.limit:
            return Part(node, growth)
        others = [term for term in growth.terms if term[0] != FINITE]
        waves = [growth.wave] if growth.wave else []
        return Part(node, series([(FINITE, number), *others], growth.rest, waves))

    def _integer(self, node: Node, number: Real) -> Real:
        nearest = None if isinstance(number, fmpq) else number.unique_fmpz()
        if nearest is None:
            return number
        return fmpq(nearest) if self._vanishes(difference_to(node, int(nearest))) else number

    def _add(self, node: Node, a: Part, b: Part) -> Growth:
        return add(a.growth, b.growth)

    def _sub(self, node: Node, a: Part, b: Part) -> Growth:
        return add(a.growth, negative(b.growth))

    def _neg(self, node: Node, a: Part) -> Growth:
        return negative(a.growth)

    def _mul(self, node: Node, a: Part, b: Part) -> Growth:
        return multiply(a.growth, b.growth)

    def _div(self, node: Node, a: Part, b: Part) -> Growth:
        return multiply(a.growth, self._power(node, b.growth, Fraction(-1)))

    def _power(self, node: Node, base: Growth, exponent: Fraction) -> Growth:
        zero = isinstance(base, Series) and base.is_zero
        if exponent == 0:
            return constant(fmpq(1))
        if (zero and exponent < 0) or (not zero and exponent.denominator > 1 and _sign(base) < 0):
            raise Undefined(node)
        return power(base, exponent)

    def _pow(self, node: Node, base: Part, exponent: Part) -> Growth:
        positive = _sign(base.growth)
        if positive < 0 or (positive == 0 and _sign(exponent.growth) <= 0):
            raise Undefined(node)
        if positive == 0:
            return base.growth
        return self._exponential(multiply(exponent.growth, self._logarithm(base.growth)))

    def _abs(self, node: Node, a: Part) -> Growth:
        try:
            return negative(a.growth) if _sign(a.growth) < 0 else a.growth
        except Undecided:
            assert isinstance(a.growth, Series)  # others have a sign
            return of_order(a.growth.order)

    def _sqrt(self, node: Node, a: Part) -> Growth:
        return self._power(node, a.growth, Fraction(1, 2))

    def _exp(self, node: Node, a: Part) -> Growth:
        return self._exponential(a.growth)

    def _exponential(self, a: Growth) -> Growth:
        if isinstance(a, Huge):
            return a if a.sign > 0 else of_order(FLAT)
        # beyond every multiple of log(1/h)
        if a.leading and a.leading[0] < _LOGARITHMS[0]:
            return Huge(1) if a.leading[1] > 0 else of_order(FLAT)
        if a.limit is None and a.order >= FINITE:
            return of_order(FINITE)
        infinite, number, small = split(a)
        result: Growth = develop(_taylor("exp", fmpq(0)), small)
        if not equals(number, 0):
            result = multiply(result, constant(arb(number).exp()))
        for rank, factor in infinite:
            if rank not in _LOGARITHMS or not isinstance(factor, fmpq):
                raise Undecided
            i, exponent = _LOGARITHMS.index(rank), Fraction(-int(factor.p), int(factor.q))
            result = multiply(result, monomial(tuple(exponent if i == j else Fraction(0) for j in range(DEPTH))))
        return result

    def _log(self, node: Node, a: Part) -> Growth:
        if _sign(a.growth) <= 0:
            raise Undefined(node)
        return self._logarithm(a.growth)

    def _logarithm(self, a: Growth) -> Growth:
        """Of a positive behaviour: log(c h^a L^b (1 + u)) = log c − a L + b M + log(1 + u)."""
        if isinstance(a, Huge):
            raise Undecided
        rank, number, small = normalised(a)
        if rank[-1] != 0:
            raise Undecided
        terms: list[tuple[Rank, Real]] = [
            (log, fmpq(-each.numerator, each.denominator)) for each, log in zip(rank[:-1], _LOGARITHMS, strict=True)
        ]
        if not equals(number, 1):
            terms.append((FINITE, arb(number).log()))
        return add(series(terms), develop(_taylor("log", fmpq(1)), small))

    def _sin(self, node: Node, a: Part) -> Growth:
        return self._wave(a, sine=True)

    def _cos(self, node: Node, a: Part) -> Growth:
        return self._wave(a, sine=False)

    def _wave(self, a: Part, sine: bool) -> Growth:
        if isinstance(a.growth, Huge):
            return of_order(FINITE)
        if a.growth.leading and a.growth.leading[0] < FINITE:
            return series((), None, [Wave(FINITE, fmpq(1), a.growth.leading[0])])
        if a.growth.limit is None:
            return of_order(FINITE)
        _, number, small = split(a.growth)
        at_sine, at_cosine = self._sine_and_cosine(a.node, number)
        along, across = develop(_taylor("sin", fmpq(0)), small), develop(_taylor("cos", fmpq(0)), small)
        if sine:  # sin(c + u) = sin c cos u + cos c sin u
            return add(multiply(constant(at_sine), across), multiply(constant(at_cosine), along))
        return add(multiply(constant(at_cosine), across), multiply(constant(-at_sine), along))

    def _sine_and_cosine(self, node: Node, number: Real) -> tuple[Real, Real]:
        """Where one of them is 0, the other is 1 or −1."""
        if equals(number, 0):
            return fmpq(0), fmpq(1)
        at_sine, at_cosine = arb(number).sin(), arb(number).cos()
        if (turn := sign(at_cosine)) and self._integer(Apply("sin", (node,)), at_sine) == 0:
            return fmpq(0), fmpq(turn)
        if (turn := sign(at_sine)) and self._integer(Apply("cos", (node,)), at_cosine) == 0:
            return fmpq(turn), fmpq(0)
        return at_sine, at_cosine

    def _tan(self, node: Node, a: Part) -> Growth:
        if isinstance(a.growth, Huge) or a.growth.limit is None:
            raise Undecided
        return multiply(self._wave(a, sine=True), self._power(node, self._wave(a, sine=False), Fraction(-1)))

    def _atan(self, node: Node, a: Part) -> Growth:
        growth = a.growth
        if isinstance(growth, Huge) or (growth.leading and growth.leading[0] < FINITE):
            inverse = power(growth, Fraction(-1))
            assert isinstance(inverse, Series)
            beyond = negative(develop(_taylor("atan", fmpq(0)), inverse))
            return add(constant(_sign(growth) * arb.pi() / 2), beyond)
        if growth.limit is None:
            return of_order(FINITE)
        _, number, small = split(growth)
        return develop(_taylor("atan", number), small)

    def _tanh(self, node: Node, a: Part) -> Growth:
        """1 − 2/(1 + exp(2u)), which is bounded in any case."""
        try:
            doubled = self._exponential(multiply(a.growth, constant(fmpq(2))))
            rest = multiply(constant(fmpq(-2)), power(add(constant(fmpq(1)), doubled), Fraction(-1)))
            return add(constant(fmpq(1)), rest)
        except Undecided:
            return of_order(FINITE)

    def _gamma(self, node: Node, a: Part) -> Growth:
        if isinstance(a.growth, Huge) or (a.growth.leading and a.growth.leading[0] < FINITE):
            # Γ(v) is beyond exp(v), and that beyond every power of h where v is at least a power of 1/h
            if _sign(a.growth) > 0 and (isinstance(a.growth, Huge) or a.growth.order[0] < 0):
                return Huge(1)
            raise Undecided
        if a.growth.limit is None:
            raise Undecided
        _, number, small = split(a.growth)
        if not (isinstance(number, fmpq) and number.q == 1 and number <= 0):
            return develop(_taylor("gamma", number), small)  # not finite around a pole, hence undecided
        if small.is_zero:
            raise Undefined(node)
        if number < -_LARGEST_POLE:
            raise Undecided
        # Γ(u − n) = Γ(1 + u) / (u (u − 1) ⋯ (u − n))
        result: Growth = develop(_taylor("gamma", fmpq(1)), small)
        for factor in range(int(number.p), 1):
            result = multiply(result, power(add(small, constant(fmpq(factor))), Fraction(-1)))
        return result

    def _min(self, node: Node, *args: Part) -> Growth:
        return self._extreme("min", args)

    def _max(self, node: Node, *args: Part) -> Growth:
        return self._extreme("max", args)

    def _extreme(self, name: str, args: tuple[Part, ...]) -> Growth:
        best = args[0].growth
        for other in (arg.growth for arg in args[1:]):
            try:
                larger = _sign(add(other, negative(best))) > 0
                best = other if larger == (name == "max") else best
            except Undecided:
                if isinstance(best, Huge) or isinstance(other, Huge):
                    raise
                best = of_order(min(best.order, other.order))
        return best


def difference_to(node: Node, number: int) -> Node:
    return node if number == 0 else Apply("sub", (node, Number(Fraction(number))))


def _sign(growth: Growth) -> int:
    """The sign at all points close to p: 1, −1, or 0 where the function is 0."""
    if isinstance(growth, Huge):
        return growth.sign
    if growth.is_zero:
        return 0
    if growth.leading is None:
        raise Undecided
    return sign(growth.leading[1]) or 0


def _taylor(name: str, number: Real) -> list[Real]:
    """The Taylor coefficients of a function at a number, in balls; exact ones where they are known to be rational."""
    if name == "log":
        return [fmpq(0), *(fmpq(-((-1) ** k), k) for k in range(1, ORDER + 1))]
    if equals(number, 0) and name != "gamma":
        return _padded(getattr(fmpq_series([0, 1], prec=ORDER + 1), name)().coeffs())
    return _padded(getattr(arb_series([arb(number), 1], prec=ORDER + 1), name)().coeffs())


def _padded(coefficients: list[Real]) -> list[Real]:
    return [*coefficients, *[fmpq(0)] * (ORDER + 1 - len(coefficients))]
