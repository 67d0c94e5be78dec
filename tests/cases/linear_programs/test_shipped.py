"""What ships: it loads, it reproduces its cards, and it is as good as the book says."""

import itertools

import pytest
import torch

from implicit_lib.cases._files import data_hash
from implicit_lib.cases.linear_programs import (
    EMBEDDINGS,
    FIELDS,
    SOME,
    WEIGHTS,
    ImplicitGNN,
    Instances,
    errors,
    held_out_instances,
    load,
    moduli,
    parameter_count,
    primal_dual,
    read_card,
    read_results,
    recipe,
    relative_error,
    shipped,
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
    assert metrics["error"]["200"] <= ERRORS[embedding]


SEEDS = 3
"""The runs of each row of the book's table."""

ERRORS = {4: 0.18, 8: 0.16, 16: 0.14, 32: 0.135}


def mean_error(model: str, embedding: int, t: str) -> float:
    """Over the seeds, from their cards."""
    found = [read_card(model, embedding, seed=k)["metrics"]["error"][t] for k in range(SEEDS)]
    return sum(found) / len(found)


def test_everything_that_the_table_needs_is_there() -> None:
    cards = set(shipped())
    table = set(itertools.product(("implicit", "explicit"), EMBEDDINGS, range(SEEDS)))
    assert cards >= table and {model for model, _, _ in cards - table} == {"contraction"}
    with_weights = {name for name in cards if name[2] == 0}
    assert {parts(name) for name in SHIPPED} == with_weights  # of the other seeds the cards alone


@pytest.mark.parametrize("name", sorted(shipped()))
def test_a_card_is_of_the_books_recipe_and_data(name: tuple[str, int, int], held_out: Instances) -> None:
    model, embedding, seed = name
    card, other = read_card(model, embedding, seed=seed), read_card("implicit", 4)
    assert recipe_of(card) == recipe("small", model, embedding, seed)
    assert card["data"] == other["data"] and card["data"]["test"] == data_hash(*held_out.programs)
    kind = "explicit" if model == "explicit" else "implicit"
    sizes = {"explicit": (580, 2_088, 7_888, 30_624), "implicit": (722, 2_350, 8_390, 31_606)}
    assert card["parameters"] == sizes[kind][EMBEDDINGS.index(embedding)]
    assert ("modulus" in card["metrics"]) is (kind == "implicit")
    assert card["metrics"]["sensitivity"].keys() == set(FIELDS)


def test_the_table_reaches_its_targets() -> None:
    """The issue's: in the mean of three seeds, and smaller implicit networks below larger explicit ones."""
    for embedding, target in ERRORS.items():
        assert mean_error("implicit", embedding, "200") <= target, embedding
        assert mean_error("implicit", embedding, "200") < mean_error("explicit", embedding, "1"), embedding
    assert mean_error("implicit", 4, "200") < mean_error("explicit", 8, "1")
    assert mean_error("implicit", 8, "200") < mean_error("explicit", 32, "1")


@pytest.mark.parametrize("name", sorted(name for name in shipped() if name[0] == "implicit"))
def test_no_seed_worsens_far_beyond_training(name: tuple[str, int, int]) -> None:
    found = read_card(name[0], name[1], seed=name[2])["metrics"]["error"]
    assert found["200"] <= (1.1 if name[1] == 4 else 1.05) * min(found.values())


def test_the_comparison_is_of_what_ships() -> None:
    """All whose weights ship, and errors that the weights and the iteration reproduce."""
    results = read_results()
    assert set(results["long"]) == set(results["twice"]) == set(SHIPPED)
    assert set(results["seconds"]) == {*SHIPPED, "highs"}
    few = held_out_instances(SOME)
    for model, d, seed in shipped():
        if seed == 0:
            stored = results["long"][f"{model}-{d}-seed0"]
            assert errors(load(model, d), few, 3)[-1].item() == pytest.approx(stored.get("3", stored["1"]), rel=1e-3)
    dual = results["primal_dual"]
    (y,) = primal_dual(few.programs, [100], weight=dual["weight"])
    assert relative_error(y, few.solutions).mean().item() == pytest.approx(dual["error"]["100"], rel=1e-3)


def test_the_weights_are_small() -> None:
    assert sum(path.stat().st_size for path in WEIGHTS.glob("*")) < 1_000_000


def test_an_untrained_model_is_not_as_good(held_out: Instances) -> None:
    torch.manual_seed(0)
    assert errors(recipe("small", "implicit", 8).build(), held_out, iterations=8)[-1] > 0.4
