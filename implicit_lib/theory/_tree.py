"""What a formula is once it is read: a tree, and the one fold by which everything interprets it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, Protocol, TypeAlias, TypeVar

Node: TypeAlias = "Number | Constant | Variable | Apply | Piecewise"
Relation = Literal["<", "<=", ">", ">=", "=="]

# How many arguments each operation takes; None: two or more.
ARGUMENTS: dict[str, int | None] = {
    **dict.fromkeys(("add", "sub", "mul", "div", "pow"), 2),
    **dict.fromkeys(("neg", "abs", "sqrt", "exp", "log", "sin", "cos", "tan", "atan", "tanh", "gamma"), 1),
    **dict.fromkeys(("min", "max"), None),
}
CONSTANTS = ("pi", "e")
OPERATORS = ("add", "sub", "mul", "div", "neg", "pow")  # written with signs; the others are written as functions
FUNCTIONS = tuple(name for name in ARGUMENTS if name not in OPERATORS)


@dataclass(frozen=True)
class Number:
    """A number, exactly: `0.1` is 1/10."""

    value: Fraction


@dataclass(frozen=True)
class Constant:
    """`pi` or `e`."""

    name: str


@dataclass(frozen=True)
class Variable:
    """A variable of the formula."""

    name: str


@dataclass(frozen=True)
class Apply:
    """An operation of `ARGUMENTS` on its operands.

    An exponent that is a rational number, as in `x**(1/3)` or `x**-2`, is stored as one `Number`.
    """

    name: str
    args: tuple[Node, ...]


@dataclass(frozen=True)
class Compare:
    """A condition of a piecewise formula."""

    left: Node
    relation: Relation
    right: Node


@dataclass(frozen=True)
class Piecewise:
    """The value beside the first condition that holds, or else `otherwise`.

    A value is undefined where a condition met on the way is.
    """

    branches: tuple[tuple[Compare, Node], ...]
    otherwise: Node


V = TypeVar("V")


class Algebra(Protocol[V]):
    """One interpretation of formulas: floating-point arrays, balls, sympy expressions, text.

    Undefined are: division by 0, `log` of what is not positive, `sqrt` of a negative number, `gamma` at 0, −1, −2, …,
    and the powers that `power` and `apply` name below. Nothing is defined where a part of it is not.
    """

    def number(self, value: Fraction) -> V:
        """An exact number."""

    def constant(self, name: str) -> V:
        """`pi` or `e`."""

    def power(self, base: V, exponent: Fraction) -> V:
        """A power with a constant rational exponent.

        With an integer exponent any base is allowed, but 0 for negative ones; `x**0` is 1. With any other exponent the
        base is at least 0, and above 0 for negative exponents: `x**(1/3)` is undefined for x < 0.
        """

    def apply(self, name: str, *args: V) -> V:
        """Any other operation of `ARGUMENTS`.

        In `pow` the exponent varies or is irrational: the base is positive, or it is 0 and the exponent is positive.
        """

    def piecewise(self, node: Piecewise, variables: Mapping[str, V]) -> V:
        """A piecewise value. It gets the node, since what holds where decides which branches are to be evaluated."""


def evaluate(node: Node, algebra: Algebra[V], variables: Mapping[str, V]) -> V:
    """The value of a tree in an algebra, for the values of its variables.

    Raises:
        KeyError: If a variable of the tree has no value.
    """
    match node:
        case Number(value):
            return algebra.number(value)
        case Constant(name):
            return algebra.constant(name)
        case Variable(name):
            return variables[name]
        case Piecewise():
            return algebra.piecewise(node, variables)
        case Apply("pow", (base, Number(exponent))):
            return algebra.power(evaluate(base, algebra, variables), exponent)
        case Apply(name, args):
            return algebra.apply(name, *(evaluate(arg, algebra, variables) for arg in args))


def variables_of(node: Node) -> frozenset[str]:
    """The names of the variables that occur in a tree."""
    match node:
        case Variable(name):
            return frozenset({name})
        case Number() | Constant():
            return frozenset()
        case Apply(_, args):
            return frozenset().union(*map(variables_of, args))
        case Piecewise(branches, otherwise):
            parts = [part for test, value in branches for part in (test.left, test.right, value)]
            return frozenset().union(*map(variables_of, [*parts, otherwise]))
