"""What ships: it loads, it reproduces its cards, and it is as good as the book says."""

import pytest
import torch

from implicit_lib.cases._files import data_hash
from implicit_lib.cases.linear_programs import (
    WEIGHTS,
    ImplicitGNN,
    Instances,
    errors,
    held_out_instances,
    load,
    moduli,
    parameter_count,
    read_card,
    recipe,
)
from implicit_lib.cases.linear_programs._weights import recipe_of

SHIPPED = sorted(path.stem for path in WEIGHTS.glob("*.safetensors"))


def parts(name: str) -> tuple[str, int, int]:
    model, embedding, seed = name.split("-")
    return model, int(embedding), int(seed.removeprefix("seed"))


@pytest.fixture(scope="module")
def held_out() -> Instances:
    return held_out_instances()


@pytest.mark.parametrize("name", SHIPPED)
def test_the_weights_reproduce_their_card(name: str, held_out: Instances) -> None:
    model, embedding, seed = parts(name)
    card, module = read_card(model, embedding, seed=seed), load(model, embedding, seed=seed)
    assert recipe_of(card) == recipe("small", model, embedding, seed) and card["parameters"] == parameter_count(module)
    assert card["data"]["test"] == data_hash(*held_out.programs)
    found = errors(module, held_out, iterations=8)
    for t in ("1", "8") if isinstance(module, ImplicitGNN) else ("1",):
        assert found[int(t) - 1].item() == pytest.approx(card["metrics"]["error"][t], rel=1e-3), t


@pytest.mark.parametrize("name", [name for name in SHIPPED if name.startswith("contraction")])
def test_the_contraction_contracts(name: str, held_out: Instances) -> None:
    model, embedding, seed = parts(name)
    some = held_out.programs.take(slice(0, 200))
    assert read_card(model, embedding, seed=seed)["metrics"]["modulus"]["largest"] < 1
    assert moduli(load(model, embedding, seed=seed), some).max() < 1


@pytest.mark.parametrize("name", [name for name in SHIPPED if name.startswith("implicit")])
def test_the_others_do_not_and_stay_good_all_the_same(name: str) -> None:
    model, embedding, seed = parts(name)
    metrics = read_card(model, embedding, seed=seed)["metrics"]
    assert metrics["modulus"]["largest"] > 1
    assert metrics["error"]["200"] <= 1.05 * min(metrics["error"].values())
    assert metrics["error"]["200"] <= {4: 0.18, 8: 0.16, 16: 0.14, 32: 0.135}[embedding]


def test_the_weights_are_small() -> None:
    assert sum(path.stat().st_size for path in WEIGHTS.glob("*")) < 1_000_000


def test_an_untrained_model_is_not_as_good(held_out: Instances) -> None:
    torch.manual_seed(0)
    assert errors(recipe("small", "implicit", 8).build(), held_out, iterations=8)[-1] > 0.4
