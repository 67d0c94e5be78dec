"""How steep an iterate is in its input, and how contractive an operator is in its state."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor
from torch.utils._pytree import TreeSpec

from implicit_lib.solvers._checks import check_count
from implicit_lib.solvers._state import Leaves, Operator, differences, flatten_state, norms, scaled, unflatten_state

Reduction = Literal["max", "mean"]


@dataclass(frozen=True, eq=False)
class LipschitzEstimate:
    """A measured constant and how far to trust it.

    Attributes:
        value: the estimate, float64 (float32 on devices without it).
        error: of the shape of value; what it bounds stands with the function that made the estimate.
    """

    value: Tensor
    error: Tensor


@torch.no_grad()
def effective_lipschitz(
    trajectory: Callable[[Any], Sequence[Any]], x: Any, perturbations: Iterable[Any], *, reduce: Reduction = "max"
) -> LipschitzEstimate:
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
    base = _iterates(trajectory(x), len(inputs[0]))
    quotients, roundings = [], []
    for perturbation in perturbations:
        shifted = _shifted(inputs, spec, perturbation)
        length = norms(differences(shifted, inputs))
        moved = _iterates(trajectory(unflatten_state(shifted, spec)), len(inputs[0]))
        quotients += [norms(differences(there, here)) / length for there, here in zip(moved, base, strict=True)]
        roundings += [
            _unit_roundoff(there) * (norms(there) + norms(here)) / length
            for there, here in zip(moved, base, strict=True)
        ]
    if not quotients or not len(inputs[0]):
        raise ValueError("there is nothing to measure: pass at least one sample, one perturbation and one iteration")
    return LipschitzEstimate(*(_reduced(each, len(base), reduce) for each in (quotients, roundings)))


def _iterates(outputs: Sequence[Any], batch: int) -> list[Leaves]:
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


def contraction_modulus(G: Callable[[Any], Any], y: Any, *, iterations: int = 100, seed: int = 0) -> LipschitzEstimate:
    """‖∂G/∂y‖, the largest singular value of the Jacobian of G at y, sample by sample.

    Power iteration on JᵀJ from a random unit v: σ = ‖Jv‖, u = Jv / σ, next v = Jᵀu / ‖Jᵀu‖, with products Jv by
    forward-mode and Jᵀu by reverse-mode differentiation. J is never formed, and the number of iterations is exact, with
    no synchronisation of host and device. The supremum of the result over y is the modulus of contraction; over some
    points it is a lower bound.

    Args:
        G: maps a state to a state, sample by sample, as for `solve`.
        y: the points: a floating-point tensor (B, …), or nested dicts, lists and tuples of such tensors.
        iterations: of the power method, at least 1.
        seed: of the random start, which is the same on every device.

    Returns:
        value (B,): σ, which is at most the largest singular value, up to rounding; and
        error (B,): ‖Jᵀu − σv‖ / √2, within which of σ some singular value lies. Sampling cannot prove that it is the
        largest one, but power iteration from a random start ends there with probability 1. Clustered singular values
        keep the error up for long, while σ is soon close to all of them.

    Raises:
        TypeError, ValueError: y is not a batch of tensors, G does not fit it, or iterations is not a positive integer.

    Example:
        >>> contraction_modulus(lambda y: 0.9 * y.roll(1, dims=1), torch.zeros(2, 5)).value
        tensor([0.9000, 0.9000], dtype=torch.float64)
    """
    if check_count(iterations, "iterations") == 0:
        raise ValueError("iterations must be at least 1, but is 0")
    leaves, spec = flatten_state(y, "y")
    operator = Operator(G, spec)

    def on_leaves(*points: Tensor) -> Leaves:
        return operator(points)

    with torch.no_grad():  # no graph to the operator's parameters; torch.func differentiates regardless
        transposed = torch.func.vjp(on_leaves, *leaves)[1]
        v = _normalised(_random_like(leaves, seed))
        for _ in range(iterations):
            image = torch.func.jvp(on_leaves, leaves, v)[1]
            value = norms(image)
            product = transposed(_normalised(image))
            residual = norms(differences(product, scaled(v, value)))
            v = _normalised(product)
    return LipschitzEstimate(value, residual / math.sqrt(2))


def _random_like(leaves: Leaves, seed: int) -> Leaves:
    """Normal random leaves, drawn on the CPU so that every device gets the same ones."""
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.randn(leaf.shape, generator=generator, dtype=leaf.dtype).to(leaf.device) for leaf in leaves)


def _normalised(leaves: Leaves) -> Leaves:
    """Every sample at norm 1; zero stays zero."""
    size = norms(leaves)
    return scaled(leaves, 1 / torch.where(size > 0, size, 1.0))
