"""The implicit model of the paper: encoder Q_Φ, operator G_Θ iterated to its fixed point, decoder Q_Ψ."""

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map, tree_structure

from implicit_lib.gradients import Gradient, ImplicitGradient, UnrolledGradient
from implicit_lib.solvers import ConvergenceWarning, Picard, Solution, Solver, solve
from implicit_lib.solvers._checks import check_count, check_settings


class ImplicitModel(nn.Module):
    """x ↦ Q_Ψ(y*), where y* = G_Θ(y*, q) and q = Q_Φ(x).

    Source: Liu, Ding, Osher, Yin, Expressive Power of Implicit Models, ICLR 2026 (arXiv:2510.03638), Section 1.

    Where every tensor of q has a row for each sample, samples that have finished are dropped: the operator then sees
    the rows of y and q that still walk, so it must treat samples one by one, and may close over what they share but
    not over rows of its own. With a q of another form (a graph, say) it always sees the whole batch.

    Under autocast the state keeps its dtype, what the operator returns being converted to it, and the default start is
    in float32: the operator computes in half precision, the solve does not. How far the residual can fall is still up
    to the operator, about 1e-2 in bfloat16: choose tol so.

    Args:
        operator: G_Θ: maps (y, q) to the next y, of the same structure, shapes, dtypes and device.
        encoder: Q_Φ: maps x to q, a tensor or nested dicts, lists and tuples of tensors; None: q = x.
        decoder: Q_Ψ: maps y to the output; None: the output is y.
        solver: settings of the method that finds the fixed point.
        gradient: how to differentiate through it; None: `ImplicitGradient()`.
        max_iter: the most iterations when running to tolerance.
        tol: the relative residual to reach, per sample; see `solve`.
        start: maps q to y_0, a tensor (B, …) or nested dicts, lists and tuples of them; None: zeros like q.

    Raises:
        TypeError, ValueError: a setting has the wrong type or is out of range.

    Example:
        >>> model = ImplicitModel(lambda y, q: y - 0.5 * (q * y - 1))
        >>> x = torch.tensor([0.5, 1.0])
        >>> model(x).round(decimals=2)  # 1 / x
        tensor([2., 1.])
        >>> model.trajectory(x, iterations=2)
        (tensor([0.5000, 0.5000]), tensor([0.8750, 0.7500]))
    """

    def __init__(
        self,
        operator: Callable[[Any, Any], Any],
        *,
        encoder: Callable[[Any], Any] | None = None,
        decoder: Callable[[Any], Any] | None = None,
        solver: Solver | None = None,
        gradient: Gradient | None = None,
        max_iter: int = 100,
        tol: float = 1e-6,
        start: Callable[[Any], Any] | None = None,
    ) -> None:
        super().__init__()
        self.solver: Solver = Picard() if solver is None else solver
        self.gradient: Gradient = ImplicitGradient() if gradient is None else gradient
        check_settings(self.solver, max_iter, tol)
        if isinstance(self.gradient, type) or not hasattr(self.gradient, "differentiate"):
            raise TypeError(f"gradient must be an object such as ImplicitGradient(), but is {gradient!r}")
        self.operator = _callable(operator, "operator")
        self.encoder = _callable(nn.Identity() if encoder is None else encoder, "encoder")
        self.decoder = _callable(nn.Identity() if decoder is None else decoder, "decoder")
        self.start = _callable(_zeros_like if start is None else start, "start")
        self.max_iter = max_iter
        self.tol = tol

    def forward(self, x: Any, iterations: int | None = None) -> Any:
        """The decoded equilibrium for the inputs x (B, …), or with `iterations` the decoded iterate y_k itself.

        To tolerance (iterations=None), a `ConvergenceWarning` tells of samples that did not converge.

        Raises:
            TypeError, ValueError: iterations is not an integer, or negative.
            What `solve` raises for a start or an operator that does not fit.
        """
        solution = self.solve(x, iterations)
        if iterations is None and not bool(solution.converged.all()):
            warnings.warn(
                f"the forward solve did not converge: {solution.message}. See model.solve(x)",
                ConvergenceWarning,
                stacklevel=2,
            )
        return self.decoder(solution.value)

    def solve(self, x: Any, iterations: int | None = None, *, keep_iterates: bool = False) -> Solution[Any]:
        """The solution whose value `forward` decodes: statuses, residuals, and with keep_iterates all of y_0 … y_T.

        Its value is differentiable by the model's gradient. What `extend` adds to it is differentiable as any solve is:
        by unrolling, if gradients are enabled then.
        """
        max_iter, tol = (
            (self.max_iter, self.tol) if iterations is None else (check_count(iterations, "iterations"), 0.0)
        )
        return self._equilibrium(x, self.gradient, max_iter, tol, keep_iterates=keep_iterates)

    def trajectory(self, x: Any, iterations: int) -> tuple[Any, ...]:
        """The decoded iterates y_1 … y_k for k = iterations.

        They are differentiable by unrolling, whatever the model's gradient, as a loss at every iterate needs (with the
        checkpoints of the model's `UnrolledGradient`, if that is its gradient); to look at them only, call this under
        `torch.no_grad()`, which keeps no graph.

        Raises:
            TypeError, ValueError: iterations is not an integer, or negative.
        """
        k = check_count(iterations, "iterations")
        unrolled = self.gradient if isinstance(self.gradient, UnrolledGradient) else UnrolledGradient()
        solution = self._equilibrium(x, unrolled, k, 0.0, keep_iterates=True)
        return tuple(self.decoder(y) for y in solution.iterates[1:])

    def _equilibrium(
        self, x: Any, gradient: Gradient, max_iter: int, tol: float, *, keep_iterates: bool
    ) -> Solution[Any]:
        q = self.encoder(x)
        start, operator = self.start(q), self.operator

        def G(y: Any, q: Any = q) -> Any:
            return _as_in(y, operator(y, q))

        def walk(k: int) -> Solution[Any]:
            inputs = q if _per_sample(q, start) else None
            return solve(G, start, inputs=inputs, solver=self.solver, max_iter=k, tol=tol, keep_iterates=keep_iterates)

        return gradient.differentiate(G, walk, max_iter)

    def extra_repr(self) -> str:
        return f"solver={self.solver}, gradient={self.gradient}, max_iter={self.max_iter}, tol={self.tol}"


def _callable(part: Callable[..., Any], name: str) -> Callable[..., Any]:
    if not callable(part):
        raise TypeError(f"{name} must be callable, such as an nn.Module, but is a {type(part).__name__}")
    return part


def _zeros_like(q: Any) -> Any:
    """y_0 = 0; under autocast in float32 where it made q half precision."""
    return tree_map(lambda leaf: torch.zeros_like(leaf, dtype=_state_dtype(leaf)), q)


def _state_dtype(leaf: Tensor) -> torch.dtype:
    return torch.float32 if _autocast(leaf) and leaf.element_size() < 4 else leaf.dtype


def _autocast(leaf: Tensor) -> bool:
    kind = leaf.device.type
    return torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind)


def _as_in(y: Any, image: Any) -> Any:
    """The image, under autocast in the dtypes of the state y: there an operator does not choose what it returns."""
    first = tree_leaves(y)[0]
    if not _autocast(first):
        return image
    if tree_structure(y) != tree_structure(image):
        return image  # which the solve will complain about
    return tree_map(lambda old, new: new.to(old.dtype), y, image)


def _per_sample(q: Any, start: Any) -> bool:
    """Whether all of q are tensors with a row for each sample, so that finished samples can be dropped."""
    states, inputs = tree_leaves(start), tree_leaves(q)
    batch = len(states[0]) if states and isinstance(states[0], Tensor) and states[0].dim() else None
    return all(isinstance(leaf, Tensor) and leaf.dim() > 0 and len(leaf) == batch for leaf in inputs)
