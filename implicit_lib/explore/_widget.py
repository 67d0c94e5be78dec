"""The kernel engine: Python computes the arrays, and an anywidget draws them with the scripts of the page."""

from __future__ import annotations

import gzip
import re
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

import anywidget
import numpy as np
import traitlets
from plotly.offline import get_plotlyjs

from ._controls import ControlError
from ._page import LIVE, describe

if TYPE_CHECKING:
    from ._explorer import Explorer

_MODULES = (
    "controls.js",
    "text.js",
    "photograph.js",
    "curves.js",
    "plot.js",
    "pictures.js",
    "figure.js",
    "kernel.js",
)


def _one_module() -> str:
    """The notebook's scripts, in the order of their imports, as the single module that anywidget takes."""
    scripts = "".join((LIVE / name).read_text(encoding="utf-8") for name in _MODULES)
    return re.sub(r"^import .*\n|^export (?!default)", "", scripts, flags=re.MULTILINE)


@cache
def _plotly() -> bytes:
    """Plotly's script, gzipped: Jupyter drops messages of several megabytes."""
    return gzip.compress(get_plotlyjs().encode())


class ExplorerWidget(anywidget.AnyWidget):
    """One explorer in a notebook: the front end sends `settings`, and draws the `frame` that answers.

    Attributes:
        description: controls, panels and readouts.
        settings: what the controls are set to, by name.
        frame: the arrays and readouts at these settings, as float64 bytes: no JSON, which has neither NaN nor speed.
            And of every control that is read what its value says, or why it was refused; the rest is then that of the
            last one that could be read.
    """

    _esm = _one_module()
    _css = (LIVE / "explorer.css").read_text(encoding="utf-8")
    description = traitlets.Dict().tag(sync=True)
    settings = traitlets.Dict().tag(sync=True)
    frame = traitlets.Dict().tag(sync=True)

    def __init__(self, explorer: Explorer) -> None:
        self._explorer = explorer
        self._read = {control.name: control.value for control in explorer.readable}
        super().__init__(description=describe(explorer), settings=explorer.settings())
        self._compute()
        self.observe(self._compute, "settings")
        self.on_msg(self._send_plotly)

    def _compute(self, change: Any = None) -> None:
        refused = {}
        for control in self._explorer.readable:
            try:
                self._read[control.name] = control.validate(self.settings[control.name])
            except ControlError as error:
                refused[control.name] = str(error)
        settings = {**self.settings, **self._read}
        arrays, readouts = self._explorer.frame(**settings)
        readings = {
            name: reading.describe() | {"refused": refused.get(name, "")}
            for name, reading in self._explorer.readings(settings).items()
        }
        self.frame = {"arrays": _packed(arrays), "readouts": _packed(readouts), "readings": readings}

    def _send_plotly(self, *message: Any) -> None:
        """Answer the front end's only message."""
        self.send("plotly", buffers=[_plotly()])


def _packed(value: Any) -> Any:
    """The same with bytes in place of numbers and arrays."""
    if isinstance(value, Mapping):
        return {key: _packed(part) for key, part in value.items()}
    return np.asarray(value, dtype=np.float64).tobytes()
