"""The blur against a dense circulant matrix, its adjoint, its inverse, its derivatives, and its ONNX form."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from implicit_lib.cases.deblurring import Blur, camera_shake, gaussian, observe
from implicit_lib.explore._onnx import Exports

SHAPES = [((3, 3), 8), ((3, 3), 7), ((4, 2), 8), ((2, 5), 7), ((8, 8), 8), ((7, 7), 7), ((1, 1), 1), ((1, 2), 2)]
"""Kernels of odd and even sides, and pictures of odd and even sides, down to the smallest."""


def random_kernel(shape: tuple[int, int]) -> np.ndarray:
    return np.random.default_rng(0).random(shape) + 0.1


def pictures(*shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64).to(dtype)


def dense(kernel: np.ndarray, size: int) -> Tensor:
    """The matrix of the circular convolution, entry by entry from its definition."""
    height, width = kernel.shape
    matrix = np.zeros((size, size, size, size))
    for i, j in np.ndindex(size, size):
        for a, b in np.ndindex(height, width):
            matrix[i, j, (i - a + height // 2) % size, (j - b + width // 2) % size] += kernel[a, b] / kernel.sum()
    return torch.from_numpy(matrix.reshape(size**2, size**2))


@pytest.mark.parametrize(("shape", "size"), SHAPES)
def test_all_of_it_against_a_dense_matrix(shape: tuple[int, int], size: int) -> None:
    kernel = random_kernel(shape)
    blur, A = Blur(kernel, size), dense(kernel, size)
    y, x = pictures(2, 2, 3, size, size)
    flat = lambda pictures: pictures.flatten(-2)  # noqa: E731
    system = A.T @ A + 0.1 * torch.eye(size**2, dtype=torch.float64)
    for found, expected in [
        (blur(y), flat(y) @ A.T),
        (blur.adjoint(x), flat(x) @ A),
        (blur.normal(y), flat(y) @ A.T @ A),
        (blur.inverse(x, y, 0.1), (flat(x) @ A + 0.1 * flat(y)) @ torch.linalg.inv(system)),
    ]:
        assert found.shape == y.shape
        torch.testing.assert_close(flat(found), expected, rtol=0, atol=1e-12)
    assert blur.norm.item() == pytest.approx(torch.linalg.matrix_norm(A, 2).item(), abs=1e-12)


@pytest.mark.parametrize("shape", [(1, 1), (3, 3), (4, 4), (17, 2)])
def test_light_in_the_middle_alone_leaves_a_picture_as_it_is(shape: tuple[int, int]) -> None:
    kernel = np.zeros(shape)
    kernel[shape[0] // 2, shape[1] // 2] = 5
    y = pictures(1, 3, 20, 20)
    torch.testing.assert_close(Blur(kernel, 20)(y), y, rtol=0, atol=1e-14)


@pytest.mark.parametrize(("dtype", "error"), [(torch.float32, 1e-6), (torch.float64, 1e-14)])
@pytest.mark.parametrize("size", [64, 65])
def test_the_adjoint_passes_the_dot_product_test(dtype: torch.dtype, error: float, size: int) -> None:
    blur = Blur(camera_shake(), size)
    y, x = pictures(2, 4, 3, size, size, dtype=dtype) - 0.5
    left, right = (blur(y) * x).double().sum(), (y * blur.adjoint(x)).double().sum()
    assert abs(left - right) <= error * y.norm() * x.norm()


@pytest.mark.parametrize(("dtype", "error"), [(torch.float32, 1e-6), (torch.float64, 1e-12)])
@pytest.mark.parametrize("beta", [1e-3, 0.25, 10.0])
@pytest.mark.parametrize("kernel", [camera_shake(), gaussian(2)], ids=["shake", "gaussian"])
def test_the_inverse_solves_its_system(kernel: Tensor, beta: float, dtype: torch.dtype, error: float) -> None:
    blur = Blur(kernel, 64)
    x, y = pictures(2, 4, 3, 64, 64, dtype=dtype)
    z = blur.inverse(x, y, beta)
    left, right = blur.adjoint(blur(z)) + beta * z, blur.adjoint(x) + beta * y
    assert z.dtype is dtype and (left - right).norm() <= error * right.norm()


def test_beta_may_be_learned_and_differ_from_picture_to_picture() -> None:
    blur, y = Blur(camera_shake(), 32), pictures(2, 3, 32, 32)
    beta = torch.tensor([0.1, 2.0], dtype=torch.float64, requires_grad=True)
    together = blur.solve(y, beta[:, None, None, None])
    apart = torch.cat([blur.solve(y[:1], 0.1), blur.solve(y[1:], 2.0)])
    torch.testing.assert_close(together, apart, rtol=0, atol=1e-14)
    (slope,) = torch.autograd.grad(together.square().sum(), beta)
    assert (slope < 0).all()


def test_singular_vectors_are_what_they_are_called() -> None:
    blur, quantiles = Blur(camera_shake(), 64), [0.9, 0.1, 0.5, 0, 1]
    vectors = blur.singular_vectors(quantiles)
    assert vectors.shape == (5, 3, 64, 64) and vectors.dtype is torch.float64
    impulse = torch.zeros(64, 64, dtype=torch.float64)
    impulse[0, 0] = 1
    gains = torch.fft.fft2(blur(impulse)).abs().flatten()
    for v, quantile in zip(vectors, quantiles, strict=True):
        value = gains.quantile(quantile, interpolation="nearest")
        assert v.norm() == pytest.approx(1, abs=1e-12) and blur(v).norm() == pytest.approx(value.item(), abs=1e-12)
        torch.testing.assert_close(blur.normal(v), value**2 * v, rtol=0, atol=1e-12)


@pytest.mark.parametrize("size", [1, 2, 5])
def test_singular_vectors_of_the_smallest_pictures(size: int) -> None:
    vectors = Blur([[1]], size).singular_vectors(np.linspace(0, 1, size**2))
    torch.testing.assert_close(vectors.flatten(1).norm(dim=1), torch.ones(size**2, dtype=torch.float64))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_costs_half_precision_only_once(dtype: torch.dtype) -> None:
    blur, y = Blur(camera_shake(), 32), pictures(1, 3, 32, 32)
    rounded = blur(y.to(dtype))
    assert rounded.dtype is dtype
    torch.testing.assert_close(rounded.double(), blur(y.to(dtype).double()), rtol=torch.finfo(dtype).eps, atol=1e-6)


def test_first_and_second_derivatives() -> None:
    blur = Blur(random_kernel((3, 2)), 4)
    y, x = pictures(2, 1, 3, 4, 4).requires_grad_().unbind()
    beta = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    curved = lambda x, y, beta: blur.inverse(x, y.sin(), beta) * blur(x)  # noqa: E731
    assert torch.autograd.gradcheck(curved, (x, y, beta))
    assert torch.autograd.gradgradcheck(curved, (x, y, beta))


def test_torch_func() -> None:
    blur, (y, v, w) = Blur(camera_shake(), 20), pictures(3, 2, 3, 20, 20)
    _, along = torch.func.jvp(blur, (y,), (v,))
    torch.testing.assert_close(along, blur(v))
    _, back = torch.func.vjp(blur, y)
    torch.testing.assert_close(back(w)[0], blur.adjoint(w))
    one_by_one = torch.func.vmap(lambda y, v: blur.inverse(y, v, 0.1))(y, v)
    torch.testing.assert_close(one_by_one, blur.inverse(y, v, 0.1))


def test_it_stays_on_its_device() -> None:
    blur = Blur(camera_shake(), 64)
    with FakeTensorMode(), torch.no_grad():
        for name, buffer in blur.named_buffers():
            setattr(blur, name, torch.ones(buffer.shape, dtype=buffer.dtype, device="cuda"))
        y = torch.ones(2, 3, 64, 64, device="cuda")
        for found in (blur(y), blur.adjoint(y), blur.normal(y), blur.inverse(y, y, 0.1), blur.norm):
            assert found.device == torch.device("cuda", 0)
    meta = Blur(camera_shake(), 64).to("meta")
    y = torch.ones(2, 3, 64, 64, device="meta", requires_grad=True)
    meta.inverse(y, y, 0.1).sum().backward()
    assert y.grad is not None and y.grad.device.type == "meta"


def test_it_follows_its_module_and_leaves_the_state_dict_alone() -> None:
    blur, y = Blur(camera_shake(), 32), pictures(1, 3, 32, 32)
    single = Blur(camera_shake(), 32).to(torch.float32)
    assert blur.state_dict() == {} and {buffer.dtype for buffer in single.buffers()} == {torch.float32}
    torch.testing.assert_close(single(y), blur(y), rtol=0, atol=1e-6)
    assert single.singular_vectors([0.5]).dtype is torch.float32


def test_noise_is_the_same_for_a_seed_and_as_strong_as_told() -> None:
    blur, y = Blur(camera_shake(), 64), pictures(8, 3, 64, 64, dtype=torch.float32)
    x = observe(y, blur, 0.03, seed=1)
    assert torch.equal(x, observe(y, blur, 0.03, seed=1)) and not torch.equal(x, observe(y, blur, 0.03, seed=2))
    noise = x - blur(y)
    assert x.dtype is y.dtype and noise.std() == pytest.approx(0.03, rel=0.01) and abs(noise.mean()) < 3e-4
    assert torch.equal(observe(y, blur, 0, seed=1), blur(y))


def test_bad_requests_are_refused() -> None:
    blur, y = Blur(camera_shake(), 20), pictures(1, 3, 20, 20)
    with pytest.raises(ValueError, match="size must be at least 1 pixel, but is 0"):
        Blur([[1]], 0)
    for wrong in (pictures(1, 3, 20, 21), pictures(20), torch.zeros(1, 3, 20, 20, dtype=torch.uint8)):
        with pytest.raises(ValueError, match=r"floating-point tensors of shape \(..., 20, 20\), but have the dtype"):
            blur(wrong)
    for beta in (0, -1.0, float("nan")):
        with pytest.raises(ValueError, match="beta must be above 0, but is"):
            blur.inverse(y, y, beta)
    with pytest.raises(ValueError, match="quantiles must be a list of numbers from 0 to 1"):
        blur.singular_vectors([0.1, 1.5])
    with pytest.raises(ValueError, match="sigma must be 0 or more, but is -1"):
        observe(y, blur, -1, seed=0)


class Steps(nn.Module):
    """A forward blur, a gradient step and a splitting step: all of what a page runs."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.blur = Blur(camera_shake(), size)

    def forward(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        q = self.blur.adjoint(x)
        return self.blur(y), y - 0.5 * (self.blur.normal(y) - q), self.blur.solve(q + 0.25 * y, 0.25)


@pytest.mark.parametrize(("size", "error"), [(64, 5e-6), (33, 1e-4)])
def test_it_runs_in_onnx_runtime(size: int, error: float, tmp_path: Path) -> None:
    """Its Fourier transform is fast and exact for powers of two, and slow and less exact for other sizes."""
    import onnxruntime

    module, (x, y) = Steps(size), pictures(2, 1, 3, size, size, dtype=torch.float32)
    name = Exports(tmp_path).add(module, module, (x, y), ["x", "y"], ["a", "b", "c"], "blur")
    session = onnxruntime.InferenceSession(tmp_path / name)
    found = session.run(None, {"x": x.numpy(), "y": y.numpy()})
    for got, expected in zip(found, module(x.double(), y.double()), strict=True):
        np.testing.assert_allclose(got, expected.numpy(), rtol=0, atol=error)
