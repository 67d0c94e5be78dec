"""The walk to a sharp picture as torch modules: what an explorer encodes, steps and shows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from implicit_lib.cases._walks import Walks, frozen, picked

from ._blur import Blur
from ._networks import Deblurring, Explicit, Operator


def walks(models: Mapping[str, Deblurring], rival: Explicit, kernels: Sequence[Tensor], side: int) -> Walks:
    """The walks of all models to a sharp picture, side by side: y_t of each, from one photograph, kernel and noise.

    A model is told the kernel that blurs; the rival never is: it knows the one it was trained with.

    The view has the pictures blurred, rival, truth and one by the name of each model (3 N²,); and the scalars
    blurred psnr, rival psnr and, for a model called M, M psnr (in dB, of pictures cut to [0, 1]) and M residual,
    ‖y_t − y_{t−1}‖ / ‖y_t‖, NaN at t = 0.

    Args:
        models: by name; they are copied, and share what is not their own.
        rival: an explicit network, whose answer is shown beside; it is copied.
        kernels: to choose from; each what `read_kernel` takes.
        side: N, pixels along a side of the photographs.
    """
    other = frozen(rival)
    operators = {name: frozen(model.operator) for name, model in models.items()}
    start = {name: torch.zeros(1, 3, side, side) for name in models}
    return Walks(_Encode(other, kernels, side), _Step(operators), _View(), start)


class _Encode(nn.Module):
    """What depends on the photograph, the kernel and the noise."""

    noise: Tensor
    powers: Tensor

    def __init__(self, rival: Explicit, kernels: Sequence[Tensor], side: int) -> None:
        super().__init__()
        self.rival = rival
        blurs = [Blur(kernel, side) for kernel in kernels]
        self.blurs = nn.ModuleList(blurs)
        self.register_buffer("noise", torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(0)))
        self.register_buffer("powers", torch.stack([blur.power.float() for blur in blurs]))

    def forward(self, photograph: Tensor, kernel: Tensor, sigma: Tensor) -> tuple[Tensor, ...]:
        clean, blurs = photograph.unsqueeze(0), cast("Iterable[Blur]", self.blurs)
        x = picked(torch.stack([blur(clean)[0] for blur in blurs]), kernel).unsqueeze(0) + sigma * self.noise
        q = picked(torch.stack([blur.adjoint(x)[0] for blur in blurs]), kernel).unsqueeze(0)
        return q, picked(self.powers, kernel).unsqueeze(0), x, self.rival(x), clean


class _Step(nn.Module):
    """The operators, their blur given by |H|²."""

    def __init__(self, operators: Mapping[str, Operator]) -> None:
        super().__init__()
        self.names = list(operators)
        self.operators = nn.ModuleList(operators.values())

    def forward(self, ys: dict[str, Tensor], q: Tensor, power: Tensor, *seen: Tensor) -> dict[str, Tensor]:
        operators = cast("Iterable[Operator]", self.operators)
        return {
            name: operator.denoiser(operator.data_step(ys[name], q, power))
            for name, operator in zip(self.names, operators, strict=True)
        }


class _View(nn.Module):
    def forward(
        self, ys: dict[str, Tensor], previous: dict[str, Tensor], q: Tensor, power: Tensor, *seen: Tensor
    ) -> dict[str, Tensor]:
        x, rival, clean = seen
        found = {
            "blurred": x.flatten(),
            "rival": rival.flatten(),
            "truth": clean.flatten(),
            "blurred psnr": _psnr(x, clean),
            "rival psnr": _psnr(rival, clean),
        }
        for name, y in ys.items():
            found[name] = y.flatten()
            found[f"{name} psnr"] = _psnr(y, clean)
            found[f"{name} residual"] = (y - previous[name]).norm() / y.norm()  # 0/0 at t = 0, where there is none
        return found


def _psnr(y: Tensor, clean: Tensor) -> Tensor:
    found: Tensor = -10 * torch.log10((y.clamp(0, 1) - clean).square().mean())
    return found
