"""Memory of a training step: flat in the number of iterations, and all of it given back."""

import gc
import weakref
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from benchmarks._memory_meter import measure
from implicit_lib import ImplicitGradient, ImplicitModel, JacobianFreeGradient, PhantomGradient, UnrolledGradient
from implicit_lib.gradients import Gradient

BATCH, N = 17, 2**16  # large: for small states, fewer looks at the residuals count for more than a few of them
STATE = BATCH * N * 4


class Layer(nn.Module):
    """tanh(a ∘ y + q): its parameters are small beside a state."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.linspace(-0.9, 0.9, N))

    def forward(self, y: Tensor, q: Tensor) -> Tensor:
        return torch.tanh(self.a * y + q)


def training_step(gradient: Gradient, iterations: int, batch: int = BATCH) -> Callable[[], None]:
    model = ImplicitModel(Layer(), gradient=gradient)
    x = torch.linspace(-1, 1, batch * N).reshape(batch, N)

    def step() -> None:
        model(x, iterations=iterations).square().mean().backward()
        model.operator.a.grad = None
        if isinstance(gradient, ImplicitGradient):
            gradient.last_report = None

    step()
    return step


def peak(gradient: Gradient, iterations: int) -> float:
    return measure(training_step(gradient, iterations)).peak / STATE


def test_the_meter_counts_what_it_should() -> None:
    kept = []
    assert measure(lambda: torch.zeros(BATCH, N)) == (STATE, 0)
    assert measure(lambda: kept.append(torch.zeros(BATCH, N))) == (STATE, STATE)
    assert measure(lambda: torch.zeros(BATCH, N).view(-1).add_(1)) == (STATE, 0)
    assert measure(lambda: kept[0].add_(1)) == (0, 0)
    assert measure(lambda: torch.zeros(BATCH, N) + 1) == (2 * STATE, 0)

    def cycle() -> None:
        ring: list[object] = [torch.zeros(BATCH, N)]
        ring.append(ring)

    assert measure(cycle).left == STATE
    assert measure(lambda: Layer()(kept[0], kept[0]).sum().backward()).peak >= 2 * STATE


@pytest.mark.filterwarnings("ignore::implicit_lib.ConvergenceWarning")
def test_implicit_training_takes_at_most_eight_states() -> None:
    few, many = (peak(ImplicitGradient(tol=1e-6, max_iter=iterations), iterations) for iterations in (10, 150))
    assert few <= 7.1 and many <= 11.1


def test_memory_is_flat_unless_unrolled() -> None:
    for gradient, most in ((JacobianFreeGradient(), 6.1), (PhantomGradient(steps=3), 10.1)):
        assert peak(gradient, 5) <= most and peak(gradient, 50) <= peak(gradient, 5) + 0.1
    assert peak(UnrolledGradient(), 49) > 40
    assert peak(UnrolledGradient(checkpoint=7), 49) < 22


GRADIENTS = [
    ImplicitGradient(tol=1e-4),
    ImplicitGradient(tol=0, max_iter=5),
    JacobianFreeGradient(),
    PhantomGradient(),
    UnrolledGradient(),
    UnrolledGradient(checkpoint=3),
]


@pytest.mark.parametrize("gradient", GRADIENTS)
def test_nothing_is_left_after_a_hundred_steps(gradient: Gradient) -> None:
    step = training_step(gradient, 10, batch=1)

    def steps() -> None:
        for _ in range(100):
            step()

    assert measure(steps).left == 0


@pytest.mark.parametrize("gradient", GRADIENTS)
def test_no_tensor_is_left_where_second_derivatives_were_taken(gradient: Gradient) -> None:
    """Nor where the graph was never used, nor where an exception passed through it."""
    gc.collect()
    gc.disable()
    try:
        model = ImplicitModel(Layer(), gradient=gradient)
        x = torch.ones(2, N, requires_grad=True)
        value = model(x, iterations=4)
        watched = [weakref.ref(value)]
        (slope,) = torch.autograd.grad(value.square().sum(), x, create_graph=True)
        watched.append(weakref.ref(slope))
        try:
            slope.square().sum().backward()
        except RuntimeError:
            assert isinstance(gradient, JacobianFreeGradient | PhantomGradient)
        del value, slope
        assert [each() for each in watched] == [None, None]
        unused = model(x, iterations=4)
        seen = weakref.ref(unused)
        del unused
        assert seen() is None
    finally:
        gc.enable()
        gc.collect()
