"""L_t against closed forms; moduli, local constants and spectral radii against dense decompositions."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from implicit_lib import (
    Estimate,
    ImplicitModel,
    contraction_modulus,
    effective_lipschitz,
    local_lipschitz,
    spectral_radius,
)

few = settings(max_examples=10, deadline=None)
float64 = torch.float64


class Measure(Protocol):
    def __call__(self, G: Callable[[Any], Any], y: Any, **options: object) -> Estimate: ...


def rotation(angle: float) -> Tensor:
    return torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]], dtype=float64)


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=float64)


def shift(n: int) -> Tensor:
    """The nilpotent matrix with ones above the diagonal."""
    return torch.diag(torch.ones(n - 1, dtype=float64), 1)


def convolution(padding_mode: str) -> Tensor:
    """A random 3 × 3 convolution of 2 channels on images of 6 × 5, as a matrix."""
    layer = nn.Conv2d(2, 2, 3, padding=1, padding_mode=padding_mode, bias=False, dtype=float64)
    with torch.no_grad():
        layer.weight.copy_(random(2, 2, 3, 3))
    images = torch.eye(60, dtype=float64).reshape(60, 2, 6, 5)
    return layer(images).detach().flatten(1).T


def with_spectrum(values: Tensor, seed: int = 0) -> Tensor:
    Q = torch.linalg.qr(random(len(values), len(values), seed=seed))[0]
    return Q @ torch.diag(values) @ Q.T


def cluster() -> Tensor:
    """100 eigenvalues within 0.01 of 0.99, 100 below 0.5."""
    near, far = torch.linspace(0.98, 0.99, 100, dtype=float64), torch.linspace(0, 0.5, 100, dtype=float64)
    return with_spectrum(torch.cat([near, far]))


# The matrices, and to what relative accuracy the default number of iterations gives their norm.
MATRICES = {
    "rotation": (0.9 * rotation(1.0), 1e-12),
    "nilpotent": (torch.tensor([[0.0, 5.0], [0.0, 0.0]], dtype=float64), 1e-12),
    "long shift": (shift(40), 1e-12),
    "zero": (torch.zeros(3, 3, dtype=float64), 0.0),
    "identity": (torch.eye(40, dtype=float64), 1e-12),
    "circular convolution": (convolution("circular"), 1e-6),
    "zero-padded convolution": (convolution("zeros"), 1e-6),
    "non-normal": (random(50, 50), 1e-6),
    "non-normal triangle": (random(40, 40).triu(1) + torch.diag(torch.linspace(0.1, 0.9, 40, dtype=float64)), 1e-6),
    "cluster": (cluster(), 1e-3),
    "no gaps": (torch.diag(torch.linspace(0, 1, 1000, dtype=float64)), 1e-2),
    "rank one": (torch.outer(torch.arange(4, dtype=float64), torch.ones(4, dtype=float64)), 1e-12),
    "tiny": (1e-150 * torch.eye(3, dtype=float64), 1e-12),
    "small": (1e-30 * random(20, 20), 1e-12),
    "huge": (1e150 * random(30, 30), 1e-12),
    "one by one": (torch.tensor([[-2.0]], dtype=float64), 1e-12),
}


def linear(A: Tensor) -> Callable[[Tensor], Tensor]:
    return lambda y: y @ A.T


@pytest.mark.parametrize("name", MATRICES)
def test_the_modulus_of_a_matrix_is_its_norm(name: str) -> None:
    A, accuracy = MATRICES[name]
    estimate = contraction_modulus(linear(A), torch.zeros(3, len(A), dtype=float64))
    singular_values = torch.linalg.svdvals(A)
    exact = singular_values[0]
    torch.testing.assert_close(estimate.value, exact.expand(3), rtol=accuracy, atol=0)
    nearest = (estimate.value.unsqueeze(1) - singular_values).abs().amin(dim=1)
    assert (nearest <= estimate.error + 1e-14 * exact).all()
    assert (estimate.value <= exact * (1 + 1e-14)).all()


def test_the_number_that_motivated_this_a_rotation_by_nine_tenths() -> None:
    estimate = contraction_modulus(linear(0.9 * rotation(0.3)), torch.zeros(1, 2, dtype=float64))
    assert float(estimate.value) == pytest.approx(0.9, rel=1e-14) and float(estimate.error) < 1e-14


@given(seed=st.integers(0, 10_000), n=st.integers(1, 24))
@few
def test_the_modulus_of_a_nonlinear_operator_sample_by_sample(seed: int, n: int) -> None:
    """Fewer entries than iterations: the Krylov space of each sample is exhausted, and the result exact."""
    W, y = random(n, n, seed=seed), random(5, n, seed=seed + 1)
    estimate = contraction_modulus(lambda y: torch.tanh(y @ W.T), y)
    J = (1 - torch.tanh(y @ W.T) ** 2).unsqueeze(2) * W
    torch.testing.assert_close(estimate.value, torch.linalg.matrix_norm(J, ord=2), rtol=1e-12, atol=0)
    assert (estimate.error <= 1e-12 * estimate.value).all()


def test_samples_whose_krylov_spaces_end_at_different_steps_do_not_disturb_each_other() -> None:
    maps = [torch.eye(20, dtype=float64), torch.zeros(20, 20, dtype=float64), shift(20), random(20, 20)]
    low_rank = random(20, 2) @ random(2, 20, seed=1)
    A = torch.stack([*maps, low_rank, torch.full((20, 20), math.nan, dtype=float64)])
    y = torch.zeros(6, 20, dtype=float64)
    for measure, exact in (
        (contraction_modulus, torch.linalg.svdvals(A[:5])[:, 0]),
        (spectral_radius, torch.stack([torch.linalg.eigvals(a).abs().max() for a in A[:5]])),
    ):
        together = measure(lambda y: (A @ y.unsqueeze(2)).squeeze(2), y)
        assert together.value[5].isnan() and together.error[5].isnan()
        assert ((together.value[:5] - exact).abs() <= together.error[:5] + 1e-13).all()
        for i in (0, 1, 3, 4):  # the shift's eigenvalues are not determined by its entries to more than a digit
            torch.testing.assert_close(together.value[i], exact[i], rtol=1e-12, atol=1e-13)


def test_few_iterations_own_up_to_their_error() -> None:
    A = with_spectrum(torch.linspace(0.1, 1.0, 50, dtype=float64))
    coarse, fine = (contraction_modulus(linear(A), torch.zeros(1, 50).double(), iterations=k) for k in (3, 1000))
    assert fine.error < 1e-12 and coarse.error > 0.01
    assert 0.9 < coarse.value < fine.value and float(fine.value) == pytest.approx(1.0, abs=1e-12)


@given(seed=st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_the_accuracy_promised_for_every_spectrum(seed: int) -> None:
    """Kuczyński and Woźniakowski's bound, of the 95 % kind, on the spectrum that has no gaps: the hard one."""
    N, k = 400, 10
    diagonal = torch.linspace(0, 1, N, dtype=float64)
    value = contraction_modulus(lambda y: y * diagonal, torch.zeros(40, N).double(), iterations=k, seed=seed).value
    accuracy = math.log(1.65 * math.sqrt(N) / 0.05) / (2 * k - 1)
    assert (value**2 >= 1 - accuracy**2).double().mean() >= 0.95


@pytest.mark.parametrize("measure", [contraction_modulus, spectral_radius])
def test_the_modulus_and_the_radius_over_a_nested_state(measure: Measure) -> None:
    """∂G/∂y = [[0, 3], [1, 0]] on (u, w): its norm is 3, its eigenvalues are ±√3."""
    y = {"u": torch.ones(2, 4), "w": torch.ones(2, 2, 2)}
    estimate = measure(lambda y: {"u": 3 * y["w"].flatten(1), "w": y["u"].reshape(2, 2, 2)}, y)
    exact = 3.0 if measure is contraction_modulus else math.sqrt(3)
    torch.testing.assert_close(estimate.value, torch.full((2,), exact, dtype=float64), rtol=1e-6, atol=0)


@pytest.mark.parametrize("measure", [contraction_modulus, spectral_radius])
def test_the_modulus_and_the_radius_of_the_reciprocal_operator(measure: Measure) -> None:
    x = torch.linspace(0.1, 1, 7, dtype=float64)
    estimate = measure(lambda y: y - 0.5 * (x * y - 1), torch.zeros_like(x))
    torch.testing.assert_close(estimate.value, 1 - 0.5 * x)


@pytest.mark.parametrize(("dtype", "accuracy"), [(torch.float32, 1e-6), (torch.bfloat16, 1e-2)])
@pytest.mark.parametrize("measure", [contraction_modulus, spectral_radius])
def test_narrow_dtypes_are_as_accurate_as_their_products(measure: Measure, dtype: torch.dtype, accuracy: float) -> None:
    A = with_spectrum(torch.linspace(-0.5, 0.95, 40, dtype=float64)).to(dtype)
    estimate = measure(linear(A), torch.zeros(2, 40, dtype=dtype))
    assert estimate.value.dtype == estimate.error.dtype == float64
    torch.testing.assert_close(estimate.value, torch.full((2,), 0.95, dtype=float64), rtol=accuracy, atol=0)
    exact = torch.linalg.eigvalsh(A.double()).max()
    assert (estimate.error >= (estimate.value - exact).abs()).all() and (estimate.error < 100 * accuracy).all()


@pytest.mark.parametrize("measure", [contraction_modulus, spectral_radius])
def test_modules_and_states_in_every_autograd_mode(measure: Measure) -> None:
    layer = nn.Sequential(nn.Conv2d(2, 2, 3, padding=1), nn.Tanh())
    y = torch.randn(3, 2, 4, 4, generator=torch.Generator().manual_seed(0))
    value = measure(layer, y.clone().requires_grad_()).value
    assert not value.requires_grad and layer[0].weight.grad is None
    with torch.no_grad():
        assert torch.equal(measure(layer, y).value, value)
    strided = measure(layer, y.to(memory_format=torch.channels_last))
    torch.testing.assert_close(strided.value, value, rtol=1e-4, atol=0)
    dense = torch.stack([torch.func.jacrev(lambda z: layer(z[None])[0])(each).reshape(32, 32) for each in y]).detach()
    exact = (
        torch.linalg.svdvals(dense)[:, 0]
        if measure is contraction_modulus
        else torch.linalg.eigvals(dense).abs().amax(dim=1)
    )
    torch.testing.assert_close(value, exact.double(), rtol=1e-4, atol=0)


@pytest.mark.parametrize("measure", [contraction_modulus, spectral_radius])
def test_empty_batches_and_empty_samples(measure: Measure) -> None:
    assert (
        measure(torch.tanh, torch.zeros(0, 3)).value.shape == measure(torch.tanh, torch.zeros(0, 3)).error.shape == (0,)
    )
    assert measure(torch.tanh, torch.zeros(2, 0)).value.tolist() == [0.0, 0.0]


def test_a_jacobian_that_is_not_a_number_gives_nan() -> None:
    scale = torch.tensor([1.0, math.nan])
    estimate = contraction_modulus(lambda y: y * scale.unsqueeze(1), torch.ones(2, 3))
    assert estimate.value.isnan().tolist() == estimate.error.isnan().tolist() == [False, True]


@pytest.mark.parametrize("measure", [contraction_modulus, spectral_radius])
def test_the_measures_use_no_global_randomness(measure: Measure) -> None:
    layer, y = nn.Linear(4, 4), torch.randn(3, 4)
    state = torch.get_rng_state()
    first, second = measure(layer, y), measure(layer, y)
    assert torch.equal(torch.get_rng_state(), state) and torch.equal(first.value, second.value)
    assert not torch.equal(measure(layer, y, iterations=1, seed=1).value, first.value)


class Broken(torch.autograd.Function):
    """y ↦ Ay with a derivative that is wrong in one of the two modes: `forward_mode` for A, `reverse_mode` for Aᵀ."""

    @staticmethod
    def forward(y: Tensor, A: Tensor, forward_mode: Tensor, reverse_mode: Tensor) -> Tensor:
        return y @ A.T

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        ctx.forward_mode, ctx.reverse_mode = inputs[2:]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        return gradient @ ctx.reverse_mode.T, None, None, None

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, *others: None) -> Tensor:
        return tangent @ ctx.forward_mode.T


@pytest.mark.parametrize("fault", ["adjoint doubled", "adjoint not transposed", "adjoint lost", "tangent halved"])
def test_derivatives_that_contradict_each_other_show_in_the_error(fault: str) -> None:
    A = random(12, 12)
    forward_mode = A / 2 if fault == "tangent halved" else A
    faults = {"adjoint doubled": 2 * A.T, "adjoint not transposed": A, "adjoint lost": 0 * A}
    y = torch.zeros(2, 12, dtype=float64)
    sound = contraction_modulus(lambda y: Broken.apply(y, A, A, A.T), y)
    broken = contraction_modulus(lambda y: Broken.apply(y, A, forward_mode, faults.get(fault, A.T)), y)
    assert (sound.error <= 1e-13 * sound.value).all()
    assert (broken.error >= 0.1 * broken.value).all()


def test_an_operator_that_hides_from_reverse_mode_shows_in_the_error() -> None:
    estimate = contraction_modulus(torch.no_grad()(lambda y: 0.9 * y), torch.zeros(1, 3))
    assert estimate.error >= estimate.value / 2


@pytest.mark.parametrize("name", [name for name in MATRICES if name not in ("no gaps", "cluster")])
def test_the_spectral_radius_of_a_matrix(name: str) -> None:
    A, _ = MATRICES[name]
    estimate = spectral_radius(linear(A), torch.zeros(3, len(A), dtype=float64), iterations=60)
    exact = 0.0 if "shift" in name or name == "nilpotent" else torch.linalg.eigvals(A).abs().max()
    assert ((estimate.value - exact).abs() <= estimate.error).all()
    norm = torch.linalg.matrix_norm(A, ord=2)
    assert (estimate.backward_error <= 1e-12 * norm).all()
    if name not in ("long shift", "nilpotent", "non-normal triangle"):  # whose eigenvalues rounding moves far
        torch.testing.assert_close(estimate.value, exact.expand(3), rtol=1e-9, atol=0)
        assert (estimate.error <= 1e-8 * norm).all()


def test_the_spectral_radius_of_small_nilpotent_maps_is_zero() -> None:
    """Its accuracy is that of the problem: a shift of n entries moves its eigenvalues by u^(1/n) for a rounding u."""
    for n, accuracy in ((2, 1e-6), (3, 1e-4), (8, 0.1)):
        estimate = spectral_radius(linear(shift(n)), torch.zeros(1, n, dtype=float64))
        assert estimate.value <= estimate.error <= accuracy


@given(seed=st.integers(0, 10_000), n=st.integers(2, 60), k=st.integers(2, 60))
@settings(max_examples=20, deadline=None)
def test_the_backward_error_is_one(seed: int, n: int, k: int) -> None:
    """θ is an eigenvalue of a matrix within it: the smallest singular value of A − θ is no larger."""
    A = random(n, n, seed=seed)
    estimate = spectral_radius(linear(A), torch.zeros(1, n, dtype=float64), iterations=k)
    angles = torch.exp(1j * torch.linspace(0, math.pi, 501, dtype=float64))  # the modulus is known, not the angle
    resolvent = A - (estimate.value * angles)[:, None, None] * torch.eye(n)
    distance = torch.linalg.svdvals(resolvent)[:, -1].min()
    assert distance <= estimate.backward_error + estimate.value * math.pi / 500 / 2 + 1e-13


def test_the_spectral_radius_of_a_normal_matrix_is_within_its_backward_error_of_an_eigenvalue() -> None:
    values = torch.linspace(-0.99, 0.95, 200, dtype=float64)
    for k in (3, 10, 30, 100):
        estimate = spectral_radius(linear(with_spectrum(values)), torch.zeros(1, 200, dtype=float64), iterations=k)
        assert (estimate.value - values.abs()).abs().min() <= estimate.backward_error


def test_too_few_iterations_for_a_radius_own_up_to_it() -> None:
    estimate = spectral_radius(linear(random(100, 100)), torch.zeros(1, 100, dtype=float64), iterations=3)
    assert estimate.error >= estimate.backward_error >= 0.1 * estimate.value


def test_the_spectral_radius_is_the_rate_of_picard_iteration() -> None:
    """Non-normal: ‖J‖ is far above 1, and the iteration converges all the same, at the rate ρ in the end."""
    A = random(10, 10).triu(1) + torch.diag(torch.linspace(0.1, 0.9, 10, dtype=float64))
    start = torch.ones(1, 10, dtype=float64)
    errors = [torch.linalg.vector_norm(start @ torch.linalg.matrix_power(A, t).T) for t in (400, 500)]
    assert contraction_modulus(linear(A), start).value > 2
    rate = float((errors[1] / errors[0]) ** 0.01)
    assert float(spectral_radius(linear(A), start).value) == pytest.approx(rate, rel=1e-6) == pytest.approx(0.9)


@pytest.mark.parametrize(
    ("options", "error"),
    [({"iterations": 0}, ValueError), ({"iterations": -1}, ValueError), ({"iterations": 1.0}, TypeError)],
)
@pytest.mark.parametrize("measure", [contraction_modulus, spectral_radius])
def test_the_measures_need_iterations(measure: Measure, options: dict[str, object], error: type[Exception]) -> None:
    with pytest.raises(error, match="iterations must be"):
        measure(lambda y: y, torch.ones(2, 3), **options)
    with pytest.raises(error, match="iterations must be"):
        local_lipschitz(lambda x: [x], torch.ones(2, 3), **options)


@pytest.mark.parametrize("measure", [contraction_modulus, spectral_radius])
def test_the_measures_need_an_operator_on_the_state(measure: Measure) -> None:
    with pytest.raises(ValueError, match="shape"):
        measure(lambda y: y[:, :2], torch.ones(2, 3))


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


def tanh_model() -> ImplicitModel:
    """3 inputs, 8 states, 2 outputs."""
    torch.manual_seed(0)
    W = 0.9 * with_spectrum(torch.linspace(-1, 1, 8, dtype=float64))
    return ImplicitModel(
        lambda y, q: torch.tanh(y @ W + q),
        encoder=nn.Linear(3, 8, dtype=float64),
        decoder=nn.Linear(8, 2, dtype=float64),
    )


def test_the_local_lipschitz_constants_are_the_norms_of_the_dense_jacobians() -> None:
    model, x = tanh_model(), random(5, 3)
    estimate = local_lipschitz(partial(model.trajectory, iterations=6), x)
    dense = torch.stack(
        [
            torch.stack([torch.func.jacrev(lambda z, t=t: model.trajectory(z[None], 6)[t][0])(each) for each in x])
            for t in range(6)
        ]
    )
    assert estimate.value.shape == estimate.error.shape == (6, 5)
    torch.testing.assert_close(estimate.value, torch.linalg.matrix_norm(dense, ord=2).detach(), rtol=1e-12, atol=0)
    assert (estimate.error <= 1e-12).all() and not estimate.value.requires_grad


def test_one_iterate_alone_is_measured_as_in_its_trajectory() -> None:
    model, x = tanh_model(), random(5, 3)
    alone = local_lipschitz(lambda x: [model.trajectory(x, 4)[-1]], x)
    whole = local_lipschitz(partial(model.trajectory, iterations=6), x)
    torch.testing.assert_close(alone.value[0], whole.value[3], rtol=1e-12, atol=0)


def test_the_local_constants_of_the_reciprocal_are_proposition_four_and_bound_the_perturbation_form() -> None:
    x = torch.linspace(0, 1, 5, dtype=float64)
    walk = partial(reciprocal_model().trajectory, iterations=20)
    exact = torch.stack([torch.func.vmap(torch.func.grad(lambda z, t=t: closed_form(z, t)))(x) for t in range(1, 21)])
    local = local_lipschitz(walk, x)
    torch.testing.assert_close(local.value, exact.abs(), rtol=1e-12, atol=1e-12)
    t = torch.arange(1, 21, dtype=float64)
    torch.testing.assert_close(local.value[:, 0], 0.25 * t * (t - 1) / 2)
    perturbed = effective_lipschitz(walk, x, [torch.full_like(x, 1e-6)])
    torch.testing.assert_close(perturbed.value, local.value.amax(dim=1), rtol=1e-4, atol=1e-8)


def closed_form(x: Tensor, t: int) -> Tensor:
    """(1 − (1 − x/2)ᵗ) / x as a sum, which has no pole."""
    return sum((0.5 * (1 - 0.5 * x) ** k for k in range(t)), torch.zeros_like(x))


def test_local_constants_of_nested_inputs_and_outputs() -> None:
    x = {"A": random(2, 3, 3), "b": random(2, 3)}
    estimate = local_lipschitz(lambda x: [{"two": 2 * x["b"], "A": x["A"]}, x["b"].sum(dim=1)], x)
    torch.testing.assert_close(estimate.value, torch.tensor([[2.0, 2.0], [3**0.5, 3**0.5]], dtype=float64))


def test_local_constants_of_nothing() -> None:
    assert local_lipschitz(lambda x: [x, x], torch.ones(0, 3)).value.shape == (2, 0)
    with pytest.raises(ValueError, match="no iterates"):
        local_lipschitz(lambda x: [], torch.ones(2, 3))
    with pytest.raises(ValueError, match="one output per sample, 2, but returned 1"):
        local_lipschitz(lambda x: [x[:1]], torch.ones(2, 3))
