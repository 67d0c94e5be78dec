"""A photograph that the reader picks from examples, or opens from a file of their own."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from ._controls import ControlError, check_name
from ._reading import Readable, Reading

_OWN = "your own"
_HINT = (
    "It stays on this machine: your browser cuts the square out of its middle and scales it to {side} × {side} pixels. "
    "Only in a notebook do these pixels go further, to its kernel."
)


@dataclass(frozen=True, kw_only=True)
class Photograph(Readable):
    """A square photograph, one of the examples or the reader's own; systems read it by the control's name.

    They are given (3, side, side) in [0, 1], in steps of 1/255: an example is rounded to them. The value of the control
    is the name of an example, or what `own` makes of any other picture. A file is opened by the reader's browser, in a
    notebook too; one that is no picture is refused there, and the figure stays with the last one.

    Args:
        name, label: as of every control.
        examples: (3, side, side) each, in [0, 1], by their names; the first is shown at the start.
        side: pixels along a side.

    Raises:
        ControlError: there are fewer than two examples, one is called "your own", or one is no such picture.
    """

    is_read_at_once: ClassVar[bool] = True

    name: str
    label: str
    examples: Mapping[str, npt.ArrayLike]
    side: int
    _encoded: Mapping[str, str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        check_name(self.name)
        if self.side < 1 or len(self.examples) < 2 or _OWN in self.examples:
            raise ControlError(
                f"Photograph '{self.name}' needs a side of at least 1 pixel and at least two examples, none of them "
                f"called '{_OWN}'; got the side {self.side} and {list(self.examples)}."
            )
        encoded = {name: self.own(pixels) for name, pixels in self.examples.items()}
        object.__setattr__(self, "_encoded", encoded)

    @property
    def value(self) -> str:
        """The first example."""
        return next(iter(self.examples))

    def own(self, pixels: npt.ArrayLike) -> str:
        """The value that stands for a picture (3, side, side) in [0, 1], rounded to 8 bits: its bytes in base64.

        Raises:
            ControlError: it has another shape, or a number outside of [0, 1].
        """
        array = np.asarray(pixels, dtype=np.float64)
        if array.shape != (3, self.side, self.side) or not ((array >= 0) & (array <= 1)).all():
            raise ControlError(
                f"Photograph '{self.name}' takes pictures of shape {(3, self.side, self.side)} with numbers in [0, 1]; "
                f"got the shape {array.shape}" + (f", from {array.min()} to {array.max()}." if array.size else ".")
            )
        return base64.b64encode(np.rint(255 * array).astype(np.uint8).tobytes()).decode()

    def reading(self, value: str) -> Reading:
        """The picture, or `ControlError`."""
        encoded = self._encoded.get(value, value)
        if len(encoded) != 4 * self.side**2 or not re.fullmatch("[A-Za-z0-9+/]*", encoded):
            raise ControlError(self._refusal(value))
        data = base64.b64decode(encoded)
        array = np.frombuffer(data, dtype=np.uint8).reshape(3, self.side, self.side)
        return Reading(arrays={self.name: array / 255})

    def validate(self, value: Any) -> str:
        """Return `value`, or raise `ControlError`."""
        if not isinstance(value, str):
            raise ControlError(self._refusal(value))
        self.reading(value)
        return value

    def _refusal(self, value: Any) -> str:
        return (
            f"Control '{self.name}' takes one of {list(self.examples)}, or what its method own makes of a picture of "
            f"shape {(3, self.side, self.side)}; got {value!r:.40}."
        )

    def sweep(self) -> list[str]:
        """The examples."""
        return list(self.examples)

    def describe(self) -> dict[str, Any]:
        """The front ends' description of this control."""
        return {"kind": "photograph", "name": self.name, "label": self.label, "value": self.value,
                "hint": _HINT.format(side=self.side), "page": "./photograph.js",
                "parameters": {"name": self.name, "side": self.side, "examples": dict(self._encoded)}}  # fmt: skip
