"""Training: one loop for all models, which can be stopped and resumed at any step without changing the result."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from implicit_lib.cases import _files, _running
from implicit_lib.cases._running import Progress
from implicit_lib.model import ImplicitModel

from ._networks import slopes
from ._recipe import INPUT_SLOPE, STATE_RANGE, STATE_SLOPE, Recipe
from ._targets import Target, grid

TRAINING_POINTS = 2_049

Trained: TypeAlias = _running.Trained[nn.Module]


def training_data(target: Target) -> tuple[Tensor, Tensor]:
    """Inputs and the target's values there, (N, 1) each, float64: an even grid of TRAINING_POINTS."""
    x = grid(TRAINING_POINTS)
    return x, target(x)


def data_hash(target: Target) -> str:
    """SHA-256 of the training data; see `_files.data_hash`."""
    return _files.data_hash(*training_data(target))


def train(
    recipe: Recipe,
    checkpoint: Path,
    *,
    device: torch.device | str = "cpu",
    progress: Progress = print,
    every: int = 250,
) -> Trained:
    """Train by `recipe`, from the checkpoint if there is one.

    Ctrl-C ends the step under way, writes the checkpoint and raises. An interrupted and resumed run ends with the very
    weights of an uninterrupted one.

    Args:
        recipe: what to do.
        checkpoint: a file, written every `every` steps and when interrupted; it is left in place.
        device: where to compute. Batches are drawn on the CPU, so that every device sees the same ones.
        progress: called with a line that tells the step, the loss and the time left.
        every: steps between two checkpoints.

    Raises:
        TrainingInterrupted: Ctrl-C.
        CheckpointError: the checkpoint is damaged, or of another recipe.
        FloatingPointError: the loss is no longer finite.
    """
    return _Run(recipe, torch.device(device)).finish(checkpoint, progress, every)


class _Run(_running.Run[nn.Module]):
    unit, digits = "step", ".2e"
    recipe: Recipe

    def __init__(self, recipe: Recipe, device: torch.device) -> None:
        super().__init__(recipe, recipe.steps, device)
        x, y = training_data(Target(recipe.target))
        self.x, self.y = x.to(device, torch.float32), y.to(device, torch.float32)
        self.optimiser = torch.optim.Adam(self.model.parameters(), lr=recipe.learning_rate)
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimiser, recipe.learning_rate, total_steps=recipe.steps + 1, pct_start=0.1
        )

    def _train(self) -> float:
        """One gradient step; returns the loss before it."""
        size = self.recipe.batch
        rows = torch.randint(len(self.x), (size,), generator=self.random).to(self.device)
        states = (torch.rand(size, 1, generator=self.random) * 2 - 1).to(self.device) * STATE_RANGE
        loss = _loss(self.model, self.recipe, self.x[rows], self.y[rows], states)
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.clip)
        self.optimiser.step()
        self.schedule.step()
        return loss.item()

    def _remedy(self) -> str:
        return f"at step {self.done + 1}; try a smaller learning_rate than {self.recipe.learning_rate}"

    def state(self) -> dict[str, Any]:
        return super().state() | {"schedule": self.schedule.state_dict()}

    def restore(self, state: Mapping[str, Any]) -> None:
        super().restore(state)
        self.schedule.load_state_dict(state["schedule"])


def _loss(model: nn.Module, recipe: Recipe, x: Tensor, wanted: Tensor, states: Tensor) -> Tensor:
    """The mean squared error, and the penalty on slopes beyond the bounds; `states` (B, 1) are where it is checked."""
    if recipe.model == "implicit":
        assert isinstance(model, ImplicitModel)
        return _equilibrium_loss(model, recipe, x, wanted, states)
    if recipe.model == "explicit-gentle":
        _, _, by_input = slopes(lambda y, x: model(x) + 0 * y, states, x, create_graph=True)
        return nn.functional.mse_loss(model(x), wanted) + recipe.gentle * _excess(by_input.abs(), INPUT_SLOPE, recipe)
    if recipe.model == "unrolled":
        assert isinstance(model, ImplicitModel)
        return nn.functional.mse_loss(model.trajectory(x, recipe.iterations)[-1], wanted)
    return nn.functional.mse_loss(model(x), wanted)


def _equilibrium_loss(model: ImplicitModel, recipe: Recipe, x: Tensor, wanted: Tensor, states: Tensor) -> Tensor:
    """Fit the fixed point, and keep the operator gentle there and at random states.

    The state is one number, so that implicit differentiation is one division, dy*/dθ = ∂_θG / (1 − ∂_yG), and the same
    division is Newton's step from the last iterate y to the fixed point: y + (G(y, x) − y) / (1 − ∂_yG).
    """
    y = torch.zeros_like(x)
    with torch.no_grad():
        for _ in range(recipe.iterations):
            y = model.operator(y, x)
    image, by_state, by_input = slopes(model.operator, torch.cat([y, states]), torch.cat([x, x]), create_graph=True)
    gap = (1 - by_state[: len(y)].detach()).clamp(min=1 - STATE_SLOPE)
    fit = nn.functional.mse_loss(y + (image[: len(y)] - y) / gap, wanted)
    too_steep = _excess(by_input.abs(), INPUT_SLOPE, recipe)
    # 1 − ∂_yG is what convergence and slope depend on: excess is measured in units of its bound.
    below = ((-by_state).relu() / (1 - STATE_SLOPE)).square().mean()
    floor = (1 - STATE_SLOPE) * (1 + recipe.margin)
    above = ((floor - (1 - by_state)).relu() / floor).square().mean()
    return fit + recipe.gentle * (too_steep + below + above)


def _excess(size: Tensor, bound: float, recipe: Recipe) -> Tensor:
    inside = bound * (1 - recipe.margin)
    return ((size - inside).relu() / inside).square().mean()
