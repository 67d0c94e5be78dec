"""The least error that a Lipschitz bound leaves."""

from __future__ import annotations

import torch
from torch import Tensor


def least_error(x: Tensor, values: Tensor, bound: float) -> float:
    """A largest error on the points x (N,) that no function of Lipschitz constant `bound` can go below.

    ½ max (|F(x) − F(x′)| − bound · |x − x′|)₊ over all pairs of points, where `values` (N,) is F there. On the whole
    domain the maximum over all pairs is attained (McShane's extension), and over some of them it can only be smaller.
    """
    gaps = (values[:, None] - values[None, :]).abs() - bound * (x[:, None] - x[None, :]).abs()
    return float(torch.clamp(gaps.max() / 2, min=0))
