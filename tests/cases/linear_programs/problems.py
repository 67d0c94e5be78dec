"""What several tests train and measure: few programs, a small network, a short recipe."""

import dataclasses
import functools

import torch

from implicit_lib.cases.linear_programs import ImplicitGNN, Instances, Phase, Recipe, generate, recipe


@functools.cache
def instances(count: int = 12) -> Instances:
    return generate(count, seed=5)


def short(model: str, **changes: object) -> Recipe:
    """Two epochs from the start and five of going on, of two steps each; in one phase for an explicit model."""
    first = Phase(epochs=2, iterations=2, learning_rate=1e-2, last_learning_rate=1e-2, restart=1.0)
    second = Phase(epochs=5, iterations=2, learning_rate=1e-2, last_learning_rate=0.0, restart=0.3)
    changes = {"phases": (first, second), "batch": 6, **changes}
    return dataclasses.replace(recipe("small", model, 4), **changes)


def contracting(embedding: int = 4, *, gain: float = 1.0) -> ImplicitGNN:
    """An implicit network with random weights whose ‖∂G/∂z‖ is of the size of `gain`, times a few hundredths."""
    torch.manual_seed(0)
    model = ImplicitGNN(embedding)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape))
        model.equilibrium.operator.to_state.weight.mul_(0.1 * gain)
    return model


def silent(line: str) -> None:
    pass
