"""Kernels: the case's own is the same everywhere, any array is read as one or refused in one line."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from implicit_lib.cases._files import data_hash
from implicit_lib.cases.deblurring import Blur, KernelError, camera_shake, gaussian, read_kernel


def test_the_kernel_of_the_case_is_the_same_on_every_machine() -> None:
    assert data_hash(camera_shake()) == "669c921815ec2ade6dc122b1eb26ad2dd707d13d9be77deef84369a74820088e"


def test_it_has_the_statistics_of_measured_kernels() -> None:
    kernel = camera_shake()
    placed = torch.zeros(64, 64, dtype=torch.float64)
    placed[:17, :17] = kernel
    gains = torch.fft.fft2(placed).abs().flatten()
    assert 24 < 1 / kernel.square().sum() < 27
    assert gains.median() == pytest.approx(0.12, abs=0.005) and gains.quantile(0.1) == pytest.approx(0.045, abs=0.002)


@pytest.mark.parametrize("seed", range(20))
def test_every_shake_is_a_path_of_light(seed: int) -> None:
    kernel = camera_shake(seed)
    assert kernel.shape == (17, 17) and kernel.dtype is torch.float64
    assert kernel.min() >= 0 and kernel.sum() == pytest.approx(1, abs=1e-12)
    rows = torch.arange(17, dtype=torch.float64) - 8
    middle = torch.stack([(kernel.sum(1) * rows).sum(), (kernel.sum(0) * rows).sum()])
    assert middle.abs().max() < 1e-9  # pictures stay in place
    assert 5 < 1 / kernel.square().sum() < 60 and (kernel > 0).sum() < 100
    assert not torch.equal(kernel, camera_shake(seed + 1))


def test_a_gaussian() -> None:
    kernel = gaussian(1.5)
    assert kernel.shape == (11, 11) and kernel.sum() == pytest.approx(1, abs=1e-12)
    squared_distance = torch.arange(-5, 6, dtype=torch.float64).square()
    assert (kernel.sum(0) * squared_distance).sum().sqrt() == pytest.approx(1.5, rel=0.01)
    assert torch.equal(kernel, kernel.T) and torch.equal(kernel, kernel.flip(0))
    assert gaussian(0.1).flatten().tolist() == pytest.approx([0, 0, 0, 0, 1, 0, 0, 0, 0], abs=1e-12)


@pytest.mark.parametrize("width", [0, -1, float("nan"), float("inf"), 33])
def test_a_width_that_is_none(width: float) -> None:
    with pytest.raises(KernelError, match="the width of a Gaussian must be from 0.1 to 32 pixels, but is "):
        gaussian(width)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([[]], r"the kernel is empty, of shape \(1, 0\); give at least one entry"),
        (np.zeros((0, 3)), "the kernel is empty"),
        (3.0, r"must have two axes \(height, width\), but has the shape \(\)"),
        ([1, 2, 3], r"must have two axes \(height, width\), but has the shape \(3,\)"),
        (np.ones((3, 3, 3)), "must have two axes"),
        ([[1, float("nan")]], r"an entry of the kernel is not finite: nan at the index \(0, 1\)"),
        ([[1], [float("inf")]], r"is not finite: inf at the index \(1, 0\)"),
        ([[2, -1]], r"an entry of the kernel is negative: -1.0 at the index \(0, 1\)"),
        ([[1, -2]], "is negative"),
        (np.zeros((3, 3)), "the kernel is 0 everywhere"),
        ([[1, 2], [3]], "must be an array of real numbers"),
        ([["a", "b"]], r"must be an array of real numbers, but is \[\['a', 'b'\]\]"),
        ([["1", "2"]], "must be an array of real numbers"),
        ([[1j]], "must be an array of real numbers"),
        (torch.ones(2, 2, dtype=torch.complex64), "must be an array of real numbers"),
        (None, "must be an array of real numbers, but is None"),
        ({"a": 1}, "must be an array of real numbers"),
        ([[10**400]], "must be an array of real numbers"),
        ("x" * 1000, "must be an array of real numbers"),
    ],
)
def test_what_is_no_kernel_is_refused_in_one_line(values: Any, message: str) -> None:
    with pytest.raises(KernelError, match=message) as refused:
        read_kernel(values)
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 200


@given(
    arrays(
        st.sampled_from([np.float64, np.float32, np.float16, np.int64, np.uint8, np.bool_]),
        array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=5),
    )
)
def test_any_array_becomes_a_kernel_or_a_kernel_error(values: np.ndarray) -> None:
    try:
        kernel = read_kernel(values)
    except KernelError:
        return
    assert kernel.shape == values.shape and kernel.dtype is torch.float64
    assert kernel.min() >= 0 and kernel.sum() == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize(
    "values",
    [
        np.full((2, 2), 1e308),
        np.full((2, 2), 5e-324),
        torch.full((2, 2), 0.25, dtype=torch.bfloat16, requires_grad=True),
        [[True, True], [True, True]],
    ],
    ids=["huge", "tiny", "tensor with a gradient", "booleans"],
)
def test_extreme_entries_keep_their_ratios(values: Any) -> None:
    if isinstance(values, torch.Tensor):
        values = values.float()
    assert read_kernel(values).flatten().tolist() == [0.25] * 4


def test_a_kernel_larger_than_the_pictures() -> None:
    with pytest.raises(KernelError, match="the kernel is 17 × 17, larger than the pictures, 16 × 16; give a smaller"):
        Blur(camera_shake(), 16)
    with pytest.raises(KernelError, match="the kernel is 1 × 9, larger"):
        Blur(np.ones((1, 9)), 8)
