"""Deblurring without learning: the Wiener filter, and total variation by the alternating direction method.

Each has one constant, chosen for the highest PSNR on 48 of the training tiles, blurred by the case's kernel.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ._blur import Blur

_ROUGHNESS = 90.0
"""Noise-to-signal ratio of the Wiener filter, in units of σ²|∇|²: the same from σ = .01 to .1 within .1 dB."""

_WEIGHT, _WEIGHT_SIGMA, _WEIGHT_POWER = 6e-3, 0.03, 1.4
"""Weight of the total variation: .006 at σ = .03, and proportional to σ^1.4, which fits the best ones at .01 to .1."""

_PENALTY = 30.0
"""Of the splitting, for each unit of weight: where 20 iterations come nearest to the limit."""

_ITERATIONS, _INNER = 20, 20
"""Of the alternating direction method, and of Chambolle's method within each."""


def wiener(x: Tensor, blur: Blur, sigma: float) -> Tensor:
    """The linear estimate of least mean square error, given that pictures have the power spectrum 1/|∇|².

    y^ = H̄ x^ / (|H|² + c σ² |∇|²), where |∇|² is the symbol of the difference operator; 1/|f|² is the spectrum of
    natural images (Field, J. Opt. Soc. Am. A 4, 1987).

    Args:
        x: (..., size, size) blurred pictures.
        blur: the A of x = A y + noise.
        sigma: standard deviation of the noise, above 0.

    Returns:
        As x, and not clipped to [0, 1].

    Raises:
        ValueError: sigma is not above 0.
    """
    _check(sigma)
    frequencies = torch.arange(blur.size, device=x.device, dtype=torch.promote_types(x.dtype, torch.float32))
    differences = 4 * torch.sin(torch.pi / blur.size * frequencies).square()
    gradient = differences[:, None] + differences[: blur.size // 2 + 1]
    return blur.solve(blur.adjoint(x), _ROUGHNESS * sigma**2 * gradient)


def total_variation(x: Tensor, blur: Blur, sigma: float) -> Tensor:
    """Nearly argmin_y ½‖x − A y‖² + w TV(y), for every channel by itself; some 0.3 s a picture of 64 × 64.

    The alternating direction method of multipliers (Boyd et al., 2011) on y = z: the data term is solved in the
    frequency domain, the total variation (Rudin, Osher and Fatemi, 1992) by Chambolle's method, which scikit-image
    provides and runs on the CPU.

    Args:
        x: (B, C, size, size) blurred pictures; gradients are not propagated.
        blur: the A of x = A y + noise.
        sigma: standard deviation of the noise, above 0; it sets the weight w.

    Returns:
        As x, and not clipped to [0, 1].

    Raises:
        ValueError: sigma is not above 0.
    """
    _check(sigma)
    weight = _WEIGHT * (sigma / _WEIGHT_SIGMA) ** _WEIGHT_POWER
    penalty = _PENALTY * weight
    with torch.no_grad():
        q, z = blur.adjoint(x), x
        u = torch.zeros_like(x)
        for _ in range(_ITERATIONS):
            shifted = blur.solve(q + penalty * (z - u), penalty) + u
            z = _smoothed(shifted, weight / penalty)
            u = shifted - z
    return z


def _smoothed(v: Tensor, weight: float) -> Tensor:
    """Nearly argmin_z ½‖v − z‖² + weight · TV(z)."""
    from skimage.restoration import denoise_tv_chambolle

    channels = v.flatten(0, 1).cpu().numpy()
    smooth = denoise_tv_chambolle(channels, weight=weight, eps=1e-4, max_num_iter=_INNER, channel_axis=0)
    return torch.from_numpy(smooth).reshape(v.shape).to(v)


def _check(sigma: float) -> None:
    if not sigma > 0:
        raise ValueError(f"sigma must be above 0, but is {sigma}: without noise, divide by H where it is not 0")
