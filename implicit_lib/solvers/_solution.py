"""What a solve returns: the value, and per sample how it ended, after how many iterations, with which residuals."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cached_property
from typing import Generic, TypeVar

import torch
from torch import Tensor

from implicit_lib.solvers._state import statistics_dtype

Y = TypeVar("Y")


class Status(IntEnum):
    """How one sample of a solve ended. `message` says what it means and what to try."""

    MAX_ITER = 0
    CONVERGED = 1
    DIVERGED = 2
    NONFINITE = 3

    @property
    def message(self) -> str:
        """One sentence for the reader: what happened, and what to try."""
        return _MESSAGES[self]


_MESSAGES = {
    Status.MAX_ITER: "max_iter iterations passed before the residual fell to tol: walk on with solution.extend(k), "
    "raise max_iter, or loosen tol (a relative residual cannot fall much below the dtype's rounding, "
    "1e-7 for float32 and 1e-3 for float16)",
    Status.CONVERGED: "the relative residual of the value is at most tol",
    Status.DIVERGED: "the steps grew a million-fold: G is not a contraction here; try Picard(damping=0.5) or less, "
    "a start nearer to the fixed point, or an operator with a smaller Lipschitz constant in y",
    Status.NONFINITE: "NaN, infinity or overflow: a sample with 0 iterations had it in y0 already; where G produced "
    "it, the value is the last finite iterate; look at G there, try damping, or a wider dtype than float16",
}


@dataclass(frozen=True, eq=False)
class Report:
    """How a solve went, without its value. All tensors are detached, on the device of the state.

    Attributes:
        status_codes: int8 tensor (B,) of `Status` values.
        iterations: int64 tensor (B,), the calls of G that the sample took part in.
        blocks: tensors (k, B), the residuals of every iteration really run, k at a time; see `residuals`.
    """

    status_codes: Tensor
    iterations: Tensor
    blocks: tuple[Tensor, ...] = field(repr=False)

    @cached_property
    def status(self) -> tuple[Status, ...]:
        """How each of the B samples ended."""
        return tuple(Status(code) for code in self.status_codes.tolist())

    @property
    def converged(self) -> Tensor:
        """Bool tensor (B,)."""
        return self.status_codes == Status.CONVERGED

    @cached_property
    def residuals(self) -> Tensor:
        """Relative residuals (T, B): row t − 1 is ‖G(y_{t−1}) − y_{t−1}‖ / ‖G(y_{t−1})‖, measured in iteration t.

        float64 (float32 on devices without it), never NaN: a residual that is not a finite number is infinity.
        The rows of a finished sample go on with the residual of its value.
        """
        if not self.blocks:
            device = self.iterations.device
            return torch.empty((0, len(self.iterations)), dtype=statistics_dtype(device), device=device)
        return torch.cat(self.blocks)

    @property
    def message(self) -> str:
        """How many samples ended how, and what to try."""
        counts = Counter(self.status)
        return "; ".join(
            f"{counts[status]} of {len(self.status)} samples {status.name}: {status.message}"
            for status in Status
            if counts[status]
        )


@dataclass(frozen=True, eq=False)
class Solution(Report, Generic[Y]):
    """Where a solve stands. `status`, `iterations`, `residuals` and `message` are those of `Report`.

    Attributes:
        value: the state, of the structure, shapes and dtypes of y0.
        kept: the states y_0 … y_T if they were kept; see `iterates`.
        walk_on: what `extend` calls.
    """

    value: Y
    kept: tuple[Y, ...] | None = field(repr=False)
    walk_on: Callable[[int], "Solution[Y]"] = field(repr=False)

    @property
    def iterates(self) -> tuple[Y, ...]:
        """The states y_0 … y_T, T + 1 of them.

        Raises:
            RuntimeError: they were not kept.
        """
        if self.kept is None:
            raise RuntimeError("the iterates were not kept: solve with keep_iterates=True to look at them")
        return self.kept

    @property
    def report(self) -> Report:
        """The statistics alone, which hold neither the value nor its autograd graph."""
        return Report(self.status_codes, self.iterations, self.blocks)

    def extend(self, k: int) -> "Solution[Y]":
        """Walk at most k iterations further from where this solve stands, which itself stays as it is.

        `solve(G, y0, max_iter=5).extend(5)` is `solve(G, y0, max_iter=10)`, to the last bit (float32 residuals to
        rounding). Samples that have finished stay finished.

        Raises:
            TypeError, ValueError: k is not an integer, or negative.
        """
        return self.walk_on(k)


class SolveInterrupted(KeyboardInterrupt):
    """Ctrl-C during a solve. `solution` is where it stood: look at it, or walk on with `solution.extend(k)`."""

    def __init__(self, solution: Solution[object]) -> None:
        super().__init__("the solve was interrupted; the exception's .solution holds what was reached")
        self.solution = solution


class ConvergenceWarning(UserWarning):
    """A solve whose outcome is used at once ended before all samples converged."""
