"""The denoiser and the operators around it, against what they are said to be."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from implicit_lib.cases.deblurring import (
    LONGEST_STEP,
    MODELS,
    SMALL,
    Blur,
    Deblurring,
    Denoiser,
    HalfQuadratic,
    ProximalGradient,
    Unfolded,
    camera_shake,
    parameter_count,
    recipe,
)
from tests.cases.deblurring.problems import TINY, awake, pictures, short


def blur() -> Blur:
    return Blur(camera_shake(), 32)


def crops() -> torch.Tensor:
    return pictures()[:2, :, :32, :32]


@pytest.mark.parametrize("model", MODELS)
def test_no_model_has_more_than_half_a_million_numbers_a_denoiser(model: str) -> None:
    found = recipe("small", model)
    assert parameter_count(found.build()) <= 500_000 * found.blocks


def test_all_of_them_have_the_same_denoiser() -> None:
    counts = {
        model: parameter_count(recipe("small", model).build()) for model in ("denoiser", "explicit", "pgd", "hqs")
    }
    assert counts["denoiser"] == counts["explicit"] == counts["pgd"] - 1 == counts["hqs"] - 1
    assert counts["denoiser"] == parameter_count(Denoiser(SMALL))


def test_a_denoiser_begins_as_the_identity_and_is_homogeneous() -> None:
    y, fresh = crops(), Denoiser(TINY)
    torch.testing.assert_close(fresh(y), y, rtol=0, atol=0)
    for scale in (0.1, 3.0):
        torch.testing.assert_close(awake(fresh)(scale * y), scale * fresh(y), rtol=1e-4, atol=1e-5)


@given(seed=st.integers(0, 2**31 - 1))
@settings(max_examples=10, deadline=None)
def test_proximal_gradient_takes_a_step_down_the_misfit(seed: int) -> None:
    """With H = identity it is gradient descent on ½‖x − A y‖², whose gradient autograd knows."""
    y, x = torch.randn(2, 1, 3, 32, 32, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    operator = ProximalGradient(Denoiser(TINY), blur()).double()
    at = y.clone().requires_grad_()
    (slope,) = torch.autograd.grad(0.5 * (x - operator.blur(at)).square().sum(), at)
    found = operator(y, operator.blur.adjoint(x))
    torch.testing.assert_close(found, y - operator.step_size * slope, rtol=1e-6, atol=1e-7)


@given(seed=st.integers(0, 2**31 - 1))
@settings(max_examples=10, deadline=None)
def test_half_quadratic_splitting_minimises(seed: int) -> None:
    """With H = identity the gradient of ½‖x − A z‖² + (β/2)‖z − y‖² vanishes where it goes."""
    y, x = torch.randn(2, 1, 3, 32, 32, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    operator = HalfQuadratic(Denoiser(TINY), blur()).double()
    z = operator(y, operator.blur.adjoint(x)).detach().requires_grad_()
    goal = 0.5 * (x - operator.blur(z)).square().sum() + 0.5 * operator.beta.item() * (z - y).square().sum()
    assert torch.autograd.grad(goal, z)[0].abs().max() < 1e-6


def test_the_step_size_keeps_its_bound_whatever_training_does() -> None:
    operator = ProximalGradient(Denoiser(TINY), blur())
    assert operator.step_size.item() == pytest.approx(1.5)
    for far in (-100.0, 100.0):
        operator.log_odds.data.fill_(far)
        assert 0 <= operator.step_size <= LONGEST_STEP < 2


def test_an_unfolded_model_of_one_denoiser_is_the_walk_of_it() -> None:
    model = Unfolded("hqs", TINY, blur(), 3)
    one = awake(model.steps[0])
    for step in model.steps:
        step.load_state_dict(one.state_dict())
    walk = Deblurring(one)
    torch.testing.assert_close(model(crops()), walk(crops(), 3), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("model", [model for model in MODELS if model not in ("unfolded-8", "unfolded-16")])
def test_every_model_runs_on_another_device(model: str) -> None:
    """On the meta device, where a tensor that was left on the CPU raises."""
    module, x = short(model).build().to("meta"), torch.rand(2, 3, 32, 32, device="meta")
    y = module(x, 3) if isinstance(module, Deblurring) else module(x)
    assert y.device.type == "meta" and y.shape == x.shape
