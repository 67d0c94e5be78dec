"""The check that no control is dead: each is moved across its range in the real widget."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from implicit_lib.checks import check

from ._widget import ExplorerWidget

if TYPE_CHECKING:
    from ._explorer import Explorer


def drive(explorer: Explorer) -> None:
    """Move every control over its sweep, under every choice; one that never changes what is shown is dead.

    The others stand at their defaults meanwhile, but t at a third of its range: at t = 0 nothing has been iterated yet.
    The widget is one of its own: sliders on a reader's screen answer each move with a rounded value, long after.
    """
    widget, t = ExplorerWidget(explorer), explorer.iterations
    home = explorer.settings(**{t.name: max(1, t.maximum // 3)})
    dead, settings = [], 0
    for name, control in explorer.controls.items():
        alive = False
        for choice in _choices(explorer, name):
            pictures = [_picture(widget, {**home, **choice, name: value}) for value in control.sweep()]
            alive = alive or len(set(pictures)) > 1
            settings += len(pictures)
        if not alive:
            dead.append(name)
    check(
        f"every control of '{explorer.name}' moves its figure",
        len(dead),
        equals=0,
        of=f"controls that change nothing, of {', '.join(explorer.controls)} at {settings} settings",
        detail=f"Dead: {', '.join(dead)}.",
    )


def _choices(explorer: Explorer, name: str) -> list[dict[str, Any]]:
    """The choices under which a control is moved; the choice itself is moved once."""
    if explorer.chosen_by is None or name == explorer.chosen_by:
        return [{}]
    return [{explorer.chosen_by: option} for option in explorer.controls[explorer.chosen_by].sweep()]


def _picture(widget: ExplorerWidget, settings: Mapping[str, Any]) -> int:
    """Set the controls, and return a fingerprint of everything that the reader then sees."""
    for name, value in settings.items():
        widget.controls[name].value = value
    arrays = (values for trace in widget.figure.data for values in (trace.x, trace.y))
    return hash((widget.readouts.value, *(bytes(memoryview(v)) if hasattr(v, "dtype") else v for v in arrays)))
