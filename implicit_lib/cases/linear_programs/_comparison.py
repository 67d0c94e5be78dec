"""What the chapter compares: every shipped model, HiGHS and a plain primal–dual iteration, by FLOPs and by time."""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from implicit_lib.cases import _files
from implicit_lib.cases._files import WeightsError, data_hash, five_digits
from implicit_lib.cases._running import Progress

from ._evaluation import FIELDS, Model, errors, perturbation, relative_error
from ._instances import Instances, Size, generate, held_out_instances
from ._networks import Convolution, ImplicitGNN, Passes
from ._optimum import optimum
from ._primal_dual import primal_dual
from ._program import LinearProgram
from ._recipe import EMBEDDINGS, MODELS, ModelName
from ._weights import CARD_ITERATIONS, WEIGHTS, load

RESULTS = WEIGHTS / "comparison.json"

Name = tuple[ModelName, int, int]
"""Model, embedding, seed."""

_USUAL = Size()

TWICE = Size(constraints=20, variables=100, nonzeros=200)
"""Programs of twice the size: as many nonzeros in a row as in training."""

SOME = 200
"""Programs on which the costly comparisons are made: the first of the test set."""

_TIMED = 50
"""Programs by which HiGHS is timed."""

_LONG = (1, 2, 3, 5, 8, 12, 16, 24, 32, 50, 100, 200, 500, 1000, 2000)
_PRIMAL_DUAL = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000)
_WEIGHTS = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2)
"""Of the primal–dual iteration: the best is chosen on training programs."""


def shipped(folder: Path = WEIGHTS) -> list[Name]:
    """The models whose cards lie in the folder, by model, embedding and seed."""
    found = []
    for model in MODELS:
        for embedding in EMBEDDINGS:
            cards = folder.glob(f"{model}-{embedding}-seed*.json")
            seeds = [card.stem.partition("seed")[2] for card in cards]
            found += [(model, embedding, seed) for seed in sorted(int(seed) for seed in seeds if seed.isdecimal())]
    return found


def pass_flops(model: Model, size: Size = _USUAL) -> int:
    """Multiplications and additions of one pass: of G for an implicit model, of everything for an explicit one.

    Counted layer by layer with sparse edges, as the layers are written; biases and activations are left out.
    """
    m, n = size.constraints, size.variables
    if isinstance(model, ImplicitGNN):
        layers = _passes_flops(model.operator.passes, size) + 2 * n * _weights(model.operator.to_state)
    else:
        encoder = m * _weights(model.encoder.constraints) + n * _weights(model.encoder.variables)
        layers = 2 * encoder + _passes_flops(model.passes, size) + 2 * n * _weights(model.decoder)
    return layers


def _passes_flops(passes: Passes, size: Size) -> int:
    flops = 0
    for convolutions, there, here in (
        (passes.to_constraints, size.variables, size.constraints),
        (passes.to_variables, size.constraints, size.variables),
    ):
        for each in convolutions:
            assert isinstance(each, Convolution)
            flops += 2 * there * _weights(each.source) + 2 * here * (_weights(each.target) + _weights(each.output))
            flops += 2 * size.nonzeros * each.source.last.out_features
    return flops


def _weights(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters() if p.dim() == 2)


def primal_dual_flops(size: Size = _USUAL) -> int:
    """Of one iteration: two products with the sparse A, and the vectors."""
    return 4 * size.nonzeros + 6 * size.variables + 4 * size.constraints


def true_sensitivity(programs: LinearProgram, solutions: Tensor, field: Any, *, norm: float = 1e-4) -> Tensor:
    """‖y*(x+δ) − y*(x)‖ / ‖δ‖ of every program (B,), with HiGHS: what L_t of a perfect model would be the mean of.

    δ is that of `sensitivity` with one direction.
    """
    delta = perturbation(programs, field, norm=norm)
    moved = LinearProgram(*(each + change for each, change in zip(programs, delta, strict=True)))
    apart: Tensor = torch.linalg.vector_norm(optimum(moved) - solutions, dim=1)
    return apart / norm


def compare(folder: Path = WEIGHTS, *, progress: Progress = print) -> dict[str, Any]:
    """Evaluate the models of the folder, and write comparison.json there; returns its content. Some minutes.

    Times are those of this machine: leave it alone meanwhile. Every part that is done is kept in comparison.json.part;
    when interrupted, call it again to go on. A part is taken over only on the same machine and for the same weights.

    Args:
        folder: with cards and weights. A card without weights is left out: of two seeds of three only cards ship.
        progress: called with a line for every part, which tells the time left.

    Raises:
        WeightsError: the folder has no models, or a file is damaged.
    """
    names = [name for name in shipped(folder) if (folder / f"{_key(name)}.safetensors").exists()]
    models = {name: load(name[0], name[1], seed=name[2], folder=folder) for name in names}
    if not models:
        raise WeightsError(f"{folder} has no models; give the folder into which they were trained")
    machine = f"{platform.machine()}, torch {torch.__version__}, {torch.get_num_threads()} thread"
    progress("drawing test programs, and some of twice the size")
    some, twice = _first(held_out_instances(), SOME), generate(SOME, seed=3, size=TWICE)
    parts: dict[str, tuple[float, Callable[[], Any]]] = {}
    for name, model in models.items():
        timed = name[2] == min(seed for *same, seed in models if same == list(name[:2]))
        effort = _LONG[-1] * (1 + pass_flops(model) / 1e6) if isinstance(model, ImplicitGNN) else 10
        parts[f"{_key(name)} {_digest(model)}"] = (effort, partial(_of_model, model, some, twice, timed))
    parts["HiGHS"] = (1_000, partial(_of_highs, some))
    parts["primal–dual iteration"] = (10_000, partial(_primal_dual_results, some))
    found = _in_parts(parts, folder / (RESULTS.name + ".part"), machine, progress)
    sensitivity, highs = found["HiGHS"]
    of_models = {_key(name): found[part] for name, part in zip(models, parts, strict=False)}
    results: dict[str, Any] = {
        "what": f"errors on the first {SOME} test programs, and on {SOME} of twice the size; seconds a program",
        "machine": machine,
        **{kind: {key: each[kind] for key, each in of_models.items()} for kind in ("twice", "long")},
        "seconds": {key: each["seconds"] for key, each in of_models.items() if "seconds" in each} | {"highs": highs},
        "sensitivity": sensitivity,
        "primal_dual": found["primal–dual iteration"],
    }
    (folder / RESULTS.name).write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    (folder / (RESULTS.name + ".part")).unlink()
    return results


def _in_parts(
    parts: Mapping[str, tuple[float, Callable[[], Any]]], path: Path, machine: str, progress: Progress
) -> dict[str, Any]:
    """What each part gives, by its name; what is done is kept in the file. A part is its effort and what to call."""
    kept: dict[str, Any] = {}
    try:
        before = json.loads(path.read_text(encoding="utf-8"))
        if before["machine"] == machine:
            kept = {part: result for part, result in before["parts"].items() if part in parts}
            progress(f"{len(kept)} of {len(parts)} parts are done already")
    except FileNotFoundError:
        pass
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        progress(f"{path} is damaged; starting again")
    efforts = {part: effort for part, (effort, _) in parts.items() if part not in kept}
    start, done = time.perf_counter(), 0.0
    for number, (part, effort) in enumerate(efforts.items(), len(kept) + 1):
        left = sum(efforts.values()) - done
        time_left = f", {(time.perf_counter() - start) * left / done:.0f} s left" if done else ""
        progress(f"{part} ({number} of {len(parts)}{time_left})")
        kept[part] = parts[part][1]()
        done += effort
        unfinished = path.with_name(path.name + ".new")
        unfinished.write_text(json.dumps({"machine": machine, "parts": kept}), encoding="utf-8")
        unfinished.replace(path)
    return kept


def _key(name: Name) -> str:
    return f"{name[0]}-{name[1]}-seed{name[2]}"


def _digest(model: Model) -> str:
    """Tells weights from others."""
    return data_hash(*model.state_dict().values())[:8]


def _of_model(model: Model, some: Instances, twice: Instances, timed: bool) -> dict[str, Any]:
    results: dict[str, Any] = {
        "twice": _picked(errors(model, twice), CARD_ITERATIONS),
        "long": _picked(errors(model, some, _LONG[-1]), _LONG),
    }
    if timed:
        results["seconds"] = _seconds(model, some.programs)
    return results


def _of_highs(some: Instances) -> tuple[dict[str, float], float]:
    """L of the true map in every field, and seconds a program."""
    sensitivity: dict[str, float] = {
        field: five_digits(true_sensitivity(some.programs, some.solutions, field).mean()) for field in FIELDS
    }
    few = some.programs.take(slice(0, _TIMED))
    return sensitivity, float(f"{_fastest(lambda: optimum(few)) / len(few.c):.3e}")


def _first(instances: Instances, count: int) -> Instances:
    return Instances(instances.programs.take(slice(0, count)), instances.solutions[:count])


def _picked(values: Tensor, at: tuple[int, ...]) -> dict[str, float]:
    return {str(t): five_digits(values[t - 1]) for t in at if t <= len(values)}


def _primal_dual_results(some: Instances) -> dict[str, Any]:
    training = generate(SOME, seed=1)

    def error(instances: Instances, weight: float) -> dict[str, float]:
        found = primal_dual(instances.programs, _PRIMAL_DUAL, weight=weight)
        means = [relative_error(y, instances.solutions).mean() for y in found]
        return {str(k): five_digits(e) for k, e in zip(_PRIMAL_DUAL, means, strict=True)}

    tuning = {f"{weight:g}": error(training, weight) for weight in _WEIGHTS}
    best = min(_WEIGHTS, key=lambda weight: tuning[f"{weight:g}"]["1000"])
    each = _fastest(lambda: primal_dual(some.programs, [100], weight=best)) / 100 / len(some.solutions)
    return {"weight": best, "error": error(some, best), "tuning": tuning, "seconds": float(f"{each:.3e}")}


def _seconds(model: Model, programs: LinearProgram) -> dict[str, float]:
    """Seconds a program and pass: a program alone, and in a batch."""

    def each(count: int) -> float:
        x = programs.take(slice(0, count)).to(torch.float32)
        passes = 20 if isinstance(model, ImplicitGNN) else 1
        run: Callable[[], Any] = (lambda: model(x, passes)) if isinstance(model, ImplicitGNN) else (lambda: model(x))
        with torch.no_grad():
            return float(f"{_fastest(run) / passes / count:.3e}")

    return {"alone": each(1), "batch": each(len(programs.c))}


def _fastest(run: Callable[[], Any], times: int = 7) -> float:
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def read_results(path: Path = RESULTS) -> dict[str, Any]:
    """The content of the shipped comparison.json.

    Raises:
        WeightsError: it is missing or damaged.
    """
    return _files.read_results(path, remedy="python -m implicit_lib.cases.linear_programs compare")
