"""What the norms of a few iterations say about each sample: its residuals, whether it has finished, how soon it may."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from implicit_lib.solvers._solution import Status
from implicit_lib.solvers._solver import Evaluation
from implicit_lib.solvers._state import SMALL, readable, statistics_dtype

_Row = np.ndarray[Any, np.dtype[np.float64]]

# A contraction's step ‖G(y) − y‖ never grows, and a map that contracts in another norm lets it grow by at most that
# norm's condition number. A step this many times as large as the start and the first step together is divergence.
_DIVERGENCE_GROWTH = 1e6

# Where all norms lie in this range, their squares neither overflow nor lose digits in float32, five times as fast.
_FLOAT32_RANGE = (1e-10, 1e12)

_LONG = 2**20  # numbers in a sample; the sum of more squares loses digits in float32

_TOGETHER = 16  # how many iterates of a small state wait to be measured in one go


class Norms:
    """‖G(y) − y‖ and ‖G(y)‖ of every sample at every iteration: two rows (b,) an iteration, accumulated in float64.

    On a CPU they go into one array of the host's: many small tensors that live on would scatter the memory that large
    states come and go in, and a few numbers are compared fastest by NumPy. Small states wait, to be measured together.
    """

    def __init__(self, like: Tensor) -> None:
        self.dtype = statistics_dtype(like.device)
        self.on_cpu = readable(like)  # whether looking at the numbers costs nothing
        self.count = 0
        self._narrow = False  # whether float32 was as good for the last iteration, and may be for the next
        self._array = np.empty((_TOGETHER, 2, like.shape[0]) if self.on_cpu else 0)
        self._tensors: list[tuple[Tensor, Tensor]] = []
        self._waiting: list[Evaluation] = []
        self._together = _TOGETHER if like.numel() <= SMALL else 1

    def measure(self, at: Evaluation) -> None:
        """Take the norms of one more iterate. It may be kept for a while, and must not change."""
        self.count += 1
        if not self.on_cpu:
            self._tensors.append((_norms(at.residual, self.dtype), _norms(at.image, self.dtype)))
            return
        self._waiting.append(at)
        if len(self._waiting) == self._together:
            self._fill()

    def _fill(self) -> None:
        """The rows of those that wait."""
        if not self._waiting:
            return
        while self.count > len(self._array):
            self._array = np.concatenate([self._array, np.empty_like(self._array)])
        rows = self._array[self.count - len(self._waiting) : self.count]
        if self._together > 1:
            both = torch.cat([at.residual for at in self._waiting] + [at.image for at in self._waiting])
            rows[:] = _norms(both, self.dtype).numpy().reshape(2, *rows[:, 0].shape).swapaxes(0, 1)
        elif not self._narrow or not _measure(rows[0], self._waiting[0], torch.float32):
            fits = _measure(rows[0], self._waiting[0], self.dtype)
            residual = self._waiting[0].residual
            self._narrow = fits and residual.dtype == torch.float32 and residual.shape[1] <= _LONG
        self._waiting.clear()

    def rows(self, start: int, stop: int) -> tuple[Tensor, Tensor]:
        """‖G(y) − y‖ and ‖G(y)‖ of these iterations, each (stop − start, b)."""
        if self.on_cpu:
            self._fill()
            both = torch.from_numpy(self._array[start:stop])
            return both.select(1, 0), both.select(1, 1)
        steps, sizes = (torch.stack(each).to(self.dtype) for each in zip(*self._tensors[start:stop], strict=True))
        return steps, sizes

    def on_host(self, start: int) -> np.ndarray[Any, np.dtype[np.float64]]:
        """The rows from `start` on as one array (k, 2, b)."""
        if self.on_cpu:
            self._fill()
            return self._array[start : self.count]
        return _on_host(torch.stack([torch.stack(pair) for pair in self._tensors[start:]]))


def _measure(row: _Row, at: Evaluation, dtype: torch.dtype) -> bool:
    """Fill a row (2, b); whether float32 would do."""
    row[0], row[1] = _norms(at.residual, dtype).numpy(), _norms(at.image, dtype).numpy()
    least, most = _FLOAT32_RANGE
    return bool(row.max() < most and row[1].min() > least)


def _norms(rows: Tensor, dtype: torch.dtype) -> Tensor:
    """Euclidean norms of rows (b, N)."""
    own = rows.detach() if rows.requires_grad else rows
    norms: Tensor = torch.linalg.vector_norm(own, dim=1, dtype=dtype)
    return norms


def _on_host(tensor: Tensor) -> np.ndarray[Any, Any]:
    """Its numbers; torch.func's tensors have some, but no memory to look into."""
    if torch._C._functorch.is_functorch_wrapped_tensor(tensor):
        return np.array(tensor.tolist()).reshape(tensor.shape)
    return tensor.cpu().numpy()


def largest_step(start_size: Any, first_step: Any) -> Any:
    """The largest ‖G(y) − y‖ that is not divergence, from ‖y_0‖ and ‖G(y_0) − y_0‖: tensors or arrays (b,)."""
    return _DIVERGENCE_GROWTH * (start_size + first_step)


@dataclass(frozen=True)
class Verdict:
    """What k iterations found, for the b samples that took part.

    Attributes:
        residuals: relative residuals (k, b), infinity where they are not finite; a finished sample's last goes on.
        status: int8 (b,) of `Status`.
        taken: how many of the iterations each sample took part in (b,).
        last: the row of residuals that a sample finished at, if it `finished` now (b,).
    """

    residuals: Tensor
    status: Tensor
    taken: Tensor
    last: Tensor
    finished: Tensor


def judge(
    steps: Tensor,
    sizes: Tensor,
    *,
    scale: Tensor | None,
    limit: Tensor,
    tol: float,
    before: Tensor,
    status: Tensor,
    quiet: bool,
) -> Verdict:
    """The verdict on k rows of ‖G(y) − y‖ and ‖G(y)‖, each (k, b), in float64.

    Args:
        scale: what to divide ‖G(y) − y‖ by (b,), if not ‖G(y)‖.
        limit: the largest step that is not divergence (b,).
        tol: the relative residual at which a sample has converged; 0: nothing stops a sample, the worst found counts.
        before: the residuals of the row before (b,).
        status: int8 (b,), MAX_ITER for the samples that walk.
        quiet: whether it is known that all samples walk, and none has finished.
    """
    residuals = steps / ((sizes if scale is None else scale) + torch.finfo(steps.dtype).tiny)
    if quiet:
        taken = torch.full_like(status, len(steps), dtype=torch.int64)
        return Verdict(residuals, status, taken, taken - 1, torch.zeros_like(status, dtype=torch.bool))
    nonfinite = (steps + sizes < math.inf).logical_not()  # true for NaN too
    residuals = residuals.masked_fill(nonfinite, math.inf)
    codes = (residuals <= tol).to(torch.int8)
    codes = codes.masked_fill(steps > limit, Status.DIVERGED).masked_fill(nonfinite, Status.NONFINITE)
    k = len(steps)
    if tol == 0:
        whole = torch.full_like(status, k, dtype=torch.int64)
        return Verdict(residuals, torch.maximum(codes.amax(dim=0), status), whole, whole - 1, status != status)
    walking = status == Status.MAX_ITER
    hits = codes != 0
    finished = walking & hits.any(dim=0)
    last = torch.where(finished, hits.to(torch.int8).argmax(dim=0), k - 1)  # the first of the rows that hit
    at_last = last.unsqueeze(0)
    late = torch.arange(k, device=steps.device).unsqueeze(1) > at_last
    residuals = torch.where(late, residuals.gather(0, at_last), residuals)
    return Verdict(
        residuals=torch.where(walking, residuals, before),
        status=torch.where(finished, codes.gather(0, at_last).squeeze(0), status),
        taken=torch.where(walking, last + 1, 0),
        last=last,
        finished=finished,
    )


def count(verdict: Verdict) -> tuple[int, int]:
    """How many samples walk on, and how many rows it took: synchronises host and device."""
    counts = torch.stack([(verdict.status == Status.MAX_ITER).sum(), verdict.taken.amax()])
    running, length = counts.tolist()
    return running, length


class Watch:
    """Looks whether a sample has finished, or how soon one may: the one synchronisation of host and device in the loop.

    Args:
        limit, start_size: the largest step that is not divergence (b,), or if it is not known yet, ‖y_0‖.
        walking: which samples can finish (b,); None: all.
        far: whether to extrapolate.
        The others as for `judge`.
    """

    def __init__(
        self,
        *,
        scale: Tensor | None,
        limit: Tensor | None,
        start_size: Tensor,
        tol: float,
        walking: Tensor | None,
        far: bool,
    ) -> None:
        # By a hair, so that rounding never hides here what `judge` finds.
        self._tol, self._less = 1.0001 * tol, 0.9999
        self._scale = None if scale is None else _on_host(scale)
        self._limit = None if limit is None else self._less * _on_host(limit)
        self._start_size = start_size
        self._walking = None if walking is None else _on_host(walking)
        self._far = far
        self._before: _Row | None = None  # the residuals at the last look

    def quiet_for(self, norms: Norms, start: int) -> float:
        """0 if a sample has finished in an iteration from `start` on, else how many will pass till one does.

        That is extrapolated from the last look to this one, or infinity if it is not to be.
        """
        rows = norms.on_host(start)
        steps, sizes = rows[:, 0], rows[:, 1] if self._scale is None else self._scale
        if self._limit is None:
            self._limit = self._less * largest_step(_on_host(self._start_size), steps[0])
        with np.errstate(divide="ignore", invalid="ignore"):
            quiet = steps > self._tol * sizes  # false for NaN, as it should be
            quiet &= steps <= self._limit
            if not (quiet if self._walking is None else quiet | ~self._walking).all():
                return 0.0
            if not self._far:
                return math.inf
            before, self._before = self._before, steps[-1] / (sizes[-1] if self._scale is None else sizes)
            return self._extrapolated(before, self._before, norms.count - start)

    def _extrapolated(self, before: _Row | None, now: _Row, k: int) -> float:
        """How many iterations till the first of the residuals `now` is at tol, if each goes on as in the last k."""
        if before is None:
            return 1.0  # nothing is known yet: look again after the next iteration
        left = np.where(now < before, k * np.log(now / self._tol) / np.log(before / now), math.inf)
        return float((left if self._walking is None else left[self._walking]).min())
