"""Formulas simplified and differentiated by sympy, and read back: what cancels need not be bounded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from implicit_lib.theory._formula import Formula, parse
from implicit_lib.theory._tokens import FormulaError
from implicit_lib.theory._tree import Apply, Node, Piecewise

if TYPE_CHECKING:
    import sympy


def simplified(formula: Formula) -> Formula | None:
    """The same function where both are defined, if sympy finds one that the grammar has."""
    import sympy

    try:
        return read_back(sympy.simplify(formula.sympy), formula.variables)
    except ValueError:  # too large for sympy
        return None


def derivative(formula: Formula, name: str) -> Formula | None:
    """The partial derivative, simplified; None where there are cases or kinks, whose derivative would miss jumps."""
    import sympy

    if has(formula.tree, ("abs", "min", "max", "piecewise")):
        return None
    try:
        return read_back(sympy.simplify(formula.sympy.diff(sympy.Symbol(name, real=True))), formula.variables)
    except ValueError:
        return None


def read_back(expression: sympy.Expr, variables: tuple[str, ...]) -> Formula | None:
    """A sympy expression as a formula, through the parser that reads typed text; None if the grammar lacks it."""
    import sympy

    text = sympy.sstr(expression).replace("Abs(", "abs(").replace("E", "e")
    try:
        return parse(text, variables)
    except FormulaError:
        return None


def has(tree: Node, names: tuple[str, ...]) -> bool:
    match tree:
        case Apply(name, args):
            return name in names or any(has(arg, names) for arg in args)
        case Piecewise():
            return "piecewise" in names
        case _:
            return False
