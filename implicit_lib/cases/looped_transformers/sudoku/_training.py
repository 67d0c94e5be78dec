"""Training on boards that few rounds fill."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

import torch
from torch import Tensor

from implicit_lib.cases import _running
from implicit_lib.cases._running import Progress
from implicit_lib.cases.looped_transformers._networks import Transformer
from implicit_lib.cases.looped_transformers._training import TransformerRun, loss_of

from ._boards import Boards, shallow, turned
from ._recipe import Recipe

Trained: TypeAlias = _running.Trained[Transformer]


def train(
    recipe: Recipe,
    checkpoint: Path,
    *,
    device: torch.device | str = "cpu",
    progress: Progress = print,
    every: int = 100,
) -> Trained:
    """Train by `recipe`, from the checkpoint if there is one; arguments and errors as of training on chains."""
    return _Run(recipe, torch.device(device)).finish(checkpoint, progress, every)


class _Run(TransformerRun):
    recipe: Recipe

    def __init__(self, recipe: Recipe, device: torch.device) -> None:
        super().__init__(recipe, device)
        self.boards = shallow(recipe.boards, recipe.deepest, recipe.seed)

    def _loss(self) -> Tensor:
        boards = self._batch().to(self.device)
        before = self._below(self.recipe.before + 1)
        return loss_of(self.model, boards.clues, boards.solution - 1, before, self.recipe.iterations)

    def _batch(self) -> Boards:
        """Some of the boards, turned, each with a random share of its empty cells filled again, mostly a small one."""
        rows = torch.randint(self.recipe.boards, (self.recipe.batch,), generator=self.random)
        boards = turned(self.boards.take(rows), self.random)
        share = torch.rand(self.recipe.batch, 1, generator=self.random) ** 2
        back = torch.rand(boards.clues.shape, generator=self.random) < share
        return boards._replace(clues=torch.where(back, boards.solution, boards.clues))
