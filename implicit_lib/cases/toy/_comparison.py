"""The chapter's table: every model, several seeds, learning rates tuned for each."""

from __future__ import annotations

import dataclasses
import json
import statistics
from pathlib import Path
from typing import Any

import torch

from ._recipe import LEARNING_RATES, MODELS, TARGETS, ModelName, Recipe, recipe
from ._training import Progress
from ._weights import WEIGHTS, WeightsError, train_and_write

RESULTS = WEIGHTS / "comparison.json"

TUNING_SEED = 0
"""The learning rates are chosen on this seed, which is not one of those reported."""
SEEDS = (1, 2, 3)
HARDEST = max(TARGETS)


def compare(folder: Path, *, device: torch.device | str = "cpu", progress: Progress = print) -> dict[str, Any]:
    """Train what is not yet in the folder, and write comparison.json there; returns its content.

    The weights of the first seed, which are those that ship, lie in `folder/seed1`.
    """

    def rms(chosen: Recipe, below: str) -> float:
        card = train_and_write(chosen, folder / below, device=device, progress=progress)
        last = max(card["metrics"], key=int) if chosen.model == "implicit" else str(chosen.iterations)
        return float(card["metrics"][last]["rms"])

    tuning = {
        model: {
            f"{rate:g}": rms(
                dataclasses.replace(recipe("small", model, HARDEST), learning_rate=rate, seed=TUNING_SEED),
                f"tuning/{rate:g}",
            )
            for rate in LEARNING_RATES
        }
        for model in MODELS
    }
    seeds = {
        f"{model}-{target}": [
            rms(dataclasses.replace(recipe("small", model, target), seed=seed), f"seed{seed}") for seed in SEEDS
        ]
        for model in MODELS
        for target in targets(model)
    }
    results = {
        "what": f"rms error at the end of the climb; tuned on seed {TUNING_SEED} at K = {HARDEST}, seeds {list(SEEDS)}",
        "tuning": tuning,
        "rms": seeds,
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / RESULTS.name).write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    return results


def targets(model: ModelName) -> tuple[int, ...]:
    """The targets that a model is trained for: the costly comparisons are made on the steepest one only."""
    return (HARDEST,) if model in ("explicit-long", "explicit-deep", "unrolled") else TARGETS


def read_results(path: Path = RESULTS) -> dict[str, Any]:
    """The content of the shipped comparison.json.

    Raises:
        WeightsError: it is missing or damaged.
    """
    try:
        results: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WeightsError(
            f"{path} cannot be read ({type(error).__name__}). Install the library again, or run "
            "python -m implicit_lib.cases.toy compare"
        ) from None
    return results


def mean_and_spread(values: list[float]) -> tuple[float, float, float]:
    """Mean, smallest and largest."""
    return statistics.fmean(values), min(values), max(values)
