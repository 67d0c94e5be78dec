"""Walks of trained models as torch modules: what every case hands to an explorer."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn

M = TypeVar("M", bound=nn.Module)


@dataclass(frozen=True)
class Walks:
    """The parts of a system for an explorer; see `TorchSystem`.

    Attributes:
        encode: the numbers of the controls -> what operators and view read.
        step: one iteration of every walk.
        view: the arrays and numbers.
        start: where every walk begins, by its name.
    """

    encode: nn.Module
    step: nn.Module
    view: nn.Module
    start: dict[str, Tensor]


def frozen(model: M) -> M:
    """A copy that a page can run: float32, on the CPU."""
    return copy.deepcopy(model).cpu().float().eval().requires_grad_(False)


def picked(rows: Tensor, number: Tensor) -> Tensor:
    """Row `number`, by a product, which ONNX has for any dtype; rows are finite."""
    chosen = (torch.arange(len(rows)) == number).to(rows.dtype)
    row: Tensor = torch.tensordot(chosen, rows, dims=1)
    return row
