"""A text that the reader types, and what it means: arrays that systems read by their names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

from ._controls import ControlError, check_name
from ._reading import Readable, Reading

LONGEST = 2000  # characters


@dataclass(frozen=True, kw_only=True)
class Text(Readable):
    """Lines that the reader types, or picks from examples. Nothing of them is ever executed.

    Where a text cannot be read, the reader is told why, and the figure stays with the last one that could.

    Args:
        name, label: as of every control.
        hint: what can be typed.
        examples: texts by their labels; the first is shown at the start, and can be read. Others may be refused.
        read: the meaning of a text; raises ValueError with a message for the reader.
        page: the script beside explorer.js that does the same on the page; see `Readable`.
        parameters: for that script, as JSON.

    Raises:
        ControlError: the first example cannot be read.
    """

    is_read_at_once: ClassVar[bool] = False

    name: str
    label: str
    hint: str
    examples: Mapping[str, str]
    read: Callable[[str], Reading]
    page: str
    parameters: Mapping[str, Any]

    def __post_init__(self) -> None:
        check_name(self.name)
        object.__setattr__(self, "read", lru_cache(maxsize=8)(self.read))  # a move of another control reads no more
        self.reading(self.value)

    @property
    def value(self) -> str:
        """The first example."""
        return next(iter(self.examples.values()))

    def reading(self, value: str) -> Reading:
        """What the text means, or `ControlError`."""
        try:
            return self.read(value)
        except ValueError as error:
            raise ControlError(str(error)) from error

    def validate(self, value: Any) -> str:
        """Return `value`, or raise `ControlError` where it cannot be read."""
        if not isinstance(value, str) or len(value) > LONGEST:
            raise ControlError(
                f"Control '{self.name}' takes a text of at most {LONGEST} characters; got {value!r:.40}."
            )
        self.reading(value)
        return value

    def sweep(self) -> list[str]:
        """The examples that can be read."""
        return [text for text in self.examples.values() if self._is_readable(text)]

    def _is_readable(self, text: str) -> bool:
        try:
            self.validate(text)
        except ControlError:
            return False
        return True

    def describe(self) -> dict[str, Any]:
        """The page's description of this control."""
        return {"kind": "text", "name": self.name, "label": self.label, "hint": self.hint, "value": self.value,
                "examples": dict(self.examples), "longest": LONGEST, "page": self.page,
                "parameters": dict(self.parameters)}  # fmt: skip
