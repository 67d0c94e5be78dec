"""The photographs: exactly those the models were trained and tested on, and none of them in both."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from torch import Tensor

from implicit_lib.cases._files import data_hash
from implicit_lib.cases.deblurring import NAMES, held_out_crops, photographs, training_tiles
from implicit_lib.cases.deblurring._photographs import SHEETS
from tools import photographs as making


@pytest.mark.parametrize(
    ("squares", "shape", "digest"),
    [
        (training_tiles, (288, 3, 96, 96), "b2f834abc82412d20297fe17415edb2cd74f6aea943893d12e3848c782809ee3"),
        (held_out_crops, (48, 3, 64, 64), "09cbabfa40edcf15a935c2965dd63e6a44c6a14636baedcf4e75d590c2956825"),
        (
            lambda: torch.stack(list(photographs().values())),
            (6, 3, 128, 128),
            "f87630adf51292cf9a487de862fc7127e25f43b5bac2b1ff0ece1355c3899738",
        ),
    ],
    ids=["training", "held out", "whole"],
)
def test_the_pixels_are_the_same_everywhere(squares, shape: tuple[int, ...], digest: str) -> None:
    tensor = squares()
    assert tensor.shape == shape and tensor.dtype is torch.float32 and tensor.is_contiguous()
    assert 0 <= tensor.min() < 0.1 and 0.9 < tensor.max() <= 1
    assert data_hash(tensor) == digest


def test_the_whole_photographs_go_by_name() -> None:
    assert tuple(photographs()) == NAMES


def stretches(pictures: Tensor) -> np.ndarray:
    """A number for every stretch of 8 neighbouring pixels in a row whose ends differ in colour."""
    pixels = pictures.mul(255).round().numpy().astype(np.uint64)
    weights = np.random.default_rng(0).integers(2**63, size=(8, 3, 1, 1), dtype=np.uint64)
    last = pixels.shape[-1] - 7
    numbers = sum((weights[k] * pixels[..., k : k + last]).sum(axis=1, dtype=np.uint64) for k in range(8))
    ends = np.abs(pixels[..., :last].astype(int) - pixels[..., 7:].astype(int)).max(axis=1)
    return numbers[ends > 40]


def test_nothing_of_a_held_out_photograph_is_in_the_training_tiles() -> None:
    training, held_out = stretches(training_tiles()), stretches(held_out_crops())
    assert len(held_out) > 20_000 and not np.isin(held_out, training).any()
    assert np.isin(stretches(training_tiles()[7:8, :, 10:, 5:]), training).all()  # what the comparison would find


def test_training_and_test_are_of_different_packages_and_all_are_attributed() -> None:
    attribution = (SHEETS / "ATTRIBUTION.md").read_text(encoding="utf-8")
    training, held_out = attribution.split("## Held-out photographs")
    for packages, text in [(making.TRAINING, training), (making.HELD_OUT, held_out)]:
        for photograph in [path.rpartition("/")[2] for package in packages for path in package.photographs]:
            (row,) = re.findall(rf"^\|.*`{re.escape(photograph)}` \|.*$", text, re.MULTILINE)
            assert re.search(r"CC BY|CC0|public domain|BSD 3-Clause", row)
    assert not {package.name for package in making.TRAINING} & {package.name for package in making.HELD_OUT}
    assert set(NAMES) == set(re.findall(r"^\| (\w+) \| `", held_out, re.MULTILINE))
