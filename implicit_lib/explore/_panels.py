"""What the reader sees: panels whose traces are filled from a system's view, and numeric readouts."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import plotly.graph_objects as go

_FORMAT = re.compile(r"\.\d[efg]")


@dataclass(frozen=True)
class Now:
    """The view's array `name` at iteration t − `back` (nothing is drawn while t < `back`)."""

    name: str
    back: int = 0

    def describe(self) -> dict[str, str | int]:
        """The page's description of this reference."""
        return {"kind": "now", "name": self.name, "back": self.back}


@dataclass(frozen=True)
class History:
    """The view's scalar `name` at the iterations 0, 1, …, t."""

    name: str

    def describe(self) -> dict[str, str | int]:
        """The page's description of this reference."""
        return {"kind": "history", "name": self.name}


Reference = Now | History


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One plot of an explorer.

    Args:
        title: heading of the panel; unique within its explorer.
        figure: a plotly figure with one pair of axes. Traces that never change keep the data they are given. Give both
            axes a `range`: the eye can compare only what stands still, and curves then follow the hand at once.
        bind: for each trace that does change, by its name, where its "x" and "y" come from.
        alt: what the plot shows, for a reader who cannot see it.
        ticks: the name of a `Text` control, whose reading says what stands along the axes.

    Raises:
        ValueError: if `bind` names a trace that the figure lacks, an attribute other than "x" or "y", or has no `alt`.
    """

    title: str
    figure: go.Figure
    bind: Mapping[str, Mapping[str, Reference]] = field(default_factory=dict)
    alt: str
    ticks: str | None = None

    def __post_init__(self) -> None:
        names = [trace.name for trace in self.figure.data]
        if None in names or len(set(names)) != len(names):
            raise ValueError(f"Panel '{self.title}': every trace needs a name of its own; got {names}.")
        for trace, references in self.bind.items():
            if trace not in names:
                raise ValueError(f"Panel '{self.title}' binds the trace {trace!r}; its figure has {names}.")
            if not set(references) <= {"x", "y"}:
                raise ValueError(f"Panel '{self.title}' can bind 'x' and 'y' of {trace!r}; got {sorted(references)}.")
        _check_alt(self.title, self.alt)

    def describe(self) -> dict[str, Any]:
        """The front ends' description of this panel."""
        return _described(self) | {"ticks": self.ticks, "figure": json.loads(self.figure.to_json())}


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """Square pictures beside each other, drawn pixel by pixel.

    Args:
        title: heading of the panel; unique within its explorer.
        show: for each picture, by the name below it, the view's array with its pixels: 3 · side² numbers in [0, 1], all
            reds row by row, then all greens, then all blues. What is beyond [0, 1] is cut.
        side: pixels along a side.
        alt: what the pictures show, for a reader who cannot see them.

    Raises:
        ValueError: if there is no picture, `side` is below 1, or there is no `alt`.
    """

    title: str
    show: Mapping[str, Now]
    side: int
    alt: str
    ticks: ClassVar[None] = None

    def __post_init__(self) -> None:
        if not self.show or self.side < 1:
            raise ValueError(f"Pictures '{self.title}' needs a picture, and a side of at least 1; got {self.side}.")
        _check_alt(self.title, self.alt)

    @property
    def bind(self) -> dict[str, dict[str, Reference]]:
        """Where the pixels come from, as of a panel's traces."""
        return {name: {"pixels": reference} for name, reference in self.show.items()}

    def describe(self) -> dict[str, Any]:
        """The front ends' description of this panel."""
        return _described(self) | {"side": self.side}


def _described(panel: Panel | Pictures) -> dict[str, Any]:
    bind = {trace: {part: ref.describe() for part, ref in refs.items()} for trace, refs in panel.bind.items()}
    return {"title": panel.title, "alt": panel.alt, "bind": bind}


def _check_alt(title: str, alt: str) -> None:
    if not alt.strip():
        raise ValueError(f"Panel '{title}' needs an alt text: say what it shows.")


@dataclass(frozen=True, kw_only=True)
class Readout:
    """A number beside the plots: the view's scalar `name` at t, in a format like '.3g', '.2f' or '.1e'."""

    label: str
    name: str
    format: str = ".3g"
    unit: str = ""

    def __post_init__(self) -> None:
        if not _FORMAT.fullmatch(self.format):
            raise ValueError(f"Readout '{self.label}' takes a format like '.3g', '.2f' or '.1e'; got {self.format!r}.")

    def text(self, value: float) -> str:
        """The number as the kernel prints it, with its unit."""
        return f"{value:{self.format}}{' ' + self.unit if self.unit else ''}"

    def describe(self) -> dict[str, str]:
        """The page's description of this readout."""
        return {"label": self.label, "name": self.name, "format": self.format, "unit": self.unit}
