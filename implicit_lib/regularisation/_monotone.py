"""The monotone operator equilibrium layer: a unique equilibrium without a bound on the norm of its weights."""

import math
from collections.abc import Callable
from functools import partial
from typing import SupportsFloat

import torch
from torch import Tensor, nn

from implicit_lib.regularisation._operator_norm import Remembered, operator_norm_bound
from implicit_lib.solvers._checks import check_count
from implicit_lib.solvers._state import statistics_dtype


def _relu(v: Tensor, step: float | Tensor) -> Tensor:
    """The proximal operator of the indicator of v ≥ 0, the same for every step."""
    return torch.relu(v)


class MonotoneLinear(nn.Module):
    """The operator of z = σ(W z + q) with W = (1 − m) I − AᵀA + B − Bᵀ, which has one equilibrium z for every q.

    The symmetric part of I − W is mI + AᵀA ⪰ mI, whatever A and B are: I − W is strongly monotone. With σ the proximal
    operator of a convex f, the equilibrium is the zero of the strongly monotone z ↦ (I − W) z − q + ∂f(z): it exists,
    is unique, and is a Lipschitz function of q with constant 1/m. ‖W‖ may be as large as it likes, so that z ↦ σ(Wz +
    q) need not be a contraction, and Picard iteration on it need not converge. `forward` is the forward–backward step

        z ↦ prox_αf(z − α ((I − W) z − q)),

    which has the same fixed point, and with L ≥ ‖I − W‖ and α = m / L² is a contraction of modulus at most √(1 − 2αm +
    α²L²) = √(1 − (m/L)²) < 1. It converges under any solver that converges for contractions. L is an upper bound
    computed from A and B whenever they have changed; α is a constant to differentiation, as the equilibrium does not
    depend on it.

    It is the operator of an `ImplicitModel` whose encoder makes q of the input x, U x + b say.

    Source: Winston, Kolter, Monotone Operator Equilibrium Networks, NeurIPS 2020: the parametrisation (Section 3.1) and
    the splitting (Section 3.2). The modulus: Ryu, Boyd, A Primer on Monotone Operator Methods, 2016, Section 5.1.

    Args:
        features: the size n of z.
        monotonicity: m > 0. A small m leaves W more freedom, and makes the contraction slower.
        prox: (v, α) ↦ prox_αf(v), entry by entry; None: ReLU, for every α. For another activation σ = prox_f it is not
            σ itself but, by definition, the p with p + α f′(p) = v: for soft thresholding by λ, that by αλ.

    Attributes:
        A, B: parameters (n, n).

    Raises:
        TypeError, ValueError: features is not a positive integer, monotonicity not a positive number, or prox not
            callable.

    Example:
        >>> layer = MonotoneLinear(3)
        >>> q = torch.tensor([[1.0, -2.0, 0.5]])
        >>> one, other = torch.zeros(1, 3), torch.full((1, 3), 100.0)
        >>> for _ in range(500):
        ...     one, other = layer(one, q), layer(other, q)
        >>> torch.allclose(one, other, atol=1e-4)
        True
    """

    def __init__(
        self,
        features: int,
        *,
        monotonicity: float = 1.0,
        prox: Callable[[Tensor, float | Tensor], Tensor] | None = None,
    ) -> None:
        super().__init__()
        if check_count(features, "features") == 0:
            raise ValueError("features must be at least 1, but is 0")
        if isinstance(monotonicity, bool) or not isinstance(monotonicity, SupportsFloat):
            raise TypeError(f"monotonicity must be a number, but is {monotonicity!r}")
        if not 0 < float(monotonicity) < math.inf:
            raise ValueError(f"monotonicity must be positive and finite, but is {monotonicity!r}")
        if prox is not None and not callable(prox):
            raise TypeError(f"prox must be callable, but is {prox!r}")
        self.features = features
        self.monotonicity = float(monotonicity)
        self.prox = _relu if prox is None else prox
        # AᵀA and B − Bᵀ have norms near 1 at the start.
        self.A = nn.Parameter(torch.randn(features, features) / (2 * math.sqrt(features)))
        self.B = nn.Parameter(torch.randn(features, features) / math.sqrt(8 * features))
        self._norm = Remembered(partial(_norm_bound, m=self.monotonicity))  # L

    @property
    def W(self) -> Tensor:
        """(n, n), of ‖W‖ unbounded and symmetric part ⪯ (1 − m) I."""
        return torch.eye(self.features, dtype=self.A.dtype, device=self.A.device) - _monotone(
            self.A, self.B, self.monotonicity
        )

    def forward(self, z: Tensor, q: Tensor) -> Tensor:
        """The next iterate (…, n) from z (…, n) and q (…, n)."""
        alpha = self.monotonicity / self._norm(self.A, self.B) ** 2
        image = self.monotonicity * z + (z @ self.A.T) @ self.A + z @ (self.B - self.B.T)  # (I − W) z, forming no AᵀA
        return self.prox(z - alpha * (image - q), alpha)

    def certified_modulus(self) -> float:
        """√(1 − (m/L)²): `forward` contracts in z with at most this modulus."""
        return math.sqrt(1 - (self.monotonicity / float(self._norm(self.A, self.B))) ** 2)

    def extra_repr(self) -> str:
        return f"features={self.features}, monotonicity={self.monotonicity}"


def _monotone(A: Tensor, B: Tensor, m: float) -> Tensor:
    """I − W, (n, n)."""
    return m * torch.eye(len(A), dtype=A.dtype, device=A.device) + A.T @ A - B + B.T


def _norm_bound(A: Tensor, B: Tensor, m: float) -> Tensor:
    """An upper bound on ‖I − W‖, 0-d."""
    dtype = statistics_dtype(A.device)
    return operator_norm_bound(_monotone(A.to(dtype), B.to(dtype), m).unsqueeze(0), 1)
