"""Norms and eigenvalues of Jacobians at points, by Krylov methods on Jacobian-vector products."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_structure

from implicit_lib.lipschitz._effective import iterates_of
from implicit_lib.lipschitz._estimate import EigenvalueEstimate, Estimate
from implicit_lib.lipschitz._krylov import largest_eigenvalue, largest_singular_value
from implicit_lib.solvers._checks import check_count
from implicit_lib.solvers._layout import Layout
from implicit_lib.solvers._state import Leaves, Operator, flatten_state, unflatten_state


@torch.no_grad()
def local_lipschitz(
    trajectory: Callable[[Any], Sequence[Any]], x: Any, *, iterations: int = 30, seed: int = 0
) -> Estimate:
    """‖∂y_t/∂x‖ at x, the largest singular value of the Jacobian of x ↦ y_t(x), for every t and every sample.

    It is the Lipschitz constant of y_t in the limit of small neighbourhoods of x: the number that `effective_lipschitz`
    approaches from below with small perturbations in all directions. Computed as `contraction_modulus` is, without
    forming the Jacobian.

    An iteration evaluates the trajectory once and differentiates it twice for every t: to measure a few of them, hand
    over a few, as `lambda x: model.trajectory(x, 50)[9::10]` does.

    Args:
        trajectory: maps inputs to the outputs (y_1, …, y_T), sample by sample, e.g.
            `partial(model.trajectory, iterations=5)`.
        x: the inputs: a floating-point tensor (B, …), or nested dicts, lists and tuples of such tensors. What is not
            to be varied belongs into `trajectory`.
        iterations: of the Lanczos process, at least 1; more than the size of x or y_t are not needed and not done.
        seed: of the random start, which is the same on every device.

    Returns:
        value and error, (T, B), as those of `contraction_modulus`.

    Raises:
        TypeError, ValueError: x is not a batch of tensors, there is no iterate, an iterate does not have one output
            per sample, or iterations is not a positive integer.

    Example:
        >>> x = torch.tensor([0.0, 0.5], dtype=torch.float64)
        >>> local_lipschitz(lambda x: [3 * x, x**2], x).value
        tensor([[3., 3.],
                [0., 1.]], dtype=torch.float64)
    """
    _check_iterations(iterations)
    leaves, spec = flatten_state(x, "x")

    def iterate(t: int) -> Callable[..., Leaves]:
        def y_t(*inputs: Tensor) -> Leaves:
            return iterates_of(trajectory(unflatten_state(inputs, spec)), len(inputs[0]))[t]

        return y_t

    count = len(trajectory(x))
    if count == 0:
        raise ValueError("there is nothing to measure: trajectory returned no iterates")
    pairs = [_norm(_Linearised(iterate(t), leaves), iterations, seed) for t in range(count)]
    return Estimate(torch.stack([value for value, _ in pairs]), torch.stack([error for _, error in pairs]))


@torch.no_grad()
def contraction_modulus(G: Callable[[Any], Any], y: Any, *, iterations: int = 30, seed: int = 0) -> Estimate:
    """‖∂G/∂y‖, the largest singular value of the Jacobian J of G at y, sample by sample.

    Golub–Kahan–Lanczos bidiagonalisation from a random start, with full reorthogonalisation, on products Jv by
    forward-mode and Jᵀu by reverse-mode differentiation. J is never formed, and the number of iterations is exact,
    with no synchronisation of host and device. Memory: 2 × iterations states. The supremum of the result over y is the
    modulus of contraction; over some points it is a lower bound.

    Whatever J is, with probability 1 − p over the start, k < N iterations reach the relative accuracy
    σ² ≥ (1 − ε²) ‖J‖², ε = ln(1.65 √N / p) / (2k − 1), for a state of N entries a sample. Most J, clustered singular
    values included, are far better, and k = N is exact.

    Source: Golub and Kahan, Calculating the Singular Values and Pseudo-Inverse of a Matrix, 1965; the probability:
    Kuczyński and Woźniakowski, Estimating the Largest Eigenvalue by the Power and Lanczos Algorithms with a Random
    Start, 1992.

    Args:
        G: maps a state to a state, sample by sample, as for `solve`.
        y: the points: a floating-point tensor (B, …), or nested dicts, lists and tuples of such tensors.
        iterations: of the Lanczos process, at least 1; more than N are not needed and not done.
        seed: of the random start, which is the same on every device.

    Returns:
        value (B,): σ = ‖Jv‖ for a v of length 1, so that it is at most ‖J‖, up to rounding; and
        error (B,): ‖Jᵀu − σv‖ / √2, u = Jv / σ, within which of σ some singular value of J lies (or 0). This is
        rigorous up to rounding; that it is the largest one is not, but has probability 1 where the error has become
        small. If forward- and reverse-mode differentiation contradict each other, the error does not become small.

    Raises:
        TypeError, ValueError: y is not a batch of tensors, G does not fit it, or iterations is not a positive integer.

    Example:
        >>> contraction_modulus(lambda y: 0.9 * y.roll(1, dims=1), torch.zeros(2, 5)).value
        tensor([0.9000, 0.9000], dtype=torch.float64)
    """
    _check_iterations(iterations)
    return Estimate(*_norm(_linearised_operator(G, y), iterations, seed))


@torch.no_grad()
def spectral_radius(G: Callable[[Any], Any], y: Any, *, iterations: int = 50, seed: int = 0) -> EigenvalueEstimate:
    """max |λ| over the eigenvalues λ of ∂G/∂y at y, sample by sample.

    At a fixed point this is the local rate of Picard iteration: errors shrink in the long run like ρᵗ, and the
    iteration converges from all starts near by if ρ < 1. It is at most `contraction_modulus`, which bounds every single
    step; for a non-normal Jacobian, such as a nilpotent one, it can be much smaller, and errors grow at first.

    Arnoldi's process from a random real start, with full reorthogonalisation, on products Jv by forward-mode
    differentiation. Complex eigenvalues are found as real ones are. Memory: 1 × iterations states.

    Source: Arnoldi, The Principle of Minimized Iterations in the Solution of the Matrix Eigenvalue Problem, 1951.

    Args:
        G: maps a state to a state, sample by sample, as for `solve`.
        y: the points: a floating-point tensor (B, …), or nested dicts, lists and tuples of such tensors.
        iterations: of Arnoldi's process, at least 1; more than the entries of a sample are not needed and not done.
        seed: of the random start, which is the same on every device.

    Returns:
        value (B,): |θ|, where θ is the Ritz value of largest modulus, with a Ritz vector z of length 1.
        backward_error (B,): ‖Jz − θz‖. Rigorous up to rounding: θ is an eigenvalue of a matrix this close to J, in the
        spectral norm. Where J is normal, J has an eigenvalue this close to θ. Where it is not, its eigenvalues may be
        elsewhere, and no residual can tell: those of a long shift are all 0, and any θ, |θ| < 1, is almost one.
        error (B,): an estimate, not a bound, of how far from θ the eigenvalue of J lies: the backward error and
        rounding, k times 4 u ‖J‖ for k iterations and the unit roundoff u, times the condition number of θ in the
        projected matrix H; or, if smaller, what Elsner's theorem gives, (2 ‖H‖)^(1 − 1/k) (backward error + 4 u
        ‖H‖)^(1/k). It covers a nilpotent J whose size is at most k. Where it is not small, take more iterations.

    Raises:
        TypeError, ValueError: y is not a batch of tensors, G does not fit it, or iterations is not a positive integer.

    Example:
        >>> spectral_radius(lambda y: 0.9 * y.roll(1, dims=1), torch.zeros(1, 5)).value
        tensor([0.9000], dtype=torch.float64)
    """
    _check_iterations(iterations)
    J = _linearised_operator(G, y)
    steps = max(1, min(iterations, J.width))
    return EigenvalueEstimate(*largest_eigenvalue(J.push, J.random_start(seed), steps, J.unit_roundoff))


def _check_iterations(iterations: object) -> None:
    """Nothing, if it is an integer of at least 1; TypeError or ValueError otherwise."""
    if check_count(iterations, "iterations") == 0:
        raise ValueError("iterations must be at least 1, but is 0")


def _norm(J: "_Linearised", iterations: int, seed: int) -> tuple[Tensor, Tensor]:
    steps = max(1, min(iterations, J.width, J.height))
    return largest_singular_value(J.push, J.pull, J.random_start(seed), steps)


def _linearised_operator(G: Callable[[Any], Any], y: Any) -> "_Linearised":
    leaves, spec = flatten_state(y, "y")
    operator = Operator(G, spec)

    def on_leaves(*points: Tensor) -> Leaves:
        return operator(points)

    return _Linearised(on_leaves, leaves)


class _Linearised:
    """The Jacobian of a function of leaves at a point, as two products on packed vectors (B, N) and (B, M)."""

    def __init__(self, function: Callable[..., Leaves], point: Leaves) -> None:
        self._function, self._point = function, point
        linearised = torch.func.vjp(function, *point)
        images, self._transposed = linearised[0], linearised[1]
        self._inputs, self._outputs = (Layout.of(leaves, tree_structure(leaves)) for leaves in (point, images))
        self._start = self._inputs.pack(point)
        self._dtype = torch.promote_types(self._start.dtype, torch.float32)
        self.width = self._start.shape[1]
        self.height = self._outputs.pack(images).shape[1]
        self.unit_roundoff = max(torch.finfo(leaf.dtype).eps for leaf in (*point, *images)) / 2

    def push(self, v: Tensor) -> Tensor:
        """Jv."""
        tangents = self._inputs.unpack(v.to(self._inputs.dtype))
        return self._outputs.pack(torch.func.jvp(self._function, self._point, tangents)[1]).to(self._dtype)

    def pull(self, u: Tensor) -> Tensor:
        """Jᵀu."""
        return self._inputs.pack(self._transposed(self._outputs.unpack(u.to(self._outputs.dtype)))).to(self._dtype)

    def random_start(self, seed: int) -> Tensor:
        """Normal random rows, drawn on the CPU so that every device gets the same ones."""
        generator = torch.Generator().manual_seed(seed)
        return torch.randn(self._start.shape, generator=generator, dtype=self._dtype).to(self._start.device)
