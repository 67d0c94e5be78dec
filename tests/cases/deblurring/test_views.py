"""What the explorer of two walks shows is what the models say, computed here one by one."""

import pytest
import torch
from torch import Tensor

from implicit_lib.cases.deblurring import (
    Blur,
    Deblurring,
    Explicit,
    Walks,
    camera_shake,
    gaussian,
    psnr,
    walks,
)
from tests.cases.deblurring.problems import awake, pictures, short

SIDE = 32
KERNELS = [camera_shake(), gaussian(1.5)]
SIGMA = 0.05


def models(kernel: int = 0) -> dict[str, Deblurring]:
    """Of the same weights, whatever the kernel that they are told."""
    found = {}
    for seed, name in enumerate(("pgd", "hqs")):
        torch.manual_seed(seed)
        model = awake(short(name).build())  # type: ignore[arg-type]
        assert isinstance(model, Deblurring)
        model.operator.blur = Blur(KERNELS[kernel], SIDE)
        found[name] = Deblurring(model.operator).eval()
    return found


def rival() -> Explicit:
    torch.manual_seed(2)
    model = awake(short("explicit").build())
    assert isinstance(model, Explicit)
    return model


def photograph() -> Tensor:
    return pictures()[0, :, :SIDE, :SIDE]


def parts() -> Walks:
    return walks(models(), rival(), KERNELS, SIDE)


@torch.no_grad()
def seen(t: int, kernel: int) -> dict[str, Tensor]:
    system = parts()
    q = system.encode(photograph(), torch.tensor(float(kernel)), torch.tensor(SIGMA))
    previous = ys = system.start
    for _ in range(t):
        previous, ys = ys, system.step(ys, *q)
    found: dict[str, Tensor] = system.view(ys, previous, *q)
    return found


@pytest.mark.parametrize("kernel", [0, 1])
@torch.no_grad()
def test_both_walks_are_those_of_the_models(kernel: int) -> None:
    """Of each by its own operator, with the chosen kernel; the rival is told none."""
    found, clean = seen(4, kernel), photograph()[None]
    noise = (found["blurred"] - Blur(KERNELS[kernel], SIDE)(clean).flatten()) / SIGMA
    assert abs(float(noise.mean())) < 0.06 and abs(float(noise.std()) - 1) < 0.05
    x = found["blurred"].reshape(1, 3, SIDE, SIDE)
    for name, model in models(kernel).items():
        *_, before, last = torch.zeros_like(x), *model.trajectory(x, 4)
        torch.testing.assert_close(found[name].reshape(x.shape), last, rtol=1e-4, atol=1e-5)
        assert float(found[f"{name} psnr"]) == pytest.approx(float(psnr(last, clean)), abs=1e-3)
        moved = float((last - before).norm() / last.norm())
        assert float(found[f"{name} residual"]) == pytest.approx(moved, rel=1e-3)
    torch.testing.assert_close(found["rival"], rival()(x).flatten(), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found["truth"], clean.flatten())
    for name, picture in {"rival": rival()(x), "blurred": x}.items():
        assert float(found[f"{name} psnr"]) == pytest.approx(float(psnr(picture, clean)), abs=1e-3)
    assert not torch.allclose(found["pgd"], found["hqs"], atol=1e-3)


def test_at_the_start_both_are_black_and_have_no_residual() -> None:
    found = seen(0, 0)
    for name in ("pgd", "hqs"):
        assert (found[name] == 0).all() and found[f"{name} residual"].isnan()


def test_the_models_stay_as_they_are() -> None:
    given = models()
    before = {name: {key: value.clone() for key, value in m.state_dict().items()} for name, m in given.items()}
    system = walks(given, rival(), KERNELS, SIDE)
    with torch.no_grad():
        for parameter in system.step.parameters():
            parameter.zero_()
    for name, model in given.items():
        assert all(torch.equal(value, before[name][key]) for key, value in model.state_dict().items())
        assert all(parameter.requires_grad for parameter in model.parameters())
