"""Training: one loop for all models, which can be stopped and resumed at any step without changing the result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from implicit_lib.cases import _running
from implicit_lib.cases._running import Progress

from ._flow import length
from ._flows import POSES, Flows, posed
from ._networks import ImplicitFNO
from ._recipe import Recipe, Replay

Trained: TypeAlias = _running.Trained[nn.Module]

_RUNAWAY = 1e3
"""A state with an entry beyond it is not gone on from; those of a trained model stay below 20."""


def train(
    recipe: Recipe,
    flows: Flows,
    checkpoint: Path,
    *,
    device: torch.device | str = "cpu",
    progress: Progress = print,
    every: int = 100,
) -> Trained:
    """Train by `recipe`, from the checkpoint if there is one.

    Flows are turned and mirrored at random, under which the equation stays as it is. An implicit model is trained at
    states of any age: flows go on from where the last step left them.

    Ctrl-C ends the step under way, writes the checkpoint and raises. An interrupted and resumed run ends with the very
    weights of an uninterrupted one.

    Args:
        recipe: what to do.
        flows: what to train on, the same ones when resumed.
        checkpoint: a file, written every `every` steps and when interrupted; it is left in place.
        device: where to compute. Random numbers are drawn on the CPU, so that every device sees the same ones.
        progress: called with a line that tells the step, the loss and the time left.
        every: steps between two checkpoints.

    Raises:
        TrainingInterrupted: Ctrl-C.
        CheckpointError: the checkpoint is damaged, or of another recipe.
        FloatingPointError: the loss is no longer finite.
        ValueError: the flows are on other points than the recipe's.
    """
    if flows.forcing.shape[-1] != recipe.side:
        raise ValueError(f"the recipe is for {recipe.side} points a side, but the flows have {flows.forcing.shape[-1]}")
    return _Run(recipe, flows, torch.device(device)).finish(checkpoint, progress, every)


def relative_error(vorticity: Tensor, known: Tensor) -> Tensor:
    """‖ω − ω*‖ / ‖ω*‖ (B,)."""
    return length(vorticity - known) / length(known)


@dataclass(frozen=True, eq=False)
class _Walks:
    """Where every walking flow stands: a row each, changed in place.

    Attributes:
        flow: the number of the flow (P,).
        pose: how it is turned and mirrored (P,).
        state: h (P, width, N, N), which the next step goes on from.
    """

    flow: Tensor
    pose: Tensor
    state: Tensor


class _Run(_running.StepRun[nn.Module]):
    digits = ".4f"
    recipe: Recipe

    def __init__(self, recipe: Recipe, flows: Flows, device: torch.device) -> None:
        super().__init__(recipe, recipe.steps, device)
        self.forcing, self.vorticity = (each.to(device, torch.float32) for each in (flows.forcing, flows.vorticity))
        self.optimiser = torch.optim.Adam(self.model.parameters(), lr=recipe.learning_rate, fused=True)
        self.walks = self._first_walks(recipe.replay) if recipe.replay else None

    def _loss(self) -> Tensor:
        if isinstance(self.model, ImplicitFNO):
            assert self.recipe.replay and self.walks
            return self._walking_loss(self.model, self.recipe.replay, self.walks)
        forcing, known = self._pairs(self._integers(len(self.forcing)), self._integers(POSES))
        return relative_error(self.model(forcing), known).mean()

    def _walking_loss(self, model: ImplicitFNO, replay: Replay, walks: _Walks) -> Tensor:
        """Of some of the walking flows, which go on or are replaced by others."""
        rows = torch.randperm(replay.states, generator=self.random)[: self.recipe.batch]
        new = torch.rand(len(rows), generator=self.random) < replay.restart
        flow, pose = self._integers(len(self.forcing)), self._integers(POSES)
        walks.flow[rows] = torch.where(new, flow, walks.flow[rows])
        walks.pose[rows] = torch.where(new, pose, walks.pose[rows])
        at = rows.to(self.device)
        walks.state[at[new.to(self.device)]] = 0
        forcing, known = self._pairs(walks.flow[rows], walks.pose[rows])
        q, h, losses = model.encoder(forcing), walks.state[at], []
        for _ in range(replay.iterations):
            h = torch.lerp(h, model.blocks(h, q), replay.damping)
            losses.append(relative_error(model.decoder(h), known).mean())
        state = h.detach()
        sound = state.abs().flatten(1).amax(dim=1) < _RUNAWAY
        walks.state[at] = torch.where(sound[:, None, None, None], state, 0)
        return torch.stack(losses).mean()

    def _pairs(self, flow: Tensor, pose: Tensor) -> tuple[Tensor, Tensor]:
        """Forcings and vorticities of these numbers, in these poses."""
        at, pose = flow.to(self.device), pose.to(self.device)
        return posed(self.forcing[at], pose), posed(self.vorticity[at], pose)

    def _integers(self, below: int) -> Tensor:
        """One for each of a batch."""
        return torch.randint(below, (self.recipe.batch,), generator=self.random)

    def _first_walks(self, replay: Replay) -> _Walks:
        flow, pose = (
            torch.randint(below, (replay.states,), generator=self.random) for below in (len(self.forcing), POSES)
        )
        side = self.recipe.side
        return _Walks(flow, pose, torch.zeros(replay.states, self.recipe.size.width, side, side, device=self.device))

    def state(self) -> dict[str, Any]:
        walks = {} if self.walks is None else vars(self.walks)
        return super().state() | {"walks": walks}

    def restore(self, state: Mapping[str, Any]) -> None:
        super().restore(state)
        if self.walks is not None:
            walks = state["walks"]
            self.walks = _Walks(walks["flow"], walks["pose"], walks["state"].to(self.device))
