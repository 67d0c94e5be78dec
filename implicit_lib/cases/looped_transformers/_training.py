"""Training on short chains: from a random iteration on, with a loss at every iteration that is differentiated."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from implicit_lib.cases import _running
from implicit_lib.cases._running import Progress

from ._chains import Chains, draw
from ._networks import LoopedTransformer, Transformer
from ._recipe import Recipe

Trained: TypeAlias = _running.Trained[Transformer]

_FEWEST, _MOST = 8, 64
"""Contexts of a batch."""

_FIRST = 0.2
"""The share of the statements that contexts have at most when training begins."""


def train(
    recipe: Recipe,
    checkpoint: Path,
    *,
    device: torch.device | str = "cpu",
    progress: Progress = print,
    every: int = 200,
) -> Trained:
    """Train by `recipe`, from the checkpoint if there is one.

    Ctrl-C ends the step under way, writes the checkpoint and raises. An interrupted and resumed run ends with the very
    weights of an uninterrupted one.

    Args:
        recipe: what to do.
        checkpoint: a file, written every `every` steps and when interrupted; it is left in place.
        device: where to compute. Random numbers are drawn on the CPU, so that every device sees the same ones.
        progress: called with a line that tells the step, the loss and the time left.
        every: steps between two checkpoints.

    Raises:
        TrainingInterrupted: Ctrl-C.
        CheckpointError: the checkpoint is damaged, or of another recipe.
        FloatingPointError: the loss is no longer finite.
    """
    return _Run(recipe, torch.device(device)).finish(checkpoint, progress, every)


def loss_of(model: Transformer, x: Chains | Tensor, answer: Tensor, before: int, iterations: int) -> Tensor:
    """The mean cross-entropy at all tokens; of a loop over `iterations` that follow `before` undifferentiated ones."""
    if not isinstance(model, LoopedTransformer):
        return cross_entropy(model(x).flatten(0, 1), answer.flatten())
    e = model.encoder(x)
    h = torch.zeros_like(e)
    with torch.no_grad():
        for _ in range(before):
            h = model.operator(h, e)
    losses = []
    for _ in range(iterations):
        h = model.operator(h, e)
        losses.append(cross_entropy(model.decoder(h).flatten(0, 1), answer.flatten()))
    return torch.stack(losses).mean()


class TransformerRun(_running.StepRun[Transformer]):
    """Steps of a transformer, whatever its task."""

    digits = ".4f"

    def __init__(self, recipe: Any, device: torch.device) -> None:
        super().__init__(recipe, recipe.steps, device)
        self.optimiser = torch.optim.AdamW(
            self.model.parameters(), lr=recipe.learning_rate, betas=(0.9, 0.99), weight_decay=0.01
        )

    def _below(self, most: int) -> int:
        return int(torch.randint(most, (), generator=self.random))


class _Run(TransformerRun):
    recipe: Recipe

    def _loss(self) -> Tensor:
        contexts = self._contexts().to(self.device)
        before = self._below(self.recipe.before + 1) if self.recipe.before else 0
        return loss_of(self.model, contexts, contexts.answer, before, self.recipe.iterations)

    def _contexts(self) -> Chains:
        """A batch of one form: the longer of two random lengths that the curriculum allows, and some chains of it.

        Among many statements the loop does not learn to look one up. It begins with few.
        """
        part = min(self.done / (self.recipe.steps * self.recipe.share_of_curriculum), 1.0)
        statements = int(self.recipe.statements * (_FIRST + (1 - _FIRST) * part))
        longest = 1 + min(self.recipe.longest - 1, int(part * self.recipe.longest))
        length = 1 + max(self._below(longest), self._below(longest))
        chains = 2 + self._below(statements // length - 1)
        batch = min(max(self.recipe.tokens // (chains * length), _FEWEST), _MOST)
        return draw(batch, chains, length, self.random)
