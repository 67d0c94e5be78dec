"""Command line: train what the chapter compares, two targets × (five forced operators and an adaptive one).

python -m implicit_lib.cases.forced --seeds 3
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
from pathlib import Path
from typing import Any

import torch

from implicit_lib.cases._files import data_hash, five_digits, parameter_count

from ._operator import Operator
from ._recipe import FLOORS, TARGETS, Recipe
from ._training import TRAINING_POINTS, build, evaluate, train
from ._weights import write


def main(arguments: list[str] | None = None) -> int:
    """Train them all; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m implicit_lib.cases.forced", description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("forced-runs"), help="folder (default: %(default)s)")
    parser.add_argument("--seeds", type=int, default=1, help="how many seeds to measure; the first one's weights ship")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    kept: dict[str, Operator] = {}
    metrics: dict[str, list[dict[str, float]]] = {}
    seconds: dict[str, float] = {}
    for seed in range(1, options.seeds + 1):
        for target in TARGETS:
            for floor in (None, *FLOORS):
                recipe = Recipe(target=target, floor=floor, seed=seed)
                before = time.process_time()
                operator = train(recipe)
                seconds.setdefault(recipe.name, round(time.process_time() - before, 1))
                kept.setdefault(recipe.name, operator)
                found = {name: five_digits(value) for name, value in evaluate(operator, target).items()}
                metrics.setdefault(recipe.name, []).append(found)
                print(f"seed {seed}, {recipe.name}: {found}", flush=True)
        write(kept, _card(metrics, seconds), options.output)
    return 0


def _card(metrics: dict[str, list[dict[str, float]]], seconds: dict[str, float]) -> dict[str, Any]:
    recipe = Recipe(target=next(iter(TARGETS)), floor=None)
    operator = build(recipe)
    layers = [layer for layer in operator.layers if isinstance(layer, torch.nn.Linear)]
    return {
        "recipe": {key: value for key, value in dataclasses.asdict(recipe).items() if key not in ("target", "floor")},
        "data": {name: _data_hash(name) for name in TARGETS},
        "parameters": parameter_count(operator),
        "flops_to_encode": sum(2 * layer.weight.numel() for layer in layers),
        "flops_per_iteration": 3,  # 1 − ε is known: clip counts as one, then a product and a sum
        "metrics": metrics,
        "cpu_seconds": seconds,
        "torch": torch.__version__,
    }


def _data_hash(target: str) -> str:
    x = TARGETS[target].points(TRAINING_POINTS)
    return data_hash(x, TARGETS[target].formula(x))


if __name__ == "__main__":
    sys.exit(main())
