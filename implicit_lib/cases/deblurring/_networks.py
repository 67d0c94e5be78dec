"""The denoiser, and the operators that put it in the place of a proximal map."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from implicit_lib.cases._running import MissingPackageError
from implicit_lib.gradients import Gradient
from implicit_lib.model import ImplicitModel

from ._blur import SIGMA, Blur, filtered

Scheme = Literal["pgd", "hqs"]
"""Proximal gradient descent, or half-quadratic splitting."""

LONGEST_STEP = 1.95
"""The step size γ of proximal gradient descent stays below it: from 2 / ‖A‖² = 2 on, the data step itself expands."""

_FIRST_STEP = 1.5


@dataclass(frozen=True, kw_only=True)
class Size:
    """How large a denoiser is, and which one.

    Attributes:
        widths: channels at each scale, each scale half of the one before; the first is half the resolution of the
            picture, or the resolution itself in a "drunet", which has four scales.
        blocks: residual blocks at each scale, on the way down and again on the way up.
        kind: "unet" is the `Denoiser`, "drunet" the `DRUNet`.
    """

    widths: tuple[int, ...]
    blocks: int
    kind: Literal["unet", "drunet"] = "unet"


class _Residual(nn.Module):
    """h + W₂ ReLU(W₁ h), with convolutions 3 × 3 without biases."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = _convolution(width, width)
        self.last = _convolution(width, width)
        with torch.no_grad():
            self.last.weight.mul_(0.1)

    def forward(self, h: Tensor) -> Tensor:
        out: Tensor = h + self.last(torch.relu(self.first(h)))
        return out


class Denoiser(nn.Module):
    """H: a residual U-net without biases on pictures whose sides are multiples of 2^(number of scales).

    Without biases and with ReLU, H(c·y) = c·H(y) for c > 0, so that it works for noise of any strength without being
    told. It begins as the identity.

    Source: the form of DRUNet (Zhang, Li, Zuo, Zhang, Van Gool, Timofte, TPAMI 2022, arXiv:2008.13751), made small: it
    begins at half the resolution, with the pixels of a square of 2 × 2 as channels, and is not told the noise level.
    """

    def __init__(self, size: Size) -> None:
        super().__init__()
        widths = size.widths
        self.head = _convolution(12, widths[0])
        self.down = nn.ModuleList(_blocks(width, size.blocks) for width in widths[:-1])
        self.shrink = nn.ModuleList(nn.Conv2d(a, b, 2, stride=2, bias=False) for a, b in _neighbours(widths))
        self.middle = _blocks(widths[-1], size.blocks)
        self.grow = nn.ModuleList(nn.ConvTranspose2d(b, a, 2, stride=2, bias=False) for a, b in _neighbours(widths))
        self.up = nn.ModuleList(_blocks(width, size.blocks) for width in widths[:-1])
        self.tail = _convolution(widths[0], 12)
        nn.init.zeros_(self.tail.weight)

    def forward(self, y: Tensor) -> Tensor:
        """The picture (B, 3, N, N) without its noise."""
        h, kept = self.head(nn.functional.pixel_unshuffle(y, 2)), []
        for blocks, shrink in zip(self.down, self.shrink, strict=True):
            h = blocks(h)
            kept.append(h)
            h = shrink(h)
        h = self.middle(h)
        for grow, blocks in zip(reversed(self.grow), reversed(self.up), strict=True):
            h = blocks(grow(h) + kept.pop())
        return y + nn.functional.pixel_shuffle(self.tail(h), 2)


class DRUNet(nn.Module):
    """H: the denoiser of the paper, as deepinv has it, on pictures whose sides are multiples of 8, from 32 on.

    It takes the level of the noise as a fourth channel, and is always given `SIGMA` there. A learned level would be no
    freedom more: the channel is a constant, which the weights of the first layer multiply.

    It begins without the trained weights that deepinv offers, which are from other photographs than the case's.

    Source: Zhang, Li, Zuo, Zhang, Van Gool, Timofte, TPAMI 2022 (arXiv:2008.13751).

    Raises:
        MissingPackageError: deepinv is not installed, or cannot be imported.
    """

    def __init__(self, size: Size) -> None:
        super().__init__()
        try:
            from deepinv.models import DRUNet as Network
        except (ImportError, RuntimeError) as error:  # a torchvision of another build than torch's raises the latter
            raise MissingPackageError(
                f"the denoiser of the paper is that of deepinv, which cannot be imported ({error}); "
                'install it: pip install "deepinv>=0.5,<0.6"'
            ) from None
        self.network = Network(nc=size.widths, nb=size.blocks, pretrained=None)

    def forward(self, y: Tensor) -> Tensor:
        """The picture (B, 3, N, N) without its noise."""
        out: Tensor = self.network(y, y.new_full((len(y),), SIGMA))
        return out


AnyDenoiser = Denoiser | DRUNet


def new_denoiser(size: Size) -> AnyDenoiser:
    """A denoiser as it begins; raises as `DRUNet` does."""
    return DRUNet(size) if size.kind == "drunet" else Denoiser(size)


class ProximalGradient(nn.Module):
    """G(y, q) = H(y − γ(AᵀA y − q)) for q = Aᵀx: a step of gradient descent on ½‖x − A y‖², then the denoiser.

    Source: Venkatakrishnan, Bouman, Wohlberg, GlobalSIP 2013 (a denoiser for a proximal map); Liu, Ding, Osher, Yin
    (arXiv:2510.03638), Section 3.1.

    Args:
        denoiser: H.
        blur: A.
        longest_step: γ is learned below it; from 2 on, G may expand even where H does not.
    """

    def __init__(self, denoiser: AnyDenoiser, blur: Blur, *, longest_step: float = LONGEST_STEP) -> None:
        super().__init__()
        self.denoiser, self.blur, self.longest_step = denoiser, blur, longest_step
        self.log_odds = nn.Parameter(torch.tensor(_log_odds(_FIRST_STEP / longest_step)))

    @property
    def step_size(self) -> Tensor:
        """γ, between 0 and longest_step."""
        return self.longest_step * torch.sigmoid(self.log_odds)

    def data_step(self, y: Tensor, q: Tensor, power: Tensor) -> Tensor:
        """What the denoiser is given, for a blur of this power |H|²."""
        return y - self.step_size * (filtered(y, power) - q)

    def forward(self, y: Tensor, q: Tensor) -> Tensor:
        """The next picture (B, 3, N, N)."""
        out: Tensor = self.denoiser(self.data_step(y, q, self.blur.power))
        return out


class HalfQuadratic(nn.Module):
    """G(y, q) = H((AᵀA + βI)⁻¹(q + βy)) for q = Aᵀx: a proximal step on ½‖x − A y‖², then the denoiser.

    Source: Geman, Yang, IEEE Trans. Image Processing 1995; Liu, Ding, Osher, Yin (arXiv:2510.03638), Section 3.1.
    """

    def __init__(self, denoiser: AnyDenoiser, blur: Blur) -> None:
        super().__init__()
        self.denoiser, self.blur = denoiser, blur
        self.log_beta = nn.Parameter(torch.tensor(math.log(0.25)))

    @property
    def beta(self) -> Tensor:
        """β > 0."""
        return self.log_beta.exp()

    def data_step(self, y: Tensor, q: Tensor, power: Tensor) -> Tensor:
        """What the denoiser is given, for a blur of this power |H|²."""
        return filtered(q + self.beta * y, 1 / (power + self.beta))

    def forward(self, y: Tensor, q: Tensor) -> Tensor:
        """The next picture (B, 3, N, N)."""
        out: Tensor = self.denoiser(self.data_step(y, q, self.blur.power))
        return out


Operator = ProximalGradient | HalfQuadratic


def operator(scheme: Scheme, size: Size, blur: Blur, *, longest_step: float = LONGEST_STEP) -> Operator:
    """The operator of a scheme, its denoiser as it begins; longest_step is for proximal gradient descent."""
    if scheme == "hqs":
        return HalfQuadratic(new_denoiser(size), blur)
    return ProximalGradient(new_denoiser(size), blur, longest_step=longest_step)


class Explicit(nn.Module):
    """x ↦ H(x): the denoiser is shown the blurred picture, and learns to sharpen it in one pass."""

    def __init__(self, denoiser: AnyDenoiser) -> None:
        super().__init__()
        self.denoiser = denoiser

    def forward(self, x: Tensor) -> Tensor:
        """The sharpened picture (B, 3, N, N)."""
        out: Tensor = self.denoiser(x)
        return out


class Unfolded(nn.Module):
    """x ↦ y_K: K steps of a scheme from y_0 = 0, each with a denoiser of its own: an explicit model of K blocks."""

    def __init__(self, scheme: Scheme, size: Size, blur: Blur, blocks: int) -> None:
        super().__init__()
        self.blur = blur
        self.steps = nn.ModuleList(operator(scheme, size, blur) for _ in range(blocks))

    def forward(self, x: Tensor) -> Tensor:
        """The sharpened picture (B, 3, N, N)."""
        q = self.blur.adjoint(x)
        y = torch.zeros_like(q)
        for step in self.steps:
            y = step(y, q)
        return y


class Deblurring(ImplicitModel):
    """x ↦ y* = G(y*, Aᵀx), from y_0 = 0.

    Args:
        operator: G.
        gradient: how to differentiate through the equilibrium; None: `ImplicitGradient()`.
    """

    operator: Operator

    def __init__(self, operator: Operator, *, gradient: Gradient | None = None) -> None:
        super().__init__(operator, encoder=operator.blur.adjoint, gradient=gradient, max_iter=500, tol=1e-4)


def _blocks(width: int, count: int) -> nn.Sequential:
    return nn.Sequential(*(_Residual(width) for _ in range(count)))


def _convolution(inputs: int, outputs: int) -> nn.Conv2d:
    layer = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
    nn.init.kaiming_normal_(layer.weight)
    return layer


def _log_odds(share: float) -> float:
    return math.log(share / (1 - share))


def _neighbours(widths: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    return zip(widths[:-1], widths[1:], strict=True)
