"""How many boards are solved, by how hard they are and how long the loop runs."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from implicit_lib.cases.looped_transformers._evaluation import walked
from implicit_lib.cases.looped_transformers._networks import Transformer

from ._boards import Boards, rounds

LEVELS = ("3", "4", "5", "6", "7 and more", "not by rounds")
"""How hard boards are: the rounds that they take, and those that no number of rounds fills."""


def levels(boards: Boards) -> Tensor:
    """Which of `LEVELS` each board is of (B,), int64."""
    count, end = rounds(boards.clues)
    level = (count - int(LEVELS[0])).clamp(0, len(LEVELS) - 2)
    return torch.where((end == 0).any(dim=1), len(LEVELS) - 1, level)


def solved(model: Transformer, boards: Boards, at: Sequence[int]) -> Tensor:
    """Whether all 36 cells are right (len(at), B), bool, after the iterations `at`."""
    steps = enumerate(walked(model, boards.clues, max(at)), 1)
    return torch.stack(
        [(scores.argmax(dim=2) + 1 == boards.solution).all(dim=1) for t, (_, scores) in steps if t in at]
    )
