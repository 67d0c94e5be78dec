"""ImplicitModel: the equilibrium, exact iterations, the trajectory, and training."""

import copy
import math
import warnings

import pytest
import torch
from torch import Tensor, nn

from implicit_lib import (
    ConvergenceWarning,
    ImplicitGradient,
    ImplicitModel,
    JacobianFreeGradient,
    PhantomGradient,
    Picard,
    Status,
    UnrolledGradient,
)
from implicit_lib.gradients import Gradient

ETA = 0.5


def reciprocal(y: Tensor, q: Tensor) -> Tensor:
    return y - ETA * (q * y - 1)


class Tanh(nn.Module):
    """G(y, q) = tanh(W y + q), ‖W‖ = 0.8 at the start."""

    def __init__(self, n: int) -> None:
        super().__init__()
        W = torch.randn(n, n)
        self.W = nn.Parameter(0.8 * W / torch.linalg.matrix_norm(W, ord=2))

    def forward(self, y: Tensor, q: Tensor) -> Tensor:
        return torch.tanh(y @ self.W.T + q)


def tanh_model(gradient: Gradient | None = None, **options: object) -> ImplicitModel:
    torch.manual_seed(0)
    model = ImplicitModel(
        Tanh(8), encoder=nn.Linear(2, 8), decoder=nn.Linear(8, 3), gradient=gradient, **{"tol": 1e-10, **options}
    )
    return model.double()


@pytest.fixture
def x() -> Tensor:
    return torch.linspace(0.1, 1, 10, dtype=torch.float64)


def test_the_output_is_the_decoded_fixed_point(x: Tensor) -> None:
    model = ImplicitModel(reciprocal, encoder=lambda x: x, decoder=lambda y: 2 * y, max_iter=1000, tol=1e-12)
    torch.testing.assert_close(model(x), 2 / x, rtol=1e-9, atol=0)


@pytest.mark.parametrize("iterations", [0, 1, 2, 50])
def test_iterations_are_exact(x: Tensor, iterations: int) -> None:
    model = ImplicitModel(reciprocal, tol=1e-1, max_iter=3)
    torch.testing.assert_close(model(x, iterations=iterations), (1 - (1 - ETA * x) ** iterations) / x)


def test_exact_iterations_are_those_of_the_plain_loop_to_the_last_bit() -> None:
    model = tanh_model()
    inputs = torch.randn(5, 2, dtype=torch.float64)
    q = model.encoder(inputs)
    y = torch.zeros_like(q)
    for t in range(1, 8):
        y = model.operator(y, q)
        assert torch.equal(model(inputs, iterations=t), model.decoder(y))
        assert torch.equal(model.trajectory(inputs, 7)[t - 1], model.decoder(y))


def test_the_trajectory_is_the_decoded_iterates(x: Tensor) -> None:
    model = ImplicitModel(reciprocal, decoder=torch.neg)
    trajectory = model.trajectory(x, 4)
    assert len(trajectory) == 4 and model.trajectory(x, 0) == ()
    for t, y in enumerate(trajectory, start=1):
        torch.testing.assert_close(y, -(1 - (1 - ETA * x) ** t) / x)


def test_the_trajectory_is_differentiable_by_unrolling() -> None:
    model = tanh_model(JacobianFreeGradient())
    inputs = torch.randn(5, 2, dtype=torch.float64)
    sum(y.square().sum() for y in model.trajectory(inputs, 3)).backward()
    found = model.operator.W.grad.clone()
    model.zero_grad()
    model.gradient = UnrolledGradient()
    sum(model(inputs, iterations=t).square().sum() for t in (1, 2, 3)).backward()
    torch.testing.assert_close(found, model.operator.W.grad)
    with torch.no_grad():
        assert not model.trajectory(inputs, 3)[-1].requires_grad


@pytest.mark.parametrize(
    ("iterations", "error", "message"),
    [
        (-1, ValueError, "iterations must be at least 0, but is -1"),
        (2.0, TypeError, "iterations must be an integer, but is 2.0"),
        (True, TypeError, "iterations must be an integer"),
        ("3", TypeError, "iterations must be an integer, but is '3'"),
    ],
)
def test_iterations_that_are_no_count(x: Tensor, iterations: object, error: type[Exception], message: str) -> None:
    model = ImplicitModel(reciprocal)
    for call in (model, model.solve, model.trajectory):
        with pytest.raises(error, match=message):
            call(x, iterations)
    with pytest.raises(TypeError, match="iterations must be an integer, but is None"):
        model.trajectory(x, None)


@pytest.mark.parametrize("gradient", [ImplicitGradient(tol=1e-8), JacobianFreeGradient(), UnrolledGradient()])
@pytest.mark.parametrize("iterations", [None, 12])
def test_a_model_trains_with_every_gradient(gradient: Gradient, iterations: int | None) -> None:
    model = tanh_model(gradient, tol=1e-6)
    inputs = torch.randn(32, 2, dtype=torch.float64)
    target = torch.stack([inputs.prod(dim=1), inputs.sin().sum(dim=1), inputs[:, 0].abs()], dim=1)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)
    losses = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the operator is free to lose its contraction
        for _ in range(50):
            optimiser.zero_grad()
            loss = (model(inputs, iterations=iterations) - target).square().mean()
            loss.backward()
            assert all(parameter.grad is not None for parameter in model.parameters())
            optimiser.step()
            losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


def test_unrolling_k_iterations_gives_the_gradient_of_the_kth_iterate() -> None:
    model = tanh_model(UnrolledGradient())
    inputs = torch.randn(3, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda inputs: model(inputs, iterations=4), inputs, fast_mode=True)


def test_gradients_reach_the_input_in_evaluation_mode_too() -> None:
    inputs = torch.randn(3, 2, dtype=torch.float64, requires_grad=True)
    model = tanh_model(ImplicitGradient(tol=1e-12)).eval()
    assert torch.autograd.gradcheck(model, inputs, fast_mode=True)


def test_solve_shows_how_each_sample_went(x: Tensor) -> None:
    solution = ImplicitModel(reciprocal, max_iter=50).solve(x)
    assert solution.status == (Status.MAX_ITER,) * 4 + (Status.CONVERGED,) * 6
    assert solution.residuals.shape == (50, 10)
    assert solution.extend(300).converged.all()
    kept = ImplicitModel(reciprocal).solve(x, 5, keep_iterates=True)
    assert len(kept.iterates) == 6


def test_a_forward_pass_that_does_not_converge_warns(x: Tensor) -> None:
    model = ImplicitModel(reciprocal, max_iter=50)
    with pytest.warns(ConvergenceWarning, match="4 of 10 samples MAX_ITER"):
        model(x)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model(x, iterations=50)  # what was asked for


def test_a_start_of_ones_own() -> None:
    """The state need not look like q: here q is a pair, and y a dict."""
    model = ImplicitModel(
        lambda y, q: {"u": 0.5 * y["u"] + q[0] + 0 * q[1].sum(dim=1)},
        encoder=lambda x: (x, torch.ones(len(x), 3)),
        decoder=lambda y: y["u"],
        start=lambda q: {"u": torch.full_like(q[0], 7.0)},
    )
    inputs = torch.tensor([1.0, 2.0])
    torch.testing.assert_close(model(inputs, iterations=1), 3.5 + inputs)
    torch.testing.assert_close(model(inputs), 2 * inputs, rtol=1e-5, atol=0)


def test_the_default_start_is_zero_of_the_structure_of_q() -> None:
    model = ImplicitModel(lambda y, q: (0.5 * y[0] + q[0], q[1]), encoder=lambda x: (x, x + 1))
    first, second = model(torch.ones(2), iterations=0)
    assert not first.any() and not second.any()


def test_an_empty_batch() -> None:
    model = tanh_model()
    assert model(torch.zeros(0, 2, dtype=torch.float64)).shape == (0, 3)
    assert model(torch.zeros(0, 2, dtype=torch.float64), iterations=4).shape == (0, 3)


def test_a_bad_sample_spoils_only_its_own_output() -> None:
    model = tanh_model()
    inputs = torch.randn(4, 2, dtype=torch.float64)
    expected = model(inputs)
    inputs[1] = math.nan
    with pytest.warns(ConvergenceWarning, match="1 of 4 samples NONFINITE"):
        found = model(inputs)
    torch.testing.assert_close(found[[0, 2, 3]], expected[[0, 2, 3]], rtol=1e-12, atol=0)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"max_iter": -1}, ValueError, "max_iter must be at least 0"),
        ({"max_iter": 1.5}, TypeError, "max_iter must be an integer"),
        ({"tol": -1.0}, ValueError, "tol must be"),
        ({"solver": Picard}, TypeError, "solver must be"),
        ({"gradient": ImplicitGradient}, TypeError, "gradient must be"),
        ({"gradient": "implicit"}, TypeError, "gradient must be"),
        ({"encoder": 3}, TypeError, "encoder must be callable.* int"),
        ({"decoder": 0}, TypeError, "decoder must be callable.* int"),
        ({"start": torch.zeros(3)}, TypeError, "start must be callable.* Tensor"),
        ({"iterations": 3}, TypeError, "iterations"),
    ],
)
def test_settings_out_of_range(options: dict[str, object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        ImplicitModel(reciprocal, **options)


def test_an_operator_that_does_not_fit_the_start(x: Tensor) -> None:
    with pytest.raises(ValueError, match="shape"):
        ImplicitModel(lambda y, q: torch.cat([y, q]))(x)
    with pytest.raises(TypeError, match="operator must be callable"):
        ImplicitModel(None)


def test_the_parts_are_submodules_and_the_model_copies() -> None:
    model = tanh_model()
    assert {name.split(".")[0] for name in model.state_dict()} == {"operator", "encoder", "decoder"}
    twin = copy.deepcopy(model)
    inputs = torch.randn(2, 2, dtype=torch.float64)
    assert torch.equal(twin(inputs), model(inputs))
    assert "Picard(damping=1.0)" in repr(model)


def recorded_batches(model: ImplicitModel, x: Tensor) -> list[int]:
    sizes: list[int] = []
    operator = model.operator

    def recording(y: Tensor, q: Tensor) -> Tensor:
        sizes.append(len(y))
        return operator(y, q)

    model.operator = recording
    with torch.no_grad():
        model(x)
    return sizes


def test_samples_that_have_finished_are_dropped() -> None:
    """One slow sample among 256: at least 80 % of the work is on samples that still need it."""
    x = torch.full((256,), 1.9)
    x[7] = 0.02
    model = ImplicitModel(reciprocal, max_iter=2000)
    sizes = recorded_batches(model, x)
    with torch.no_grad():
        useful = int(ImplicitModel(reciprocal, max_iter=2000).solve(x).iterations.sum())
    assert sizes[0] == 256 and sizes[-1] == 1
    assert useful >= 0.8 * sum(sizes)


def test_an_input_that_is_shared_keeps_the_batch_whole() -> None:
    x = torch.tensor([1.9, 0.02, 1.0])
    model = ImplicitModel(
        lambda y, q: y - q[1] * (q[0] * y - 1),
        encoder=lambda x: (x, torch.tensor(0.5)),
        start=lambda q: torch.zeros_like(q[0]),
        max_iter=2000,
    )
    torch.testing.assert_close(model(x), 1 / x, rtol=1e-3, atol=0)
    assert set(recorded_batches(model, x)) == {3}


@pytest.mark.parametrize(
    "gradient", [ImplicitGradient(tol=1e-9, max_iter=500), UnrolledGradient(), JacobianFreeGradient()]
)
def test_dropping_samples_changes_no_gradient(gradient: Gradient) -> None:
    model = tanh_model(gradient, max_iter=500)
    inputs = torch.cat([torch.zeros(6, 2), torch.randn(3, 2)]).double().requires_grad_()
    together = torch.autograd.grad(model(inputs).square().sum(), inputs)[0]
    alone = [torch.autograd.grad(model(inputs[i : i + 1]).square().sum(), inputs)[0][i] for i in range(9)]
    torch.testing.assert_close(together, torch.stack(alone), rtol=1e-7, atol=1e-9)


ALL = [
    ImplicitGradient(tol=1e-2),
    JacobianFreeGradient(),
    PhantomGradient(),
    UnrolledGradient(),
    UnrolledGradient(checkpoint=4),
]


@pytest.mark.parametrize("gradient", ALL)
@pytest.mark.filterwarnings("ignore::implicit_lib.ConvergenceWarning")
def test_under_autocast_the_state_keeps_its_dtype(gradient: Gradient) -> None:
    torch.manual_seed(0)
    layer = nn.Linear(8, 8)
    with torch.no_grad():
        layer.weight *= 0.5
    seen = set()

    def operator(y: Tensor, q: Tensor) -> Tensor:
        image = layer(y) + q
        seen.add((y.dtype, image.dtype))
        return torch.tanh(image)

    model = ImplicitModel(operator, encoder=nn.Linear(2, 8), gradient=gradient, tol=1e-2)
    inputs = torch.randn(4, 2)

    def slopes(run: bool) -> tuple[Tensor, ...]:
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=run):
            value = model(inputs)
        assert value.dtype is torch.float32
        return torch.autograd.grad(value.square().mean(), (layer.weight, model.encoder.weight))

    expected = slopes(False)
    seen.clear()
    for found, exact in zip(slopes(True), expected, strict=True):
        assert found.dtype is torch.float32
        assert torch.linalg.vector_norm(found - exact) <= 0.05 * torch.linalg.vector_norm(exact)
    assert seen == {(torch.float32, torch.bfloat16)}


def test_second_derivatives_of_what_ran_under_autocast() -> None:
    """The operator is called again in the backward pass, outside of autocast: it must compute as it did."""
    layer = nn.Linear(3, 3)
    with torch.no_grad():
        layer.weight *= 0.5
    seen = []

    def operator(y: Tensor, q: Tensor) -> Tensor:
        image = layer(y)
        seen.append(image.dtype)
        return torch.tanh(image + q)

    inputs = torch.randn(4, 3, requires_grad=True)
    model = ImplicitModel(operator, gradient=ImplicitGradient(tol=1e-2), tol=1e-2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = model(inputs)
    (first,) = torch.autograd.grad(value.sum(), inputs, create_graph=True)
    first.square().sum().backward()
    assert set(seen) == {torch.bfloat16} and layer.weight.grad.isfinite().all()


def test_an_operator_that_changes_dtype_without_autocast_is_an_error(x: Tensor) -> None:
    with pytest.raises(ValueError, match="dtype"):
        ImplicitModel(lambda y, q: (0.5 * y + q).float())(x)
    with torch.autocast("cpu", dtype=torch.bfloat16), pytest.raises(TypeError, match="returned a value of type tuple"):
        ImplicitModel(lambda y, q: (y, q))(x)


def test_twice_in_one_graph_with_hooks_and_a_second_backward_pass() -> None:
    gradients = []
    for gradient in (ImplicitGradient(tol=1e-12, max_iter=1000), UnrolledGradient()):
        model = tanh_model(gradient, max_iter=1000, tol=1e-13).eval()
        calls: list[Tensor] = []
        model.operator.W.register_hook(calls.append)
        inputs = torch.linspace(-1, 1, 8, dtype=torch.float64).reshape(4, 2)
        once, twice = model(inputs), model(inputs.flip(0))
        loss = (once * twice).square().sum()
        loss.backward(retain_graph=True)
        plain = model.operator.W.grad.clone()
        loss.backward()
        torch.testing.assert_close(model.operator.W.grad, 2 * plain)
        assert len(calls) == 2  # once a pass, not once a vector-Jacobian product
        gradients.append(plain)
    torch.testing.assert_close(*gradients, rtol=1e-8, atol=1e-10)


def test_a_frozen_model_has_no_graph() -> None:
    model = tanh_model().requires_grad_(False)
    assert not model(torch.randn(2, 2, dtype=torch.float64)).requires_grad


def test_changing_the_value_in_place_is_caught() -> None:
    value = ImplicitModel(reciprocal).solve(torch.ones(3, requires_grad=True)).value
    value += 1
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        value.sum().backward()
