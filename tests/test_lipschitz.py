"""L_t against closed forms, and the contraction modulus against dense singular values."""

import math
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from implicit_lib import ImplicitModel, contraction_modulus, effective_lipschitz

few = settings(max_examples=10, deadline=None)


def rotation(angle: float) -> Tensor:
    return torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]], dtype=torch.float64)


def circular_shift_and_blur(n: int) -> Tensor:
    eye = torch.eye(n, dtype=torch.float64)
    return 0.3 * eye + 0.5 * eye.roll(1, 0) + 0.2 * eye.roll(2, 0)


MATRICES = {
    "rotation": 0.9 * rotation(1.0),
    "nilpotent": torch.tensor([[0.0, 5.0], [0.0, 0.0]], dtype=torch.float64),
    "zero": torch.zeros(3, 3, dtype=torch.float64),
    "identity": torch.eye(4, dtype=torch.float64),
    "convolution": circular_shift_and_blur(16),
    "clustered": torch.diag(torch.linspace(0.95, 1.0, 50, dtype=torch.float64)),
    "rank one": torch.outer(torch.arange(4, dtype=torch.float64), torch.ones(4, dtype=torch.float64)),
    "tiny": 1e-150 * torch.eye(3, dtype=torch.float64),
}


@pytest.mark.parametrize("name", MATRICES)
def test_the_modulus_of_a_matrix_is_its_norm(name: str) -> None:
    A = MATRICES[name]
    estimate = contraction_modulus(lambda y: y @ A.T, torch.zeros(3, len(A), dtype=torch.float64))
    exact = torch.linalg.matrix_norm(A, ord=2)
    torch.testing.assert_close(estimate.value, exact.expand(3), rtol=1e-2, atol=0)
    singular_values = torch.linalg.svdvals(A)
    nearest = (estimate.value.unsqueeze(1) - singular_values).abs().amin(dim=1)
    assert (nearest <= estimate.error + 1e-14 * exact).all()
    assert (estimate.value <= exact * (1 + 1e-14)).all()


@given(seed=st.integers(0, 10_000), n=st.integers(1, 24))
@few
def test_the_modulus_of_a_nonlinear_operator_sample_by_sample(seed: int, n: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    W = torch.randn(n, n, generator=generator, dtype=torch.float64)
    y = torch.randn(5, n, generator=generator, dtype=torch.float64)
    estimate = contraction_modulus(lambda y: torch.tanh(y @ W.T), y)
    J = (1 - torch.tanh(y @ W.T) ** 2).unsqueeze(2) * W
    torch.testing.assert_close(estimate.value, torch.linalg.matrix_norm(J, ord=2), rtol=1e-2, atol=0)


def test_few_iterations_own_up_to_their_error() -> None:
    A = MATRICES["clustered"]
    coarse, fine = (contraction_modulus(lambda y: y @ A, torch.zeros(1, 50).double(), iterations=k) for k in (3, 1000))
    assert fine.error < 1e-3 < coarse.error and abs(float(coarse.value) - 1.0) < 0.05


def test_the_modulus_over_a_nested_state() -> None:
    """∂G/∂y = [[0, 3], [1, 0]] on (u, w): its norm is 3."""
    estimate = contraction_modulus(
        lambda y: {"u": 3 * y["w"], "w": y["u"]}, {"u": torch.ones(2, 4), "w": torch.ones(2, 4)}
    )
    torch.testing.assert_close(estimate.value, torch.full((2,), 3.0, dtype=torch.float64), rtol=1e-5, atol=0)


def test_the_modulus_of_the_reciprocal_operator() -> None:
    x = torch.linspace(0.1, 1, 7, dtype=torch.float64)
    estimate = contraction_modulus(lambda y: y - 0.5 * (x * y - 1), torch.zeros_like(x))
    torch.testing.assert_close(estimate.value, 1 - 0.5 * x)


def test_a_jacobian_that_is_not_a_number_gives_nan() -> None:
    scale = torch.tensor([1.0, math.nan])
    estimate = contraction_modulus(lambda y: y * scale.unsqueeze(1), torch.ones(2, 3))
    assert estimate.value.isnan().tolist() == estimate.error.isnan().tolist() == [False, True]


def test_the_modulus_builds_no_graph_and_uses_no_global_randomness() -> None:
    layer = nn.Linear(4, 4)
    y = torch.randn(3, 4)
    state = torch.get_rng_state()
    first, second = contraction_modulus(layer, y), contraction_modulus(layer, y)
    assert torch.equal(torch.get_rng_state(), state) and torch.equal(first.value, second.value)
    assert not first.value.requires_grad and layer.weight.grad is None
    assert not torch.equal(contraction_modulus(layer, y, iterations=1, seed=1).value, first.value)


@pytest.mark.parametrize(
    ("options", "error"),
    [({"iterations": 0}, ValueError), ({"iterations": -1}, ValueError), ({"iterations": 1.0}, TypeError)],
)
def test_a_modulus_needs_iterations(options: dict[str, object], error: type[Exception]) -> None:
    with pytest.raises(error, match="iterations must be"):
        contraction_modulus(lambda y: y, torch.ones(2, 3), **options)


def test_a_modulus_needs_an_operator_on_the_state() -> None:
    with pytest.raises(ValueError, match="shape"):
        contraction_modulus(lambda y: y[:, :2], torch.ones(2, 3))


def reciprocal_model() -> ImplicitModel:
    return ImplicitModel(lambda y, q: y - 0.5 * (q * y - 1))


def test_effective_lipschitz_constants_grow_quadratically_at_the_origin() -> None:
    """theory.md, Proposition 4: y_t'(0) = −η² t (t − 1) / 2."""
    x = torch.zeros(1, dtype=torch.float64)
    estimate = effective_lipschitz(partial(reciprocal_model().trajectory, iterations=30), x, [torch.full_like(x, 1e-7)])
    t = torch.arange(1, 31, dtype=torch.float64)
    torch.testing.assert_close(estimate.value, 0.25 * t * (t - 1) / 2, rtol=1e-4, atol=1e-8)
    assert (estimate.error < 1e-6).all()


@given(seed=st.integers(0, 10_000))
@few
def test_effective_lipschitz_of_a_linear_map(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    A = torch.randn(3, 4, generator=generator, dtype=torch.float64)
    x = torch.randn(6, 4, generator=generator, dtype=torch.float64)
    directions = torch.randn(50, 6, 4, generator=generator, dtype=torch.float64)
    stretch = torch.linalg.vector_norm(directions @ A.T, dim=2) / torch.linalg.vector_norm(directions, dim=2)

    def trajectory(x: Tensor) -> list[Tensor]:
        return [x @ A.T, 2 * x @ A.T]

    largest, mean = (effective_lipschitz(trajectory, x, directions, reduce=how) for how in ("max", "mean"))
    torch.testing.assert_close(largest.value, torch.stack([stretch.max(), 2 * stretch.max()]))
    torch.testing.assert_close(mean.value, torch.stack([stretch.mean(), 2 * stretch.mean()]))
    assert largest.value[0] <= torch.linalg.matrix_norm(A, ord=2) * (1 + 1e-9)


def test_inputs_may_be_nested() -> None:
    """A linear program's (A, b) perturbed in b alone."""
    x = {"A": torch.ones(2, 3, 3), "b": torch.ones(2, 3)}
    delta = {"A": torch.zeros(2, 3, 3), "b": torch.full((2, 3), 0.25)}
    estimate = effective_lipschitz(lambda x: [x["A"] @ x["b"].unsqueeze(2)], x, [delta], reduce="mean")
    torch.testing.assert_close(estimate.value, torch.full((1,), 3.0, dtype=torch.float64))


def test_rounding_noise_is_told_apart() -> None:
    """Ripples of half a unit in the last place of float32: their rounding is all there is to measure."""
    x = torch.linspace(0, 1, 100).unsqueeze(1)
    estimate = effective_lipschitz(lambda x: [1 + 6e-8 * torch.sin(1e3 * x)], x, [torch.full_like(x, 1e-3)])
    assert 0 < float(estimate.value) <= 1.1 * float(estimate.error)


def test_a_perturbation_lost_in_rounding_gives_nan() -> None:
    x = torch.ones(2, 1)
    assert effective_lipschitz(lambda x: [x], x, [torch.full_like(x, 1e-12)]).value.isnan().all()


@pytest.mark.parametrize(
    ("perturbations", "options", "message"),
    [
        ([torch.ones(1, 1)], {}, r"shapes of x.*\(2, 1\).*\(1, 1\)"),
        ([(torch.ones(2, 1),)], {}, "structure"),
        ([], {}, "at least one"),
        ([torch.ones(2, 1)], {"reduce": "median"}, "median"),
    ],
)
def test_perturbations_that_do_not_fit(perturbations: list[object], options: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        effective_lipschitz(lambda x: [x], torch.ones(2, 1), perturbations, **options)


def test_nothing_to_measure() -> None:
    with pytest.raises(ValueError, match="at least one"):
        effective_lipschitz(lambda x: [], torch.ones(2, 1), [torch.ones(2, 1)])
    with pytest.raises(ValueError, match="at least one"):
        effective_lipschitz(lambda x: [x], torch.ones(0, 1), [torch.ones(0, 1)])
    with pytest.raises(ValueError, match="one output per sample, 2, but returned 1"):
        effective_lipschitz(lambda x: [x[:1]], torch.ones(2, 1), [torch.ones(2, 1)])
