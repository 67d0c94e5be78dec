"""The spectral operators against closed forms, NumPy's FFT on finer points, and the laws that they have to keep."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor, nn

from implicit_lib.cases.navier_stokes import Torus
from implicit_lib.explore._onnx import Exports

SIDE = 16


def points(side: int) -> tuple[Tensor, Tensor]:
    """x and y at the points, (N, N)."""
    at = 2 * torch.pi * torch.arange(side).double() / side
    y, x = torch.meshgrid(at, at, indexing="ij")
    return x, y


def rough(side: int, seed: int = 0) -> Tensor:
    """Three fields (3, N, N) with all waves that the points resolve."""
    torus = Torus(side)
    found = torch.randn(3, side, side, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return torus.values(torus.coefficients(found))


def test_closed_forms() -> None:
    x, y = points(SIDE)
    torus, vorticity = Torus(SIDE), torch.sin(3 * x) * torch.cos(2 * y) + torch.cos(x + 2 * y)
    u = torch.stack(
        [
            -2 / 13 * torch.sin(3 * x) * torch.sin(2 * y) - 2 / 5 * torch.sin(x + 2 * y),
            -3 / 13 * torch.cos(3 * x) * torch.cos(2 * y) + 1 / 5 * torch.sin(x + 2 * y),
        ]
    )
    by_x = 3 * torch.cos(3 * x) * torch.cos(2 * y) - torch.sin(x + 2 * y)
    by_y = -2 * torch.sin(3 * x) * torch.sin(2 * y) - 2 * torch.sin(x + 2 * y)
    bent = -13 * torch.sin(3 * x) * torch.cos(2 * y) - 5 * torch.cos(x + 2 * y)
    for made, known in (
        (torus.laplacian(vorticity), bent),
        (torus.poisson(-bent), vorticity),
        (torus.shifted(vorticity - bent, 1.0, 1.0), vorticity),
        (torus.velocity(vorticity), u),
        (torus.advection(vorticity), u[0] * by_x + u[1] * by_y),
    ):
        torch.testing.assert_close(made, known, rtol=0, atol=1e-12)


def derivative(f: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    """By NumPy's FFT."""
    side = f.shape[axis]
    k = np.fft.fftfreq(side, 1 / side) * 1j
    turned = np.fft.fft(f, axis=axis) * (k[:, None] if axis == 0 else k)
    return np.fft.ifft(turned, axis=axis).real


def test_products_are_projected_and_not_aliased() -> None:
    """Against the product on points so fine that it is exact, cut back by NumPy."""
    side, fine = 12, 48
    vorticity, torus = rough(side)[0], Torus(side)
    spectrum = np.zeros((fine, fine), complex)
    places = np.arange(-side // 2 + 1, side // 2)
    spectrum[np.ix_(places, places)] = np.fft.fft2(vorticity.numpy())[np.ix_(places, places)] * (fine / side) ** 2
    smooth = np.fft.ifft2(spectrum).real
    k = np.fft.fftfreq(fine, 1 / fine)
    squares = k[:, None] ** 2 + k**2
    stream = np.fft.ifft2(np.fft.fft2(smooth) / np.where(squares > 0, squares, np.inf)).real
    product = derivative(stream, 0) * derivative(smooth, 1) - derivative(stream, 1) * derivative(smooth, 0)
    cut = np.zeros((side, side), complex)
    cut[np.ix_(places, places)] = np.fft.fft2(product)[np.ix_(places, places)] * (side / fine) ** 2
    known = torch.from_numpy(np.fft.ifft2(cut).real)
    torch.testing.assert_close(torus.advection(vorticity), known, rtol=0, atol=1e-11)
    slopes = torch.from_numpy(np.stack([derivative(vorticity.numpy(), axis) for axis in (1, 0)]))
    plain = (torus.velocity(vorticity) * slopes).sum(dim=0)
    assert (plain - known).abs().max() > 0.1  # on the points themselves waves are mistaken for others


@settings(max_examples=25, deadline=None)
@given(side=st.sampled_from([4, 8, 10, 16, 32]), seed=st.integers(0, 1000))
def test_laws(side: int, seed: int) -> None:
    """Velocities have no divergence; advection keeps energy and enstrophy, and makes no mean."""
    torus, vorticity = Torus(side), rough(side, seed)
    moved = torus.advection(vorticity)
    size = moved.abs().mean() * vorticity.abs().mean() + 1e-12
    assert torus.divergence(torus.velocity(vorticity)).abs().max() <= 1e-12 * vorticity.abs().max()
    for kept in (torch.ones_like(moved), vorticity, torus.poisson(vorticity)):
        assert (moved * kept).mean(dim=(1, 2)).abs().max() <= 1e-11 * max(size, 1)
    turned = torus.velocity(vorticity)[:, 1].roll(1, dims=-1)  # no velocity: shifted by a point
    wrong = torch.stack([torus.velocity(vorticity)[:, 0], turned], dim=1)
    assert torus.divergence(wrong).abs().max() > 1e-3 * vorticity.abs().max()


def test_the_wave_of_half_the_points_and_the_mean_are_dropped() -> None:
    torus = Torus(SIDE)
    comb = (-1.0) ** torch.arange(SIDE).double().expand(SIDE, SIDE)
    assert torus.resolved(comb).abs().max() < 1e-14
    assert torus.poisson(torch.ones(SIDE, SIDE).double()).abs().max() < 1e-14


def test_energy_is_the_sum_of_squared_coefficients() -> None:
    torus, field = Torus(SIDE), rough(SIDE)
    found = torus.coefficients(field).square().sum(dim=(1, 2))
    torch.testing.assert_close(found, field.square().mean(dim=(1, 2)))


@pytest.mark.parametrize("side", [0, 2, 7, -4])
def test_other_sides_are_refused(side: int) -> None:
    with pytest.raises(ValueError, match="even number of points"):
        Torus(side)


class Advected(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.torus = Torus(SIDE)

    def forward(self, vorticity: Tensor) -> Tensor:
        return self.torus.advection(vorticity) + self.torus.shifted(vorticity, 0.5, 0.1)


def test_it_is_differentiable_and_runs_in_float32_and_on_the_page(tmp_path: Path) -> None:
    import onnxruntime

    module, fields = Advected(), rough(SIDE)
    assert torch.autograd.gradcheck(module, (fields[0].requires_grad_(),), fast_mode=True)
    known = module(fields).detach()
    single = module.float()(fields.float()).detach()
    torch.testing.assert_close(single.double(), known, rtol=0, atol=1e-4 * float(known.abs().max()))
    name = Exports(tmp_path).add(module, lambda w: (module(w),), (fields.detach().float(),), ["w"], ["out"], "advected")
    session = onnxruntime.InferenceSession(tmp_path / name)
    (made,) = session.run(None, {"w": fields.detach().float().numpy()})
    torch.testing.assert_close(torch.from_numpy(made), single, rtol=0, atol=1e-4 * float(known.abs().max()))


def test_no_number_is_left_on_another_device() -> None:
    """On a device that holds no numbers, where a stray CPU tensor raises."""
    made = Advected().to("meta")(torch.zeros(2, SIDE, SIDE, device="meta", dtype=torch.float64))
    assert made.shape == (2, SIDE, SIDE) and made.device.type == "meta"
