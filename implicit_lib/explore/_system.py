"""What an explorer iterates: the interface of a system, and its cached trajectory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from ._onnx import Exports

Arrays = dict[str, npt.NDArray[np.floating[Any]]]
Settings = Mapping[str, Any]
"""Numbers, and arrays of numbers, by name."""


class System(Protocol):
    """A fixed-point iteration with something to look at.

    `step_controls` and `view_controls` name the numeric controls that each part reads: moving a control that only the
    view reads keeps the iterates.
    """

    @property
    def step_controls(self) -> frozenset[str]: ...

    @property
    def view_controls(self) -> frozenset[str]: ...

    def start(self, settings: Settings) -> Any:
        """The state of iteration 0."""

    def step(self, state: Any) -> Any:
        """The state after one more iteration."""

    def view(self, state: Any, previous: Any, settings: Settings, t: int) -> Arrays:
        """1-D arrays and 0-d scalars (float) of iteration t; `previous` is the state of iteration max(t − 1, 0)."""

    def write_page(self, exports: Exports, name: str, settings: Settings) -> str:
        """Export what the page needs, in files that start with `name`; return a JavaScript expression."""


class Trajectory:
    """The iterates of one system, extended on demand and never computed twice."""

    def __init__(self, system: System, settings: Settings) -> None:
        self._system = system
        self._states = [system.start(settings)]
        self._views: list[Arrays] = []
        self._settings = dict(settings)

    def accepts(self, settings: Settings) -> bool:
        """Whether these iterates are also those of `settings`; adopts `settings` for the view where they are."""
        if any(_differ(self._settings[name], settings[name]) for name in self._system.step_controls):
            return False
        if any(_differ(self._settings[name], settings[name]) for name in self._system.view_controls):
            self._views.clear()
        self._settings = dict(settings)
        return True

    def views(self, t: int) -> list[Arrays]:
        """The views of the iterations 0 … t."""
        while len(self._states) <= t:
            self._states.append(self._system.step(self._states[-1]))
        while len(self._views) <= t:
            s = len(self._views)
            self._views.append(self._system.view(self._states[s], self._states[max(s - 1, 0)], self._settings, s))
        return self._views[: t + 1]


def _differ(old: Any, new: Any) -> bool:
    return old is not new and not np.array_equal(old, new)
