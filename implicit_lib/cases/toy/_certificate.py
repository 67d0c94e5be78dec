"""Bounds on an operator that hold at every point of a rectangle, not only at samples: interval arithmetic.

A box of inputs [c − r, c + r] is pushed through the network and its derivative, layer by layer: an affine map takes
the centre c to Wc + b and the radius r to |W| r, and tanh and its derivative are monotone on either side of 0. What
comes out encloses every value that the box can give. Boxes whose enclosure is too wide to decide are cut in four.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ._networks import Operator
from ._recipe import INPUT_SLOPE, STATE_RANGE, STATE_SLOPE
from ._targets import DOMAIN

_ROUNDING = 1e-9
"""Added to every enclosure: far more than float64 loses in a network of this size."""


@dataclass(frozen=True)
class Certificate:
    """What holds for every |y| ≤ STATE_RANGE and x in [−1, 1], if `holds`.

    Then G maps these states to themselves, one pass is at most `INPUT_SLOPE` steep in x, and G contracts y by at least
    `STATE_SLOPE`: a unique fixed point, and y_t within STATE_SLOPE^t/(1 − STATE_SLOPE)·|y_1| of it (Banach).

    Attributes:
        holds: whether 0 ≤ ∂G/∂y ≤ STATE_SLOPE, |∂G/∂x| ≤ INPUT_SLOPE and |G| ≤ STATE_RANGE on the whole rectangle.
        boxes: how many boxes it took.
        undecided: how many boxes the smallest allowed size left undecided, 0 if it holds.
        refuted_at: the centre (y, x) of a box all of which violates a bound, or None.
    """

    holds: bool
    boxes: int
    undecided: int
    refuted_at: tuple[float, float] | None


@torch.no_grad()
def certify(operator: Operator, *, cuts: int = 6) -> Certificate:
    """Enclose G, ∂G/∂y and ∂G/∂x on the rectangle, cutting boxes in four at most `cuts` times.

    Source: naive interval arithmetic; R. E. Moore, Interval Analysis (1966).
    """
    layers = copy.deepcopy(operator.layers).double().cpu()
    centres, radii = _first_boxes(48, 40)
    decided = 0
    for _ in range(cuts + 1):
        inside, outside = _judge(layers, centres, radii)
        decided += int(inside.sum())
        if outside.any():
            y, x = centres[outside][0].tolist()
            return Certificate(False, decided + len(centres), 0, (y, x))
        centres = centres[~inside]
        if not len(centres):
            return Certificate(True, decided, 0, None)
        undecided = len(centres)
        quarters = torch.tensor([[a, b] for a in (-0.5, 0.5) for b in (-0.5, 0.5)], dtype=torch.float64)
        centres = (centres[:, None, :] + quarters * radii).reshape(-1, 2)
        radii = radii / 2
    return Certificate(False, decided, undecided, None)


def speed_limit(iterations: int) -> Tensor:
    """The largest L_1 … L_T (T,) that a certified operator can have.

    It solves Λ_t = STATE_SLOPE Λ_{t−1} + INPUT_SLOPE from Λ_0 = 0 (Proposition 4 of the book, with bounded iterates).
    """
    t = torch.arange(1, iterations + 1, dtype=torch.float64)
    return INPUT_SLOPE * (1 - STATE_SLOPE**t) / (1 - STATE_SLOPE)


def _first_boxes(rows: int, columns: int) -> tuple[Tensor, Tensor]:
    """Centres (N, 2) and the common radii (2,) of equal boxes that cover the rectangle of (y, x)."""
    radii = torch.tensor([STATE_RANGE / rows, (DOMAIN[1] - DOMAIN[0]) / 2 / columns], dtype=torch.float64)
    y = -STATE_RANGE + radii[0] * (2 * torch.arange(rows, dtype=torch.float64) + 1)
    x = DOMAIN[0] + radii[1] * (2 * torch.arange(columns, dtype=torch.float64) + 1)
    return torch.cartesian_prod(y, x), radii


def _judge(layers: nn.Sequential, centres: Tensor, radii: Tensor) -> tuple[Tensor, Tensor]:
    """For each box: do all its points keep the bounds, and do all of them break one (N,)."""
    value, by_input = _enclose(layers, centres, radii.expand_as(centres))
    low = torch.stack([value[0][:, 0], by_input[0][:, 0, 0], by_input[0][:, 0, 1]]) - _ROUNDING
    high = torch.stack([value[1][:, 0], by_input[1][:, 0, 0], by_input[1][:, 0, 1]]) + _ROUNDING
    least = torch.tensor([-STATE_RANGE, 0.0, -INPUT_SLOPE], dtype=torch.float64)[:, None]
    most = torch.tensor([STATE_RANGE, STATE_SLOPE, INPUT_SLOPE], dtype=torch.float64)[:, None]
    return ((low >= least) & (high <= most)).all(0), ((high < least) | (low > most)).any(0)


Interval = tuple[Tensor, Tensor]


def _enclose(layers: nn.Sequential, centre: Tensor, radius: Tensor) -> tuple[Interval, Interval]:
    """Enclosures of the network's value (N, 1) and of its Jacobian (N, 1, 2), over boxes given by centre and radius."""
    jacobian_centre = torch.eye(2, dtype=torch.float64).expand(len(centre), 2, 2)
    jacobian_radius = torch.zeros_like(jacobian_centre)
    for layer in layers:
        if isinstance(layer, nn.Linear):
            weight, size = layer.weight, layer.weight.abs()
            centre, radius = layer(centre), radius @ size.T
            jacobian_centre, jacobian_radius = weight @ jacobian_centre, size @ jacobian_radius
        else:
            low, high = centre - radius, centre + radius
            slope_low, slope_high = _tanh_slope(low, high)
            (low, high) = (torch.tanh(low), torch.tanh(high))
            centre, radius = (low + high) / 2, (high - low) / 2
            # a product of intervals: |ab − c_a c_b| ≤ |c_a| r_b + r_a |c_b| + r_a r_b
            a, b = ((slope_low + slope_high) / 2)[..., None], ((slope_high - slope_low) / 2)[..., None]
            jacobian_radius = a * jacobian_radius + b * (jacobian_centre.abs() + jacobian_radius)
            jacobian_centre = a * jacobian_centre
    return (
        (centre - radius, centre + radius),
        (jacobian_centre - jacobian_radius, jacobian_centre + jacobian_radius),
    )


def _tanh_slope(low: Tensor, high: Tensor) -> Interval:
    """The range of 1 − tanh² over [low, high]: largest nearest to 0."""
    nearest = torch.where((low <= 0) & (high >= 0), 0.0, torch.minimum(low.abs(), high.abs()))
    farthest = torch.maximum(low.abs(), high.abs())
    return 1 - torch.tanh(farthest) ** 2, 1 - torch.tanh(nearest) ** 2
