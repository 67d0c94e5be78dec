"""Formulas as sympy expressions, built from the tree: sympy never sees the text."""

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import sympy

from implicit_lib.theory._tree import Node, Piecewise, evaluate

# sympy writes out 3**n and gamma(n) digit by digit, also where it finds them by simplifying: exp(n*log(3)). Numbers
# that may end up there stay below this.
LARGEST = 10_000

_RELATIONS = {"<": sympy.Lt, "<=": sympy.Le, ">": sympy.Gt, ">=": sympy.Ge, "==": sympy.Eq}


class _Expressions:
    """The algebra of sympy expressions."""

    def number(self, value: Fraction) -> sympy.Expr:
        return sympy.Rational(value.numerator, value.denominator)

    def constant(self, name: str) -> sympy.Expr:
        return {"pi": sympy.pi, "e": sympy.E}[name]

    def power(self, base: sympy.Expr, exponent: Fraction) -> sympy.Expr:
        return sympy.Pow(base, self.number(exponent))

    def apply(self, name: str, *args: sympy.Expr) -> sympy.Expr:
        if name in ("pow", "exp", "gamma"):
            _refuse_large(args[-1])
        return _FUNCTIONS[name](*args)

    def piecewise(self, node: Piecewise, variables: Mapping[str, sympy.Expr]) -> sympy.Expr:
        def build(part: Node) -> sympy.Expr:
            return evaluate(part, self, variables)

        cases = [(build(v), _RELATIONS[c.relation](build(c.left), build(c.right))) for c, v in node.branches]
        return sympy.Piecewise(*cases, (build(node.otherwise), True))


def expression(tree: Node, variables: Sequence[str]) -> sympy.Expr:
    """The tree as an expression in real symbols.

    Raises:
        ValueError: If sympy would write out numbers with thousands of digits.
    """
    return evaluate(tree, _Expressions(), {name: sympy.Symbol(name, real=True) for name in variables})


def _refuse_large(exponent: sympy.Expr) -> None:
    numbers = exponent.atoms(sympy.Rational)
    if exponent.is_number:
        numbers = {*numbers, exponent.evalf(5)}
    if any(abs(number) > LARGEST for number in numbers):
        raise ValueError(f"sympy would write out an exponent or gamma of {LARGEST} or more digit by digit")


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "neg": lambda a: -a,
    "pow": sympy.Pow,
    "abs": sympy.Abs,
    "sqrt": sympy.sqrt,
    "exp": sympy.exp,
    "log": sympy.log,
    "sin": sympy.sin,
    "cos": sympy.cos,
    "tan": sympy.tan,
    "atan": sympy.atan,
    "tanh": sympy.tanh,
    "gamma": sympy.gamma,
    "min": sympy.Min,
    "max": sympy.Max,
}
