"""The Fourier layer: a linear map of channels, wave by wave, as matrix products."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class FourierLayer(nn.Module):
    """h ↦ for every wave k with |k_x|, |k_y| ≤ modes, W_k times its Fourier coefficients; other waves are dropped.

    It commutes with shifts of the field along both axes, and is the same map on any number of points: only its buffers
    know the side, and weights trained on one side load on another. It is made of real matrix products, and so runs and
    is exported where there is no Fourier transform.

    Source: Li, Kovachki, Azizzadenesheli, Liu, Bhattacharya, Stuart, Anandkumar, ICLR 2021 (arXiv:2010.08895).

    Args:
        inputs, outputs: channels.
        modes: the highest wave number, at least 0, below N/2.
        side: N, points along a side.

    Raises:
        ValueError: these points do not resolve so high waves.
    """

    rows: Tensor
    columns: Tensor
    back: Tensor

    def __init__(self, inputs: int, outputs: int, modes: int, side: int) -> None:
        super().__init__()
        if not 0 <= modes < side / 2:
            raise ValueError(f"modes must be from 0 to less than half of the {side} points a side, but is {modes}")
        at = 2 * math.pi / side * torch.arange(side).double()
        along_y = torch.arange(-modes, modes + 1).double()[:, None] * at
        along_x = at[:, None] * torch.arange(modes + 1).double()
        fold = torch.where(torch.arange(modes + 1) > 0, 2.0, 1.0)  # what belongs to −k_x, which is not computed
        tables = {
            "rows": _both(along_y),
            "columns": _both(along_x),
            "back": (_both(along_x) * fold / side**2).mT,
        }
        for name, table in tables.items():
            self.register_buffer(name, table.float().contiguous(), persistent=False)
        self.weight = nn.Parameter(torch.empty(2, 2 * modes + 1, modes + 1, inputs, outputs))
        nn.init.normal_(self.weight, std=0.5 / math.sqrt(inputs))

    def forward(self, h: Tensor) -> Tensor:
        """(B, outputs, N, N), of h (B, inputs, N, N)."""
        (cos_y, sin_y), (cos_x, sin_x), (back_cos, back_sin) = self.rows, self.columns, self.back
        re, im = h @ cos_x, -(h @ sin_x)
        re, im = cos_y @ re + sin_y @ im, cos_y @ im - sin_y @ re
        re, im = self._mixed(re, im)
        re, im = cos_y.mT @ re - sin_y.mT @ im, cos_y.mT @ im + sin_y.mT @ re
        out: Tensor = re @ back_cos - im @ back_sin
        return out

    def _mixed(self, re: Tensor, im: Tensor) -> tuple[Tensor, Tensor]:
        """W_k times the coefficients (B, C, 2 · modes + 1, modes + 1), real and imaginary parts."""
        grid = re.shape[-2:]
        waves = torch.cat([re, im], dim=1).flatten(2).permute(2, 0, 1)
        real, imaginary = self.weight.flatten(1, 2)
        weight = torch.cat([torch.cat([real, imaginary], dim=2), torch.cat([-imaginary, real], dim=2)], dim=1)
        mixed = torch.bmm(waves, weight).permute(1, 2, 0)
        left, right = mixed.reshape(*mixed.shape[:2], *grid).chunk(2, dim=1)
        return left, right


def _both(angle: Tensor) -> Tensor:
    return torch.stack([angle.cos(), angle.sin()])
