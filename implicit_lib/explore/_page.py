"""What the front ends read of an explorer: its description, and for the built site one ES module (and ONNX files)."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from . import palette
from ._onnx import Exports

if TYPE_CHECKING:
    from ._explorer import Explorer


LIVE: Final = Path(__file__).parent / "live"
"""The explorers' scripts and style, of the page and of the notebook."""


def describe(explorer: Explorer) -> dict[str, Any]:
    """What a front end needs to show the explorer, but for its arrays."""
    return {
        "name": explorer.name,
        "title": explorer.title,
        "chosenBy": explorer.chosen_by,
        "controls": [control.describe() for control in explorer.controls.values()],
        "panels": [panel.describe() for panel in explorer.panels],
        "readouts": [readout.describe() for readout in explorer.readouts],
        "dark": palette.DARK,
    }


def write_page(explorer: Explorer, folder: Path) -> str:
    """Write `<name>.js` and the files it names into `folder`; return the module's file name."""
    folder.mkdir(parents=True, exist_ok=True)
    numbers, exports = explorer.numbers(explorer.settings()), Exports(folder)
    systems = [
        f"{json.dumps(option)}: {system.write_page(exports, f'{explorer.name}-{index}', numbers)}"
        for index, (option, system) in enumerate(explorer.systems.items())
    ]
    arrays, readouts = explorer.frame()
    first = {"arrays": _plain(arrays), "readouts": readouts, "readings": _first_readings(explorer)}
    description = json.dumps(describe(explorer) | {"first": first})  # NaN and Infinity are JavaScript's words too
    name = f"{explorer.name}.js"
    (folder / name).write_text(
        f"export const description = {description};\nexport const systems = {{{','.join(systems)}}};\n",
        encoding="utf-8",
    )
    return name


def _first_readings(explorer: Explorer) -> dict[str, Any]:
    """With the arrays of what takes time, so that the page reads and solves nothing before the reader types."""
    settings, found = explorer.settings(), {}
    for control in explorer.readable:
        reading = control.reading(settings[control.name])
        found[control.name] = reading.describe()
        if not control.is_read_at_once:
            arrays = {
                key: {"shape": each.shape, "values": each.ravel().tolist()} for key, each in reading.arrays.items()
            }
            found[control.name] |= {"arrays": arrays}
    return found


def _plain(value: Any) -> Any:
    """The arrays without NaN or infinities: the page draws a gap where it finds null. Of pixels what an eye sees."""
    if isinstance(value, dict):
        return {key: _plain(part.round(3) if key == "pixels" else part) for key, part in value.items()}
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list):
        return [_plain(part) for part in value]
    return value if math.isfinite(value) else None
