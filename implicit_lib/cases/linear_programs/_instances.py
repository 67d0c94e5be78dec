"""The paper's random linear programs, with their optimal solutions, and perturbations of them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from implicit_lib.cases._running import Progress

from ._optimum import solve_one
from ._program import Array, LinearProgram

_CHUNK = 250
"""Programs drawn at once. It decides which random numbers a program gets, so that it belongs to the data."""


@dataclass(frozen=True, kw_only=True)
class Size:
    """Of the random programs: constraints m, variables n, and nonzeros of A. The defaults are the paper's.

    Raises:
        ValueError: there are more nonzeros than places in A, or a number is too small.
    """

    constraints: int = 10
    variables: int = 50
    nonzeros: int = 100

    def __post_init__(self) -> None:
        places = self.constraints * self.variables
        if self.constraints < 0 or self.variables < 1 or not 0 <= self.nonzeros <= places:
            raise ValueError(f"a matrix needs at least one variable and at most {places} nonzeros; got {self}")


PAPER_SIZE = Size()


@dataclass(frozen=True, eq=False)
class Instances:
    """Linear programs (B of them) and their optimal solutions y* (B, n), float64."""

    programs: LinearProgram
    solutions: Tensor


def draw(count: int, rng: np.random.Generator, size: Size = PAPER_SIZE) -> LinearProgram:
    """`count` random programs, feasible or not.

    Every constraint is an equality with probability 0.3. As many places of A as there are nonzeros, drawn without
    repetition, hold N(0, 1); c ~ 0.01 · U(−1, 1), b ~ U(−1, 1), and the bounds are sorted pairs of N(0, 10), where 10
    is the standard deviation: the authors' code draws them with NumPy's `normal(0, 10)`.
    """
    m, n = size.constraints, size.variables
    places = rng.random((count, m * n)).argsort(axis=1)[:, : size.nonzeros]
    A = np.zeros((count, m * n))
    np.put_along_axis(A, places, rng.standard_normal((count, size.nonzeros)), axis=1)
    b = rng.uniform(-1, 1, (count, m))
    equality = (rng.random((count, m)) < 0.3).astype(np.float64)
    c = 0.01 * rng.uniform(-1, 1, (count, n))
    bounds = np.sort(rng.normal(0, 10, (count, n, 2)), axis=2)
    fields = (A.reshape(count, m, n), b, equality, c, bounds[..., 0], bounds[..., 1])
    return LinearProgram(*(torch.from_numpy(np.ascontiguousarray(field)) for field in fields))


def generate(count: int, *, seed: int, size: Size = PAPER_SIZE, progress: Progress | None = None) -> Instances:
    """The first `count` feasible ones of the random programs of this seed, solved; some 2.5 ms each on one core.

    Args:
        count: how many.
        seed: of the random numbers. The same one gives the same programs on every machine, and a larger count begins
            with those of a smaller one.
        size: of each program.
        progress: called every second or so with a line that tells how many there are, and the time left.

    Raises:
        ValueError: count is below 1.
    """
    if count < 1:
        raise ValueError(f"count must be at least 1, but is {count}")
    rows: list[tuple[Array, ...]] = []
    solutions: list[Array] = []
    told = start = time.perf_counter()
    for parts in _programs(np.random.default_rng(seed), size):
        found = solve_one(*parts)
        if isinstance(found, str):
            continue
        rows.append(parts)
        solutions.append(found)
        done, now = len(rows) == count, time.perf_counter()
        if progress is not None and (now - told > 1 or done):
            told, left = now, (now - start) / len(rows) * (count - len(rows))
            progress(f"linear programs: {len(rows)} of {count} feasible ones, {left:.0f} s left")
        if done:
            break
    fields = (torch.from_numpy(np.stack(field)) for field in zip(*rows, strict=True))
    return Instances(LinearProgram(*fields), torch.from_numpy(np.stack(solutions)))


def _programs(rng: np.random.Generator, size: Size) -> Iterator[tuple[Array, ...]]:
    """Random programs without end, each as its fields."""
    while True:
        yield from zip(*(field.numpy() for field in draw(_CHUNK, rng, size)), strict=True)


TRAINING, TEST = 2_500, 1_000
"""How many instances the paper trains and tests on."""


def training_instances(count: int = TRAINING, *, progress: Progress | None = None) -> Instances:
    """What every model is trained on: the same for all seeds of the training."""
    return generate(count, seed=1, progress=progress)


def held_out_instances(count: int = TEST, *, progress: Progress | None = None) -> Instances:
    """What every model is tested on, drawn from the same distribution."""
    return generate(count, seed=2, progress=progress)
