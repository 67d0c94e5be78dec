"""The speed limit: how steep the iterates of a regular operator can be, and what a slope costs in iterations.

Let G be regular with constant L: x ↦ G(y, x) has the Lipschitz constant L (1 + ‖y‖) at most, and y ↦ G(y, x) the
modulus μ(x). From y_0 = 0 the quotient Λ_t = ‖y_t(x) − y_t(x')‖ / ‖x − x'‖ of two inputs obeys

    Λ_t ≤ μ(x) Λ_{t−1} + L (1 + ‖y_{t−1}(x')‖),   Λ_0 = 0:

move the state first, at the input x, and then the input, at the state of x'. This is Proposition 4 of the book, its
own. No bound in L, t and g = ‖G(0, x')‖ alone is smaller than `unbounded_speed_limit`: G(y, x) = y − L x (1 + y) + g
attains it as x → 0, for every t.

What comes out is a bound for the numbers that go in, up to rounding: round moduli, constants and sizes up.
"""

import math
from fractions import Fraction
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Values = TypeVar("Values", NDArray[np.float64], Tensor)


def speed_limit(modulus: Values | float, constant: float, sizes: Values) -> Values:
    """The largest Λ_1, …, Λ_T that a regular operator can have, given how large its iterates are.

    For the largest slope L_t over many inputs, take the largest modulus and the largest sizes; or keep a column for
    every input, and take the maximum at the end: Λ_t is then the slope at that input, and the bound is closer.

    Args:
        modulus: μ(x), between 0 and 1: a number, or an array or tensor that broadcasts with a row of `sizes`.
        constant: L.
        sizes: ‖y_0(x')‖, …, ‖y_{T−1}(x')‖ along the first axis, (T, …): a NumPy float64 array or a torch tensor.

    Returns:
        (T, …), of the kind of `sizes`.

    Raises:
        ValueError: a modulus outside [0, 1], a constant or a size that is negative or not finite, or no sizes at all.
    """
    _check_modulus(modulus)
    _check_size(constant, "constant")
    if sizes.ndim == 0 or len(sizes) == 0:
        raise ValueError(f"sizes must hold one row for each iteration, but has the shape {tuple(sizes.shape)}")
    if not bool(((sizes >= 0) & (sizes < math.inf)).all()):
        raise ValueError("sizes must be norms of iterates, but some are negative or not finite")
    limits = [constant * (1 + sizes[0]) + 0 * modulus]
    for size in sizes[1:]:
        limits.append(modulus * limits[-1] + constant * (1 + size))
    return _stack(limits)


def bounded_speed_limit(modulus: Values | float, constant: float, bound: float, iterations: Values) -> Values:
    """L (1 + B) min(t, 1/(1 − μ)): the limit where no iterate is larger than B.

    Args:
        modulus: μ, between 0 and 1; at 1 only t bounds the slope.
        constant: L.
        bound: B.
        iterations: the counts t, an array or a tensor that broadcasts with `modulus`.

    Returns:
        One bound for each t, of the kind of `iterations`.

    Raises:
        ValueError: a modulus outside [0, 1], or a constant, bound or count that is negative or not finite.
    """
    _check_modulus(modulus)
    _check_size(constant, "constant")
    _check_size(bound, "bound")
    _check_counts(iterations)
    step = constant * (1 + bound)
    # min(t, 1/(1 − μ)) = t / max(1, t (1 − μ)), without a division by zero
    return step * iterations / _at_least_one(iterations * (1 - modulus))


def unbounded_speed_limit(constant: float, first: float, iterations: Values) -> Values:
    """L (t + g t (t − 1) / 2): the limit where nothing is known of the iterates but the first.

    Args:
        constant: L.
        first: g = ‖G(0, x')‖, the size of the first iterate; the largest one, for all inputs at once.
        iterations: the counts t, an array or a tensor.

    Returns:
        One bound for each t, of the kind of `iterations`.

    Raises:
        ValueError: a constant, a size or a count that is negative or not finite.
    """
    _check_size(constant, "constant")
    _check_size(first, "first")
    _check_counts(iterations)
    return constant * (iterations + first * iterations * (iterations - 1) / 2)


def least_iterations(slope: float, constant: float, bound: float) -> int:
    """The least t with L (1 + B) t ≥ slope: no regular operator is that steep sooner, if its iterates stay within B.

    Computed in exact arithmetic, from the numbers as they are given.

    Args:
        slope: Λ, the slope to be reached, finite and not negative.
        constant: L, positive.
        bound: B.

    Raises:
        ValueError: a number is negative or not finite; or the constant is 0, with which no slope is ever reached.
    """
    for value, name in ((slope, "slope"), (constant, "constant"), (bound, "bound")):
        _check_size(value, name)
    if constant == 0:
        raise ValueError("with the constant 0 the operator does not depend on x, and no slope is ever reached")
    return math.ceil(Fraction(slope) / (Fraction(constant) * (1 + Fraction(bound))))


def _check_modulus(modulus: NDArray[np.float64] | Tensor | float) -> None:
    inside = (modulus >= 0) & (modulus <= 1)  # NaN is not
    if not bool(inside if isinstance(inside, bool) else inside.all()):
        raise ValueError(f"a modulus of contraction lies between 0 and 1, but got {modulus}")


def _check_size(value: float, name: str) -> None:
    if not 0 <= value < math.inf:
        raise ValueError(f"{name} must be a finite number of at least 0, but is {value!r}")


def _check_counts(iterations: NDArray[np.float64] | Tensor) -> None:
    if not bool(((iterations >= 0) & (iterations < math.inf)).all()):
        raise ValueError("iterations must be counts of at least 0")


def _at_least_one(values: Values) -> Values:
    if isinstance(values, Tensor):
        return values.clamp(min=1)
    return np.maximum(values, 1)


def _stack(rows: list[Values]) -> Values:
    if isinstance(rows[0], Tensor):
        return torch.stack([row for row in rows if isinstance(row, Tensor)])
    return np.stack(rows)
