"""The networks of the toy: an operator G(y, x) to iterate, and explicit networks f(x) to compare it with."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn


def _perceptron(inputs: int, width: int, hidden_layers: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for fan_in in (inputs, *[width] * (hidden_layers - 1)):
        layers += [nn.Linear(fan_in, width), nn.Tanh()]
    return nn.Sequential(*layers, nn.Linear(width, 1))


class Operator(nn.Module):
    """G(y, x): a perceptron from two numbers, the state and the input, to the next state."""

    def __init__(self, width: int, hidden_layers: int) -> None:
        super().__init__()
        self.width, self.hidden_layers = width, hidden_layers
        self.layers = _perceptron(2, width, hidden_layers)

    def forward(self, y: Tensor, x: Tensor) -> Tensor:
        """The next state (B, 1), from the state y (B, 1) and the input x (B, 1)."""
        next_state: Tensor = self.layers(torch.cat([y, x], dim=-1))
        return next_state

    def state_slope(self, y: Tensor, x: Tensor) -> Tensor:
        """∂G/∂y (B, 1) at the state y (B, 1) and the input x (B, 1), by the chain rule, without autograd."""
        value, slope = torch.cat([y, x], dim=-1), torch.cat([torch.ones_like(y), torch.zeros_like(x)], dim=-1)
        for layer in self.layers:
            value = layer(value)
            slope = slope @ layer.weight.T if isinstance(layer, nn.Linear) else slope * (1 - value**2)
        return slope


class Explicit(nn.Module):
    """f(x): the same perceptron without a state. One pass is all there is."""

    def __init__(self, width: int, hidden_layers: int) -> None:
        super().__init__()
        self.layers = _perceptron(1, width, hidden_layers)

    def forward(self, x: Tensor) -> Tensor:
        """f(x) (B, 1), for x (B, 1)."""
        output: Tensor = self.layers(x)
        return output


class DeepExplicit(nn.Module):
    """f(x): a residual network, h ← h + W tanh(V h), each of its blocks with weights of its own."""

    def __init__(self, width: int, blocks: int) -> None:
        super().__init__()
        self.lift = nn.Sequential(nn.Linear(1, width), nn.Tanh())
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Linear(width, width), nn.Tanh(), nn.Linear(width, width)) for _ in range(blocks)
        )
        self.read = nn.Linear(width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """f(x) (B, 1), for x (B, 1)."""
        h = self.lift(x)
        for block in self.blocks:
            h = h + block(h)
        output: Tensor = self.read(h)
        return output


def flops_per_pass(module: nn.Module) -> int:
    """Floating-point operations of one pass, for one input: a multiplication and an addition for each weight.

    The evaluations of tanh and the additions of the residual connections are left out; they are at most a few percent.
    """
    return sum(2 * layer.weight.numel() for layer in module.modules() if isinstance(layer, nn.Linear))


def slopes(
    operator: Callable[[Tensor, Tensor], Tensor], y: Tensor, x: Tensor, *, create_graph: bool = False
) -> tuple[Tensor, Tensor, Tensor]:
    """G(y, x), ∂G/∂y and ∂G/∂x, each (B, 1), at the points (y, x) (B, 1).

    Args:
        operator: G.
        y, x: where; no gradient reaches them.
        create_graph: keep the graph, so that a loss may depend on the slopes.
    """
    y, x = y.detach().requires_grad_(), x.detach().requires_grad_()
    with torch.enable_grad():
        image = operator(y, x)
        by_state, by_input = torch.autograd.grad(image.sum(), (y, x), create_graph=create_graph)
    return image, by_state, by_input
