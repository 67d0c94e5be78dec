"""Training: fit the fixed point itself, which this operator has in closed form."""

from __future__ import annotations

import torch
from torch import nn

from ._operator import Operator, plain
from ._recipe import INPUT_SLOPE, TARGETS, Recipe

TRAINING_POINTS = 1_025
TEST_POINTS = 4_000


def build(recipe: Recipe) -> Operator:
    """The untrained operator, its weights drawn from torch's current random state."""
    least_step = 0.0 if recipe.floor is None else 1 / recipe.floor
    return Operator(least_step=least_step, input_slope=INPUT_SLOPE, width=recipe.width)


def train(recipe: Recipe) -> Operator:
    """Train by `recipe`, in about five seconds of one core.

    The gradient is that of the equilibrium: differentiating y* = b/ε is what implicit differentiation comes to here.

    Raises:
        FloatingPointError: the loss is no longer finite.
    """
    target = TARGETS[recipe.target]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        operator = build(recipe)
    batches = torch.Generator().manual_seed(recipe.seed)
    x = target.points(TRAINING_POINTS).float()
    wanted = target.formula(x)
    optimiser = torch.optim.Adam(operator.parameters(), lr=recipe.learning_rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, recipe.learning_rate, total_steps=recipe.steps + 1, pct_start=0.1
    )
    for step in range(recipe.steps):
        rows = torch.randint(len(x), (recipe.batch,), generator=batches)
        errors = (operator.fixed_point(x[rows]) - wanted[rows]).abs()
        loss = errors.pow(recipe.norm).mean().pow(1 / recipe.norm)
        if not loss.item() < float("inf"):
            raise FloatingPointError(f"{recipe.name}: the loss is {loss.item()} at step {step}")
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(operator.parameters(), 1.0)
        optimiser.step()
        schedule.step()
    return operator.eval()


@torch.no_grad()
def evaluate(operator: Operator, target: str) -> dict[str, float]:
    """Of the fixed point, on TEST_POINTS points between those of training, in float64.

    Returns:
        "maximum" and "rms", of the error; "lipschitz", the largest slope between neighbours; "least_step", the smallest
        ε; "mean_steps", the mean over the points of 1/ε, which iterations are proportional to.
    """
    chosen, double = TARGETS[target], plain(operator).double()
    x = chosen.points(TEST_POINTS)
    y, step = double.fixed_point(x), double.push_and_step(x)[1]
    error = (y - chosen.formula(x)).abs()
    found = {
        "maximum": error.max(),
        "rms": error.square().mean().sqrt(),
        "lipschitz": (y.diff(dim=0) / x.diff(dim=0)).abs().max(),
        "least_step": step.min(),
        "mean_steps": (1 / step).mean(),
    }
    return {name: float(value) for name, value in found.items()}
