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
from implicit_lib.gradients import Gradient, ImplicitGradient, JacobianFreeGradient
from implicit_lib.regularisation import jacobian_norm
from implicit_lib.solvers import solve

from ._blur import SIGMA, Blur
from ._kernels import camera_shake
from ._networks import AnyDenoiser, Deblurring
from ._recipe import Contraction, Recipe, Replay

Trained: TypeAlias = _running.Trained[nn.Module]

STRONGEST_NOISE = 0.15
"""The denoiser is trained with noise of any strength up to it."""

_RUNAWAY = 5.0
"""A state with a pixel beyond it is not gone on from; pictures are within [0, 1]."""


def train(
    recipe: Recipe,
    pictures: Tensor,
    checkpoint: Path,
    *,
    start: AnyDenoiser | None = None,
    device: torch.device | str = "cpu",
    progress: Progress = print,
    every: int = 100,
) -> Trained:
    """Train by `recipe`, from the checkpoint if there is one.

    Ctrl-C ends the step under way, writes the checkpoint and raises. An interrupted and resumed run ends with the very
    weights of an uninterrupted one.

    Args:
        recipe: what to do.
        pictures: (N, 3, M, M) in [0, 1], what crops are taken from, the same ones when resumed.
        checkpoint: a file, written every `every` steps and when interrupted; it is left in place.
        start: the denoiser that every denoiser of the model begins as; None: as it is built.
        device: where to compute. Random numbers are drawn on the CPU, so that every device sees the same ones.
        progress: called with a line that tells the step, the loss and the time left.
        every: steps between two checkpoints.

    Raises:
        TrainingInterrupted: Ctrl-C.
        CheckpointError: the checkpoint is damaged, or of another recipe.
        FloatingPointError: the loss is no longer finite.
    """
    return _Run(recipe, pictures, start, torch.device(device)).finish(checkpoint, progress, every)


class Crops:
    """Random pieces of pictures, turned by right angles and mirrored at random."""

    def __init__(self, pictures: Tensor, side: int, random: torch.Generator) -> None:
        if pictures.shape[-1] < side or pictures.shape[-2] < side:
            raise ValueError(f"pictures must be at least {side} × {side}, but are of shape {tuple(pictures.shape)}")
        self.pictures, self.side, self.random = pictures, side, random

    def draw(self, count: int) -> Tensor:
        """(count, 3, side, side)."""
        rows = self._integers(len(self.pictures), count)
        tops = self._integers(self.pictures.shape[-2] - self.side + 1, count)
        lefts = self._integers(self.pictures.shape[-1] - self.side + 1, count)
        places = zip(rows, tops, lefts, self._integers(8, count), strict=True)
        return torch.stack([self._piece(*place) for place in places])

    def noise(self, clean: Tensor) -> Tensor:
        """Standard normal, of that shape."""
        return torch.randn(clean.shape, generator=self.random)

    def _integers(self, below: int, count: int) -> list[int]:
        return torch.randint(below, (count,), generator=self.random).tolist()

    def _piece(self, row: int, top: int, left: int, pose: int) -> Tensor:
        piece = self.pictures[row, :, top : top + self.side, left : left + self.side]
        return torch.rot90(piece.flip(-1) if pose >= 4 else piece, pose % 4, (1, 2))


@dataclass(frozen=True, eq=False)
class _Walks:
    """Where every walking picture stands: a row each, changed in place.

    Attributes:
        clean, blurred: the pictures (N, 3, M, M).
        state: y, which the next step goes on from.
        direction: the estimate of the right singular vector to the largest singular value of ∂G/∂y.
    """

    clean: Tensor
    blurred: Tensor
    state: Tensor
    direction: Tensor


class _Run(_running.StepRun[nn.Module]):
    digits = ".2e"
    recipe: Recipe

    def __init__(self, recipe: Recipe, pictures: Tensor, start: AnyDenoiser | None, device: torch.device) -> None:
        super().__init__(recipe, recipe.steps, device)
        if start is not None:
            for module in self.model.modules():
                if isinstance(module, AnyDenoiser):
                    module.load_state_dict(start.state_dict())
        self.crops = Crops(pictures, recipe.side, self.random)
        self.blur = Blur(camera_shake(), recipe.side)
        self.optimiser = torch.optim.Adam(self.model.parameters(), lr=recipe.learning_rate, fused=True)
        self.walks = self._first_walks(recipe.replay) if recipe.replay else None

    def _loss(self) -> Tensor:
        if isinstance(self.model, Deblurring):
            assert self.recipe.replay and self.walks
            return self._walking_loss(self.model, self.recipe.replay, self.walks)
        clean = self.crops.draw(self.recipe.batch)
        if isinstance(self.model, AnyDenoiser):
            strength = STRONGEST_NOISE * torch.rand(len(clean), 1, 1, 1, generator=self.random)
            given = clean + strength * self.crops.noise(clean)
        else:
            given = self._blurred(clean)
        return nn.functional.mse_loss(self.model(given.to(self.device)), clean.to(self.device))

    def _walking_loss(self, model: Deblurring, replay: Replay, walks: _Walks) -> Tensor:
        """Of some of the walking pictures, which go on or are replaced by others."""
        rows = torch.randperm(replay.pictures, generator=self.random)[: self.recipe.batch]
        self._restart(model, replay, walks, rows[torch.rand(len(rows), generator=self.random) < replay.restart])
        rows = rows.to(self.device)
        q, y = model.encoder(walks.blurred[rows]), walks.state[rows]

        def G(y: Tensor) -> Tensor:
            image: Tensor = model.operator(y, q)
            return image

        gradient: Gradient = JacobianFreeGradient()
        if self.recipe.gradient == "implicit":
            gradient = ImplicitGradient(tol=0.0, max_iter=self.recipe.adjoint_steps)
        found = gradient.differentiate(G, lambda k: solve(G, y, max_iter=k, tol=0.0), replay.iterations).value
        state = found.detach()
        sound = state.abs().flatten(1).amax(dim=1) < _RUNAWAY
        walks.state[rows] = torch.where(sound[:, None, None, None], state, 0)
        loss = nn.functional.mse_loss(found, walks.clean[rows])
        if self.recipe.contraction is not None:
            loss = loss + self._excess(self.recipe.contraction, G, state, walks, rows)
        return loss

    def _excess(self, wanted: Contraction, G: Any, state: Tensor, walks: _Walks, rows: Tensor) -> Tensor:
        """The penalty on ‖∂G/∂y‖ at the states."""
        sizes, walks.direction[rows] = jacobian_norm(G, state, walks.direction[rows])
        return wanted.weight * (sizes - wanted.modulus).relu().square().mean()

    @torch.no_grad()
    def _restart(self, model: Deblurring, replay: Replay, walks: _Walks, rows: Tensor) -> None:
        """Other pictures, `first` iterations from y_0 = 0 or, half of them, from y_0 = x."""
        if not len(rows):
            return
        clean = self.crops.draw(len(rows))
        blurred = self._blurred(clean).to(self.device)
        from_zero = (torch.rand(len(rows), 1, 1, 1, generator=self.random) < 0.5).to(self.device)
        y, q = torch.where(from_zero, 0, blurred), model.encoder(blurred)
        at = rows.to(self.device)
        walks.clean[at], walks.blurred[at] = clean.to(self.device), blurred
        walks.state[at] = solve(lambda y: model.operator(y, q), y, max_iter=replay.first, tol=0.0).value

    def _first_walks(self, replay: Replay) -> _Walks:
        clean = self.crops.draw(replay.pictures)
        blurred, direction = self._blurred(clean), self.crops.noise(clean)
        return _Walks(*(each.to(self.device) for each in (clean, blurred, torch.zeros_like(clean), direction)))

    def _blurred(self, clean: Tensor) -> Tensor:
        blurred: Tensor = self.blur(clean)
        return blurred + SIGMA * self.crops.noise(clean)

    def state(self) -> dict[str, Any]:
        walks = {} if self.walks is None else vars(self.walks)
        return super().state() | {"walks": walks}

    def restore(self, state: Mapping[str, Any]) -> None:
        super().restore(state)
        if self.walks is not None:
            self.walks = _Walks(**{name: tensor.to(self.device) for name, tensor in state["walks"].items()})
