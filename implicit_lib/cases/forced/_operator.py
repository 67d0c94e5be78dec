"""The operator network: a push b(x) and a step ε(x), both of bounded slope by construction."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import remove_parametrizations

from implicit_lib.regularisation import bound_spectral_norm

_SHARPNESS = 200.0
"""How sharply the step turns from linear to its exponential tail: at about 1 / _SHARPNESS."""


class Operator(nn.Module):
    """G(y, x) = (1 − ε(x)) clip(y, −1, 1) + b(x), a contraction in y with modulus μ(x) = 1 − ε(x).

    b and ε are the two outputs of one perceptron, whose layers have spectral norms of at most 1, 1 and
    input_slope / √2, with activations that have slope 1. So (b, ε) moves by at most input_slope / √2 · |x − x′|, and
    |∂G/∂x| = |b′ − clip(y) ε′| ≤ input_slope, for every y. The activation is MaxMin, which sorts pairs: bounded
    networks of it can still be steep, which those of tanh can not.

    Source of the activation: Anil, Lucas, Grosse, Sorting Out Lipschitz Function Approximation, ICML 2019.

    Args:
        least_step: ε is at least this: 1/K forces the modulus to at most 1 − 1/K, and the fixed point to the Lipschitz
            constant K · input_slope. 0 forces nothing, and ε stays positive.
        input_slope: the bound on |∂G/∂x|.
        width: of the two hidden layers; even.
    """

    def __init__(self, *, least_step: float, input_slope: float, width: int) -> None:
        super().__init__()
        self.least_step, self.input_slope, self.width = least_step, input_slope, width
        last = _bounded(width, 2, input_slope / math.sqrt(2), gain=0.3)
        with torch.no_grad():
            last.bias.copy_(
                torch.tensor([0.3, 0.5])
            )  # begin with 0 < ε < 1, and |b| < ε: elsewhere gradients are small
        self.layers = nn.Sequential(_bounded(1, width, 1.0), _MaxMin(), _bounded(width, width, 1.0), _MaxMin(), last)

    def push_and_step(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """b(x) and ε(x), each (B, 1), for x (B, 1). They do not depend on y: once for all iterations."""
        push, raw = self.layers(x).split(1, dim=-1)
        step = nn.functional.softplus(raw, beta=_SHARPNESS).clamp(max=1)
        return push, self.least_step + (1 - self.least_step) * step

    def forward(self, y: Tensor, x: Tensor) -> Tensor:
        """The next state (B, 1), from the state y (B, 1) and the input x (B, 1)."""
        return move(y, *self.push_and_step(x))

    def fixed_point(self, x: Tensor) -> Tensor:
        """y*(x) (B, 1) in closed form: b/ε where that is within [−1, 1]; else the clipped state's next one."""
        push, step = self.push_and_step(x)
        inside = push.abs() <= step
        quotient = push / torch.where(inside, step, 1)  # an unused quotient by 0 would make the gradient NaN
        return torch.where(inside, quotient, push + (1 - step) * push.sign())


@torch.no_grad()
def plain(operator: Operator) -> Operator:
    """A copy in evaluation mode, its bounded weights as ordinary parameters: what can be exported."""
    # not a deep copy: torch would remove the parametrizations from the class that a copy shares with its original
    own = Operator(least_step=operator.least_step, input_slope=operator.input_slope, width=operator.width)
    own.to(next(operator.parameters()).dtype).load_state_dict(operator.state_dict())
    for layer in own.layers:
        if isinstance(layer, nn.Linear):
            remove_parametrizations(layer, "weight")
    return own.eval().requires_grad_(False)


def move(y: Tensor, push: Tensor, step: Tensor) -> Tensor:
    """(1 − ε) clip(y) + b, all (B, 1)."""
    return (1 - step) * y.clamp(-1, 1) + push


class _MaxMin(nn.Module):
    """Sorts the pairs (h_i, h_{i + n/2}): a permutation of the entries, so of slope 1."""

    def forward(self, h: Tensor) -> Tensor:
        a, b = h.chunk(2, dim=-1)
        return torch.cat([torch.maximum(a, b), torch.minimum(a, b)], dim=-1)


def _bounded(inputs: int, outputs: int, bound: float, *, gain: float = 1.2) -> nn.Linear:
    """A layer whose spectral norm is at most `bound` for ever, and the smaller of `gain` and `bound` at the start."""
    layer = nn.Linear(inputs, outputs)
    nn.init.orthogonal_(layer.weight, gain=gain)
    nn.init.uniform_(layer.bias, -0.5, 0.5)
    bound_spectral_norm(layer, bound)
    return layer
