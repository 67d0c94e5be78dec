"""The climb as torch modules: what an explorer encodes, steps and shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ._networks import Operator
from ._recipe import STATE_RANGE
from ._targets import DOMAIN, Target, grid


@dataclass(frozen=True)
class Climb:
    """The parts of a system for an explorer, all in float32 on the CPU; the state is y at every plotted x, and at x0.

    Attributes:
        encode: x0 -> (inputs (N + 1, 1), G(·, x0) at the states of the cobweb (M,)).
        step: one iteration of the operator.
        view: the curves and numbers; see `climb`.
        start: y_0 = 0, (N + 1, 1).
    """

    encode: nn.Module
    step: nn.Module
    view: nn.Module
    start: Tensor


def climb(
    operator: Operator, target: Target, *, constants: Mapping[str, Tensor] | None = None, points: int = 257
) -> Climb:
    """The climb of y_t = G(y_{t−1}, x) to a target, with a probe x0.

    The view has the curves x, y, F (points,); s, G(s, x0) (121,), the operator at the probe; and the scalars x0,
    y(x0), y(x0) before, change at x0, ∂G/∂y at x0, lipschitz (L_t, from differences between plotted points), rms and
    maximum (errors at the plotted points).

    Args:
        operator: G; it is copied.
        target: F.
        constants: more arrays for the view to show, the same at every iteration.
        points: how many x are plotted.
    """
    own = Operator(operator.width, operator.hidden_layers)
    own.load_state_dict(operator.state_dict())
    own.eval().requires_grad_(False)
    return Climb(
        _Encode(own, points), _Step(own), _View(own, target, points, constants or {}), torch.zeros(points + 1, 1)
    )


class _Encode(nn.Module):
    x: Tensor
    states: Tensor

    def __init__(self, operator: Operator, points: int) -> None:
        super().__init__()
        self.operator = operator
        self.register_buffer("x", grid(points, dtype=torch.float32))
        self.register_buffer("states", torch.linspace(-STATE_RANGE, STATE_RANGE, 121)[:, None])

    def forward(self, x0: Tensor) -> tuple[Tensor, Tensor]:
        at_probe = x0.reshape(1, 1)
        images = self.operator(self.states, at_probe.expand(self.states.shape))
        return torch.cat([self.x, at_probe]), images.flatten()


class _Step(nn.Module):
    def __init__(self, operator: Operator) -> None:
        super().__init__()
        self.operator = operator

    def forward(self, y: Tensor, x: Tensor, images: Tensor) -> Tensor:
        next_state: Tensor = self.operator(y, x)
        return next_state


class _View(nn.Module):
    x: Tensor
    target: Tensor
    states: Tensor
    spacing: float

    def __init__(self, operator: Operator, target: Target, points: int, constants: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.operator = operator
        x = grid(points)
        self.spacing = (DOMAIN[1] - DOMAIN[0]) / (points - 1)
        self.register_buffer("x", x.flatten().float())
        self.register_buffer("target", target(x).flatten().float())
        self.register_buffer("states", torch.linspace(-STATE_RANGE, STATE_RANGE, 121))
        self.constants = {name: value.float() for name, value in constants.items()}

    def forward(self, z: Tensor, previous: Tensor, x: Tensor, images: Tensor) -> dict[str, Tensor]:
        y, at_probe, before = z[:-1, 0], z[-1, 0], previous[-1, 0]
        errors = (y - self.target).abs()
        nothing = 0 * at_probe  # an exported graph gives out what it computes, not what it stores
        return {
            "x": self.x + nothing,
            "y": y,
            "F": self.target + nothing,
            "s": self.states + nothing,
            "G(s, x0)": images,
            "x0": x[-1, 0],
            "y(x0)": at_probe,
            "y(x0) before": before,
            "change at x0": (at_probe - before).abs(),
            "∂G/∂y at x0": self.operator.state_slope(z[-1:], x[-1:])[0, 0],
            "lipschitz": (y[1:] - y[:-1]).abs().max() / self.spacing,
            "rms": errors.square().mean().sqrt(),
            "maximum": errors.max(),
            **{name: value + nothing for name, value in self.constants.items()},
        }
