"""Published weights from a folder into a model: by name, checked, and one tensor at a time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from implicit_lib.cases._files import WeightsError
from implicit_lib.cases._running import Progress

from . import _manifest
from ._config import HuginnConfig, Shapes
from ._model import Huginn

INDEX, WHOLE, TOKENIZER = "model.safetensors.index.json", "model.safetensors", "tokenizer.json"

COPY = "lm_head.weight"
"""The embedding again, under another name: it is tied, so that this tensor is not read and may be missing."""


def load(
    folder: Path,
    *,
    config: HuginnConfig | None = None,
    dtype: torch.dtype | None = None,
    device: torch.device | str = "cpu",
    progress: Progress = print,
) -> Huginn:
    """The model of a folder that holds published weights, in evaluation mode.

    Its files are compared with the checksums that were recorded with the download. A folder that was filled by other
    means is taken as it is the first time, and its checksums are recorded. Each tensor goes to its place in its type
    before the next one is read, so that no second copy of the model is needed.

    Args:
        folder: model.safetensors.index.json and the files that it names; or model.safetensors.
        config: the size; None: of Huginn-0125.
        dtype: of the parameters; None: `default_dtype`. The table of rotations stays in float32.
        device: where to.
        progress: called with a line that tells how far it is, and the time left.

    Raises:
        WeightsError: a file or a tensor is missing, cut off, changed or of another shape; the message says what to do.
    """
    config = config or HuginnConfig()
    places = read_index(folder)
    files = files_of(places)
    known = (folder / _manifest.NAME).exists()
    if known:
        _manifest.verify(folder, files, progress)
    _check_tensors(folder, files, config.published())
    if not known:
        progress(f"{folder} is used for the first time: its checksums are recorded, and compared from now on")
        beside = [name for name in (INDEX, TOKENIZER) if (folder / name).exists()]
        _manifest.record(folder, [*files, *beside], "taken as it was found", progress)
    with torch.device("meta"):
        model = Huginn(config)
    for file in files:
        _fill(model, folder / file, torch.device(device), dtype or default_dtype(device))
    return model.eval()


def default_dtype(device: torch.device | str) -> torch.dtype:
    """A type of two bytes that the device computes with: bfloat16, as in training; float16 on a GPU without it."""
    if torch.device(device).type == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False):
        return torch.float16
    return torch.bfloat16


def read_index(folder: Path) -> dict[str, str]:
    """In which file of the folder each tensor is, by its name.

    Raises:
        WeightsError: there is neither an index nor a single file, or the index is damaged.
    """
    path = folder / INDEX
    if not path.exists() and (folder / WHOLE).exists():
        return dict.fromkeys(_shapes(folder / WHOLE), WHOLE)
    try:
        places: Any = json.loads(path.read_text(encoding="utf-8"))["weight_map"]
        if not all(Path(file).name == file and file.endswith(".safetensors") for file in places.values()):
            raise ValueError
    except FileNotFoundError:
        raise WeightsError(f"{folder} has no {INDEX} and no {WHOLE}; is it the folder of the weights?") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsError(f"{path} is damaged ({type(error).__name__}). Delete it, and download it again") from None
    return dict(places)


def files_of(places: dict[str, str]) -> list[str]:
    """The files that hold more than the copy of the embedding."""
    return sorted({file for name, file in places.items() if name != COPY})


def _check_tensors(folder: Path, files: list[str], published: Shapes) -> None:
    """Raise WeightsError unless the files hold all the tensors, and only those, in these shapes."""
    held: Shapes = {}
    for file in files:
        held |= _shapes(folder / file)
    if missing := sorted(published.keys() - held.keys() - {COPY}):
        raise WeightsError(f"{folder} lacks {_some(missing)}. Delete its files, and download them again")
    if strange := sorted(held.keys() - published.keys()):
        raise WeightsError(
            f"{folder} holds {_some(strange)}, which the model does not have; are they of another model?"
        )
    for name, shape in held.items():
        if shape != published[name]:
            raise WeightsError(
                f"{folder}: {name} must have the shape {published[name]}, but is {shape}; are they of another model?"
            )


def _some(names: list[str]) -> str:
    more = f" and {len(names) - 1} tensors more" if len(names) > 1 else ""
    return f"the tensor {names[0]}{more}"


def _shapes(path: Path) -> Shapes:
    """Of all tensors of a file, from its head."""
    try:
        with safe_open(path, framework="pt") as file:
            return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError:
        raise WeightsError(f"{path} is missing. Download it again") from None
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"{path} is damaged or cut off ({error}). Delete it, and download it again") from None


def _fill(model: Huginn, path: Path, device: torch.device, dtype: torch.dtype) -> None:
    """Put the tensors of a file into the model, each in its type before the next one is read."""
    with safe_open(path, framework="pt") as file:
        for name in file.keys():  # noqa: SIM118
            if name == COPY:
                continue
            if name == "freqs_cis":
                model.freqs_cis = file.get_tensor(name).to(device, torch.float32, copy=True)
                continue
            owner, _, attribute = name.rpartition(".")
            tensor: Tensor = file.get_tensor(name).to(device, dtype, copy=True)
            setattr(model.get_submodule(owner), attribute, nn.Parameter(tensor, requires_grad=False))
