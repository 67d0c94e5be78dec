"""Circular blur as an exact operator in the frequency domain, and what is computed from it without iterations."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from ._kernels import KernelError, read_kernel

SIGMA = 0.03
"""The standard deviation of the noise in a blurred picture, for values in [0, 1]: the paper's."""


class Blur(nn.Module):
    """The circular convolution A of square pictures with a kernel: every channel alike, the borders wrapped around.

    A is diagonal in the frequency domain, (A y)^ = H ŷ with the transfer function H, so that its adjoint, AᵀA and
    (AᵀA + βI)⁻¹ each cost two fast Fourier transforms and are exact up to rounding. All methods take pictures
    (..., size, size) of any floating-point dtype on the module's device, return the same shape and dtype, and can be
    differentiated any number of times. Half precision is computed in float32.

    H is kept in float64 and follows `Module.to`; a device without float64 takes `to(device, torch.float32)`. It is no
    part of the state dict, since the kernel gives it.

    Args:
        kernel: what `read_kernel` takes. Its middle goes to the origin: [[1]] and any other lone middle is the
            identity.
        size: pixels along a side of the pictures.

    Raises:
        KernelError: the kernel is none, or larger than the pictures.
        ValueError: size is below 1.
    """

    _transfer: Tensor
    power: Tensor

    def __init__(self, kernel: ArrayLike | Tensor, size: int) -> None:
        super().__init__()
        if size < 1:
            raise ValueError(f"size must be at least 1 pixel, but is {size}")
        entries = read_kernel(kernel)
        height, width = entries.shape
        if max(height, width) > size:
            raise KernelError(
                f"the kernel is {height} × {width}, larger than the pictures, {size} × {size}; "
                "give a smaller kernel or larger pictures"
            )
        placed = entries.new_zeros(size, size)
        placed[:height, :width] = entries
        transfer = torch.fft.rfft2(placed.roll((-(height // 2), -(width // 2)), dims=(0, 1)))
        self.size = size
        # As pairs of real numbers: `Module.to(dtype)` would drop the imaginary part of a complex buffer.
        self.register_buffer("_transfer", torch.view_as_real(transfer), persistent=False)
        self.register_buffer("power", transfer.abs().square(), persistent=False)

    def forward(self, y: Tensor) -> Tensor:
        """A y: the blurred pictures."""
        return self._product(y, 1)

    def adjoint(self, x: Tensor) -> Tensor:
        """Aᵀ x: the correlation with the kernel."""
        return self._product(x, -1)

    def normal(self, y: Tensor) -> Tensor:
        """AᵀA y."""
        return filtered(self._checked(y), self.power)

    def solve(self, b: Tensor, beta: float | Tensor) -> Tensor:
        """(AᵀA + βI)⁻¹ b.

        Args:
            b: (..., size, size).
            beta: above 0. As a tensor, anything that broadcasts against (..., size, size // 2 + 1): one number, one
                for each picture (B, 1, 1, 1), or one for each frequency of `torch.fft.rfft2`. Its values are not
                looked at.

        Raises:
            ValueError: beta is a number and not above 0.
        """
        if not isinstance(beta, Tensor) and not beta > 0:
            raise ValueError(f"beta must be above 0, but is {beta}: without it, lost frequencies come back as noise")
        return filtered(self._checked(b), 1 / (self.power + beta))

    def inverse(self, x: Tensor, y: Tensor, beta: float | Tensor) -> Tensor:
        """The step of half-quadratic splitting, (AᵀA + βI)⁻¹(Aᵀx + βy) = argmin_z ½‖x − A z‖² + (β/2)‖z − y‖².

        Where x stays and y moves, `solve(q + beta * y, beta)` with q = Aᵀx computed once saves half of the work.

        Args:
            x: (..., size, size) the blurred pictures.
            y: (..., size, size) the present guess.
            beta: as in `solve`, but not one for each frequency.
        """
        return self.solve(self.adjoint(x) + beta * y, beta)

    @property
    def norm(self) -> Tensor:
        """The operator norm of A, max |H|: 1 up to rounding, since a kernel is nonnegative and of sum 1. Shape ()."""
        return self.power.max().sqrt()

    def singular_vectors(self, quantiles: ArrayLike) -> Tensor:
        """Singular vectors of A whose singular values are at these quantiles of |H| over all frequencies.

        Each is a cosine, the same in the three channels, of norm 1 as a picture, and ‖A v‖ = |H|. The paper measures
        the effective Lipschitz constant along A v (arXiv:2510.03638, Section 3.1).

        Args:
            quantiles: (Q,) each from 0 to 1, in any order; the nearest frequency is taken.

        Returns:
            (Q, 3, size, size), dtype and device of the module.

        Raises:
            ValueError: they are no list of numbers from 0 to 1.
        """
        wanted = np.asarray(quantiles, dtype=np.float64)
        if wanted.ndim != 1 or not ((wanted >= 0) & (wanted <= 1)).all():
            raise ValueError(f"quantiles must be a list of numbers from 0 to 1, but are {quantiles!r}")
        impulse = self.power.new_zeros(self.size, self.size)
        impulse[0, 0] = 1
        ranked = torch.fft.fft2(self(impulse)).abs().flatten().argsort(stable=True)
        chosen = ranked[np.rint(wanted * (len(ranked) - 1)).astype(int).tolist()]
        pixels = torch.arange(self.size, device=chosen.device)
        down, across = chosen // self.size, chosen % self.size
        turns = down[:, None, None] * pixels[:, None] + across[:, None, None] * pixels
        waves = torch.cos(2 * torch.pi / self.size * (turns % self.size).to(self.power))
        pictures = waves[:, None].expand(-1, 3, -1, -1)
        unit: Tensor = pictures / pictures.flatten(1).norm(dim=1)[:, None, None, None]
        return unit

    def _product(self, y: Tensor, sign: int) -> Tensor:
        """Every frequency times H, or its conjugate where the sign is −1."""
        spectrum = _spectrum(self._checked(y))
        a, b = spectrum.unbind(-1)
        real, imaginary = self._transfer.to(spectrum.dtype).unbind(-1)
        imaginary = sign * imaginary
        product = torch.stack([a * real - b * imaginary, a * imaginary + b * real], dim=-1)
        return _pictures(product, y)

    def _checked(self, y: Tensor) -> Tensor:
        if y.shape[-2:] != (self.size, self.size) or not y.is_floating_point():
            raise ValueError(
                f"pictures must be floating-point tensors of shape (..., {self.size}, {self.size}), "
                f"but have the dtype {y.dtype} and the shape {tuple(y.shape)}"
            )
        return y


def filtered(y: Tensor, multiplier: Tensor) -> Tensor:
    """y with every frequency multiplied by a real number.

    Args:
        y: (..., N, N), of any floating-point dtype, which is that of the result.
        multiplier: what broadcasts against (..., N, N // 2 + 1), the frequencies of `torch.fft.rfft2`.
    """
    spectrum = _spectrum(y)
    return _pictures(spectrum * multiplier.to(spectrum.dtype).unsqueeze(-1), y)


def _spectrum(y: Tensor) -> Tensor:
    """(..., N, N // 2 + 1, 2): real and imaginary parts, which ONNX has and complex numbers it has not."""
    spectrum: Tensor = torch.fft.rfft2(y.to(torch.promote_types(y.dtype, torch.float32)))
    return torch.view_as_real(spectrum)


def _pictures(spectrum: Tensor, like: Tensor) -> Tensor:
    """The pictures of that spectrum, of the size and dtype of `like`."""
    pictures: Tensor = torch.fft.irfft2(torch.view_as_complex(spectrum.contiguous()), s=like.shape[-2:])
    return pictures.to(like.dtype)


def observe(y: Tensor, blur: Blur, sigma: float, *, seed: int) -> Tensor:
    """What the camera gives, x = A y + σ n with standard normal noise n: the same for a seed on every device.

    Args:
        y: (..., size, size) pictures, their values about [0, 1]; the result is not clipped to it.
        blur: A.
        sigma: standard deviation of the noise, 0 or more.
        seed: of the noise.

    Raises:
        ValueError: sigma is negative.
    """
    if not sigma >= 0:
        raise ValueError(f"sigma must be 0 or more, but is {sigma}")
    noise = torch.randn(y.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    blurred: Tensor = blur(y)
    return blurred + sigma * noise.to(y)
