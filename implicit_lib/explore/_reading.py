"""Controls whose value means something: arrays that systems read by their names."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What a value means.

    Attributes:
        arrays: what systems read, by name; float64, and of the same shapes whatever the value.
        ticks: of the axes "x" and "y" of panels that ask for them: labels by the values at which they stand.
        said: a line for the reader.
    """

    arrays: Mapping[str, npt.NDArray[np.float64]]
    ticks: Mapping[str, Sequence[tuple[float, str]]] = field(default_factory=dict)
    said: str = ""

    def describe(self) -> dict[str, Any]:
        """What a front end shows of it."""
        ticks = {axis: [list(tick) for tick in ticks] for axis, ticks in self.ticks.items()}
        return {"ticks": ticks, "said": self.said}


class Readable(ABC):
    """A control whose value is a string that has to be read. Where it cannot be, the figure keeps the last that could.

    Its `describe` names, as "page", the script beside explorer.js that reads it there: `read(value, parameters)`
    resolves to `{arrays: {name: {shape, values}}, ticks, said}`, or to `{refused: message}`; and, as "parameters", what
    that script is given.
    """

    name: str
    is_read_at_once: ClassVar[bool]
    """Whether the page reads a value in no time: then it is not given the arrays of the first one."""

    @property
    @abstractmethod
    def value(self) -> str:
        """The value at the start, which can be read."""

    @abstractmethod
    def reading(self, value: str) -> Reading:
        """What the value means, or `ControlError`."""

    @abstractmethod
    def validate(self, value: Any) -> str:
        """Return `value`, or raise `ControlError` where it cannot be read."""

    @abstractmethod
    def sweep(self) -> list[str]:
        """Values that can be read."""

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """The front ends' description of this control."""
