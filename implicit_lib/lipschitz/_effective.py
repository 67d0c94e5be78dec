"""The effective Lipschitz constant, as the paper measures it: by perturbing the input."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal

import torch
from torch import Tensor
from torch.utils._pytree import TreeSpec

from implicit_lib.lipschitz._estimate import Estimate
from implicit_lib.solvers._state import Leaves, differences, flatten_state, norms, unflatten_state

Reduction = Literal["max", "mean"]


@torch.no_grad()
def effective_lipschitz(
    trajectory: Callable[[Any], Sequence[Any]], x: Any, perturbations: Iterable[Any], *, reduce: Reduction = "max"
) -> Estimate:
    """L_t = max (or mean) over samples x and perturbations δ of ‖y_t(x + δ) − y_t(x)‖ / ‖δ‖, for every t.

    The paper's definition: the maximum for images and flows, the mean for linear programs. It is a lower bound of the
    Lipschitz constant of y_t. ‖δ‖ is that of the perturbation as it was added in floating point; one that rounding
    swallows whole gives NaN.

    Source: Liu, Ding, Osher, Yin (arXiv:2510.03638), Section 3.

    Args:
        trajectory: maps inputs to the outputs (y_1, …, y_T), e.g. `partial(model.trajectory, iterations=50)`.
        x: the inputs: a tensor (B, …), or nested dicts, lists and tuples of them.
        perturbations: the directions δ, each of the structure and shapes of x; e.g. a tensor (D, B, …) of D of them.
        reduce: "max" or "mean".

    Returns:
        value (T,), and error (T,): the contribution to it of rounding every y_t once, u (‖y_t(x)‖ + ‖y_t(x + δ)‖) / ‖δ‖
        with u the unit roundoff. A value of that size is noise: take larger perturbations, or a wider dtype.

    Raises:
        TypeError, ValueError: x is not a batch of tensors, a δ does not fit it, there is no δ, no sample, or
            no iterate, or reduce is neither "max" nor "mean".
    """
    if reduce not in ("max", "mean"):
        raise ValueError(f'reduce must be "max" or "mean", but is {reduce!r}')
    inputs, spec = flatten_state(x, "x")
    base = iterates_of(trajectory(x), len(inputs[0]))
    quotients, roundings = [], []
    for perturbation in perturbations:
        shifted = _shifted(inputs, spec, perturbation)
        length = norms(differences(shifted, inputs))
        moved = iterates_of(trajectory(unflatten_state(shifted, spec)), len(inputs[0]))
        quotients += [norms(differences(there, here)) / length for there, here in zip(moved, base, strict=True)]
        roundings += [
            _unit_roundoff(there) * (norms(there) + norms(here)) / length
            for there, here in zip(moved, base, strict=True)
        ]
    if not quotients or not len(inputs[0]):
        raise ValueError("there is nothing to measure: pass at least one sample, one perturbation and one iteration")
    return Estimate(*(_reduced(each, len(base), reduce) for each in (quotients, roundings)))


def iterates_of(outputs: Sequence[Any], batch: int) -> list[Leaves]:
    iterates = [flatten_state(y, "an iterate")[0] for y in outputs]
    for y in iterates:
        if len(y[0]) != batch:
            raise ValueError(f"trajectory must return one output per sample, {batch}, but returned {len(y[0])}")
    return iterates


def _shifted(inputs: Leaves, spec: TreeSpec, perturbation: Any) -> Leaves:
    """x + δ, for a δ of the structure and shapes of x."""
    directions, given = flatten_state(perturbation, "a perturbation")
    if given != spec or any(a.shape != b.shape for a, b in zip(directions, inputs, strict=True)):
        raise ValueError(
            f"a perturbation must have the structure and shapes of x, {[tuple(a.shape) for a in inputs]}, "
            f"but has {[tuple(a.shape) for a in directions]}; give one for every sample"
        )
    return tuple(a + b for a, b in zip(inputs, directions, strict=True))


def _unit_roundoff(leaves: Leaves) -> float:
    return max(torch.finfo(leaf.dtype).eps for leaf in leaves) / 2


def _reduced(rows: list[Tensor], iterations: int, reduce: Reduction) -> Tensor:
    """(T,) from rows (B,) in the order of perturbations, then iterations."""
    table = torch.stack(rows).reshape(-1, iterations, len(rows[0])).movedim(1, 0).flatten(1)
    return table.amax(dim=1) if reduce == "max" else table.mean(dim=1)
