"""How time and calls are measured, the same for every library."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor

SHORTEST = 0.02  # seconds that a measurement takes at least, by repetition: clocks tick, and interpreters hiccup


def ratios(
    entries: dict[str, Callable[[], object]], pairs: dict[str, tuple[str, str]], *, repetitions: int
) -> dict[str, float]:
    """The ratios of time of pairs of entries.

    Entries take turns. Each repetition gives one ratio of times taken seconds apart, so that a machine that is slow for
    a while is slow for both; the result is the median over repetitions. Time is that of the processor, of all threads
    of this process: other processes do not count.
    """
    counts = {name: _count(run) for name, run in entries.items()}
    found: dict[str, list[float]] = {name: [] for name in pairs}
    for _ in range(repetitions):
        times = {name: seconds(run, counts[name]) for name, run in entries.items()}
        for name, (entry, reference) in pairs.items():
            found[name].append(times[entry] / times[reference])
    return {name: statistics.median(each) for name, each in found.items()}


def seconds(run: Callable[[], object], count: int) -> float:
    """Processor time of one run, from `count` of them, with nothing collected in between."""
    gc.collect()
    gc.disable()
    start = time.process_time()
    for _ in range(count):
        run()
    elapsed = time.process_time() - start
    gc.enable()
    return elapsed / count


def _count(run: Callable[[], object]) -> int:
    for _ in range(2):  # the first may compile
        run()
    return max(1, round(SHORTEST / seconds(run, 1)))


class Recorder:
    """An operator that counts its calls and measures the residuals ‖G(y) − y‖ / ‖G(y)‖ of each, per sample.

    Nobody is asked how many calls it made: whoever is handed this operator is measured by it, down to the first call at
    a point that is good enough, however late its own test of convergence notices.
    """

    def __init__(self, G: Callable[[Tensor], Tensor]) -> None:
        self.G = G
        self.rows: list[Tensor] = []
        self.evaluated = 0

    def __call__(self, y: Tensor) -> Tensor:
        image = self.G(y)
        with torch.no_grad():
            size = _norm(image.double())
            self.rows.append(_norm(image.double() - y.double()) / size)
        self.evaluated += len(y)
        return image

    @property
    def calls(self) -> int:
        return len(self.rows)

    def first(self, tol: float) -> Tensor:
        """(B,): the number of the call, from 1, whose residual first was at most tol; infinity where none was."""
        reached = torch.stack(self.rows) <= tol
        number = reached.to(torch.int8).argmax(0).double() + 1
        return torch.where(reached.any(0), number, torch.inf)


def _norm(y: Tensor) -> Tensor:
    return torch.linalg.vector_norm(y.flatten(1), dim=1)
