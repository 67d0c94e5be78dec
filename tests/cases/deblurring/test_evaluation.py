"""What a model is measured by, against closed forms: with H = identity operators are linear, wave by wave."""

import pytest
import torch
from torch import nn

from implicit_lib.cases.deblurring import (
    QUANTILES,
    Blur,
    Deblurring,
    Denoiser,
    Explicit,
    Observed,
    Scheme,
    Unfolded,
    camera_shake,
    held_out,
    iterates,
    moduli,
    operator,
    pass_flops,
    perturbations,
    psnr,
    quality,
    sensitivity,
    speed_limit,
    ssim,
)
from tests.cases.deblurring.problems import TINY, awake, pictures, short

SIDE = 32
TRANSFORMS = 2 * 3 * 2.5 * SIDE**2 * 10  # of one data step: there and back, three colours, log2 of 32² is 10


def linear(scheme: Scheme) -> Deblurring:
    """A model whose denoiser changes nothing."""
    return Deblurring(operator(scheme, TINY, Blur(camera_shake(), SIDE)))


def crops() -> torch.Tensor:
    return pictures()[:2, :, :SIDE, :SIDE]


def gains(model: Deblurring, values: torch.Tensor, t: int) -> torch.Tensor:
    """‖y_t‖ / ‖x‖ for x a wave at which |H| has these values, by the geometric series."""
    power = values.square()
    if hasattr(model.operator, "beta"):
        beta = model.operator.beta.item()
        keeps, takes = beta / (power + beta), values / (power + beta)
    else:
        gamma = model.operator.step_size.item()
        keeps, takes = 1 - gamma * power, gamma * values
    return takes * (1 - keeps**t) / (1 - keeps)


def levels(model: Deblurring) -> torch.Tensor:
    """|H| along the perturbed waves, float64."""
    blur = model.operator.blur
    waves = blur.singular_vectors(QUANTILES)
    return blur(waves).flatten(1).norm(dim=1)


@pytest.mark.parametrize("scheme", ["pgd", "hqs"])
def test_the_papers_constant_is_that_of_the_geometric_series(scheme: Scheme) -> None:
    model = linear(scheme)
    found = sensitivity(model, crops(), 12).value
    expected = [gains(model, levels(model), t).max().item() for t in range(1, 13)]
    assert found.tolist() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("scheme", ["pgd", "hqs"])
def test_the_speed_limit_is_that_of_the_largest_norms(scheme: Scheme) -> None:
    model = linear(scheme)
    found = speed_limit(model, crops(), 6)
    values = model.operator.blur.power.sqrt().flatten()
    if scheme == "hqs":
        beta = model.operator.beta.item()
        modulus, by_input = (beta / (values**2 + beta)).max(), (values / (values**2 + beta)).max()
    else:
        gamma = model.operator.step_size.item()
        modulus, by_input = (1 - gamma * values**2).abs().max(), gamma * values.max()
    assert found.modulus.tolist() == pytest.approx([modulus.item()] * 6, rel=0.02)
    expected = [by_input.item() * sum(modulus.item() ** k for k in range(t)) for t in range(1, 7)]
    assert found.envelope.tolist() == pytest.approx(expected, rel=0.05)
    assert moduli(model, crops(), at=(1, 3)).amax().item() == pytest.approx(modulus.item(), rel=0.02)


def test_it_bounds_a_model_that_is_not_linear() -> None:
    model = awake(short("hqs").build())
    bound = speed_limit(model, crops(), 4).envelope
    steep = sensitivity(model, crops(), 4).value
    assert (steep <= bound * 1.01).all()
    assert not (steep <= 0.2 * bound).all()


def test_quality_is_that_of_the_iterates() -> None:
    model = awake(short("hqs").build())
    observed = Observed(crops(), model.operator.blur(crops()))
    found = quality(model, observed, at=(1, 3))
    first, _, third = iterates(model, observed.blurred, 3)
    for row, y in enumerate((first, third)):
        assert found.psnr[row].item() == pytest.approx(psnr(y, observed.clean).mean().item(), rel=1e-6)
        assert found.ssim[row].item() == pytest.approx(ssim(y, observed.clean).mean().item(), rel=1e-6)
    torch.testing.assert_close(third, model(observed.blurred, 3), rtol=1e-5, atol=1e-6)
    other = quality(model, observed, at=(1, 3), from_blurred=True)
    assert other.psnr[0] != found.psnr[0] and other.residual[0] < found.residual[0] == 1


def test_psnr_is_its_definition_and_cuts() -> None:
    clean, y = crops(), crops() + 0.1 * torch.randn(crops().shape, generator=torch.Generator().manual_seed(0))
    by_hand = [-10 * torch.log10((a.clamp(0, 1) - b).square().mean()) for a, b in zip(y, clean, strict=True)]
    torch.testing.assert_close(psnr(y, clean), torch.stack(by_hand))
    assert (ssim(clean, clean) > 0.999).all() and (ssim(y, clean) < 0.95).all()


def test_ssim_agrees_with_scikit_image() -> None:
    from skimage.metrics import structural_similarity

    clean, y = crops(), (crops() + 0.05 * torch.randn(crops().shape, generator=torch.Generator().manual_seed(0)))
    for found, a, b in zip(ssim(y, clean), y.clamp(0, 1), clean, strict=True):
        options = {"channel_axis": 0, "data_range": 1.0, "gaussian_weights": True, "use_sample_covariance": False}
        assert found.item() == pytest.approx(
            structural_similarity(a.numpy(), b.numpy(), **options), abs=0.04
        )  # they treat borders differently


def test_perturbations_are_the_papers() -> None:
    """δ = A(ε v) with ‖v‖ = 1 and ε = .01."""
    blur = Blur(camera_shake(), SIDE)
    deltas = perturbations(blur, 3)
    assert deltas.shape == (len(QUANTILES), 3, 3, SIDE, SIDE)
    power = torch.fft.fft2(deltas[:, 0, 0]).abs()
    assert (power > 0.5 * power.amax(dim=(1, 2), keepdim=True)).sum(dim=(1, 2)).max() <= 2  # one wave each
    assert torch.allclose(deltas.flatten(2).norm(dim=2)[:, 0], 0.01 * levels(linear("hqs")).to(deltas), rtol=1e-4)


def test_what_is_held_out_is_blurred_and_noisy() -> None:
    clean, blurred = held_out()
    noise = blurred - Blur(camera_shake(), 64)(clean)
    assert clean.shape == blurred.shape == (48, 3, 64, 64)
    assert noise.std().item() == pytest.approx(0.03, rel=0.01) and abs(noise.mean().item()) < 1e-3
    one = Explicit(short("denoiser").build())  # the identity
    same = quality(one, Observed(clean, blurred)).psnr
    assert same.item() == pytest.approx(psnr(blurred, clean).mean().item(), rel=1e-6)


def by_hand(denoiser: Denoiser) -> int:
    """2 · (numbers read for one number written) · (numbers written), layer by layer."""
    found = []

    def count(layer: nn.Module, given: tuple[torch.Tensor], made: torch.Tensor) -> None:
        assert isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)
        larger = made if isinstance(layer, nn.Conv2d) else given[0]  # a transposed layer goes the other way
        found.append(2 * layer.weight[0].numel() * larger.numel())

    for layer in denoiser.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            layer.register_forward_hook(count)
    denoiser(torch.zeros(1, 3, SIDE, SIDE))
    return sum(found)


@pytest.mark.parametrize("scheme", ["pgd", "hqs"])
def test_flops_are_those_counted_by_hand(scheme: Scheme) -> None:
    one = by_hand(Denoiser(TINY))
    assert pass_flops(Explicit(Denoiser(TINY)), SIDE) == one
    assert pass_flops(linear(scheme), SIDE) == one + TRANSFORMS
    assert pass_flops(Unfolded(scheme, TINY, Blur(camera_shake(), SIDE), 3), SIDE) == 3 * (one + TRANSFORMS)
    assert pass_flops(linear(scheme).double(), SIDE) == one + TRANSFORMS
