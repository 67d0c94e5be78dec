"""A tree as text again, with the fewest brackets: reading it gives the same tree."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from implicit_lib.theory._tree import Node, Piecewise, evaluate, variables_of

_SUM, _PRODUCT, _SIGNED, _POWER, _VALUE = range(5)  # how tightly a text holds together, as in the grammar of _parse
_BINARY = {"add": (" + ", _SUM), "sub": (" - ", _SUM), "mul": ("*", _PRODUCT), "div": ("/", _PRODUCT)}


@dataclass(frozen=True)
class _Text:
    text: str
    binding: int

    def within(self, binding: int) -> str:
        """The text, in brackets if its place asks for more than it has."""
        return self.text if self.binding >= binding else f"({self.text})"


class _Writing:
    """The algebra of texts."""

    def number(self, value: Fraction) -> _Text:
        if value < 0:
            return self.apply("neg", self.number(-value))
        decimals = _decimals(value)
        if decimals is None:
            return _Text(f"{value.numerator}/{value.denominator}", _PRODUCT)
        digits = str(value.numerator * 10**decimals // value.denominator).rjust(decimals + 1, "0")
        return _Text(f"{digits[:-decimals]}.{digits[-decimals:]}" if decimals else digits, _VALUE)

    def constant(self, name: str) -> _Text:
        return _Text(name, _VALUE)

    def power(self, base: _Text, exponent: Fraction) -> _Text:
        return self.apply("pow", base, self.number(exponent))

    def apply(self, name: str, *args: _Text) -> _Text:
        if name == "neg":
            return _Text(f"-{args[0].within(_SIGNED)}", _SIGNED)
        if name == "pow":
            return _Text(f"{args[0].within(_VALUE)}**{args[1].within(_SIGNED)}", _POWER)
        if name in _BINARY:
            sign, binding = _BINARY[name]
            return _Text(f"{args[0].within(binding)}{sign}{args[1].within(binding + 1)}", binding)
        return _Text(f"{name}({', '.join(arg.text for arg in args)})", _VALUE)

    def piecewise(self, node: Piecewise, variables: Mapping[str, _Text]) -> _Text:
        def write(part: Node) -> str:
            return evaluate(part, self, variables).text

        branches = [f"{write(c.left)} {c.relation} {write(c.right)}, {write(value)}" for c, value in node.branches]
        return _Text(f"piecewise({', '.join([*branches, write(node.otherwise)])})", _VALUE)


def written(node: Node) -> str:
    """The text of a tree, for instance `x**2 - 1`."""
    names = {name: _Text(name, _VALUE) for name in variables_of(node)}
    return evaluate(node, _Writing(), names).text


def _decimals(value: Fraction) -> int | None:
    """How many decimals a number has; None if they never end."""
    rest, twos, fives = value.denominator, 0, 0
    while rest % 2 == 0:
        rest, twos = rest // 2, twos + 1
    while rest % 5 == 0:
        rest, fives = rest // 5, fives + 1
    return max(twos, fives) if rest == 1 else None
