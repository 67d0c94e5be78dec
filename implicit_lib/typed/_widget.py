"""The widget in a notebook: text fields, the certificate, and the explorer that the kernel computes for."""

from __future__ import annotations

import html
import threading
from collections.abc import Sequence

import ipywidgets

from implicit_lib.theory import FormulaError, Verdict

from ._answer import Answer, answer
from ._presets import Preset

OWN = "your own"


class TypedWidget:
    """Fields for F and its domain, a choice of presets, the verdict, and the figure.

    A formula is certified in a thread, so that the kernel answers meanwhile; Cancel, or a newer formula, leaves its
    answer aside. What cannot be read is said below the fields, and the old figure stays.

    Args:
        name: of the figures.
        presets: the functions on offer; the first one's answer is given.
        first: that answer.
        hint: what can be typed.
    """

    def __init__(self, name: str, presets: Sequence[Preset], first: Answer, hint: str) -> None:
        self._name, self._presets, self._asked, self._choosing = name, presets, 0, False
        self._thread: threading.Thread | None = None
        wide = ipywidgets.Layout(width="min(100%, 30rem)")
        options = {"layout": wide, "style": {"description_width": "5rem"}}
        self.formula = ipywidgets.Text(value=presets[0].formula, description="F =", continuous_update=False, **options)
        self.domain = ipywidgets.Text(value=presets[0].domain, description="on", continuous_update=False, **options)
        labels = [preset.label for preset in presets]
        self.preset = ipywidgets.Dropdown(options=[*labels, OWN], value=labels[0], description="Examples", **options)
        self.cancel = ipywidgets.Button(description="Cancel", disabled=True)
        self.verdict = ipywidgets.HTML(markup(first.verdict))
        assert first.figure is not None
        said = ipywidgets.HTML(f"<p>{html.escape(hint)}</p>")
        fields = [self.preset, self.formula, self.domain]
        self.box = ipywidgets.VBox([*fields, said, self.cancel, self.verdict, first.figure.widget])
        self.preset.observe(self._choose, "value")
        for field in fields[1:]:
            field.observe(self._typed, "value")
        self.cancel.on_click(self._cancelled)

    def _choose(self, change: object) -> None:
        chosen = next((preset for preset in self._presets if preset.label == self.preset.value), None)
        if chosen is not None:
            self._choosing = True
            self.formula.value, self.domain.value = chosen.formula, chosen.domain
            self._choosing = False
            self._ask()

    def _typed(self, change: object) -> None:
        if self._choosing:
            return
        typed = (self.formula.value, self.domain.value)
        known = {(preset.formula, preset.domain): preset.label for preset in self._presets}
        before, self.preset.value = self.preset.value, known.get(typed, OWN)
        if self.preset.value in (before, OWN):  # otherwise the choice has asked
            self._ask()

    def _ask(self) -> None:
        self._asked += 1
        self.cancel.disabled = False
        self.verdict.value = "<p role='status'>Looking for a certificate …</p>"
        work = (self._asked, self.formula.value, self.domain.value)
        self._thread = threading.Thread(target=self._work, args=work, daemon=True)
        self._thread.start()

    def _work(self, number: int, formula: str, domain: str) -> None:
        figure = None
        try:
            found = answer(formula, domain, name=f"{self._name}_typed")
            said, figure = markup(found.verdict), found.figure
        except FormulaError as error:
            said = f"<pre role='status'>{html.escape(str(error))}</pre>"
        except Exception as error:  # whatever it is, the reader has to hear of it: nobody waits for a thread
            said = f"<p role='status'>{html.escape(str(error))}</p>"
        if number != self._asked:
            return
        self.cancel.disabled, self.verdict.value = True, said
        if figure is not None:
            self.box.children = (*self.box.children[:-1], figure.widget)

    def _cancelled(self, button: object) -> None:
        self._asked += 1
        self.cancel.disabled = True
        self.verdict.value = "<p role='status'>Cancelled. The figure is the last one that was certified.</p>"

    def wait(self) -> None:
        """Until the last formula is answered."""
        if self._thread is not None:
            self._thread.join()


def markup(verdict: Verdict) -> str:
    """The verdict, and its certificate line by line."""
    lines = "".join(f"<li>{html.escape(line)}</li>" for line in verdict.lines)
    statement = f"<strong>{html.escape(verdict.kind)}</strong>: {html.escape(verdict.statement)}"
    figure = "" if verdict else "<p>No regular operator is shown for this F: the figure is the last one.</p>"
    return f"<div role='status'><p>{statement}</p><ul>{lines}</ul>{figure}</div>"
