"""Tables "peak" and "left": what a training step holds in memory, and what it leaves behind."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from benchmarks import ours, training
from benchmarks._memory_meter import measure
from benchmarks.report import Cell, Row, rounded

BATCH, N = 8, 2048
STEPS = 100
Method = Callable[..., Tensor]


class Layer(nn.Module):
    """tanh(a ∘ y + x): its parameters, and so their gradients, are small beside a state."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.linspace(-0.9, 0.9, N))

    def forward(self, y: Tensor, x: Tensor) -> Tensor:
        return torch.tanh(self.a * y + x)


def peak() -> list[Row]:
    """Peak of one training step, in states (tensors of the size of y), by solver and number of iterations T."""
    rows = []
    for solver, target, methods in _methods():
        for calls in (10, 100, 1000):
            cells: dict[str, Cell] = {
                name: None if method is None else rounded(_peak(method, calls)) for name, method in methods.items()
            }
            rows.append(Row(f"{solver}, T = {calls}", cells, target))
    return rows


def left() -> list[Row]:
    """Bytes that 100 training steps leave behind, without Python's collector of cycles."""
    return [
        Row(solver, {name: None if method is None else _left(method) for name, method in methods.items()}, 0)
        for solver, _, methods in _methods()
    ]


def _methods() -> list[tuple[str, float, dict[str, Method | None]]]:
    """Solver, target and methods: with the default adjoint, Picard's, and with the same solver backward.

    deepinv's backward pass accelerates, to a tolerance that its forward pass shares.
    """
    picard: dict[str, Method | None] = {
        "ours": training.with_ours,
        "torchdeq": training.with_torchdeq,
        "deepinv": training.with_deepinv,
    }
    found: list[tuple[str, float, dict[str, Method | None]]] = [("Picard", 8.0, picard)]
    for name, solver, theirs in (("Anderson", ours.ANDERSON, "anderson"), ("Broyden", ours.BROYDEN, "broyden")):
        forward: dict[str, Method | None] = {
            "ours": partial(training.with_ours, solver=solver),
            "torchdeq": partial(training.with_torchdeq, solver=theirs),
            "deepinv": None,
        }
        both: dict[str, Method | None] = {
            "ours": partial(training.with_ours, solver=solver, adjoint=solver),
            "torchdeq": partial(training.with_torchdeq, solver=theirs, adjoint=theirs),
            "deepinv": None,
        }
        target = 2 * solver.history + 10
        found += [(name, target, forward), (f"{name} both ways", target, both)]
    return found


def _step(method: Method, layer: Layer, x: Tensor, calls: int) -> None:
    y = method(layer, x, torch.zeros_like(x), calls)
    y.square().mean().backward()
    layer.a.grad = None


def _peak(method: Method, calls: int) -> float:
    layer, x = Layer(), torch.ones(BATCH, N)
    _step(method, layer, x, 3)
    return measure(lambda: _step(method, layer, x, calls)).peak / x.nbytes


def _left(method: Method) -> int:
    layer, x = Layer(), torch.ones(BATCH, N)
    _step(method, layer, x, 3)

    def train() -> None:
        for _ in range(STEPS):
            _step(method, layer, x, 10)

    return measure(train).left
