"""Trained models on disk, the same for every case: safetensors for the weights, JSON for the model card."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn


class WeightsError(RuntimeError):
    """Weights or a card that cannot be read; the message says which file and how to make it again."""


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Where to write what becomes `path` if nothing fails meanwhile; makes the folder where there is none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + ".part")
    yield unfinished
    unfinished.replace(path)


def write_tensors(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Write them under their names, whole or not at all, making the folder where there is none."""
    with whole(path) as unfinished:
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, unfinished)


def read_tensors(path: Path, names: Iterable[str]) -> list[Tensor]:
    """The tensors of these names.

    Raises:
        WeightsError: the file is missing, damaged or another one.
    """
    try:
        held = load_file(path)
        return [held[name] for name in names]
    except (OSError, SafetensorError, KeyError) as error:
        raise WeightsError(f"{path} cannot be read ({type(error).__name__}); delete it to begin again") from None


def five_digits(value: Tensor | float) -> float:
    """The number as cards tell it."""
    return float(f"{float(value):.4e}")


def write_card(card: Mapping[str, Any], path: Path) -> None:
    """Write the card, making the folder where there is none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")


def read_card(path: Path, understand: Callable[[dict[str, Any]], object], *, remedy: str) -> dict[str, Any]:
    """The card, if it can be understood.

    Args:
        path: of the card.
        understand: takes the card apart; what it raises as KeyError, TypeError or ValueError is damage.
        remedy: how to make the file again, a command.

    Raises:
        WeightsError: the card is missing or damaged.
    """
    try:
        card: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        understand(card)
        return card
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _unreadable(path, remedy, error) from None


def read_results(path: Path, *, remedy: str) -> dict[str, Any]:
    """The content of a shipped comparison.json.

    Raises:
        WeightsError: it is missing or damaged; the message names the command `remedy`.
    """
    try:
        results: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WeightsError(
            f"{path} cannot be read ({type(error).__name__}). Install the library again, or run {remedy}"
        ) from None
    return results


def load_weights(module: nn.Module, path: Path, *, prefix: str = "", remedy: str) -> None:
    """Fill the module with those tensors of the file whose names begin with `prefix`.

    Raises:
        WeightsError: the file is missing or damaged, or its tensors are not those of the module.
    """
    try:
        tensors = load_file(path)
        module.load_state_dict({name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)})
    except (OSError, SafetensorError, RuntimeError) as error:
        raise _unreadable(path, remedy, error) from None


def data_hash(*tensors: Tensor) -> str:
    """SHA-256 of the numbers in units of 10⁻⁹, which no platform's last digit changes."""
    digest = hashlib.sha256()
    for tensor in tensors:
        for part in torch.split(tensor.flatten(), 1 << 20):  # photographs of hundreds of megabytes fit, too
            digest.update(part.double().mul(1e9).round().to(torch.int64).numpy().astype("<i8").tobytes())
    return digest.hexdigest()


def parameter_count(module: nn.Module) -> int:
    """How many numbers training can change."""
    return sum(parameter.numel() for parameter in module.parameters())


def _unreadable(path: Path, remedy: str, error: Exception) -> WeightsError:
    reason = "is missing" if isinstance(error, FileNotFoundError) else f"is damaged ({type(error).__name__})"
    return WeightsError(f"{path} {reason}. Install the library again, or train: {remedy}")
