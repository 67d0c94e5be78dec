"""The Fourier layer against torch's transforms, and the laws that make it an operator between functions."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from implicit_lib.cases.navier_stokes import FourierLayer, Torus
from implicit_lib.explore._onnx import Exports

SIDE, MODES = 16, 5


def layer(side: int = SIDE) -> FourierLayer:
    torch.manual_seed(0)
    return FourierLayer(3, 2, MODES, side).requires_grad_(False)


def fields(side: int = SIDE) -> Tensor:
    return torch.randn(4, 3, side, side, generator=torch.Generator().manual_seed(1))


def by_transform(of: FourierLayer, h: Tensor) -> Tensor:
    """The same by torch.fft, wave by wave."""
    side = h.shape[-1]
    spectrum = torch.fft.fft2(h.double())
    out = torch.zeros(len(h), 2, side, side, dtype=torch.complex128)
    weight = torch.complex(of.weight[0], of.weight[1]).to(torch.complex128)
    for k in range(-MODES, MODES + 1):
        for across in range(MODES + 1):
            value = torch.einsum("bi,io->bo", spectrum[:, :, k, across], weight[k + MODES, across])
            if across > 0:
                out[:, :, k, across] = value
                out[:, :, -k, -across] = value.conj()
            else:  # the field is real, so what k_x = 0 makes counts with its real part
                out[:, :, k, 0] += value / 2
                out[:, :, -k, 0] += value.conj() / 2
    return torch.fft.ifft2(out).real.float()


def test_it_is_the_transform_with_weights() -> None:
    torch.testing.assert_close(layer()(fields()), by_transform(layer(), fields()), rtol=0, atol=1e-5)
    other = layer()
    other.weight[0, 0, 3] *= 1.1
    assert (other(fields()) - by_transform(layer(), fields())).abs().max() > 1e-3


def test_it_commutes_with_shifts() -> None:
    moved = layer()(fields().roll((3, -5), dims=(2, 3)))
    torch.testing.assert_close(moved, layer()(fields()).roll((3, -5), dims=(2, 3)), rtol=0, atol=1e-5)


def test_it_is_the_same_map_on_finer_points() -> None:
    coarse, fine = Torus(SIDE), Torus(2 * SIDE)
    smooth = coarse.coefficients(fields().double())
    finer = fine.values(torch.nn.functional.pad(smooth, (0, SIDE, 0, SIDE))).float()
    other = layer(2 * SIDE)
    other.load_state_dict(layer().state_dict())
    made = layer()(coarse.values(smooth).float())
    torch.testing.assert_close(other(finer)[:, :, ::2, ::2], made, rtol=0, atol=1e-5)


def test_higher_waves_are_dropped() -> None:
    x = 2 * torch.pi * torch.arange(SIDE) / SIDE
    wave = torch.cos((MODES + 1) * x).expand(1, 3, SIDE, SIDE)
    assert layer()(wave).abs().max() < 1e-5
    assert layer()(torch.cos(MODES * x).expand(1, 3, SIDE, SIDE)).abs().max() > 1e-2


def test_the_page_runs_it(tmp_path: Path) -> None:
    import onnxruntime

    module = layer()
    name = Exports(tmp_path).add(module, lambda h: (module(h),), (fields(),), ["h"], ["out"], "fourier")
    (made,) = onnxruntime.InferenceSession(tmp_path / name).run(None, {"h": fields().numpy()})
    torch.testing.assert_close(torch.from_numpy(made), module(fields()), rtol=0, atol=1e-5)


@pytest.mark.parametrize("modes", [-1, 8, 20])
def test_waves_that_are_not_resolved_are_refused(modes: int) -> None:
    with pytest.raises(ValueError, match="modes must be"):
        FourierLayer(1, 1, modes, SIDE)
