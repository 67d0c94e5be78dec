"""The speed limit of L_t along a walk, from measured Jacobians."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from implicit_lib.lipschitz import Estimate, contraction_modulus, local_lipschitz

_LANCZOS = 10
"""Steps of Lanczos for each norm of the many that a speed limit needs."""


class Limit(NamedTuple):
    """The speed limit of L_t, from the Jacobians along a trajectory: (T,) each, the largest over samples."""

    envelope: Tensor
    """What the derivative of the output by x cannot exceed."""
    modulus: Tensor
    """m_t = ‖∂G/∂y‖ at y_{t−1}."""


def speed_limit(
    G: Callable[[Tensor, Tensor], Tensor],
    x: Tensor,
    start: Tensor,
    iterations: int,
    decode: Callable[[Tensor], Tensor] | None = None,
) -> Limit:
    """The bound of L_t by Proposition 4, with the norms of the Jacobians where the iterates are instead of constants.

    By the chain rule ∂y_t/∂x = ∂_yG ∂y_{t−1}/∂x + ∂_xG, both at y_{t−1}, so that its norm is at most E_t, where
    E_t = m_t E_{t−1} + l_t and E_0 = 0, sample by sample. The envelope is E_t, times ‖∂decode/∂y‖ at y_t.

    Args:
        G: maps y (B, …) and x (B, …) to the next y.
        x: the inputs.
        start: y_0.
        iterations: T.
        decode: maps y to the output; None: the output is y.
    """
    bound, envelopes, sizes = torch.zeros(len(x), dtype=torch.float64, device=x.device), [], []
    y = start
    for _ in range(iterations):
        modulus = certain(contraction_modulus(lambda y: G(y, x), y, iterations=_LANCZOS))
        by_input = _norm(partial(G, y), x)
        bound = modulus * bound + by_input
        sizes.append(modulus.amax())
        with torch.no_grad():
            y = G(y, x)
        out = 1 if decode is None else _norm(decode, y)
        envelopes.append((out * bound).amax())
    return Limit(torch.stack(envelopes), torch.stack(sizes))


def _norm(f: Callable[[Tensor], Tensor], at: Tensor) -> Tensor:
    """‖∂f‖ there, sample by sample."""
    found = local_lipschitz(lambda x: [f(x)], at, iterations=_LANCZOS)
    return certain(Estimate(found.value[0], found.error[0]))


def certain(found: Estimate) -> Tensor:
    """The upper end of the estimate, float64."""
    return (found.value + found.error).double()
