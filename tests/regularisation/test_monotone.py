"""Monotonicity, uniqueness and contraction of the monotone layer, and that each of them is lost without its cause."""

import copy
import math
import pickle

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from implicit_lib import ImplicitGradient, ImplicitModel, MonotoneLinear, contraction_modulus, solve

float64 = torch.float64


def layer_of(seed: int, n: int, m: float, scale: float = 1.0, prox: object = None) -> MonotoneLinear:
    torch.manual_seed(seed)
    layer = MonotoneLinear(n, monotonicity=m, prox=prox).double()
    with torch.no_grad():
        layer.A.mul_(scale)
        layer.B.mul_(scale)
    return layer


def leaky_relu(v: Tensor, step: Tensor) -> Tensor:
    """prox_αf for σ = leaky ReLU of slope 1/4: f′(p) = 3p for p < 0."""
    return torch.where(v < 0, v / (1 + 3 * step), v)


def soft_threshold(v: Tensor, step: Tensor) -> Tensor:
    """prox_αf for f = 0.1 |·|."""
    return torch.sign(v) * torch.relu(v.abs() - 0.1 * step)


# The proximal operator, and the activation it belongs to.
ACTIVATIONS = {
    "relu": (None, torch.relu),
    "leaky relu": (leaky_relu, lambda v: torch.where(v < 0, v / 4, v)),
    "soft threshold": (soft_threshold, lambda v: soft_threshold(v, torch.tensor(1.0))),
}

many = settings(max_examples=20, deadline=None)
parameters = given(
    seed=st.integers(0, 10_000),
    n=st.integers(1, 20),
    m=st.floats(0.05, 3),
    scale=st.floats(0, 5),
    name=st.sampled_from([*ACTIVATIONS]),
)


@parameters
@many
def test_the_certified_modulus_bounds_the_measured_one(seed: int, n: int, m: float, scale: float, name: str) -> None:
    layer = layer_of(seed, n, m, scale, ACTIVATIONS[name][0])
    z, q = torch.randn(4, n, dtype=float64), torch.randn(4, n, dtype=float64)
    measured = contraction_modulus(lambda z: layer(z, q), z).value
    assert (measured <= layer.certified_modulus() + 1e-12).all() and layer.certified_modulus() < 1


@parameters
@many
def test_the_symmetric_part_is_at_least_m(seed: int, n: int, m: float, scale: float, name: str) -> None:
    layer = layer_of(seed, n, m, scale)
    F = torch.eye(n, dtype=float64) - layer.W
    assert torch.linalg.eigvalsh((F + F.T) / 2)[0] >= m - 1e-10 * (1 + scale**2)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_one_equilibrium_from_many_starts_and_it_is_that_of_the_activation(name: str) -> None:
    prox, activation = ACTIVATIONS[name]
    layer = layer_of(0, 12, 0.5, 2.0, prox)
    assert torch.linalg.matrix_norm(layer.W, ord=2) > 2
    q = torch.randn(1, 12, dtype=float64).expand(30, 12)
    starts = 10 * torch.randn(30, 12, dtype=float64)
    solution = solve(lambda z: layer(z, q), starts, max_iter=20_000, tol=1e-13)
    z = solution.value.detach()
    assert bool(solution.converged.all())
    torch.testing.assert_close(z, z[:1].expand(30, 12), rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(activation(z @ layer.W.T + q), z, rtol=0, atol=1e-7)


def test_plain_iteration_of_the_same_equilibrium_diverges() -> None:
    """What the splitting is for: z = σ(Wz + q) has one solution, and iterating it does not find it."""
    layer = layer_of(0, 12, 0.5, 4.0)
    q = torch.randn(3, 12, dtype=float64)
    plain = solve(lambda z: torch.relu(z @ layer.W.T + q), torch.zeros_like(q), max_iter=200)
    split = solve(lambda z: layer(z, q), torch.zeros_like(q), max_iter=20_000, tol=1e-8)
    assert not plain.converged.any() and split.converged.all()


def test_a_free_weight_loses_the_contraction() -> None:
    """The mutation: W no longer of the form that makes I − W monotone, at the same step."""

    class Free(MonotoneLinear):
        def forward(self, z: Tensor, q: Tensor) -> Tensor:
            alpha = self.monotonicity / self._norm(self.A, self.B) ** 2
            return self.prox(z - alpha * (z - z @ (4 * self.A).T - q), alpha)

    torch.manual_seed(0)
    q = torch.ones(5, 12, dtype=float64)
    free, sound = Free(12).double(), MonotoneLinear(12).double()
    z = 3 * torch.ones(5, 12, dtype=float64)
    assert (contraction_modulus(lambda z: free(z, q), z).value > 1).all()
    assert (contraction_modulus(lambda z: sound(z, q), z).value < 1).all()


def test_it_stays_monotone_through_training_and_the_gradient_is_that_of_the_equilibrium() -> None:
    torch.manual_seed(0)
    layer, m = MonotoneLinear(10, monotonicity=0.5), 0.5
    model = ImplicitModel(
        layer,
        encoder=nn.Linear(3, 10),
        decoder=nn.Linear(10, 1),
        gradient=ImplicitGradient(max_iter=2000),
        max_iter=2000,
        tol=1e-6,
    )
    optimiser = torch.optim.Adam(model.parameters(), lr=0.02)
    x = torch.randn(64, 3)
    target = (x[:, :1] * x[:, 1:2]).tanh()
    losses = []
    for _ in range(40):
        loss = (model(x) - target).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
        F = (torch.eye(10) - layer.W).detach().double()
        assert torch.linalg.eigvalsh((F + F.T) / 2)[0] >= m - 1e-5
        assert torch.linalg.matrix_norm(F, ord=2) <= m / math.sqrt(1 - layer.certified_modulus() ** 2) * (1 + 1e-6)
    assert losses[-1] < losses[0] / 3


def test_the_implicit_gradient_by_finite_differences() -> None:
    layer = layer_of(0, 5, 1.0)
    model = ImplicitModel(layer, max_iter=5000, tol=1e-14)
    model.gradient.tol = 1e-13
    model.gradient.max_iter = 5000
    q = torch.randn(2, 5, dtype=float64)
    weights = torch.randn(2, 5, dtype=float64)
    (model(q) * weights).sum().backward()
    for parameter in (layer.A, layer.B):
        for place in ((0, 1), (2, 2), (4, 0)):
            values = []
            for sign in (1, -1):
                with torch.no_grad():
                    parameter[place] += sign * 1e-5
                values.append(float((model(q) * weights).sum().detach()))
                with torch.no_grad():
                    parameter[place] -= sign * 1e-5
            assert float(parameter.grad[place]) == pytest.approx((values[0] - values[1]) / 2e-5, abs=1e-7)


def test_the_equilibrium_is_lipschitz_in_its_input_with_one_over_m() -> None:
    layer = layer_of(0, 8, 0.5, 2.0)
    q = torch.randn(50, 8, dtype=float64)
    p = q + torch.randn(50, 8, dtype=float64)
    at_q, at_p = (
        solve(lambda z, q=q: layer(z, q), torch.zeros_like(q), max_iter=20_000, tol=1e-12).value for q in (q, p)
    )
    assert ((at_q - at_p).norm(dim=1) <= (q - p).norm(dim=1) / 0.5 + 1e-9).all()


def change_in_place(layer: MonotoneLinear) -> None:
    with torch.no_grad():
        layer.A.mul_(3)


def change_by_loading(layer: MonotoneLinear) -> None:
    layer.load_state_dict({name: 3 * value for name, value in layer.state_dict().items()})


def change_by_replacing(layer: MonotoneLinear) -> None:
    layer.B = nn.Parameter(3 * layer.B.detach())


def change_dtype(layer: MonotoneLinear) -> None:
    layer.float()


def change_by_an_optimiser(layer: MonotoneLinear) -> None:
    for foreach in (True, False):
        layer.A.grad = torch.ones_like(layer.A)
        torch.optim.Adam([layer.A], lr=1.0, foreach=foreach).step()


def change_by_a_fused_optimiser(layer: MonotoneLinear) -> None:
    layer.A.grad = torch.ones_like(layer.A)
    torch.optim.Adam([layer.A], lr=1.0, fused=True).step()


def change_by_a_vector(layer: MonotoneLinear) -> None:
    nn.utils.vector_to_parameters(3 * nn.utils.parameters_to_vector(layer.parameters()), layer.parameters())


def change_data(layer: MonotoneLinear) -> None:
    layer.A.data.mul_(3)


CHANGES = [
    *(change_in_place, change_by_loading, change_by_replacing, change_dtype, change_by_a_vector),
    *(change_by_an_optimiser, change_by_a_fused_optimiser, change_data),
]


@pytest.mark.parametrize("change", CHANGES)
def test_the_step_follows_every_change_of_the_parameters(change: object) -> None:
    layer = layer_of(0, 6, 1.0)
    layer.certified_modulus()
    change(layer)
    fresh = MonotoneLinear(6).to(layer.A.dtype)
    fresh.load_state_dict(layer.state_dict())
    assert layer.certified_modulus() == fresh.certified_modulus()


def test_the_step_of_copies_and_of_functional_calls_is_their_own() -> None:
    layer = layer_of(0, 6, 1.0)
    before = layer.certified_modulus()
    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert twin.certified_modulus() == before
        change_in_place(twin)
        assert twin.certified_modulus() != before and layer.certified_modulus() == before
    z, q = torch.randn(2, 6, dtype=float64), torch.randn(2, 6, dtype=float64)
    tripled = {name: 3 * value.detach() for name, value in layer.named_parameters()}
    other = layer_of(0, 6, 1.0, scale=3.0)
    torch.testing.assert_close(torch.func.functional_call(layer, tripled, (z, q)), other(z, q), rtol=1e-12, atol=1e-12)
    assert layer.certified_modulus() == before


def test_the_step_is_not_differentiated() -> None:
    layer = layer_of(0, 6, 1.0)
    z, q = torch.randn(2, 6, dtype=float64), torch.randn(2, 6, dtype=float64)
    alpha = layer.monotonicity / float(layer._norm(layer.A, layer.B)) ** 2
    A, B = (each.detach().clone().requires_grad_() for each in (layer.A, layer.B))
    image = z @ (torch.eye(6, dtype=float64) + A.T @ A - B + B.T).T
    torch.relu(z - alpha * (image - q)).square().sum().backward()
    layer(z, q).square().sum().backward()
    for mine, true in ((layer.A.grad, A.grad), (layer.B.grad, B.grad)):
        torch.testing.assert_close(mine, true, rtol=1e-9, atol=1e-12)


def test_it_compiles_without_graph_breaks() -> None:
    layer = layer_of(0, 6, 1.0)
    z, q = torch.randn(2, 6, dtype=float64), torch.randn(2, 6, dtype=float64)
    compiled = torch.compile(layer, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(z, q), layer(z, q))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"features": 0}, ValueError, "features"),
        ({"features": 2.0}, TypeError, "features"),
        ({"features": 2, "monotonicity": 0.0}, ValueError, "monotonicity"),
        ({"features": 2, "monotonicity": "1"}, TypeError, "monotonicity"),
        ({"features": 2, "prox": "relu"}, TypeError, "prox"),
    ],
)
def test_arguments_that_do_not_fit(arguments: dict[str, object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        MonotoneLinear(**arguments)
