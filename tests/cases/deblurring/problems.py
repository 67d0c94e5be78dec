"""Small recipes and pictures for the tests of this case."""

import dataclasses
from typing import Any

import torch
from torch import Tensor

from implicit_lib.cases.deblurring import ModelName, Recipe, Replay, Size, recipe, training_tiles

TINY = Size(widths=(4, 6), blocks=1)


def short(model: ModelName, **changes: Any) -> Recipe:
    """A recipe of some seconds."""
    found = dataclasses.replace(recipe("small", model), size=TINY, side=32, steps=7, batch=3, learning_rate=1e-3)
    if found.replay is not None:
        found = dataclasses.replace(found, replay=Replay(pictures=6, iterations=2, restart=0.3, first=2))
    return dataclasses.replace(found, **changes)


def pictures() -> Tensor:
    """Six tiles (6, 3, 96, 96)."""
    return training_tiles()[::48]


def awake(model: torch.nn.Module) -> torch.nn.Module:
    """The model with random weights in the last layers too, which begin at 0."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("tail.weight"):
                parameter.copy_(0.05 * torch.randn(parameter.shape, generator=generator))
    return model.eval()


def silent(line: str) -> None:
    pass
