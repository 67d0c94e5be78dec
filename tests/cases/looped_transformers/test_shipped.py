"""The transformer that ships: it loads, reproduces its card, and answers longer chains than it was trained on."""

from __future__ import annotations

import pytest

from implicit_lib.cases.looped_transformers import (
    MODELS,
    accuracy,
    contexts_of,
    flipped,
    halted,
    load,
    parameter_count,
    parse,
    read_card,
    recipe,
    rests,
    separation,
)
from implicit_lib.cases.looped_transformers._weights import _STORE


@pytest.mark.parametrize("name", MODELS)
def test_the_weights_reproduce_their_card(name: str) -> None:
    card, model = read_card(name), load(name)
    assert _STORE.recipe_of(card) == recipe("small", name) and card["parameters"] == parameter_count(model)
    for length, t in ((6, "2"), (16, "4")) if name == "looped" else ((6, "1"), (16, "1")):
        share = float(accuracy(model, contexts_of(length, 200), (int(t),)).mean())
        assert share == pytest.approx(card["metrics"]["accuracy"][str(length)][t], abs=1e-3)


def test_all_were_trained_as_long() -> None:
    seconds = [read_card(name)["cpu_seconds"] for name in MODELS]
    assert max(seconds) <= 1.25 * min(seconds)


def test_it_answers_what_it_was_not_trained_on() -> None:
    told = read_card("looped")["metrics"]["accuracy"]
    assert recipe("small", "looped").longest == 6
    assert told["16"]["12"] >= 0.999 and told["64"]["64"] >= 0.98
    assert told["16"]["1"] <= 0.5, "at once it cannot"
    assert abs(told["16"]["500"] - told["16"]["64"]) <= 1e-3


def test_one_token_changes_its_chain_and_nothing_else() -> None:
    model, contexts = load("looped"), contexts_of(16, 30, seed=2)
    found = separation(model, contexts, flipped(contexts, 3), 3, 16)
    assert float(found.inside[-1]) >= 15.9 and float(found.outside[-1]) <= 0.1
    assert float(found.outside[0]) > 5, "at first it guesses"
    mistaken = separation(model, contexts, flipped(contexts, 3), 0, 16)
    assert float(mistaken.outside[-1]) >= 15


def test_it_comes_to_rest_and_knows_when() -> None:
    model, contexts = load("looped"), contexts_of(16, 10, seed=2)
    assert float(rests(model, contexts, 64).max()) < 1e-4
    found = halted(model, contexts, 1e-3, 64)
    assert bool(found.arrived.all()) and float(found.right.mean()) >= 0.999
    assert float(halted(model, contexts_of(2, 10), 1e-3, 64).iterations.double().mean()) < float(
        found.iterations.double().mean()
    )


def test_it_reads_what_a_reader_types() -> None:
    written = parse("a=b c=7 b=c; d=2, e=d f=e")
    scores = load("looped")(written, iterations=8)
    assert scores.argmax(dim=-1).tolist() == [[7, 7, 7, 2, 2, 2]]
