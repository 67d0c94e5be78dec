"""Linear programs as tensors: the bipartite graph of variables and constraints, checked where a user's own enters."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

Array = NDArray[np.float64]


class LinearProgramError(ValueError):
    """A linear program that has no solution, or is none; the message names the field and says what to do."""


class LinearProgram(NamedTuple):
    """B linear programs of one size: minimise cᵀy subject to A y ≤ b (or = b, row by row) and lower ≤ y ≤ upper.

    As a graph: a node for each of n variables with features (c, lower, upper), a node for each of m constraints with
    features (b, equality), and an edge of weight A_ij where A_ij ≠ 0. A batch of one size is stored densely. Being a
    tuple of tensors, it is what `ImplicitModel` and `effective_lipschitz` take as x.

    Source: Liu, Ding, Osher, Yin (arXiv:2510.03638), Section 3.3.

    Attributes:
        A: (B, m, n); m may be 0.
        b: (B, m).
        equality: (B, m), 1 for =, 0 for ≤: the paper's ∘.
        c: (B, n).
        lower, upper: (B, n); −∞ and ∞ where there is no bound.
    """

    A: Tensor
    b: Tensor
    equality: Tensor
    c: Tensor
    lower: Tensor
    upper: Tensor

    @classmethod
    def from_scipy(
        cls,
        c: ArrayLike,
        A_ub: Any = None,
        b_ub: ArrayLike | None = None,
        A_eq: Any = None,
        b_eq: ArrayLike | None = None,
        bounds: Any = None,
    ) -> LinearProgram:
        """One linear program (B = 1, float64) from what `scipy.optimize.linprog` takes, with its conventions.

        Args:
            c: (n,) the objective.
            A_ub, b_ub: (k, n) dense or sparse, and (k,): A_ub y ≤ b_ub.
            A_eq, b_eq: the same for =. Rows come in the order: A_ub, then A_eq.
            bounds: a pair (lower, upper) for all variables or one for each; None or ±∞ in it: no bound. Without
                bounds at all, 0 ≤ y, as in SciPy.

        Raises:
            LinearProgramError: a field is empty, not numeric, not finite, or does not fit the others.
        """
        objective = _numbers("c", c, 1)
        n = len(objective)
        if n == 0:
            raise LinearProgramError("c: is empty; give the objective of at least one variable")
        _check_finite("c", objective)
        A_low, b_low = _rows("ub", A_ub, b_ub, n)
        A_same, b_same = _rows("eq", A_eq, b_eq, n)
        limits = _bounds(bounds, n)
        kinds = np.concatenate([np.zeros(len(b_low)), np.ones(len(b_same))])
        fields = (np.vstack([A_low, A_same]), np.concatenate([b_low, b_same]), kinds, objective, *limits.T)
        return cls(*(torch.from_numpy(np.ascontiguousarray(field))[None] for field in fields))

    def to(self, *args: Any) -> LinearProgram:
        """The same with every tensor converted as by `Tensor.to(*args)`."""
        return LinearProgram(*(each.to(*args) for each in self))

    def take(self, rows: Tensor | slice) -> LinearProgram:
        """Those of the B programs that `rows` selects."""
        return LinearProgram(*(each[rows] for each in self))

    def reflect(self, variables: Tensor, constraints: Tensor) -> LinearProgram:
        """The programs for which y_j is `variables`_j · y_j, with their rows multiplied by `constraints`.

        Args:
            variables: (B, n), of 1 and −1.
            constraints: (B, m), of 1 and, for equalities only, −1.
        """
        A, b, equality, c, lower, upper = self
        turned = variables < 0
        return LinearProgram(
            A * variables.unsqueeze(1) * constraints.unsqueeze(2),
            b * constraints,
            equality,
            c * variables,
            torch.where(turned, -upper, lower),
            torch.where(turned, -lower, upper),
        )


def _numbers(name: str, given: Any, dimensions: int | None = None) -> Array:
    """`given` as float64, with so many axes."""
    dense = given.toarray() if hasattr(given, "toarray") else given
    try:
        array = np.asarray(dense, dtype=np.float64)
    except (TypeError, ValueError):
        raise LinearProgramError(f"{name}: must be an array of numbers, but is {given!r}") from None
    if dimensions is not None and array.ndim != dimensions:
        raise LinearProgramError(f"{name}: must have {dimensions} axes, but has the shape {array.shape}")
    return array


def _check_finite(name: str, array: Array) -> None:
    if not np.isfinite(array).all():
        place = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise LinearProgramError(f"{name}: is {array[place]} at index {place}; all of its entries must be finite")


def _rows(kind: str, A: Any, b: Any, n: int) -> tuple[Array, Array]:
    """A_kind (k, n) and b_kind (k,), of no rows where neither is given."""
    if A is None and b is None:
        return np.zeros((0, n)), np.zeros(0)
    if A is None or b is None:
        missing = f"{'A' if A is None else 'b'}_{kind}"
        raise LinearProgramError(f"{missing}: is missing; A_{kind} and b_{kind} go together")
    matrix, right = _numbers(f"A_{kind}", A, 2), np.atleast_1d(_numbers(f"b_{kind}", b))
    if matrix.shape[1] != n:
        raise LinearProgramError(f"A_{kind}: has {matrix.shape[1]} columns; it needs one for each entry of c, {n}")
    if right.shape != (len(matrix),):
        raise LinearProgramError(
            f"b_{kind}: has the shape {right.shape}; it needs one entry for each row of A_{kind}, {len(matrix)}"
        )
    _check_finite(f"A_{kind}", matrix)
    _check_finite(f"b_{kind}", right)
    return matrix, right


def _bounds(bounds: Any, n: int) -> Array:
    """(n, 2): lower and upper bounds."""
    if bounds is None:
        bounds = (0, None)
    try:
        given = np.array(bounds.tolist() if isinstance(bounds, np.ndarray) else bounds, dtype=object)
        given = np.broadcast_to(given, (n, 2)) if given.shape == (2,) else given
        limits = np.where(given == None, [-np.inf, np.inf], given).astype(np.float64)  # noqa: E711
    except (TypeError, ValueError):
        limits = np.zeros(0)
    if limits.shape != (n, 2):
        raise LinearProgramError(
            f"bounds: must be one pair (lower, upper), or a pair for each of the {n} variables, but is {bounds!r}"
        )
    lower, upper = limits.T
    wrong = ~((lower <= upper) & (lower < np.inf) & (upper > -np.inf))
    if wrong.any():
        j = int(np.flatnonzero(wrong)[0])
        raise LinearProgramError(
            f"bounds: of variable {j} are ({lower[j]}, {upper[j]}), which no number satisfies; "
            "give lower ≤ upper, None for no bound"
        )
    return limits
