"""Training: one loop for all models, which can be stopped and resumed after any epoch without changing the result."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from implicit_lib.cases import _running
from implicit_lib.cases._running import Progress
from implicit_lib.regularisation import jacobian_norm

from ._evaluation import Model, relative_error
from ._instances import Instances
from ._networks import Encoded, ImplicitGNN
from ._program import LinearProgram
from ._recipe import Contraction, Phase, Recipe

_RUNAWAY = 1e3
"""A state with an entry beyond it is not gone on from; solutions, in the units of a state, stay below 5."""

Trained: TypeAlias = _running.Trained[Model]


def train(
    recipe: Recipe,
    instances: Instances,
    checkpoint: Path,
    *,
    device: torch.device | str = "cpu",
    progress: Progress = print,
    every: int = 20,
) -> Trained:
    """Train by `recipe`, from the checkpoint if there is one.

    Ctrl-C ends the epoch under way, writes the checkpoint and raises. An interrupted and resumed run ends with the very
    weights of an uninterrupted one.

    Args:
        recipe: what to do.
        instances: what to train on, the same ones when resumed.
        checkpoint: a file, written every `every` epochs and when interrupted; it is left in place.
        device: where to compute. Random numbers are drawn on the CPU, so that every device sees the same ones.
        progress: called with a line that tells the epoch, the loss and the time left.
        every: epochs between two checkpoints.

    Raises:
        TrainingInterrupted: Ctrl-C.
        CheckpointError: the checkpoint is damaged, or of another recipe.
        FloatingPointError: the loss is no longer finite.
    """
    return _Run(recipe, instances, torch.device(device)).finish(checkpoint, progress, every)


@dataclass(frozen=True, eq=False)
class _Places:
    """Where every training instance stands: a row each, changed in place.

    Attributes:
        state: z (N, n), which the next step goes on from.
        variables, constraints: the signs (N, n) and (N, m) by which the instance is reflected.
        direction: (N, n), the estimate of the right singular vector to the largest singular value of ∂G/∂z.
    """

    state: Tensor
    variables: Tensor
    constraints: Tensor
    direction: Tensor

    @classmethod
    def at_the_start(cls, programs: LinearProgram) -> _Places:
        ones = torch.ones_like(programs.c)
        return cls(torch.zeros_like(ones), ones, torch.ones_like(programs.b), ones.clone())


class _Run(_running.Run[Model]):
    unit, digits = "epoch", ".4f"
    recipe: Recipe

    def __init__(self, recipe: Recipe, instances: Instances, device: torch.device) -> None:
        super().__init__(recipe, recipe.epochs, device)
        self.programs = instances.programs.to(device, torch.float32)
        self.solutions = instances.solutions.to(device, torch.float32)
        self.weights = _in_one_piece(self.model)
        self.optimiser = torch.optim.Adam([self.weights], betas=(0.9, 0.99), fused=True)
        self.places = _Places.at_the_start(self.programs)

    def _train(self) -> float:
        """One epoch; returns the mean of its losses."""
        phase, done = self._phase()
        order = torch.split(torch.randperm(len(self.solutions), generator=self.random), self.recipe.batch)
        total = 0.0
        for number, rows in enumerate(order):
            self._set_learning_rate(phase, (done + number / len(order)) / phase.epochs)
            loss = self._loss(rows, phase)
            self.optimiser.zero_grad(set_to_none=False)
            loss.backward()  # type: ignore[no-untyped-call]
            if self.recipe.clip is not None:
                nn.utils.clip_grad_norm_(self.weights, self.recipe.clip)
            self.optimiser.step()
            total += loss.item() / len(order)
        return total

    def _remedy(self) -> str:
        return f"in epoch {self.done + 1}; try smaller learning rates than {self._phase()[0].learning_rate}"

    def _phase(self) -> tuple[Phase, int]:
        """The phase under way, and how many of its epochs are done."""
        done = self.done
        for phase in self.recipe.phases:
            if done < phase.epochs:
                return phase, done
            done -= phase.epochs
        raise AssertionError("all phases are over")

    def _set_learning_rate(self, phase: Phase, part: float) -> None:
        high, low = phase.learning_rate, phase.last_learning_rate
        for group in self.optimiser.param_groups:
            group["lr"] = low + (high - low) * (1 + math.cos(math.pi * part)) / 2

    def _loss(self, rows: Tensor, phase: Phase) -> Tensor:
        """Of the instances `rows`, which restart or go on."""
        self._restart(rows[torch.rand(len(rows), generator=self.random) < phase.restart])
        rows = rows.to(self.device)
        signs = self.places.variables[rows]
        programs = self.programs.take(rows).reflect(signs, self.places.constraints[rows])
        solutions = self.solutions[rows] * signs
        if not isinstance(self.model, ImplicitGNN):
            return self._misfit(self.model(programs), solutions)
        q, z = self.model.encoder(programs), self.places.state[rows]
        step, decode = self.model.operator.at(q), self.model.decoder_at(q)
        losses = []
        for _ in range(phase.iterations):
            z = step(z)
            losses.append(self._misfit(decode(z), solutions))
        state = z.detach()
        sound = state.abs().amax(dim=1, keepdim=True) < _RUNAWAY
        self.places.state[rows] = torch.where(sound, state, 0)
        loss = torch.stack(losses).mean() if self.recipe.loss == "error" else losses[-1]
        if self.recipe.contraction is not None:
            loss = loss + self._excess(self.recipe.contraction, self.model, state, q, rows)
        return loss

    def _excess(self, wanted: Contraction, model: ImplicitGNN, state: Tensor, q: Encoded, rows: Tensor) -> Tensor:
        """The penalty, at the states, for every second one at a point between z_0 = 0 and it."""
        share, second = torch.rand(2, len(rows), 1, generator=self.random).to(self.device)
        points = torch.where(second < 0.5, share * state, state)
        sizes, self.places.direction[rows] = jacobian_norm(
            lambda z: model.operator(z, q), points, self.places.direction[rows]
        )
        return wanted.weight * (sizes - wanted.modulus).relu().square().mean()

    def _misfit(self, y: Tensor, solutions: Tensor) -> Tensor:
        if self.recipe.loss == "square":
            return nn.functional.mse_loss(y, solutions)
        return relative_error(y, solutions).mean()

    def _restart(self, rows: Tensor) -> None:
        """Back to z_0 = 0, under another reflection."""
        at = rows.to(self.device)
        self.places.state[at] = 0
        if self.recipe.reflect:
            equality = self.programs.equality[at] > 0.5
            self.places.variables[at] = self._signs(len(rows), self.places.variables.shape[1])
            signs = self._signs(len(rows), self.places.constraints.shape[1])
            self.places.constraints[at] = torch.where(equality, signs, 1)

    def _signs(self, *shape: int) -> Tensor:
        return (2.0 * torch.randint(0, 2, shape, generator=self.random) - 1).to(self.device)

    def state(self) -> dict[str, Any]:
        return super().state() | {"places": vars(self.places)}

    def restore(self, state: Mapping[str, Any]) -> None:
        super().restore(state)
        self.places = _Places(**{name: tensor.to(self.device) for name, tensor in state["places"].items()})


def _in_one_piece(model: nn.Module) -> nn.Parameter:
    """All weights of the model as one tensor with one gradient, which the model's become views of.

    What follows a gradient then takes a few operations, not a few for each of the fifty small tensors.
    """
    parameters = list(model.parameters())
    whole = nn.Parameter(nn.utils.parameters_to_vector(parameters).detach())
    whole.grad = torch.zeros_like(whole)
    values, gradients = (torch.split(each, [p.numel() for p in parameters]) for each in (whole.detach(), whole.grad))
    for parameter, value, gradient in zip(parameters, values, gradients, strict=True):
        parameter.data, parameter.grad = value.view_as(parameter), gradient.view_as(parameter)
    return whole
