"""The walk to a sharp picture as torch modules: what an explorer encodes, steps and shows."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from ._blur import Blur
from ._networks import Deblurring, Explicit, Operator


@dataclass(frozen=True)
class Walk:
    """The parts of a system for an explorer, in float32 on the CPU; the state is the picture y (1, 3, N, N).

    Attributes:
        encode: the number of the photograph, that of the kernel, and the noise's σ -> what operator and view read.
        step: one iteration of the operator.
        view: the arrays and numbers; see `walks`.
        start: y_0 = 0.
    """

    encode: nn.Module
    step: nn.Module
    view: nn.Module
    start: Tensor


def walks(
    models: Mapping[str, Deblurring], rival: Explicit, photographs: Sequence[Tensor], kernels: Sequence[Tensor]
) -> dict[str, Walk]:
    """The walk of y_t to a sharp picture by each model, for a chosen photograph, kernel and strength of the noise.

    A model is told the kernel that blurs; the rival never is: it knows the one it was trained with.

    The view has the pictures blurred, now, rival and truth (3 N²,), and the scalars psnr, rival psnr, blurred psnr (in
    dB, of pictures cut to [0, 1]) and residual, ‖y_t − y_{t−1}‖ / ‖y_t‖, NaN at t = 0.

    Args:
        models: by name; they are copied, and share what is not their own.
        rival: an explicit network, whose answer is shown beside; it is copied.
        photographs, kernels: to choose from; (3, N, N) each, and what `read_kernel` takes.
    """
    other = copy.deepcopy(rival).cpu().float().eval().requires_grad_(False)
    pictures = torch.stack(list(photographs)).float()
    encode, view, start = _Encode(other, pictures, kernels), _View(), torch.zeros_like(pictures[:1])
    return {name: Walk(encode, _Step(_frozen(model)), view, start) for name, model in models.items()}


def _frozen(model: Deblurring) -> Operator:
    return copy.deepcopy(model.operator).cpu().float().eval().requires_grad_(False)


class _Encode(nn.Module):
    """What depends on the photograph, the kernel and the noise."""

    pictures: Tensor
    noise: Tensor
    powers: Tensor

    def __init__(self, rival: Explicit, pictures: Tensor, kernels: Sequence[Tensor]) -> None:
        super().__init__()
        self.rival = rival
        blurs = [Blur(kernel, pictures.shape[-1]) for kernel in kernels]
        self.blurs = nn.ModuleList(blurs)
        noise = torch.randn(pictures.shape, generator=torch.Generator().manual_seed(0))
        self.register_buffer("pictures", pictures)
        self.register_buffer("noise", noise)
        self.register_buffer("powers", torch.stack([blur.power.float() for blur in blurs]))

    def forward(self, photograph: Tensor, kernel: Tensor, sigma: Tensor) -> tuple[Tensor, ...]:
        clean, noise = (_picked(each, photograph) for each in (self.pictures, self.noise))
        blurred = _picked(torch.stack([blur(clean)[0] for blur in self.blurs]), kernel)
        x = blurred + sigma * noise
        blurs = cast("Iterable[Blur]", self.blurs)
        q = _picked(torch.stack([blur.adjoint(x)[0] for blur in blurs]), kernel)
        return q, _picked(self.powers, kernel), x, self.rival(x), clean


class _Step(nn.Module):
    """The operator, its blur given by |H|²."""

    def __init__(self, operator: Operator) -> None:
        super().__init__()
        self.operator = operator

    def forward(self, y: Tensor, q: Tensor, power: Tensor, *seen: Tensor) -> Tensor:
        sharper: Tensor = self.operator.denoiser(self.operator.data_step(y, q, power))
        return sharper


class _View(nn.Module):
    def forward(self, y: Tensor, previous: Tensor, q: Tensor, power: Tensor, *seen: Tensor) -> dict[str, Tensor]:
        x, rival, clean = seen
        return {
            "blurred": x.flatten(),
            "now": y.flatten(),
            "rival": rival.flatten(),
            "truth": clean.flatten(),
            "psnr": _psnr(y, clean),
            "rival psnr": _psnr(rival, clean),
            "blurred psnr": _psnr(x, clean),
            "residual": (y - previous).norm() / y.norm(),  # 0/0 at t = 0, where there is none
        }


def _picked(rows: Tensor, number: Tensor) -> Tensor:
    """Row `number` (1, …), by a product, which ONNX has for any dtype."""
    chosen = (torch.arange(len(rows)) == number).to(rows.dtype)
    row: Tensor = torch.tensordot(chosen, rows, dims=1)
    return row.unsqueeze(0)


def _psnr(y: Tensor, clean: Tensor) -> Tensor:
    found: Tensor = -10 * torch.log10((y.clamp(0, 1) - clean).square().mean())
    return found
