"""The characters of a typed formula: what they spell, and why others are refused."""

import re
import unicodedata
from dataclasses import dataclass
from typing import Literal

LENGTH = 500  # characters in a formula

_TOKEN = re.compile(
    r"(?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
    r"|(?P<name>[A-Za-z][A-Za-z0-9_]*)"
    r"|(?P<sign>\*\*|<=|>=|==|[-+*/^(),<>\[\]{}\\])"
)
_INSTEAD = {
    **dict.fromkeys("−–—‐‑‒﹣－", "write - for minus"),
    **dict.fromkeys("×✕·⋅∗•＊", "write * for times, and x between intervals"),
    **dict.fromkeys("÷∕⁄／", "write / for a division"),
    **dict.fromkeys("⁰¹²³⁴⁵⁶⁷⁸⁹⁻ⁿ", "write a power as x**2"),
    **dict.fromkeys("√∛", "write sqrt(x), or x**(1/3)"),
    **dict.fromkeys("|∣‖", "write abs(x)"),
    "π": "write pi",
    "Γ": "write gamma(x)",
    "∞": "write inf",
    "∖": "write \\",
    "≤": "write <=",
    "≥": "write >=",
    "≠": "write < or >",
    ".": "a dot belongs into a number: 0.5",
    "_": "names begin with a letter",
    "=": "equality is written ==, inside piecewise(...)",
    "!": "only < <= > >= == are known",
    "%": "a remainder is not part of formulas",
    **dict.fromkeys("'\"`", "a formula holds no text"),
}


class FormulaError(ValueError):
    """A formula or a domain that cannot be read.

    Attributes:
        text: What was typed.
        position: Where it goes wrong, counted from 0; the length of the text where something is missing at its end.
        reason: What is wrong there, and what to write instead.
    """

    def __init__(self, text: str, position: int, reason: str) -> None:
        super().__init__(text, position, reason)
        self.text, self.position, self.reason = text, position, reason

    def __str__(self) -> str:
        """The reason, and the text with a caret below the character."""
        start = max(0, self.position - 40)
        shown = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in self.text[start : start + 80])
        return f"character {self.position + 1}: {self.reason}\n  {shown}\n  {' ' * (self.position - start)}^"


@dataclass(frozen=True)
class Token:
    """A piece of a formula, and where it begins."""

    kind: Literal["number", "name", "sign", "end"]
    text: str
    position: int


def tokens(text: str) -> list[Token]:
    """The pieces of a text, and an end.

    Raises:
        TypeError: If it is not a string.
        FormulaError: If it is empty or too long, or holds a character that no formula has.
    """
    if not isinstance(text, str):
        raise TypeError(f"a formula is a string, got {type(text).__name__}")
    if len(text) > LENGTH:
        raise FormulaError(text, LENGTH, f"the text has {len(text)} characters, at most {LENGTH} are read")
    found, position = [], 0
    while position < len(text):
        if text[position] in " \t\n":
            position += 1
            continue
        match = _TOKEN.match(text, position)
        if match is None:
            raise FormulaError(text, position, _refusal(text[position]))
        found.append(Token(match.lastgroup, match.group(), position))  # type: ignore[arg-type]
        position = match.end()
    if not found:
        raise FormulaError(text, 0, "there is nothing to read")
    return [*found, Token("end", "", len(text))]


def _refusal(character: str) -> str:
    """Why a character is refused."""
    name = unicodedata.name(character, "a control character or an unassigned one")
    shown = f"'{character}'" if character.isprintable() else "a character"
    told = shown if character.isascii() and character.isprintable() else f"{shown} (U+{ord(character):04X}, {name})"
    hint = _INSTEAD.get(character) or _plain(character)
    return f"{told} is not part of formulas{': ' + hint if hint else ''}"


def _plain(character: str) -> str:
    """What to type instead of a character that looks like an ASCII one."""
    plain = unicodedata.normalize("NFKC", character)
    if character.isascii() or not plain.isascii() or not plain.strip():
        return "write a plain space" if not character.isascii() and character.isspace() else ""
    return f"write {plain}"
