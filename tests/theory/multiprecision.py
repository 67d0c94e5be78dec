"""Formulas in mpmath's arithmetic, which shares no code with Arb."""

from collections.abc import Mapping
from fractions import Fraction
from operator import eq, ge, gt, le, lt
from typing import Any

from implicit_lib.theory._tree import Piecewise, evaluate


class Undefined(Exception):
    pass


class TooLarge(Exception):
    """mpmath would compute for minutes."""


class Multiprecision:
    """Formulas in the arithmetic of a context of mpmath, with arguments up to a size."""

    def __init__(self, mp: Any, largest: float = 1e30) -> None:
        self.mp, self.largest = mp, largest

    def number(self, value: Fraction) -> Any:
        return self.mp.mpf(value.numerator) / value.denominator

    def constant(self, name: str) -> Any:
        return +self.mp.pi if name == "pi" else +self.mp.e

    def power(self, base: Any, exponent: Fraction) -> Any:
        if exponent.denominator == 1:
            if base == 0 and exponent < 0:
                raise Undefined
            return base ** int(exponent)
        if base < 0 or (base == 0 and exponent < 0):
            raise Undefined
        return base ** self.number(exponent)

    def apply(self, name: str, *args: Any) -> Any:
        a = args[0]
        undefined = {
            "div": lambda: args[1] == 0,
            "log": lambda: a <= 0,
            "sqrt": lambda: a < 0,
            "gamma": lambda: a <= 0 and a == self.mp.floor(a),
            "pow": lambda: a < 0 or (a == 0 and args[1] <= 0),
        }
        if undefined.get(name, bool)():
            raise Undefined
        exponent = args[1] * self.mp.log(a) if name == "pow" and a > 0 else a if name in ("exp", "gamma") else 0
        if any(abs(arg) > self.largest for arg in args) or abs(exponent) > 1e4:
            raise TooLarge
        plain = {"add": lambda: a + args[1], "sub": lambda: a - args[1], "mul": lambda: a * args[1]}
        plain |= {"div": lambda: a / args[1], "neg": lambda: -a, "abs": lambda: abs(a), "pow": lambda: a ** args[1]}
        plain |= {"min": lambda: min(args), "max": lambda: max(args)}
        return plain[name]() if name in plain else getattr(self.mp, name)(a)

    def piecewise(self, node: Piecewise, variables: Mapping[str, Any]) -> Any:
        for test, branch in node.branches:
            left, right = evaluate(test.left, self, variables), evaluate(test.right, self, variables)
            relation = {"<": lt, "<=": le, ">": gt, ">=": ge, "==": eq}[test.relation]
            if relation(left, right):
                return evaluate(branch, self, variables)
        return evaluate(node.otherwise, self, variables)
