"""What the reader moves: the iteration count, sliders and choices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


class ControlError(ValueError):
    """A control was given a value it cannot take; the message says which one and what it can take."""


def check_name(name: str) -> None:
    """Raise `ControlError` unless the name is an identifier."""
    if not name.isidentifier():
        raise ControlError(f"A control's name must be an identifier, such as 'eta'; got {name!r}.")


@dataclass(frozen=True, kw_only=True)
class Iterations:
    """The iteration count t, from 0 to `maximum`. Every explorer has exactly one, and shows it first."""

    maximum: int
    value: int = 1
    label: str = "Iterations t"
    name: str = "t"

    def __post_init__(self) -> None:
        check_name(self.name)
        if self.maximum < 1:
            raise ControlError(f"Iterations.maximum must be at least 1; got {self.maximum}.")
        self.validate(self.value)

    def validate(self, value: Any) -> int:
        """Return `value` as an int, or raise `ControlError`."""
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or not 0 <= value <= self.maximum:
            raise ControlError(f"Control '{self.name}' takes whole numbers from 0 to {self.maximum}; got {value!r}.")
        return int(value)

    def sweep(self) -> list[int]:
        """Values that cover the range, ends included."""
        return sorted({0, 1, self.maximum // 3, self.maximum // 2, self.maximum})

    def describe(self) -> dict[str, Any]:
        """The page's description of this control."""
        return {"kind": "iterations", "name": self.name, "label": self.label, "minimum": 0, "maximum": self.maximum,
                "step": 1, "value": self.value}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Slider:
    """A number between `minimum` and `maximum` in steps of `step`; `format` is how the page and the kernel print it."""

    name: str
    label: str
    minimum: float
    maximum: float
    step: float
    value: float
    format: str = ".2f"

    def __post_init__(self) -> None:
        check_name(self.name)
        if not (self.minimum < self.maximum and 0 < self.step <= self.maximum - self.minimum):
            raise ControlError(
                f"Slider '{self.name}' needs minimum < maximum and 0 < step ≤ maximum − minimum; "
                f"got minimum {self.minimum}, maximum {self.maximum}, step {self.step}."
            )
        for what, number in (("maximum", self.maximum), ("value", self.validate(self.value))):
            steps = (number - self.minimum) / self.step
            if abs(steps - round(steps)) > 1e-9:
                raise ControlError(
                    f"Slider '{self.name}': its {what} {number} must be the minimum {self.minimum} plus whole steps of "
                    f"{self.step}, or the slider cannot stand there."
                )

    def validate(self, value: Any) -> float:
        """Return `value` as a float, or raise `ControlError`."""
        number = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
        if not number or not math.isfinite(value) or not self.minimum <= value <= self.maximum:
            raise ControlError(
                f"Control '{self.name}' takes numbers from {self.minimum} to {self.maximum}; got {value!r}."
            )
        return float(value)

    def sweep(self) -> list[float]:
        """Values on the slider's own steps that cover the range, ends included."""
        steps = round((self.maximum - self.minimum) / self.step)
        ticks = sorted({0, steps // 4, steps // 2, (3 * steps) // 4, steps})
        ends = {0: self.minimum, steps: self.maximum}  # a rounded end may lie outside
        return [ends.get(tick, round(self.minimum + tick * self.step, 12)) for tick in ticks]

    def describe(self) -> dict[str, Any]:
        """The page's description of this control."""
        return {"kind": "slider", "name": self.name, "label": self.label, "minimum": self.minimum,
                "maximum": self.maximum, "step": self.step, "value": self.value, "format": self.format}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One of several named options. It selects the system that the explorer iterates, or a system reads its number."""

    name: str
    label: str
    options: Sequence[str]
    value: str

    def __post_init__(self) -> None:
        check_name(self.name)
        if len(self.options) < 2 or len(set(self.options)) != len(self.options):
            raise ControlError(f"Choice '{self.name}' needs at least two different options; got {list(self.options)}.")
        self.validate(self.value)

    def validate(self, value: Any) -> str:
        """Return `value`, or raise `ControlError`."""
        if value not in self.options:
            raise ControlError(f"Control '{self.name}' takes one of {list(self.options)}; got {value!r}.")
        return str(value)

    def sweep(self) -> list[str]:
        """Every option."""
        return list(self.options)

    def describe(self) -> dict[str, Any]:
        """The page's description of this control."""
        return {"kind": "choice", "name": self.name, "label": self.label, "options": list(self.options),
                "value": self.value}  # fmt: skip
