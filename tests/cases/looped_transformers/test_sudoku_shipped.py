"""The transformer for boards that ships: it is that of its card, and solves harder boards than it was trained on."""

from __future__ import annotations

import pytest
import torch

from implicit_lib.cases.looped_transformers import parameter_count
from implicit_lib.cases.looped_transformers.sudoku import (
    LEVELS,
    Boards,
    levels,
    load,
    minimal,
    parse,
    read_card,
    recipe,
    solved,
    turned,
)
from implicit_lib.cases.looped_transformers.sudoku._weights import _STORE

SHIPPED = ("looped", "explicit-deep")
SEEN, UNSEEN = LEVELS[:3], LEVELS[3:5]


@pytest.fixture(scope="module")
def boards() -> Boards:
    """The first of the card's."""
    return minimal(200, 1)


@pytest.mark.parametrize("name", SHIPPED)
def test_the_weights_are_those_of_the_card(name: str, boards: Boards) -> None:
    card, model = read_card(name), load(name)
    assert _STORE.recipe_of(card) == recipe(name) and card["parameters"] == parameter_count(model)
    t = 8 if name == "looped" else 1
    share = solved(model, boards, (t,))[0].double()
    level = levels(boards)
    for i, of in enumerate(LEVELS[:4]):  # of the others there are few
        told = card["metrics"]["solved"][of][str(t)]
        assert float(share[level == i].mean()) == pytest.approx(told, abs=0.15)


def test_both_were_trained_as_long() -> None:
    seconds = [read_card(name)["cpu_seconds"] for name in SHIPPED]
    assert max(seconds) <= 1.25 * min(seconds)


def test_it_solves_what_it_was_not_trained_on() -> None:
    told = read_card("looped")["metrics"]["solved"]
    assert all(int(level[0]) > recipe("looped").deepest for level in UNSEEN)
    assert min(told[level]["64"] for level in UNSEEN) >= 0.95
    assert all(told[level]["4"] < told[level]["8"] < told[level]["64"] for level in UNSEEN), "it rises with t"
    assert all(told[level]["500"] >= told[level]["64"] for level in LEVELS), "none is lost later"


def test_the_rules_count_and_nothing_else(boards: Boards) -> None:
    model, some = load("looped"), boards.take(slice(0, 40))
    assert float(solved(model, turned(some, torch.Generator().manual_seed(0)), (32,)).double().mean()) >= 0.95
    order = torch.randperm(36, generator=torch.Generator().manual_seed(0))
    assert not bool(solved(model, Boards(some.clues[:, order], some.solution[:, order]), (32,)).any())


def test_it_solves_what_a_reader_types() -> None:
    board = parse("3..... .4..2. .2...5 ..4..3 .1.5.. ...4..")
    assert bool(solved(load("looped"), board, (32,)).all()) and not bool(solved(load("looped"), board, (1,)).any())
