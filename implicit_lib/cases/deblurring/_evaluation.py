"""How good a model is, iteration by iteration: PSNR and SSIM, the paper's L_t and its bound, and if it contracts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from implicit_lib.cases import _limits
from implicit_lib.cases._limits import Limit, certain
from implicit_lib.lipschitz import Estimate, contraction_modulus, effective_lipschitz

from ._blur import SIGMA, Blur, observe
from ._kernels import camera_shake
from ._networks import Deblurring, Operator, Unfolded
from ._photographs import held_out_crops, photographs

QUANTILES = (0.1, 0.3, 0.5, 0.7, 0.9)
"""Of |H|: the frequencies along which the paper perturbs."""

_AT_ONCE = 16
"""Pictures that are computed at once."""


class Observed(NamedTuple):
    """Pictures and what the camera gave of them, (B, 3, N, N) each."""

    clean: Tensor
    blurred: Tensor


def held_out() -> Observed:
    """The 48 crops that no model was trained with, blurred by the case's kernel, with noise of SIGMA."""
    return taken(held_out_crops())


def examples(side: int = 64) -> Observed:
    """The six held-out photographs whole, blurred and with noise in the same way, in the order of NAMES.

    Args:
        side: 128, or what it is a multiple of.
    """
    return taken(nn.functional.avg_pool2d(torch.stack(list(photographs().values())), 128 // side))


def taken(clean: Tensor) -> Observed:
    """These pictures (B, 3, N, N) through the case's camera: its kernel, and noise of SIGMA."""
    return Observed(clean, observe(clean, Blur(camera_shake(), clean.shape[-1]), SIGMA, seed=0))


def psnr(y: Tensor, clean: Tensor) -> Tensor:
    """The peak signal-to-noise ratio of every picture in dB (B,), of y (B, 3, N, N) cut to [0, 1]; by torchmetrics."""
    from torchmetrics.functional.image import peak_signal_noise_ratio

    pairs = zip(y.clamp(0, 1), clean, strict=True)
    return torch.stack([peak_signal_noise_ratio(a, b, data_range=1.0) for a, b in pairs])


def ssim(y: Tensor, clean: Tensor) -> Tensor:
    """The structural similarity of every picture (B,), of y (B, 3, N, N) cut to [0, 1]; by torchmetrics."""
    from torchmetrics.functional.image import structural_similarity_index_measure

    found: Tensor = structural_similarity_index_measure(y.clamp(0, 1), clean, data_range=1.0, reduction="none")  # type: ignore[assignment]
    return found


@torch.no_grad()
def iterates(model: Deblurring, x: Tensor, iterations: int, start: Tensor | None = None) -> Iterator[Tensor]:
    """y_1, y_2, …, one at a time, from y_0 = start (B, 3, N, N); None: from 0."""
    q = model.encoder(x)
    y = torch.zeros_like(q) if start is None else start
    for _ in range(iterations):
        y = model.operator(y, q)
        yield y


class Quality(NamedTuple):
    """Means over pictures, float64, a row for every t asked for: (T,) each."""

    psnr: Tensor
    ssim: Tensor
    residual: Tensor
    """‖y_t − y_{t−1}‖ / ‖y_t‖, the largest of all pictures."""


def quality(model: nn.Module, observed: Observed, at: Iterable[int] = (1,), *, from_blurred: bool = False) -> Quality:
    """PSNR and SSIM after t iterations for every t in `at`, ascending; of an explicit model its one output.

    Args:
        model: any.
        observed: what it is given, and what is right.
        at: the t, at least 1.
        from_blurred: whether iterations begin at y_0 = x instead of 0.
    """
    wanted = sorted(set(at)) if isinstance(model, Deblurring) else [1]
    parts = [_of_some(model, Observed(*some), wanted, from_blurred) for some in _portions(observed)]
    gathered = torch.cat(parts, dim=-1)  # (3, T, B)
    return Quality(gathered[0].mean(dim=-1), gathered[1].mean(dim=-1), gathered[2].amax(dim=-1))


@torch.no_grad()
def _of_some(model: nn.Module, observed: Observed, wanted: list[int], from_blurred: bool) -> Tensor:
    """(3, T, B)."""
    clean, x = observed
    if not isinstance(model, Deblurring):
        y = model(x)
        return torch.stack([psnr(y, clean), ssim(y, clean), torch.zeros(len(y))])[:, None].double()
    last, rows = x if from_blurred else torch.zeros_like(x), []
    for t, y in enumerate(iterates(model, x, wanted[-1], last), start=1):
        if t in wanted:
            step = (y - last).flatten(1).norm(dim=1) / y.flatten(1).norm(dim=1)
            rows.append(torch.stack([psnr(y, clean), ssim(y, clean), step]))
        last = y
    return torch.stack(rows, dim=1).double()


@torch.no_grad()
def pass_flops(model: nn.Module, side: int = 64) -> int:
    """FLOPs for one picture (3, side, side): of one iteration of an implicit model, of another model's whole pass.

    Convolutions are counted by torch, multiplications and additions, and a Fourier transform of n real numbers as
    5/2 · n · log2 n. What takes time in proportion to the pixels is left out, and Aᵀx, which is computed once.
    """
    from torch.utils.flop_counter import FlopCounterMode

    picture = torch.zeros(1, 3, side, side).to(next(model.parameters()))
    with FlopCounterMode(display=False) as counter:
        if isinstance(model, Deblurring):
            model.operator(picture, picture)
        else:
            model(picture)
    data_steps = len(model.steps) if isinstance(model, Unfolded) else int(isinstance(model, Deblurring))
    transform = 3 * 2.5 * side**2 * math.log2(side**2)
    counted: int = counter.get_total_flops()
    return counted + round(data_steps * 2 * transform)


def perturbations(blur: Blur, count: int, *, size: float = 0.01) -> Tensor:
    """The paper's δ = A(ε v) (Q, B, 3, N, N), v the blur's singular vectors at QUANTILES, ε = size, for B = count."""
    blurred: Tensor = blur(blur.singular_vectors(QUANTILES))
    return size * blurred[:, None].expand(-1, count, -1, -1, -1)


def sensitivity(model: nn.Module, x: Tensor, iterations: int) -> Estimate:
    """The paper's L_t (T,): the largest ‖y_t(x + δ) − y_t(x)‖ / ‖δ‖ over pictures and `perturbations`, in float64.

    Args:
        model: implicit; or explicit, of which there is T = 1 iterate only.
        x: blurred pictures (B, 3, N, N).
        iterations: T.
    """
    double, x = _in_double(model), x.double()
    deltas = perturbations(Blur(camera_shake(), x.shape[-1]), len(x)).to(x)
    return effective_lipschitz(partial(_outputs, double, iterations=iterations), x, deltas, reduce="max")


def speed_limit(model: Deblurring, x: Tensor, iterations: int) -> Limit:
    """The `Limit` of an implicit model's walk from y_0 = 0 on blurred pictures x (B, 3, N, N), T = iterations."""
    return _limits.speed_limit(partial(_step_from, model), x, torch.zeros_like(x), iterations)


def moduli(model: Deblurring, x: Tensor, at: Iterable[int] = (1, 10, 100)) -> Tensor:
    """‖∂G/∂y‖ at the iterates y_t of every picture (len(at), B), float64, in ascending order of the t in `at`.

    The largest of them is a lower bound of the modulus of contraction: at 1 or above, the operator is refuted as a
    contraction; below 1 it has not been at these states. See `contraction_modulus`.
    """
    wanted, parts = sorted(set(at)), []
    for some in torch.split(x, _AT_ONCE):
        q = model.encoder(some).detach()
        G = partial(_step, model.operator, q=q)
        walk = enumerate(iterates(model, some, wanted[-1]), start=1)
        parts.append(torch.stack([certain(contraction_modulus(G, y)) for t, y in walk if t in wanted]))
    return torch.cat(parts, dim=1)


def _step(operator: Operator, y: Tensor, *, q: Tensor) -> Tensor:
    image: Tensor = operator(y, q)
    return image


def _step_from(model: Deblurring, y: Tensor, x: Tensor) -> Tensor:
    return _step(model.operator, y, q=model.encoder(x))


def _portions(observed: Observed) -> Iterator[tuple[Tensor, Tensor]]:
    return zip(*(torch.split(each, _AT_ONCE) for each in observed), strict=True)


def _outputs(model: nn.Module, x: Tensor, iterations: int) -> list[Tensor]:
    return list(iterates(model, x, iterations)) if isinstance(model, Deblurring) else [model(x)]


def _in_double(model: nn.Module) -> nn.Module:
    import copy

    return copy.deepcopy(model).double()
