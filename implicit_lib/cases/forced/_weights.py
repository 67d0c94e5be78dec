"""The trained operators on disk: one safetensors file with all of them, and a model card beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from implicit_lib.cases import _files
from implicit_lib.cases._files import load_weights, write_card, write_tensors

from ._operator import Operator
from ._recipe import Recipe
from ._training import build

WEIGHTS = Path(__file__).parent / "weights"
"""The models that ship."""


def write(operators: Mapping[str, Operator], card: Mapping[str, Any], folder: Path) -> None:
    """Write models.safetensors, with every operator's tensors under its name, and the card models.json."""
    tensors = {
        f"{name}/{key}": value for name, operator in operators.items() for key, value in operator.state_dict().items()
    }
    write_tensors(tensors, folder / "models.safetensors")
    write_card(card, folder / "models.json")


def read_card(*, folder: Path = WEIGHTS) -> dict[str, Any]:
    """The card: recipe, data hashes, parameters, FLOPs, seconds, and the metrics of every model and seed.

    Raises:
        WeightsError: it is missing or damaged.
    """
    return _files.read_card(folder / "models.json", dict, remedy=_remedy(folder))


def load(target: str, floor: int | None, *, folder: Path = WEIGHTS) -> Operator:
    """A trained operator, in evaluation mode.

    Args:
        target: a key of TARGETS.
        floor: K of a forced operator, one of FLOORS; None for the adaptive one.
        folder: where the file lies.

    Raises:
        ValueError: there is no such target.
        WeightsError: the file is missing or damaged, or has no such model.
    """
    recipe = Recipe(target=target, floor=floor)
    operator = build(recipe)
    load_weights(operator, folder / "models.safetensors", prefix=f"{recipe.name}/", remedy=_remedy(folder))
    return operator.to(torch.get_default_dtype()).eval()


def _remedy(folder: Path) -> str:
    return f"python -m implicit_lib.cases.forced --output {folder}"
