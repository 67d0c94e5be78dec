"""Certified norms against dense singular values of the layers as matrices."""

import copy
import itertools
import math
import pickle

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize

from implicit_lib import ImplicitModel, bound_spectral_norm, certified_norm, contraction_modulus
from implicit_lib.regularisation._operator_norm import operator_norm_bound

float64 = torch.float64
CONVOLUTIONS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}


def dense_norm(layer: nn.Module, *shape: int) -> float:
    """The largest singular value of the layer as a matrix, on inputs of this shape."""
    layer = copy.deepcopy(layer).double()
    with torch.no_grad():
        images = torch.eye(math.prod(shape), dtype=float64).reshape(-1, *shape)
        outputs = layer(images) - layer(torch.zeros_like(images[:1]))
        return float(torch.linalg.matrix_norm(outputs.flatten(1), ord=2))


def convolution(axes: int, inputs: int, outputs: int, size: int, seed: int = 0, **options: object) -> nn.Module:
    torch.manual_seed(seed)
    layer = CONVOLUTIONS[axes](inputs, outputs, size, **options)
    nn.init.normal_(layer.weight)
    return layer


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (5, 8), (20, 20)])
def test_the_certificate_of_a_matrix_is_its_norm(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    layer = nn.Linear(*shape)
    norm = dense_norm(layer, shape[0])
    assert norm * (1 - 1e-14) <= certified_norm(layer) <= norm * (1 + 1e-12)


@pytest.mark.parametrize("padding_mode", ["zeros", "circular"])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.parametrize(("axes", "size"), [(1, 3), (1, 4), (2, 3), (2, 2), (3, 2)])
def test_the_certificate_of_a_convolution_is_an_upper_bound(
    axes: int, size: int, dilation: int, groups: int, stride: int, padding_mode: str
) -> None:
    most = dilation * (size - 1) // 2
    for padding in {0, 1, most} if padding_mode == "zeros" else {0, most}:
        layer = convolution(
            axes,
            2,
            4,
            size,
            padding=padding,
            padding_mode=padding_mode,
            stride=stride,
            groups=groups,
            dilation=dilation,
        )
        certificate = certified_norm(layer)
        for edge in {1: (5, 16), 2: (4, 7), 3: (3, 4)}[axes]:
            if edge + 2 * padding > dilation * (size - 1):
                assert dense_norm(layer, 2, *[edge] * axes) <= certificate


@given(
    seed=st.integers(0, 10_000),
    axes=st.integers(1, 2),
    size=st.sampled_from([1, 2, 3, 5]),
    inputs=st.integers(1, 3),
    outputs=st.integers(1, 3),
)
@settings(max_examples=25, deadline=None)
def test_the_certificate_of_circular_convolutions_is_close(
    seed: int, axes: int, size: int, inputs: int, outputs: int
) -> None:
    layer = convolution(axes, inputs, outputs, size, seed, padding="same", padding_mode="circular")
    norm = dense_norm(layer, inputs, *[{1: 64, 2: 14}[axes]] * axes)
    assert norm * (1 - 1e-12) <= certified_norm(layer) <= 1.1 * norm


def test_the_certificate_of_a_kernel_of_ones_and_of_one_that_peaks_between_grid_points() -> None:
    ones = nn.Conv2d(1, 1, 3, padding=1)
    nn.init.ones_(ones.weight)
    assert 9 <= certified_norm(ones) <= 9 * 1.005**2
    # |1 + exp(i(ω − φ))| = 2 at ω = φ, wherever φ is, as a 2 × 2 rotation per tap.
    for phase in torch.linspace(0, 2 * math.pi, 50, dtype=float64):
        rotation = torch.stack([torch.stack([phase.cos(), -phase.sin()]), torch.stack([phase.sin(), phase.cos()])])
        kernel = torch.stack([torch.eye(2, dtype=float64), rotation], dim=2).unsqueeze(0)
        for oversampling in (2, 3, 6):
            bound = float(operator_norm_bound(kernel, oversampling))
            assert 2 <= bound <= 2 / math.cos(math.pi / (4 * oversampling)) + 1e-12


def test_without_the_correction_between_grid_points_the_bound_is_too_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """The mutation that the test above must see."""
    monkeypatch.setattr(math, "cos", lambda angle: 1.0)
    phase = torch.tensor(math.pi / 4, dtype=float64)  # a grid of 4 points has it halfway between two
    rotation = torch.stack([torch.stack([phase.cos(), -phase.sin()]), torch.stack([phase.sin(), phase.cos()])])
    kernel = torch.stack([torch.eye(2, dtype=float64), rotation], dim=2).unsqueeze(0)
    assert float(operator_norm_bound(kernel, 2)) < 1.9


def test_the_reshaped_kernel_of_pytorchs_spectral_norm_is_not_the_operator() -> None:
    layer = nn.Conv2d(1, 1, 3, padding=1, padding_mode="circular", bias=False)
    nn.init.ones_(layer.weight)
    theirs = parametrizations.spectral_norm(copy.deepcopy(layer), n_power_iterations=100).eval()
    assert dense_norm(theirs, 1, 8, 8) == pytest.approx(3.0, rel=1e-5)
    ours = bound_spectral_norm(layer, bound=1.0)
    assert 0.96 <= dense_norm(ours, 1, 8, 8) <= 1.0


def layers() -> dict[str, tuple[nn.Module, tuple[int, ...]]]:
    return {
        "linear": (nn.Linear(6, 9), (6,)),
        "zero padding": (convolution(2, 2, 3, 3, padding=1), (2, 6, 6)),
        "circular": (convolution(2, 2, 3, 3, padding=1, padding_mode="circular"), (2, 6, 6)),
        "strided": (convolution(1, 2, 3, 5, padding=2, stride=2), (2, 12)),
        "grouped and dilated": (convolution(1, 4, 4, 3, padding=2, groups=2, dilation=2), (4, 12)),
        "volume": (convolution(3, 1, 2, 3, padding=1), (1, 4, 4, 4)),
    }


@pytest.mark.parametrize("dtype", [torch.float32, float64, torch.bfloat16])
@pytest.mark.parametrize("name", layers())
def test_a_bounded_layer_never_exceeds_its_bound(name: str, dtype: torch.dtype) -> None:
    layer, shape = layers()[name]
    layer = bound_spectral_norm(layer.to(dtype), bound=0.9)
    optimiser = torch.optim.SGD(layer.parameters(), lr=10.0)
    for _ in range(3):
        assert certified_norm(layer) <= 0.9
        assert dense_norm(layer, *shape) <= 0.9
        x, y = torch.randn(50, *shape, dtype=dtype), torch.randn(50, *shape, dtype=dtype)
        if dtype != torch.bfloat16:  # whose products round by themselves
            ratio = (layer(x) - layer(y)).flatten(1).norm(dim=1) / (x - y).flatten(1).norm(dim=1)
            assert ratio.max() <= 0.9
        optimiser.zero_grad()
        (-layer(x).float().square().mean()).backward()  # asks for a larger norm
        optimiser.step()


@pytest.mark.parametrize("name", layers())
def test_the_bound_is_not_wasted(name: str) -> None:
    layer, _ = layers()[name]
    assert certified_norm(bound_spectral_norm(layer, bound=0.9)) >= 0.85


def test_weights_within_the_bound_stay_as_they_are() -> None:
    layer, _ = layers()["circular"]
    before = layer.weight.detach().clone()
    bound = 1.1 * certified_norm(layer)
    assert torch.equal(bound_spectral_norm(layer, bound).weight, before)


@pytest.mark.parametrize("name", layers())
def test_the_gradient_by_finite_differences(name: str) -> None:
    layer, shape = layers()[name]
    layer = bound_spectral_norm(layer.double(), bound=0.5)
    x = torch.randn(2, *shape, dtype=float64)
    weight = layer.parametrizations.weight.original.detach().clone().requires_grad_()

    def outputs(weight: Tensor) -> Tensor:
        return torch.func.functional_call(layer, {"parametrizations.weight.original": weight}, x).square().sum()

    assert torch.autograd.gradcheck(outputs, weight)


def test_zero_weights_have_norm_zero_and_a_finite_gradient() -> None:
    for layer in (nn.Linear(3, 3), nn.Conv2d(2, 2, 3)):
        nn.init.zeros_(layer.weight)
        assert certified_norm(layer) < 1e-100
        bound_spectral_norm(layer)
        layer(torch.ones(1, 2, 3, 3) if isinstance(layer, nn.Conv2d) else torch.ones(1, 3)).sum().backward()
        assert layer.parametrizations.weight.original.grad.isfinite().all()


def test_weights_that_are_not_numbers_stay_so() -> None:
    layer = bound_spectral_norm(nn.Conv1d(2, 2, 3))
    with torch.no_grad():
        layer.parametrizations.weight.original[0, 0, 0] = math.nan
    assert layer.weight.isnan().all() and math.isnan(certified_norm(layer))


def test_it_is_a_parametrisation_like_any_other() -> None:
    torch.manual_seed(0)
    layer = bound_spectral_norm(nn.Conv2d(2, 2, 3, padding=1), bound=0.3)
    x = torch.randn(1, 2, 5, 5)
    expected = layer(x)
    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer.state_dict()))):
        if isinstance(twin, dict):
            restored = bound_spectral_norm(nn.Conv2d(2, 2, 3, padding=1), bound=0.3)
            restored.load_state_dict(twin)
            twin = restored
        assert torch.equal(twin(x), expected)
    with parametrize.cached():
        assert layer.weight is layer.weight
    layer.weight = 100 * torch.ones(2, 2, 3, 3)
    assert certified_norm(layer) <= 0.3
    parametrize.remove_parametrizations(layer, "weight")
    assert isinstance(layer.weight, nn.Parameter) and certified_norm(layer) <= 0.3
    assert "bound=0.3" in repr(bound_spectral_norm(layer, 0.3))


def test_the_norm_is_computed_once_for_weights_that_stay_and_again_for_weights_that_change(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls = []
    module = "implicit_lib.regularisation._spectral.operator_norm_bound"
    monkeypatch.setattr(module, lambda *arguments: calls.append(1) or operator_norm_bound(*arguments))
    layer = bound_spectral_norm(nn.Conv2d(3, 3, 3, padding=1), bound=0.1)
    original = layer.parametrizations.weight.original
    x = torch.randn(1, 3, 4, 4)
    with torch.no_grad():
        fresh = [layer(x), layer(x)]
        assert len(calls) == 2 and torch.equal(*fresh)  # one of them at registration, with gradients
        original.data.mul_(2)  # no version counter tells
        assert torch.allclose(layer(x), fresh[0], atol=1e-5) and len(calls) == 3
    layer(x)
    layer(x).sum().backward()
    assert len(calls) == 5
    copy.deepcopy(layer)(x)


def test_autocast_does_not_spoil_the_bound() -> None:
    torch.manual_seed(0)
    layer = bound_spectral_norm(nn.Linear(32, 32), bound=0.9)
    nn.init.normal_(layer.parametrizations.weight.original)
    plain = layer.weight
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(layer.weight, plain)


def test_an_operator_of_bounded_layers_is_a_contraction_and_its_model_trains() -> None:
    torch.manual_seed(0)
    first, second = (bound_spectral_norm(nn.Conv2d(3, 3, 3, padding=1), bound=0.9) for _ in range(2))
    for layer in (first, second):
        nn.init.normal_(layer.parametrizations.weight.original)
    model = ImplicitModel(lambda y, q: second(torch.tanh(first(y) + q)), max_iter=300, tol=1e-5)
    q = torch.randn(2, 3, 6, 6)
    modulus = contraction_modulus(lambda y: model.operator(y, q), model.solve(q).value.detach())
    assert (modulus.value <= 0.81).all()
    model(q).square().mean().backward()
    assert all(parameter.grad.isfinite().all() for layer in (first, second) for parameter in layer.parameters())


@pytest.mark.parametrize(
    ("module", "error", "message"),
    [
        (nn.ReLU(), TypeError, "ReLU"),
        (nn.ConvTranspose2d(1, 1, 3), TypeError, "ConvTranspose2d"),
        (nn.Conv2d(1, 1, 3, padding=1, padding_mode="reflect"), ValueError, "reflect"),
        (nn.Conv2d(1, 1, 3, padding=1, padding_mode="replicate"), ValueError, "replicate"),
        (nn.Conv1d(1, 1, 3, padding=2, padding_mode="circular"), ValueError, "more than the kernel reaches"),
    ],
)
def test_modules_that_have_no_certificate(module: nn.Module, error: type[Exception], message: str) -> None:
    for function in (bound_spectral_norm, certified_norm):
        with pytest.raises(error, match=message):
            function(module)


def test_what_is_refused_would_have_been_wrong() -> None:
    """Replicated and reflected borders, and circular ones that repeat outputs, do exceed the kernel's own norm."""
    plain = nn.Conv1d(1, 1, 3, bias=False)
    with torch.no_grad():
        plain.weight.copy_(torch.tensor([[[1.0, 0.0, 0.0]]]))
    certificate = certified_norm(plain)
    for padding, mode in ((2, "circular"), (1, "replicate"), (1, "reflect")):
        refused = nn.Conv1d(1, 1, 3, bias=False, padding=padding, padding_mode=mode)
        refused.weight = plain.weight
        assert max(dense_norm(refused, 1, edge) for edge in (3, 4, 5)) > certificate


@pytest.mark.parametrize(
    ("bound", "error"),
    [(0, ValueError), (-1.0, ValueError), (math.inf, ValueError), ("1", TypeError), (True, TypeError)],
)
def test_bounds_that_are_none(bound: object, error: type[Exception]) -> None:
    with pytest.raises(error, match="bound must be"):
        bound_spectral_norm(nn.Linear(2, 2), bound)


def test_a_layer_is_bounded_once() -> None:
    layer = bound_spectral_norm(nn.Linear(2, 2))
    with pytest.raises(ValueError, match="already"):
        bound_spectral_norm(layer)


def test_the_largest_frequency_may_be_in_any_group_and_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("implicit_lib.regularisation._operator_norm._BLOCK", 1)
    for strong, seed in itertools.product(range(3), range(3)):
        kernel = torch.randn(3, 2, 2, 3, 3, generator=torch.Generator().manual_seed(seed), dtype=float64)
        kernel[strong] *= 10
        alone = operator_norm_bound(kernel[strong : strong + 1], 4)
        torch.testing.assert_close(operator_norm_bound(kernel, 4), alone, rtol=1e-12, atol=0)
