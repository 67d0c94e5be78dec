"""The check that no control is dead: each is moved across its range in the real widget."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from implicit_lib.checks import check

from ._controls import Choice
from ._panels import History
from ._photograph import Photograph
from ._widget import ExplorerWidget

if TYPE_CHECKING:
    from ._explorer import Explorer


def drive(explorer: Explorer) -> None:
    """Move every control over its sweep, under every choice; one that does not change what is shown is dead.

    The others stand at their defaults meanwhile, but t at a third of its range: at t = 0 nothing has been iterated yet.
    What is shown counts to five digits: a change in the last bit moves nothing. Every option of a choice, and every
    example of a photograph, has to show something of its own. The widget is made for this: sliders on a reader's screen
    answer each move with a rounded value, long after.
    """
    widget, t = ExplorerWidget(explorer), explorer.iterations
    home = explorer.settings(**{t.name: max(1, t.maximum // 3)})
    dead, settings = [], 0
    for name, control in explorer.controls.items():
        for choice in _choices(explorer, name):
            pictures = [_picture(explorer, widget, {**home, **choice, name: value}) for value in control.sweep()]
            if len(set(pictures)) < (len(pictures) if isinstance(control, Choice | Photograph) else 2):
                dead.append(" under ".join([name, *choice.values()]))
            settings += len(pictures)
    check(
        f"every control of '{explorer.name}' moves its figure",
        len(dead),
        equals=0,
        of=f"controls that change nothing, of {', '.join(explorer.controls)} at {settings} settings",
        detail=f"Dead: {', '.join(dead)}.",
    )


def _choices(explorer: Explorer, name: str) -> list[dict[str, Any]]:
    """The choices under which a control is moved, in every combination; a choice is moved under the others."""
    choices = [c for c in explorer.controls.values() if isinstance(c, Choice) and c.name != name]
    options = [[(choice.name, option) for option in choice.sweep()] for choice in choices]
    return [dict(combination) for combination in product(*options)]


def _picture(explorer: Explorer, widget: ExplorerWidget, settings: Mapping[str, Any]) -> tuple[str, ...]:
    """Set the controls, and return what the reader then sees.

    Of a history only its last value, and not the count t: an operator that stands still would seem to move with them.
    """
    widget.settings = {**settings}
    picture = [r.text(np.frombuffer(widget.frame["readouts"][r.name])[0]) for r in explorer.readouts]
    for panel in explorer.panels:
        for trace, references in panel.bind.items():
            for axis, reference in references.items():
                if reference.name != "t":
                    values = np.frombuffer(widget.frame["arrays"][panel.title][trace][axis])
                    drawn = values[-1:] if isinstance(reference, History) else values
                    picture.append(" ".join(f"{value:.5g}" for value in drawn))
    return tuple(picture)
