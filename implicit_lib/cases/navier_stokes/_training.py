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
from ._flows import POSES, Pairs, posed
from ._informed import ImplicitInformed, InformedOperator
from ._networks import ImplicitFNO
from ._recipe import Recipe, Replay

Trained: TypeAlias = _running.Trained[nn.Module]

_RUNAWAY = 1e3
"""A state with an entry beyond it is not gone on from; those of a trained model stay below 20."""

_ARRIVED = 1e-3
"""A walk of an informed operator that is so near its flow begins again: further on, float32 sees rounding only."""

_HOPELESS = 3.0
"""A proposal that is wrong by more than so many times the way teaches nothing."""


def train(
    recipe: Recipe,
    flows: Pairs,
    checkpoint: Path,
    *,
    device: torch.device | str = "cpu",
    progress: Progress = print,
    every: int = 100,
) -> Trained:
    """Train by `recipe`, from the checkpoint if there is one.

    Flows are turned and mirrored at random, under which the equation stays as it is. An implicit model is trained at
    states of any age: flows go on from where the last step left them. Of an informed operator only the proposals are
    trained, to lead to ω* at once; what the equation makes of them is not differentiated.

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
        state: h (P, width, N, N), of an informed operator ω (P, N, N), which the next step goes on from.
    """

    flow: Tensor
    pose: Tensor
    state: Tensor


class _Run(_running.StepRun[nn.Module]):
    digits = ".4f"
    recipe: Recipe

    def __init__(self, recipe: Recipe, flows: Pairs, device: torch.device) -> None:
        super().__init__(recipe, recipe.steps, device)
        self.forcing, self.vorticity = (each.to(device, torch.float32) for each in (flows.forcing, flows.vorticity))
        self.optimiser = torch.optim.Adam(self.model.parameters(), lr=recipe.learning_rate, fused=True)
        self.walks = self._first_walks(recipe.replay) if recipe.replay else None

    def _loss(self) -> Tensor:
        if self.walks is None:
            forcing, known = self._pairs(self._integers(len(self.forcing)), self._integers(POSES))
            return relative_error(self.model(forcing), known).mean()
        assert self.recipe.replay
        at, forcing, known = self._some_walks(self.recipe.replay, self.walks)
        if isinstance(self.model, ImplicitFNO):
            loss, state, sound = _walked(self.model, self.recipe.replay, self.walks.state[at], forcing, known)
        else:
            assert isinstance(self.model, ImplicitInformed)
            loss, state, sound = _proposed(self.model.informed, self.walks.state[at], forcing, known)
        sound &= state.abs().flatten(1).amax(dim=1) < _RUNAWAY
        self.walks.state[at] = torch.where(sound.view(-1, *[1] * (state.ndim - 1)), state, 0)
        return loss

    def _some_walks(self, replay: Replay, walks: _Walks) -> tuple[Tensor, Tensor, Tensor]:
        """Which of the walking flows go on, or are replaced by others; their forcings and vorticities."""
        rows = torch.randperm(replay.states, generator=self.random)[: self.recipe.batch]
        new = torch.rand(len(rows), generator=self.random) < replay.restart
        flow, pose = self._integers(len(self.forcing)), self._integers(POSES)
        walks.flow[rows] = torch.where(new, flow, walks.flow[rows])
        walks.pose[rows] = torch.where(new, pose, walks.pose[rows])
        at = rows.to(self.device)
        walks.state[at[new.to(self.device)]] = 0
        return at, *self._pairs(walks.flow[rows], walks.pose[rows])

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
        of_one = (side, side) if isinstance(self.model, ImplicitInformed) else (self.recipe.size.width, side, side)
        return _Walks(flow, pose, torch.zeros(replay.states, *of_one, device=self.device))

    def state(self) -> dict[str, Any]:
        walks = {} if self.walks is None else vars(self.walks)
        return super().state() | {"walks": walks}

    def restore(self, state: Mapping[str, Any]) -> None:
        super().restore(state)
        if self.walks is not None:
            walks = state["walks"]
            self.walks = _Walks(walks["flow"], walks["pose"], walks["state"].to(self.device))


def _walked(
    model: ImplicitFNO, replay: Replay, h: Tensor, forcing: Tensor, known: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """The mean error over some iterations from h, the state after them, and that all may go on."""
    q, losses = model.encoder(forcing), []
    for _ in range(replay.iterations):
        h = torch.lerp(h, model.blocks(h, q), replay.damping)
        losses.append(relative_error(model.decoder(h), known).mean())
    return torch.stack(losses).mean(), h.detach(), torch.ones_like(h[:, 0, 0, 0], dtype=torch.bool)


def _proposed(
    operator: InformedOperator, vorticity: Tensor, forcing: Tensor, known: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """What a proposal leaves of the way to ω*, a share; the ω after the whole step; and which have not arrived."""
    step, _ = operator.propose(vorticity, operator.missing(vorticity, forcing))
    left = length(known - vorticity - step) / length(known - vorticity)
    with torch.no_grad():
        state = operator.advance(vorticity, forcing, far=0.0)  # everywhere, to meet states of all kinds
    return left.clamp(max=_HOPELESS).mean(), state, relative_error(state, known) > _ARRIVED
