"""The chapter's table: every model, several seeds, learning rates tuned for each."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import torch

from implicit_lib.cases import _files
from implicit_lib.cases._running import Progress

from ._certificate import certify
from ._networks import Operator
from ._recipe import LEARNING_RATES, MODELS, TARGETS, ModelName, Recipe, recipe
from ._weights import WEIGHTS, load, train_and_write

RESULTS = WEIGHTS / "comparison.json"

TUNING_SEED = 0
"""The learning rates are chosen on this seed, which is not one of those reported."""
SEEDS = (1, 2, 3)
HARDEST = max(TARGETS)


def compare(folder: Path, *, device: torch.device | str = "cpu", progress: Progress = print) -> dict[str, Any]:
    """Train what is not yet in the folder, and write comparison.json there; returns its content.

    The weights of the first seed, which are those that ship, lie in `folder/seed1`.
    """

    def metrics(chosen: Recipe, below: str) -> dict[str, dict[str, float]]:
        card = train_and_write(chosen, folder / below, device=device, progress=progress)
        found: dict[str, dict[str, float]] = card["metrics"]
        return found

    tuning = {
        model: {
            f"{rate:g}": metrics(
                dataclasses.replace(recipe("small", model, HARDEST), learning_rate=rate, seed=TUNING_SEED),
                f"tuning/{rate:g}",
            )[final(model)]["rms"]
            for rate in LEARNING_RATES
        }
        for model in MODELS
    }
    runs = {
        f"{model}-{target}": [
            metrics(dataclasses.replace(recipe("small", model, target), seed=seed), f"seed{seed}") for seed in SEEDS
        ]
        for model in MODELS
        for target in targets(model)
    }
    certified = {
        f"implicit-{target}": [_is_certified(target, folder / f"seed{seed}") for seed in SEEDS] for target in TARGETS
    }
    results = {
        "what": "rms error at the end of the climb, L_1, and whether certified, for each seed; "
        f"tuned at K = {HARDEST} on seed {TUNING_SEED}, then run with seeds {', '.join(map(str, SEEDS))}",
        "tuning": tuning,
        "rms": {name: [found[final(name)]["rms"] for found in seeds] for name, seeds in runs.items()},
        "first_slope": {name: [found["1"]["lipschitz"] for found in seeds] for name, seeds in runs.items()},
        "certified": certified,
    }
    (folder / RESULTS.name).write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    return results


def _is_certified(target: int, folder: Path) -> bool:
    operator = load("implicit", target, folder=folder).get_submodule("operator")
    assert isinstance(operator, Operator)
    return certify(operator).holds


def final(name: str) -> str:
    """The iteration at which a model is judged, as a card writes it: settled, trained for, or the only one."""
    return {"implicit": "200", "unrolled": "5"}.get(name.split("-")[0], "1")


def targets(model: ModelName) -> tuple[int, ...]:
    """The targets that a model is trained for: the costly comparisons are made on the steepest one only."""
    return (HARDEST,) if model in ("explicit-long", "explicit-deep", "unrolled") else TARGETS


def read_results(path: Path = RESULTS) -> dict[str, Any]:
    """The content of the shipped comparison.json.

    Raises:
        WeightsError: it is missing or damaged.
    """
    return _files.read_results(path, remedy="python -m implicit_lib.cases.toy compare")
