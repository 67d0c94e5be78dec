"""The core on devices that hold no numbers, which shows up hard-coded devices and synchronisations with the host.

Two of them, because neither does it all where PyTorch is built without CUDA: fake tensors on "cuda" have the promotion
rules of a GPU and no autograd; the meta device has autograd. On both, mixing in a CPU tensor raises, and so does any
look at a number: what runs here with an exact count of iterations (tol = 0) never waits for its device.
"""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from implicit_lib import (
    ImplicitGradient,
    ImplicitModel,
    JacobianFreeGradient,
    PhantomGradient,
    Picard,
    UnrolledGradient,
    contraction_modulus,
    effective_lipschitz,
    solve,
)
from implicit_lib.gradients import Gradient

CUDA = torch.device("cuda", 0)
META = torch.device("meta")


@pytest.fixture
def fake_cuda() -> Iterator[torch.device]:
    with FakeTensorMode(), torch.no_grad():
        yield CUDA


@pytest.fixture(params=["fake cuda", "meta"])
def device(request: pytest.FixtureRequest) -> torch.device:
    return META if request.param == "meta" else request.getfixturevalue("fake_cuda")


class Linear(nn.Module):
    """nn.Linear, but for the random start, which fake devices cannot draw."""

    def __init__(self, inputs: int, outputs: int, device: torch.device) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(outputs, inputs, device=device))

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.linear(x, self.weight)


class Tanh(nn.Module):
    def __init__(self, n: int, device: torch.device) -> None:
        super().__init__()
        self.layer = Linear(n, n, device)

    def forward(self, y: Tensor, q: Tensor) -> Tensor:
        return torch.tanh(self.layer(y) + q)


GRADIENTS = [
    ImplicitGradient(tol=0, max_iter=4),
    JacobianFreeGradient(),
    PhantomGradient(steps=2),
    UnrolledGradient(),
    UnrolledGradient(checkpoint=2),
]


def model_on(device: torch.device, gradient: Gradient | None = None) -> ImplicitModel:
    return ImplicitModel(Tanh(8, device), encoder=Linear(2, 8, device), decoder=Linear(8, 3, device), gradient=gradient)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("damping", [1.0, 0.5])
def test_an_exact_solve_stays_on_its_device(device: torch.device, dtype: torch.dtype, damping: float) -> None:
    start = {"u": torch.zeros(4, 3, device=device, dtype=dtype), "w": torch.zeros(4, device=device)}
    solution = solve(
        lambda y: {"u": 0.5 * y["u"] + 1, "w": 0.5 * y["w"]},
        start,
        solver=Picard(damping=damping),
        max_iter=5,
        tol=0,
        keep_iterates=True,
    ).extend(2)
    found = [
        solution.value["u"],
        solution.iterates[7]["w"],
        solution.residuals,
        solution.iterations,
        solution.converged,
    ]
    assert {tensor.device for tensor in found} == {device}
    assert solution.value["u"].dtype is dtype and solution.residuals.shape == (7, 4)


def test_a_tolerance_has_to_look(device: torch.device) -> None:
    """The counterpart: what an exact solve would raise here if it looked."""
    with pytest.raises(RuntimeError):
        solve(lambda y: 0.5 * y, torch.ones(2, device=device))


def test_an_operator_that_leaves_the_device_is_caught(fake_cuda: torch.device) -> None:
    with pytest.raises(ValueError, match="device.*cuda:0.*cpu"):
        solve(lambda y: y.cpu(), torch.ones(2, device=fake_cuda), tol=0)


def test_a_model_runs_forward(device: torch.device) -> None:
    model = model_on(device)
    x = torch.ones(5, 2, device=device)
    assert model(x, iterations=6).device == device and model(x, iterations=6).shape == (5, 3)
    assert [y.device for y in model.trajectory(x, 3)] == [device] * 3


@pytest.mark.parametrize("gradient", GRADIENTS)
def test_a_model_runs_backward(gradient: Gradient) -> None:
    model = model_on(META, gradient)
    model(torch.ones(5, 2, device=META), iterations=6).square().mean().backward()
    assert all(parameter.grad is not None and parameter.grad.device == META for parameter in model.parameters())


def test_second_derivatives_stay_on_their_device() -> None:
    model = model_on(META, ImplicitGradient(tol=0, max_iter=4))
    x = torch.ones(5, 2, device=META, requires_grad=True)
    (slope,) = torch.autograd.grad(model(x, iterations=6).sum(), x, create_graph=True)
    slope.square().sum().backward()
    assert model.operator.layer.weight.grad.device == META


def test_the_effective_lipschitz_constant_stays_on_its_device(device: torch.device) -> None:
    model = model_on(device)
    x, directions = torch.ones(5, 2, device=device), torch.ones(3, 5, 2, device=device)
    estimate = effective_lipschitz(lambda x: model.trajectory(x, 4), x, directions)
    assert estimate.value.shape == estimate.error.shape == (4,) and estimate.value.device == device


def test_the_contraction_modulus_stays_on_its_device() -> None:
    operator, q = Tanh(8, META), torch.ones(5, 8, device=META)
    estimate = contraction_modulus(lambda y: operator(y, q), torch.zeros_like(q), iterations=3)
    assert estimate.value.shape == estimate.error.shape == (5,) and estimate.value.device == META
