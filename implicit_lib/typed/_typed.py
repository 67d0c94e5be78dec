"""The widget "Type your own F": one description, in a session and on the built page."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from implicit_lib.checks import check
from implicit_lib.explore import PAGE_FILES
from implicit_lib.theory import Domain

from ._answer import Answer, answer
from ._presets import PRESETS, Preset

if TYPE_CHECKING:
    from ._widget import TypedWidget

TYPED_MIME = "application/vnd.rich-equilibria.typed+json"

TITLE = "Type your own F"
HINT = (
    "Type F in x, or in x and y. The domain is an interval, or a box: (0, 1] or [-1, 1] \\ {0} or (0, inf) or "
    "[-1, 1] x (0, 2] or [-1, 1] x [-1, 1] \\ {(0, 0)}."
)


class TypedFunction:
    """A formula and a domain that the reader types; below them the certificate, and the iteration that reaches F.

    In a session every formula is certified. On the built page the presets are: they are computed while the book is
    built. What a visitor types there is sampled in the browser, and the verdict says so.

    Args:
        name: an identifier, unique in the book; the page's files carry it.
        presets: the functions on offer; the first is shown at the start, and is one that is reached.

    Raises:
        ValueError: the name is no identifier, or the first preset is not reached.
    """

    def __init__(self, *, name: str = "typed", presets: Sequence[Preset] = PRESETS) -> None:
        if not name.isidentifier():
            raise ValueError(f"the name must be an identifier, such as 'typed'; got {name!r}")
        self.name, self.presets = name, tuple(presets)
        self._widget: TypedWidget | None = None
        self._answers: dict[int, Answer] = {}
        self._first = self._answer(0)
        if self._first.figure is None:
            raise ValueError(f"the first preset must be reached, but: {self._first.verdict}")
        folder = os.environ.get(PAGE_FILES)
        self._page_source = None if folder is None else self._write_page(Path(folder))

    def _answer(self, index: int) -> Answer:
        if index not in self._answers:
            preset = self.presets[index]
            self._answers[index] = answer(preset.formula, preset.domain, name=f"{self.name}_{index}")
        return self._answers[index]

    @property
    def widget(self) -> TypedWidget:
        """The notebook's view, made when it is first asked for."""
        if self._widget is None:
            from ._widget import TypedWidget

            self._widget = TypedWidget(self.name, self.presets, self._first, HINT)
        return self._widget

    def drive(self) -> None:
        """Choose every preset, and move every control that they bring: the check that nothing is dead.

        Figures with the same controls differ in their numbers alone; the first of each kind is driven.

        Raises:
            CheckFailed: a control changes nothing, or a preset neither draws its figure nor gives a reason.
        """
        answers = [self._answer(index) for index in range(len(self.presets))]
        figures = [each.figure for each in answers if each.figure is not None]
        for first in {tuple(figure.controls): figure for figure in reversed(figures)}.values():
            first.drive()
        certified = sum(bool(each.verdict) for each in answers)
        silent = [
            preset.label
            for preset, each in zip(self.presets, answers, strict=True)
            if bool(each.verdict) != (each.figure is not None) or not each.verdict.statement
        ]
        check(
            f"every preset of '{self.name}' is certified or refused",
            len(silent),
            equals=0,
            of=f"presets without a verdict, of {len(answers)}: {certified} certified",
            detail=f"Silent: {', '.join(silent)}.",
        )

    def _write_page(self, folder: Path) -> str:
        """One module for each figure, by its explorer, and one that names them with their verdicts."""
        presets = []
        for index, preset in enumerate(self.presets):
            found = self._answer(index)
            verdict = found.verdict
            presets.append(
                {
                    "label": preset.label,
                    "formula": preset.formula,
                    "domain": preset.domain,
                    "variables": Domain.parse(preset.domain).dimension,
                    "verdict": {"kind": verdict.kind, "statement": verdict.statement, "lines": verdict.lines},
                    "src": None if found.figure is None else f"{found.figure.name}.js",
                }
            )
        name = f"{self.name}-presets.js"
        folder.mkdir(parents=True, exist_ok=True)
        module = f"export const hint = {json.dumps(HINT)};\nexport const presets = {json.dumps(presets)};\n"
        (folder / name).write_text(module, encoding="utf-8")
        return name

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        if self._page_source is None:
            return dict(self.widget.box._repr_mimebundle_())
        return {
            TYPED_MIME: {"name": self.name, "title": TITLE, "src": self._page_source},
            "text/plain": TITLE,
        }
