"""The photographs of the case: tiles to train on, crops to test on, and six whole pictures to look at.

They ship as three sheets beside the library, with their authors and licences (photographs/ATTRIBUTION.md); the command
`python -m tools.photographs` makes the sheets from the packages that the photographs come from.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

SHEETS = Path(__file__).parent / "photographs"

NAMES = ("astronaut", "cat", "coffee", "rocket", "temple", "flower")
"""The held-out photographs, in the order of their sheets."""


def training_tiles() -> Tensor:
    """What the models are trained on: (288, 3, 96, 96), float32 in [0, 1], from 13 photographs.

    The photographs were made smaller, to 768 pixels along the longer side, and cut into tiles that do not overlap; of
    these, the ones with the most detail. A tile leaves room for random crops of 64 × 64.
    """
    return _squares("training.png", 96)


def held_out_crops() -> Tensor:
    """What the models are tested on: (48, 3, 64, 64), float32 in [0, 1], 8 of each photograph of `NAMES`.

    Photographs of other authors than the training ones, made smaller to 480 pixels along the longer side; the crops
    are spread evenly over each.
    """
    return _squares("held_out.png", 64)


def photographs() -> dict[str, Tensor]:
    """The held-out photographs by name, each the square in its middle: (3, 128, 128), float32 in [0, 1]."""
    return dict(zip(NAMES, _squares("whole.png", 128), strict=True))


def _squares(sheet: str, side: int) -> Tensor:
    """The squares of a sheet, row by row."""
    from PIL import Image

    with Image.open(SHEETS / sheet) as image:
        pixels = np.asarray(image)
    rows, columns = pixels.shape[0] // side, pixels.shape[1] // side
    squares = pixels.reshape(rows, side, columns, side, 3).transpose(0, 2, 4, 1, 3).reshape(-1, 3, side, side)
    return torch.from_numpy(squares.astype(np.float32) / 255)
