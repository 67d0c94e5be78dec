"""What ships: it loads, it reproduces its cards, and it is as good as the book says."""

import pytest
import torch

from implicit_lib.cases._files import data_hash
from implicit_lib.cases.deblurring import (
    WEIGHTS,
    Deblurring,
    ModelName,
    Observed,
    WeightsError,
    examples,
    held_out,
    load,
    moduli,
    parameter_count,
    quality,
    read_card,
    recipe,
    sensitivity,
    speed_limit,
    training_tiles,
)
from implicit_lib.cases.deblurring._weights import recipe_of

SHIPPED = sorted(path.stem.removesuffix("-seed0") for path in WEIGHTS.glob("*.safetensors"))


@pytest.fixture(scope="module")
def observed() -> Observed:
    return held_out()


def test_everything_that_the_chapter_needs_is_there() -> None:
    assert {"denoiser", "explicit", "pgd", "hqs", "hqs-implicit", "pgd-loose", "pgd-contraction"} <= set(SHIPPED)


@pytest.mark.parametrize("name", SHIPPED)
def test_the_weights_reproduce_their_card(name: str, observed: Observed) -> None:
    card, model = read_card(name), load(name)
    assert recipe_of(card) == recipe("small", name) and card["parameters"] == parameter_count(model)
    assert card["data"] == {"training": data_hash(training_tiles()), "test": data_hash(*observed)}
    t = "5" if isinstance(model, Deblurring) else "1"
    assert quality(model, observed, at=(int(t),)).psnr[-1].item() == pytest.approx(card["metrics"]["psnr"][t], abs=0.01)


@pytest.mark.parametrize(("name", "more"), [("pgd", 2.2), ("hqs", 3.0), ("hqs-implicit", 3.0)])
def test_the_equilibria_beat_one_pass_and_stay(name: str, more: float) -> None:
    card, one = read_card(name)["metrics"], read_card("explicit")["metrics"]["psnr"]["1"]
    both = card["psnr"], card["psnr_from_blurred"]
    best = max(value for each in both for value in each.values())
    for each in both:
        assert each["500"] >= one + more and each["500"] >= best - 0.1
    assert card["sensitivity"]["100"] >= 3 * card["sensitivity"]["1"]


UNFOLDED: dict[ModelName, int] = {"unfolded-1": 1, "unfolded-2": 2, "unfolded-4": 4, "unfolded-8": 8, "unfolded-16": 16}


@pytest.mark.parametrize("name", UNFOLDED)
def test_the_equilibrium_beats_every_stack_but_not_for_the_price_of_its_blocks(name: ModelName) -> None:
    card, walked = read_card(name), read_card("hqs")["metrics"]["psnr"]
    assert recipe_of(card) == recipe("small", name) and card["recipe"]["blocks"] == UNFOLDED[name]
    reached = card["metrics"]["psnr"]["1"]
    assert reached <= walked["500"] - 0.1
    assert reached > walked.get(str(UNFOLDED[name]), 0)


def test_large_stacks_do_not_ship_and_it_is_said_how_to_make_them() -> None:
    with pytest.raises(WeightsError, match="train --model unfolded-16"):
        load("unfolded-16")


def test_the_loose_one_does_not() -> None:
    found = read_card("pgd-loose")["metrics"]["psnr"]
    assert found["500"] < max(found.values()) - 3


def test_the_contraction_contracts_and_keeps_its_limit(observed: Observed) -> None:
    card, model = read_card("pgd-contraction")["metrics"], load("pgd-contraction")
    assert isinstance(model, Deblurring) and max(card["modulus"].values()) < 1
    assert moduli(model, observed.blurred[1::16], at=(1, 5, 20)).max() < 1
    x = examples().blurred[:1]
    limit = speed_limit(model, x, 2)
    torch.testing.assert_close(limit.envelope, torch.tensor(card["limit"]["envelope"][:2]).double(), rtol=1e-3, atol=0)
    assert (sensitivity(model, x, 8).value <= torch.tensor(card["limit"]["envelope"][:8]) * (1 + 1e-6)).all()
