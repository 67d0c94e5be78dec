"""Small recipes and pictures for the tests of this case."""

import dataclasses
import sys
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor, nn

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


def awake(model: nn.Module) -> nn.Module:
    """The model with random weights in the last layers too, which begin at 0."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("tail.weight"):
                parameter.copy_(0.05 * torch.randn(parameter.shape, generator=generator))
    return model.eval()


def silent(line: str) -> None:
    pass


class StandIn(nn.Module):
    """What deepinv's DRUNet is to its callers, in two layers: a level of noise a picture, in a fourth channel."""

    def __init__(self, *, nc: tuple[int, ...], nb: int, pretrained: str | None = "download") -> None:
        super().__init__()
        assert pretrained is None and nb > 0
        self.m_head = nn.Conv2d(4, nc[0], 3, padding=1, bias=False)
        self.m_tail = nn.Conv2d(nc[0], 3, 3, padding=1, bias=False)

    def forward(self, y: Tensor, sigma: Tensor) -> Tensor:
        assert sigma.shape == (len(y),) and sigma.dtype is y.dtype
        level = sigma.view(-1, 1, 1, 1).expand(-1, 1, *y.shape[2:])
        return y + 0.1 * self.m_tail(torch.relu(self.m_head(torch.cat([y, level], dim=1))))


def put_in_deepinvs_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """`from deepinv.models import DRUNet` gives the stand-in."""
    models = ModuleType("deepinv.models")
    models.DRUNet = StandIn
    monkeypatch.setitem(sys.modules, "deepinv", ModuleType("deepinv"))
    monkeypatch.setitem(sys.modules, "deepinv.models", models)


def short_paper(model: ModelName, **changes: Any) -> Recipe:
    """A recipe of the preset "paper" of some seconds; its photographs and their size stay."""
    found = recipe("paper", model, changes.pop("seed", 0))
    found = dataclasses.replace(found, size=dataclasses.replace(found.size, widths=(4, 4, 4, 4)), steps=5, batch=2)
    if found.replay is not None:
        found = dataclasses.replace(found, replay=Replay(pictures=4, iterations=2, restart=0.3, first=2))
    return dataclasses.replace(found, **changes)
