"""Greedy answers: with and without a cache, alone and in a batch."""

from __future__ import annotations

import pytest
import torch

from implicit_lib.cases.looped_transformers.huginn import Huginn, generate, initial_state
from tests.cases.looped_transformers.tiny_huginn import TINY, evaluate, lively

PROMPTS = [[3, 1, 4, 1], [5, 9, 2, 6], [3, 1, 4, 2]]


@pytest.fixture(scope="module")
def model() -> Huginn:
    return lively()


@pytest.mark.parametrize("steps", [1, 4, 16])
def test_a_cache_changes_nothing(model: Huginn, steps: int) -> None:
    with_cache = generate(model, PROMPTS, num_steps=steps, max_length=16)
    assert with_cache == generate(model, PROMPTS, num_steps=steps, max_length=16, use_cache=False)
    assert [len(answer) for answer in with_cache] == [12, 12, 12]


def test_a_batch_changes_nothing(model: Huginn) -> None:
    together = generate(model, PROMPTS, num_steps=3, max_length=16)
    assert together == [generate(model, [prompt], num_steps=3, max_length=16)[0] for prompt in PROMPTS]


def test_each_token_is_the_most_probable_one(model: Huginn) -> None:
    """By the evaluation from the description, which reads all again for each."""
    start = initial_state(TINY, 10, 2).double()
    answer = generate(model, PROMPTS[:1], num_steps=2, max_length=10, start=2)[0]
    read = list(PROMPTS[0])
    for token in answer:
        logits = evaluate(model.state_dict(), torch.tensor(read), start[: len(read)], 2)
        assert token == int(logits[-1].argmax())
        read.append(token)


def test_an_answer_stops_at_its_token_and_others_go_on(model: Huginn) -> None:
    free = generate(model, PROMPTS, num_steps=3, max_length=16)
    stop = free[0][5]
    stopped = generate(model, PROMPTS, num_steps=3, max_length=16, stop=[stop])
    for before, after in zip(free, stopped, strict=True):
        assert after == (before[: before.index(stop)] if stop in before else before)
    assert generate(model, PROMPTS[:1], num_steps=3, max_length=16, stop=[free[0][0]]) == [[]]


def test_two_bytes_generate_too() -> None:
    (answer,) = generate(lively().bfloat16(), PROMPTS[:1], num_steps=3, max_length=12)
    assert len(answer) == 8


@pytest.mark.parametrize(
    ("prompts", "options", "message"),
    [
        ([], {}, "at least one token"),
        ([[]], {}, "at least one token"),
        ([[1, 2], [3]], {}, r"equally long, but are of \[1, 2\]"),
        ([[1] * 24], {"max_length": 24}, "more than the 24 tokens of the prompt.*but is 24"),
        ([[1] * 70], {"max_length": 80}, "at most the 64 that the model reads, but is 80"),
        ([[1, 50]], {"max_length": 24}, "from 0 to 49, but one is 50"),
        ([[1, -3]], {"max_length": 24}, "from 0 to 49, but one is -3"),
        ([[1]], {"num_steps": 0, "max_length": 24}, "num_steps must be 1 or more, but is 0"),
    ],
)
def test_bad_input_is_named(model: Huginn, prompts: list[list[int]], options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        generate(model, prompts, **options)
