"""Typed formulas are read by hand: a grammar of a screen, limits on what it takes, and nothing is ever executed.

sum     = product {("+" | "-") product}
product = signed {("*" | "/") signed}
signed  = {"-" | "+"} power
power   = value [("**" | "^") signed]
value   = number | name | name "(" sum {"," sum} ")" | "(" sum ")" | "piecewise" "(" {compare "," sum ","} sum ")"
compare = sum ("<" | "<=" | ">" | ">=" | "==") sum
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NoReturn, cast

from implicit_lib.theory._arrays import ARRAYS
from implicit_lib.theory._tokens import FormulaError, Token, tokens
from implicit_lib.theory._tree import (
    ARGUMENTS,
    CONSTANTS,
    FUNCTIONS,
    Apply,
    Compare,
    Constant,
    Node,
    Number,
    Piecewise,
    Relation,
    Variable,
    evaluate,
)
from implicit_lib.theory._written import written

DEPTH = 64  # of the tree, and of the brackets
NODES = 256  # in the tree
EXPONENT = 100  # the largest constant exponent
POWER = 1000  # the largest product of exponents that stand on each other, as 12 in (x**3)**4
ROOT = 10**6  # the largest denominator of an exponent

_RELATIONS = ("<", "<=", ">", ">=", "==")
_SIGNS = {"+": "add", "-": "sub", "*": "mul", "/": "div"}
_HINTS = {
    "ln": "log(x)",
    "arctan": "atan(x)",
    "fabs": "abs(x)",
    "maximum": "max(a, b)",
    "minimum": "min(a, b)",
    "cbrt": "x**(1/3), for x >= 0",
    "tgamma": "gamma(x)",
    "factorial": "gamma(x + 1)",
    "log10": "log(x)/log(10)",
    "sign": "piecewise(x < 0, -1, x == 0, 0, 1)",
    "heaviside": "piecewise(x < 0, 0, 1)",
    "sinh": "(exp(x) - exp(-x))/2",
    "cosh": "(exp(x) + exp(-x))/2",
    "cot": "1/tan(x)",
    "sec": "1/cos(x)",
}


@dataclass(frozen=True)
class _Part:
    """A piece of the tree as it grows."""

    node: Node
    position: int
    depth: int = 1
    power: Fraction = Fraction(1)  # the largest product of the exponents that stand on each other
    value: float | None = None  # of what holds no variable


class Parser:
    """Reads formulas from the tokens of a text, from left to right."""

    def __init__(self, text: str, variables: Sequence[str]) -> None:
        self.text, self.variables = text, tuple(variables)
        self._tokens = tokens(text)
        self._next = self._nested = self._nodes = 0

    @property
    def token(self) -> Token:
        """The next token."""
        return self._tokens[self._next]

    def take(self, *signs: str) -> Token | None:
        """The next token, if it is one of these signs or names; it is then behind us."""
        token = self.token
        if token.kind == "end" or token.text not in signs:
            return None
        self._next += 1
        return token

    def expect(self, sign: str, why: str) -> None:
        """Take a sign, or refuse what is there instead."""
        if self.take(sign) is None:
            self.refuse(f"{sign} is expected here{why}, not {_named(self.token)}")

    def refuse(self, reason: str, position: int | None = None) -> NoReturn:
        """Say what is wrong at the next token, or at a position."""
        raise FormulaError(self.text, self.token.position if position is None else position, reason)

    def end(self) -> None:
        """Refuse what follows after the end."""
        token = self.token
        if token.kind in ("number", "name") or token.text == "(":
            self.refuse(f"{_named(token)} follows without a sign: write * for times")
        elif token.text in _RELATIONS:
            self.refuse("a comparison belongs into piecewise(condition, value, ..., value)")
        elif token.text == ",":
            self.refuse("a comma separates the arguments of a function; a decimal sign is a dot")
        elif token.kind != "end":
            self.refuse(f"{_named(token)} is not expected here")

    def sum(self) -> _Part:
        """Terms, added and subtracted."""
        left = self._product()
        while sign := self.take("+", "-"):
            left = self._apply(_SIGNS[sign.text], sign.position, left, self._product())
        return left

    def _product(self) -> _Part:
        left = self._signed()
        while sign := self.take("*", "/"):
            left = self._apply(_SIGNS[sign.text], sign.position, left, self._signed())
        return left

    def _signed(self) -> _Part:
        self._enter()
        if sign := self.take("-"):
            part = self._apply("neg", sign.position, self._signed())
        else:
            part = self._signed() if self.take("+") else self._power()
        self._nested -= 1
        return part

    def _power(self) -> _Part:
        base = self._value()
        sign = self.take("**", "^")
        return base if sign is None else self._raise(base, self._signed(), sign.position)

    def _raise(self, base: _Part, exponent: _Part, position: int) -> _Part:
        """A power. A rational exponent becomes one number; large ones are refused."""
        value = _rational(exponent.node)
        if value is None:
            return self._apply("pow", position, base, exponent)
        if abs(value) > EXPONENT or value.denominator > ROOT:
            limits = f"at most {EXPONENT}, and the denominator of a fraction at most {ROOT}"
            self.refuse(f"the exponent is too large: {limits}", exponent.position)
        power = base.power * max(abs(value), Fraction(1))
        if power > POWER:
            self.refuse(f"the exponents multiply to more than {POWER}", exponent.position)
        number = _Part(Number(value), exponent.position, 1, power, float(value))
        return self._apply("pow", position, base, number)

    def _value(self) -> _Part:
        token = self.token
        if token.kind == "number":
            self._next += 1
            return self._number(token)
        if token.kind == "name":
            self._next += 1
            return self._name(token)
        if self.take("("):
            self._enter()
            part = self.sum()
            self._close(token)
            return part
        if token.kind == "end":
            self.refuse("the text ends where a value is expected")
        self.refuse(f"a value is expected here, not {_named(token)}")

    def _number(self, token: Token) -> _Part:
        digits, _, exponent = token.text.lower().partition("e")
        if abs(int(exponent or 0)) > 308 or not math.isfinite(float(token.text)):
            self.refuse("the number is beyond the range of double precision", token.position)
        number = Number(Fraction(digits) * Fraction(10) ** int(exponent or 0))
        return self._grown(_Part(number, token.position, value=float(token.text)))

    def _name(self, token: Token) -> _Part:
        name, position = token.text, token.position
        if name == "piecewise" or name in FUNCTIONS:
            if self.take("(") is None:
                self.refuse(f"{name} is a function: write {name}(...)", position)
            self._enter()
            part = self._piecewise(token) if name == "piecewise" else self._call(token)
            self._close(token)
            return part
        if name in self.variables:
            return self._grown(_Part(Variable(name), position))
        if name in CONSTANTS:
            return self._grown(_Part(Constant(name), position, value=float(ARRAYS.constant(name))))
        if name in _HINTS:
            self.refuse(f"{name} is not known: write {_HINTS[name]}", position)
        known = ", ".join([*self.variables, *CONSTANTS])
        self.refuse(f"'{name[:20]}' is not known: names are {known} and {', '.join(FUNCTIONS)}, piecewise", position)

    def _call(self, token: Token) -> _Part:
        parts = [self.sum()]
        while self.take(","):
            parts.append(self.sum())
        wanted = ARGUMENTS[token.text]
        if len(parts) != wanted and (wanted or len(parts) < 2):
            count = {1: "1 value", None: "2 values or more"}[wanted]
            self.refuse(f"{token.text} takes {count}, not {len(parts)}", token.position)
        return self._apply(token.text, token.position, *parts)

    def _piecewise(self, token: Token) -> _Part:
        branches: list[tuple[Compare, Node]] = []
        parts = [self.sum()]
        while sign := self.take(*_RELATIONS):
            right = self.sum()
            self.expect(",", " after the condition")
            value = self.sum()
            self.expect(",", ": piecewise ends with the value that holds otherwise")
            branches.append((Compare(parts[-1].node, cast(Relation, sign.text), right.node), value.node))
            parts += [right, value, self.sum()]
        if not branches:
            self.refuse("piecewise begins with a condition: piecewise(x < 0, -x, x)", token.position)
        return self._join(Piecewise(tuple(branches), parts[-1].node), token.position, parts)

    def _enter(self) -> None:
        self._nested += 1
        if self._nested > 2 * DEPTH:  # a bracket counts twice: for itself, and for the signs that may stand in it
            self.refuse("brackets and signs are nested too deeply")

    def _close(self, opened: Token) -> None:
        self._nested -= 1
        token = self.token
        if self.take(")") is None:
            if token.kind in ("number", "name") or token.text == "(":
                self.refuse(f"{_named(token)} follows without a sign: write * for times")
            bracket = opened.position + len(opened.text) - 1
            if token.kind == "end":
                self.refuse(f"the bracket opened at character {bracket + 1} is not closed")
            if token.text in _RELATIONS:
                self.refuse("a comparison belongs into piecewise(condition, value, ..., value)")
            self.refuse(f"{_named(token)} is not expected inside the bracket")

    def _apply(self, name: str, position: int, *parts: _Part) -> _Part:
        return self._join(Apply(name, tuple(part.node for part in parts)), position, parts)

    def _join(self, node: Apply | Piecewise, position: int, parts: Sequence[_Part]) -> _Part:
        """A node above its parts. Where it holds no variable, it has a value, which must be a finite number."""
        value = None
        if all(part.value is not None for part in parts):
            value = float(evaluate(node, ARRAYS, {}))
            if math.isnan(value):
                self.refuse(f"{written(node)} is undefined", position)
            if math.isinf(value):
                self.refuse(f"{written(node)} is beyond the range of double precision", position)
        depth = 1 + max(part.depth for part in parts)
        power = max(part.power for part in parts)
        return self._grown(_Part(node, position, depth, power, value))

    def _grown(self, part: _Part) -> _Part:
        self._nodes += 1
        if self._nodes > NODES:
            self.refuse(f"the formula has more than {NODES} parts", part.position)
        if part.depth > DEPTH:
            self.refuse(f"the formula is nested deeper than {DEPTH}", part.position)
        return part


def check_names(variables: Sequence[str]) -> None:
    """Refuse names that a formula cannot use for its variables.

    Raises:
        ValueError: If a name is not letters and digits, is taken by a function or constant, or occurs twice.
    """
    taken = {*FUNCTIONS, *CONSTANTS, "piecewise", "inf"}
    for name in variables:
        if not re.fullmatch("[A-Za-z][A-Za-z0-9_]*", name) or name in taken:
            raise ValueError(f"a variable is named by letters that no function or constant uses, got {name!r}")
    if len(set(variables)) != len(variables):
        raise ValueError(f"every variable needs a name of its own, got {tuple(variables)}")


def _named(token: Token) -> str:
    return "the end of the text" if token.kind == "end" else f"'{token.text[:20]}'"


def _rational(node: Node) -> Fraction | None:
    """The exact value of arithmetic with numbers only, small enough to be an exponent; None for anything else."""
    match node:
        case Number(value):
            return value
        case Apply(name, args):
            values = [_rational(arg) for arg in args]
            exact = [value for value in values if value is not None]
            if name not in ("neg", "add", "sub", "mul", "div", "pow") or len(exact) < len(args):
                return None
            return _arithmetic(name, *exact)
    return None


def _arithmetic(name: str, left: Fraction, right: Fraction = Fraction(0)) -> Fraction | None:
    """One operation; None for a root, which may not be rational. No divisor is 0: such a constant was refused."""
    match name:
        case "neg":
            return -left
        case "add":
            return left + right
        case "sub":
            return left - right
        case "mul":
            return left * right
        case "div":
            return left / right
    return left**right.numerator if right.denominator == 1 else None
