"""The explorer: one description of a figure that the reader can move, shown in a notebook and on the built page."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ._controls import Choice, ControlError, Iterations, Slider
from ._page import write_page
from ._panels import History, Now, Panel, Pictures, Readout, Reference
from ._photograph import Photograph
from ._reading import Readable, Reading
from ._system import Arrays, System, Trajectory
from ._text import Text

if TYPE_CHECKING:
    from ._widget import ExplorerWidget

PAGE_FILES = "IMPLICIT_LIB_PAGE_FILES"
"""Environment variable: the folder into which the book's build collects the explorers' files. Unset in a session."""

PAGE_MIME = "application/vnd.rich-equilibria.explorer+json"

Control = Iterations | Slider | Choice | Text | Photograph
PanelArrays = dict[str, dict[str, dict[str, np.ndarray[Any, Any]]]]


class Explorer:
    """A fixed-point iteration that the reader moves.

    In a session it displays as a widget that the kernel computes for. While the book is built, its output is a
    description that the page runs by itself, without a kernel. Both draw the arrays that `arrays` returns, alike.

    Args:
        name: an identifier, unique in the book; the page's file and the tests carry it.
        title: the figure's heading.
        system: what is iterated; or, with `chosen_by`, one system for each option of that choice.
        controls: exactly one `Iterations`, then sliders and choices. The iteration count is shown first; above it what
            the reader types, where there is a `Text`. The arrays of a `Text` or a `Photograph` are read by systems as
            if they were controls.
        panels: the plots and pictures.
        readouts: the numbers beside them.
        chosen_by: the name of the choice that selects the system. Any further choice is read by systems, as a slider
            is: its value is the number of the chosen option, counted from 0.

    Raises:
        ValueError: if the parts do not fit together; the message names the part.
    """

    def __init__(
        self,
        *,
        name: str,
        title: str,
        system: System | Mapping[str, System],
        controls: Sequence[Control],
        panels: Sequence[Panel | Pictures],
        readouts: Sequence[Readout] = (),
        chosen_by: str | None = None,
    ) -> None:
        if not name.isidentifier():
            raise ValueError(f"An explorer's name must be an identifier, such as 'staircase'; got {name!r}.")
        self.name, self.title, self.panels, self.readouts = name, title, tuple(panels), tuple(readouts)
        self.controls = {c.name: c for c in sorted(controls, key=lambda c: not isinstance(c, Iterations))}
        if [isinstance(c, Iterations) for c in controls].count(True) != 1 or len(self.controls) != len(controls):
            raise ValueError(f"Explorer '{name}' needs exactly one Iterations control and names that differ.")
        self.iterations = next(c for c in controls if isinstance(c, Iterations))
        if len({panel.title for panel in self.panels}) != len(self.panels):
            raise ValueError(f"Explorer '{name}': every panel needs a title of its own.")
        self.chosen_by = chosen_by
        self.systems = self._systems(system)
        self._trajectories: dict[str, Trajectory] = {}
        self._widget: ExplorerWidget | None = None
        self._check_references()
        folder = os.environ.get(PAGE_FILES)
        # Written here, not on display: IPython swallows what a display hook raises, and the page would lack a figure.
        self._page_source = None if folder is None else write_page(self, Path(folder))

    def _systems(self, system: System | Mapping[str, System]) -> dict[str, System]:
        systems, options = dict(system) if isinstance(system, Mapping) else {"": system}, [""]
        if self.chosen_by is not None:
            chooser = self.controls.get(self.chosen_by)
            if not isinstance(chooser, Choice):
                raise ValueError(f"Explorer '{self.name}': chosen_by={self.chosen_by!r} must name a Choice control.")
            options = list(chooser.options)
        if set(systems) != set(options):
            raise ValueError(
                f"Explorer '{self.name}' needs one system for each option of the choice named by chosen_by, "
                f"{options}; or one system, and no chosen_by. It has systems for {list(systems)}."
            )
        return systems

    def _check_references(self) -> None:
        """Every control that a system reads, and every array that a panel draws, exists; and every choice is read."""
        settings = self.settings()
        numbers_set = set(self.numbers(settings))
        read = frozenset[str]().union(*(s.step_controls | s.view_controls for s in self.systems.values()))
        idle = {c.name for c in self.controls.values() if isinstance(c, Choice)} - read - {self.chosen_by}
        if idle:
            raise ValueError(f"Explorer '{self.name}': nothing reads the choice {sorted(idle)}; see chosen_by.")
        for option, system in self.systems.items():
            missing = (system.step_controls | system.view_controls) - numbers_set
            if missing:
                raise ValueError(
                    f"Explorer '{self.name}': system {option!r} reads {sorted(missing)}, which no control sets."
                )
            view = self._views(option, settings, 0)[0] | {"t": np.zeros(())}
            references = [r for p in self.panels for refs in p.bind.values() for r in refs.values()]
            numbers = {r.name for r in references if isinstance(r, History)} | {r.name for r in self.readouts}
            unknown = ({r.name for r in references} | numbers) - set(view)
            if unknown:
                raise ValueError(
                    f"Explorer '{self.name}' draws {sorted(unknown)}; system {option!r} views {sorted(view)}."
                )
            unnamed = {p.ticks for p in self.panels if p.ticks} - {
                n for n, c in self.controls.items() if isinstance(c, Text)
            }
            if unnamed:
                raise ValueError(f"Explorer '{self.name}': a panel takes its ticks from a Text; got {sorted(unnamed)}.")
            curves = {name for name in numbers if view[name].ndim}
            if curves:
                raise ValueError(
                    f"Explorer '{self.name}': a History and a Readout show scalars, but {sorted(curves)} are arrays."
                )

    def settings(self, **changes: Any) -> dict[str, Any]:
        """The default value of every control, with `changes`.

        Raises:
            ControlError: for an unknown control, or a value outside its range.
        """
        unknown = set(changes) - set(self.controls)
        if unknown:
            raise ControlError(f"Explorer '{self.name}' has the controls {list(self.controls)}; got {sorted(unknown)}.")
        return {key: control.validate(changes.get(key, control.value)) for key, control in self.controls.items()}

    @property
    def readable(self) -> list[Readable]:
        """The controls whose values are read: what the reader types, or chooses as a photograph."""
        return [control for control in self.controls.values() if isinstance(control, Readable)]

    def readings(self, settings: Mapping[str, Any]) -> dict[str, Reading]:
        """What the value of every control that is read means, by the control's name.

        Raises:
            ControlError: a value cannot be read.
        """
        return {control.name: control.reading(settings[control.name]) for control in self.readable}

    def numbers(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """The settings as systems read them: of a choice, the number of its option; of what is read, arrays."""
        numbers = {
            key: control.options.index(settings[key]) if isinstance(control, Choice) else settings[key]
            for key, control in self.controls.items()
            if not isinstance(control, Readable)
        }
        for reading in self.readings(settings).values():
            numbers |= reading.arrays
        return numbers

    def _views(self, option: str, settings: Mapping[str, Any], t: int) -> list[Arrays]:
        numbers = self.numbers(settings)
        trajectory = self._trajectories.get(option)
        if trajectory is None or not trajectory.accepts(numbers):
            trajectory = self._trajectories[option] = Trajectory(self.systems[option], numbers)
        return trajectory.views(t)

    def frame(self, **changes: Any) -> tuple[PanelArrays, dict[str, float]]:
        """What the figure shows at a setting of the controls: the traces' arrays, and the readouts' numbers by name."""
        settings = self.settings(**changes)
        t = settings[self.iterations.name]
        views = self._views(settings.get(self.chosen_by or "", ""), settings, t)
        history = [{**view, "t": np.asarray(float(s))} for s, view in enumerate(views)]
        arrays = {
            panel.title: {
                trace: {axis: _resolve(reference, history) for axis, reference in references.items()}
                for trace, references in panel.bind.items()
            }
            for panel in self.panels
        }
        return arrays, {r.name: float(history[-1][r.name]) for r in self.readouts}

    def arrays(self, **changes: Any) -> PanelArrays:
        """The arrays of every bound trace, `{panel title: {trace: {"x": …, "y": …}}}`, at a setting of the controls.

        Raises:
            ControlError: for an unknown control, or a value outside its range.
        """
        return self.frame(**changes)[0]

    @property
    def widget(self) -> ExplorerWidget:
        """The notebook's view, made when it is first asked for."""
        if self._widget is None:
            from ._widget import ExplorerWidget

            self._widget = ExplorerWidget(self)
        return self._widget

    def drive(self) -> None:
        """Move every control of the widget across its range: the check that no slider is dead.

        Raises:
            CheckFailed: if a control changes nothing that the figure shows.
        """
        from ._drive import drive

        drive(self)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        if self._page_source is None:
            bundle, _ = self.widget._repr_mimebundle_() or ({}, {})
            return bundle
        page = {"name": self.name, "title": self.title, "src": self._page_source}
        return {PAGE_MIME: page, "text/plain": f"Explorer: {self.title}"}


def _resolve(reference: Reference, history: Sequence[Arrays]) -> np.ndarray[Any, Any]:
    if isinstance(reference, Now):
        at = len(history) - 1 - reference.back
        return np.atleast_1d(history[at][reference.name]) if at >= 0 else np.empty(0)
    return np.array([float(view[reference.name]) for view in history])
