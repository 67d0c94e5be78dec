"""The classical references: what they compute, and how far they come on the held-out crops."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from skimage import restoration
from torch import Tensor

from implicit_lib.cases.deblurring import Blur, camera_shake, held_out_crops, observe, total_variation, wiener

BOTH = pytest.mark.parametrize("restore", [wiener, total_variation])


def psnr(found: Tensor, truth: Tensor) -> float:
    """Mean over pictures, in dB."""
    return float((-10 * (found.clamp(0, 1) - truth).square().flatten(1).mean(dim=1).log10()).mean())


@pytest.mark.parametrize(("restore", "reached"), [(wiener, 26.99), (total_variation, 29.90)])
def test_what_is_reached_on_held_out_crops(restore: Callable[..., Tensor], reached: float) -> None:
    """A change of more than a tenth of a decibel is a change of the reference that the chapter compares with."""
    y, blur = held_out_crops()[::3], Blur(camera_shake(), 64)
    x = observe(y, blur, 0.03, seed=0)
    found = restore(x, blur, 0.03)
    assert found.shape == x.shape and found.dtype is torch.float32
    assert psnr(found, y) == pytest.approx(reached, abs=0.1)


@pytest.mark.parametrize("sigma", [0.01, 0.03, 0.1])
def test_the_wiener_filter_is_that_of_scikit_image(sigma: float) -> None:
    y, blur = held_out_crops()[:1].double(), Blur(camera_shake(), 64)
    x = observe(y, blur, sigma, seed=0)
    differences = 4 * np.sin(np.pi * np.arange(64) / 64) ** 2
    gradient = np.sqrt(differences[:, None] + differences[:33]).astype(complex)  # real ones it takes for a filter
    for found, channel in zip(wiener(x, blur, sigma)[0], x[0], strict=True):
        expected = restoration.wiener(
            channel.numpy(), camera_shake().numpy(), balance=90 * sigma**2, reg=gradient, clip=False
        )
        np.testing.assert_allclose(found.numpy(), expected, rtol=0, atol=1e-10)


def objective(y: Tensor, x: Tensor, blur: Blur) -> float:
    """What total variation minimises at σ = .03."""
    down, across = torch.zeros_like(y), torch.zeros_like(y)
    down[..., :-1, :], across[..., :-1] = y.diff(dim=-2), y.diff(dim=-1)
    return float(0.5 * (x - blur(y)).square().sum() + 6e-3 * (down.square() + across.square()).sqrt().sum())


def test_total_variation_comes_to_its_minimum() -> None:
    y, blur = held_out_crops()[2:3].double(), Blur(camera_shake(), 64)
    x = observe(y, blur, 0.03, seed=0)
    found = total_variation(x, blur, 0.03)
    least = objective(found, x, blur)
    assert least < 0.95 * min(objective(other, x, blur) for other in (x, y, wiener(x, blur, 0.03)))
    for direction in (y - found, x - found, wiener(x, blur, 0.03) - found, found.mean() - found):
        for step in (-0.1, 0.02, 0.1):
            assert objective(found + step * direction, x, blur) > 0.999 * least


@BOTH
@pytest.mark.parametrize("sigma", [1e-4, 1.0])
def test_any_noise_level_gives_a_picture(restore: Callable[..., Tensor], sigma: float) -> None:
    y, blur = held_out_crops()[:1, :, :33, :33], Blur(camera_shake(), 33)
    assert restore(observe(y, blur, sigma, seed=0), blur, sigma).isfinite().all()


@BOTH
@pytest.mark.parametrize("sigma", [0, -1, float("nan")])
def test_a_noise_level_that_is_none(restore: Callable[..., Tensor], sigma: float) -> None:
    with pytest.raises(ValueError, match="sigma must be above 0, but is "):
        restore(torch.zeros(1, 3, 20, 20), Blur(camera_shake(), 20), sigma)
