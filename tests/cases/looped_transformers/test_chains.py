"""Assignment chains against an interpreter that reads them as a programme."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from implicit_lib.cases.looped_transformers import (
    NAMES,
    VALUES,
    ChainError,
    Chains,
    draw,
    flipped,
    name_text,
    parse,
    text,
)


def interpreted(written: str) -> dict[str, tuple[int, int]]:
    """What every name is, and after how many others, by following statements one at a time."""
    left = dict(statement.split("=") for statement in written.split())
    known: dict[str, tuple[int, int]] = {}
    while left:
        for name, to in list(left.items()):
            if to.isdigit():
                known[name] = (int(to), 0)
            elif to in known:
                known[name] = (known[to][0], known[to][1] + 1)
            else:
                continue
            del left[name]
    return known


def check(contexts: Chains) -> None:
    for row in range(len(contexts.name)):
        known = interpreted(text(contexts, row))
        assert len(known) == contexts.name.shape[1], "every name is set once"
        for number, answer, depth in zip(
            contexts.name[row].tolist(), contexts.answer[row].tolist(), contexts.depth[row].tolist(), strict=True
        ):
            assert known[name_text(number)] == (answer, depth)


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 6), st.integers(1, 12), st.integers(0, 2**20))
def test_drawn_contexts_mean_what_they_say(chains: int, length: int, seed: int) -> None:
    contexts = draw(3, chains, length, torch.Generator().manual_seed(seed))
    check(contexts)
    for each in range(chains):
        assert ((contexts.chain == each).sum(dim=1) == length).all()


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 5), st.integers(1, 8), st.integers(0, 2**20), st.sampled_from([" ", ", ", ";\n"]))
def test_a_text_is_read_as_it_was_written(chains: int, length: int, seed: int, between: str) -> None:
    contexts = draw(1, chains, length, torch.Generator().manual_seed(seed))
    again = parse(text(contexts).replace(" ", between))
    for mine, theirs in zip(contexts[:3] + contexts[4:], again[:3] + again[4:], strict=True):
        assert torch.equal(mine, theirs)
    same = contexts.chain[0][:, None] == contexts.chain[0]
    assert torch.equal(same, again.chain[0][:, None] == again.chain[0])


def test_one_token_is_flipped_and_its_chain_follows() -> None:
    contexts = draw(5, 4, 6, torch.Generator().manual_seed(0))
    others = flipped(contexts, 2, by=3)
    check(others)
    assert ((others.given != contexts.given).sum(dim=1) == 1).all()
    assert torch.equal(others.answer != contexts.answer, contexts.chain == 2)


def test_a_flip_that_changes_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="the value would stay"):
        flipped(draw(1, 2, 2, torch.Generator()), 0, by=VALUES)


def test_trees_are_chains_that_share_a_value() -> None:
    contexts = parse("a=7 b=a c=a d=c")
    assert contexts.answer.tolist() == [[7, 7, 7, 7]]
    assert contexts.chain.tolist() == [[0, 0, 0, 0]]
    assert contexts.depth.tolist() == [[0, 1, 1, 2]]


def test_names_are_what_their_text_says() -> None:
    names = [name_text(number) for number in range(NAMES)]
    assert len(set(names)) == NAMES and names[0] == "a" and names[25] == "z" and names[26] == "a0" and names[-1] == "z9"
    assert parse(" ".join(f"{name}=1" for name in names)).name.tolist() == [list(range(NAMES))]


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("", "the text is empty"),
        (" ; ", "the text is empty"),
        ("a=b b=7 c", "'c' is no statement"),
        ("A=7", "'A=7' is no statement"),
        ("a=77", "'a=77' is no statement"),
        ("a = 7", "'a' is no statement"),
        ("a=7 a=8", "a is set twice, to 7 and to 8"),
        ("a=b", "b is used, but never set"),
        ("a=b b=c c=a", "a = b = c = a leads in a circle"),
        ("a=a", "leads in a circle"),
        ("__import__('os')=1", "is no statement"),
    ],
)
def test_what_cannot_be_read_says_why(written: str, message: str) -> None:
    with pytest.raises(ChainError, match=message):
        parse(written)


@pytest.mark.parametrize(("chains", "length"), [(0, 3), (3, 0), (NAMES, 2)])
def test_contexts_that_do_not_exist(chains: int, length: int) -> None:
    with pytest.raises(ValueError, match=f"1 to {NAMES} statements"):
        draw(1, chains, length, torch.Generator())
