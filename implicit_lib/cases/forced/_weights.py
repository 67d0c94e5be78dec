"""The trained operators on disk: one safetensors file with all of them, and a model card beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from ._operator import Operator
from ._recipe import Recipe
from ._training import build

WEIGHTS = Path(__file__).parent / "weights"
"""The models that ship."""


class WeightsError(RuntimeError):
    """Weights or a card that cannot be read; the message says which file and how to make it again."""


def write(operators: Mapping[str, Operator], card: Mapping[str, Any], folder: Path) -> None:
    """Write models.safetensors, with every operator's tensors under its name, and the card models.json."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {
        f"{name}/{key}": value.detach().contiguous()
        for name, operator in operators.items()
        for key, value in operator.state_dict().items()
    }
    save_file(tensors, folder / "models.safetensors")
    (folder / "models.json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")


def read_card(*, folder: Path = WEIGHTS) -> dict[str, Any]:
    """The card: recipe, data hashes, parameters, FLOPs, seconds, and the metrics of every model and seed.

    Raises:
        WeightsError: it is missing or damaged.
    """
    path = folder / "models.json"
    try:
        card: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from None
    return card


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
    recipe, path = Recipe(target=target, floor=floor), folder / "models.safetensors"
    operator = build(recipe)
    try:
        tensors = load_file(path)
        prefix = f"{recipe.name}/"
        operator.load_state_dict(
            {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
        )
    except (OSError, SafetensorError, RuntimeError) as error:
        raise _unreadable(path, error) from None
    return operator.to(torch.get_default_dtype()).eval()


def _unreadable(path: Path, error: Exception) -> WeightsError:
    reason = "is missing" if isinstance(error, FileNotFoundError) else f"is damaged ({type(error).__name__})"
    return WeightsError(
        f"{path} {reason}. Install the library again, or train the models: "
        f"python -m implicit_lib.cases.forced --output {path.parent}"
    )
