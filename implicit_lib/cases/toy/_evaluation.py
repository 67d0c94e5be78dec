"""How good a trained model is, iteration by iteration."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from implicit_lib.model import ImplicitModel

from ._targets import DOMAIN, Target, grid

TEST_POINTS = 4_000


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Errors and steepness of y_1 … y_T, T = 1 for a model without a state; all (T,), float64.

    Attributes:
        rms: the root of the mean squared error over the test points.
        maximum: the largest error there.
        lipschitz: L_t, the largest slope between neighbouring test points.
    """

    rms: Tensor
    maximum: Tensor
    lipschitz: Tensor


def held_out_points() -> Tensor:
    """TEST_POINTS evenly spaced inputs (N, 1), the midpoints of as many cells: none is a training point."""
    edges = grid(TEST_POINTS + 1)
    return (edges[1:] + edges[:-1]) / 2


@torch.no_grad()
def evaluate(model: nn.Module, target: Target, *, iterations: int = 50) -> Evaluation:
    """Run the model in float64 on the test points, and compare it with the target.

    Args:
        model: an `ImplicitModel`, or a network without a state.
        target: F.
        iterations: T, of an implicit model.
    """
    device = next(model.parameters()).device
    double = copy.deepcopy(model).double()
    x = held_out_points().to(device)
    outputs = double.trajectory(x, iterations) if isinstance(double, ImplicitModel) else (double(x),)
    y = torch.stack(list(outputs))[..., 0]
    errors = (y - target(x)[:, 0]).abs()
    spacing = (DOMAIN[1] - DOMAIN[0]) / TEST_POINTS
    steepness = y.diff(dim=1).abs().amax(dim=1) / spacing
    return Evaluation(errors.square().mean(dim=1).sqrt().cpu(), errors.amax(dim=1).cpu(), steepness.cpu())
