"""Trained models on disk: weights as safetensors, and a model card beside them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from implicit_lib.cases import _files
from implicit_lib.cases._files import five_digits, load_weights, parameter_count
from implicit_lib.cases._running import Progress, found_card, train_once, write_trained

from . import _berkeley
from ._berkeley import BerkeleyError, berkeley
from ._evaluation import Observed, examples, held_out, moduli, quality, sensitivity, speed_limit, taken
from ._networks import AnyDenoiser, Deblurring, Size, new_denoiser
from ._photographs import training_tiles
from ._recipe import Contraction, ModelName, Recipe, Replay, recipe
from ._training import Trained, train

WEIGHTS = Path(__file__).parent / "weights"
"""The models that ship."""

CARD_ITERATIONS = (1, 2, 3, 5, 8, 12, 20, 30, 50, 100, 200, 500)
"""The t for which a card holds numbers; of an explicit model 1 only."""

SENSED = 100
"""L_t and its bound are for t up to it."""


class _Photographs(NamedTuple):
    """What is trained and tested on, and in words where it is from."""

    training: Tensor
    test: Observed
    origin: str


def train_and_write(
    recipe: Recipe, folder: Path, *, device: torch.device | str = "cpu", progress: Progress = print
) -> dict[str, Any]:
    """Train by `recipe` into the folder unless that has been done, resuming what was interrupted; returns the card.

    What begins with the denoiser trains that first, if it is not in the folder.

    Where the Berkeley photographs cannot be had, one line of progress says why, and the shipped ones take their place:
    crops of 64 × 64 of their tiles, which are too small for 128 × 128, and the held-out crops to test on. All else of
    the recipe stays. The card tells, in its recipe and its data.

    Raises:
        TrainingInterrupted, CheckpointError, FloatingPointError: as `train` does.
        WeightsError: the folder holds a card of that name that is damaged.
        MissingPackageError: the denoiser is that of deepinv, which cannot be imported.
    """
    card = found_card(recipe, folder, _reader(recipe, folder), recipe_of)
    if card is not None:
        return card
    new_denoiser(recipe.size)  # what it lacks is said before anything is loaded
    device = torch.device(device)
    recipe, photographs = _photographs(recipe, progress)
    if recipe.size.kind == "drunet" and device.type == "cpu":
        progress(f"{recipe.name}: on a CPU this network trains for months; it is meant for a GPU, --device cuda")
    return _train_and_write(recipe, photographs, folder, device, progress)


def _photographs(recipe: Recipe, progress: Progress) -> tuple[Recipe, _Photographs]:
    """Those of the recipe; or the shipped ones, and the recipe with them."""
    if recipe.photographs == "shipped":
        return recipe, _Photographs(training_tiles(), held_out(), "shipped with the library")
    try:
        found = berkeley(progress)
    except BerkeleyError as error:
        progress(f"{error}. Until then the shipped photographs take their place, in crops of 64 × 64")
        origin = f"shipped with the library, in place of BSDS500: {error}"
        shipped = dataclasses.replace(recipe, photographs="shipped", side=64)
        return shipped, _Photographs(training_tiles(), held_out(), origin)
    origin = f"BSDS500, train and test to train on, val to test on; {_berkeley.URL}"
    return recipe, _Photographs(found.training, taken(found.test), origin)


def _train_and_write(
    recipe: Recipe, photographs: _Photographs, folder: Path, device: torch.device, progress: Progress
) -> dict[str, Any]:
    def make(checkpoint: Path) -> dict[str, Any]:
        start = None if recipe.model == "denoiser" else _begin(recipe, photographs, folder, device, progress)
        trained = train(recipe, photographs.training, checkpoint, start=start, device=device, progress=progress)
        progress(f"{recipe.name}: evaluating")
        return write_model(recipe, trained, photographs, folder)

    return train_once(recipe, folder, read=_reader(recipe, folder), recipe_of=recipe_of, make=make)


def _reader(recipe: Recipe, folder: Path) -> Callable[[], dict[str, Any]]:
    return lambda: read_card(recipe.model, seed=recipe.seed, folder=folder)


def _begin(
    of: Recipe, photographs: _Photographs, folder: Path, device: torch.device, progress: Progress
) -> AnyDenoiser:
    first = dataclasses.replace(recipe(of.preset, "denoiser", of.seed), photographs=of.photographs, side=of.side)
    _train_and_write(first, photographs, folder, device, progress)
    found = load("denoiser", seed=of.seed, folder=folder)
    assert isinstance(found, AnyDenoiser)
    return found


def write_model(recipe: Recipe, trained: Trained, photographs: _Photographs, folder: Path) -> dict[str, Any]:
    """Write NAME.safetensors and its card NAME.json into the folder, the card last; returns the card."""

    def judge() -> dict[str, Any]:
        return {
            "data": {
                "photographs": photographs.origin,
                "training": _files.data_hash(photographs.training),
                "test": _files.data_hash(*photographs.test),
            },
            "parameters": parameter_count(trained.model),
            "metrics": metrics(trained.model, photographs.test),
        }

    return write_trained(recipe, trained, folder, judge)


def metrics(model: nn.Module, observed: Observed) -> dict[str, Any]:
    """What a card tells of a model, to five digits, computed on the GPU if it is on one, and on the CPU if not.

    Returns:
        "psnr" and "ssim" for t in CARD_ITERATIONS, and "sensitivity", L_t on 8 pictures. Of an implicit model
        also the "residual"; "psnr_from_blurred", which begins at y_0 = x; "modulus", the largest ‖∂G/∂y‖ at y_1, y_10
        and y_100 of 8 pictures; and "limit", the `speed_limit` of the first of `examples` for every t up to SENSED.
    """
    device = next(model.parameters()).device
    if device.type != "cuda":  # others have no float64
        model, device = model.cpu(), torch.device("cpu")
    observed = Observed(*(each.to(device) for each in observed))
    found = quality(model, observed, CARD_ITERATIONS)
    some = observed.blurred[:: len(observed.blurred) // 8]
    of_input = sensitivity(model, some, SENSED).value
    told: dict[str, Any] = {
        "psnr": _told(found.psnr),
        "ssim": _told(found.ssim),
        "sensitivity": _at_iterations(of_input),
    }
    if isinstance(model, Deblurring):
        other = quality(model, observed, CARD_ITERATIONS, from_blurred=True)
        limit = speed_limit(model, examples(some.shape[-1]).blurred[:1].to(device), SENSED)
        told |= {
            "residual": _told(found.residual),
            "psnr_from_blurred": _told(other.psnr),
            "limit": {name: [five_digits(value) for value in values] for name, values in limit._asdict().items()},
            "modulus": {
                str(t): five_digits(each) for t, each in zip((1, 10, 100), moduli(model, some).amax(dim=1), strict=True)
            },
        }
    return told


def _told(values: Tensor) -> dict[str, float]:
    """A value for each of CARD_ITERATIONS, or the only one."""
    return {str(t): five_digits(value) for t, value in zip(CARD_ITERATIONS, values, strict=False)}


def _at_iterations(values: Tensor) -> dict[str, float]:
    return {str(t): five_digits(values[t - 1]) for t in CARD_ITERATIONS if t <= len(values)}


def recipe_of(card: dict[str, Any]) -> Recipe:
    """The recipe that a card tells of."""
    fields = dict(card["recipe"])
    fields["size"] = Size(**fields["size"] | {"widths": tuple(fields["size"]["widths"])})
    fields["replay"] = fields["replay"] and Replay(**fields["replay"])
    fields["contraction"] = fields["contraction"] and Contraction(**fields["contraction"])
    return Recipe(**fields)


def read_card(model: ModelName, *, seed: int = 0, folder: Path = WEIGHTS) -> dict[str, Any]:
    """The card of a trained model.

    Raises:
        WeightsError: it is missing or damaged.
    """
    return _files.read_card(folder / f"{model}-seed{seed}.json", recipe_of, remedy=_remedy(model, seed, folder))


def load(model: ModelName, *, seed: int = 0, folder: Path = WEIGHTS, device: torch.device | str = "cpu") -> nn.Module:
    """A trained model in evaluation mode: a `Denoiser` or `DRUNet`, an `Explicit`, an `Unfolded` or a `Deblurring`.

    Args:
        model: its name; see `MODELS`.
        seed: of its training.
        folder: where it lies.
        device: where it goes.

    Raises:
        WeightsError: its card or its weights are missing or damaged.
        MissingPackageError: its denoiser is that of deepinv, which cannot be imported.
    """
    of = recipe_of(read_card(model, seed=seed, folder=folder))
    module = of.build()
    load_weights(module, folder / f"{of.name}.safetensors", remedy=_remedy(model, seed, folder))
    return module.to(device).eval()


def _remedy(model: ModelName, seed: int, folder: Path) -> str:
    return f"python -m implicit_lib.cases.deblurring train --model {model} --seed {seed} --output {folder}"
