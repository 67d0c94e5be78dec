"""The distance between answers against the number of steps: pairs, words, an interrupted run, the command."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from implicit_lib.cases.looped_transformers.huginn import (
    ByteTokenizer,
    CheckpointError,
    Huginn,
    HuginnConfig,
    RecipeError,
    Settings,
    TrainingInterrupted,
    UnreachableError,
    __main__,
    _weights,
    contrast_pairs,
    generate,
    measure,
    random_model,
    word_distance,
)
from tests.cases.looped_transformers.tiny_huginn import write_shards, write_tokenizer

SETTINGS = Settings(steps=(1, 3), max_length=24, seed=5)
PAIRS = [("what is red", "what is raw"), ("a cat", "a dog"), ("a b", "a c")]
MODEL = HuginnConfig(width=16, heads=2, feed_forward=24, vocabulary=258, context=64, prelude=1, core=1, coda=1)


@pytest.fixture(scope="module")
def model() -> Huginn:
    return random_model(MODEL, 0)


def test_200_pairs_each_differ_in_one_word() -> None:
    pairs = contrast_pairs()
    assert len(pairs) == len(set(pairs)) == 200
    assert len({prompt for pair in pairs for prompt in pair}) == 400
    for first, second in pairs:
        a, b = first.split(), second.split()
        assert len(a) == len(b) and sum(x != y for x, y in zip(a, b, strict=True)) == 1, first
        assert "  " not in first + second and first[-1] in ".?" and first[-1] == second[-1]
    assert pairs[0][1] == "explain the difference between charge and pay."


def brute_force(a: tuple[str, ...], b: tuple[str, ...]) -> int:
    """The recursion by which the distance is defined."""

    @cache
    def at(i: int, j: int) -> int:
        if i == 0 or j == 0:
            return i + j
        return min(at(i - 1, j) + 1, at(i, j - 1) + 1, at(i - 1, j - 1) + (a[i - 1] != b[j - 1]))

    return at(len(a), len(b))


words = st.lists(st.sampled_from("abcd"), max_size=7)


@given(words, words, words)
def test_the_distance_is_that_of_levenshtein(a: list[str], b: list[str], c: list[str]) -> None:
    first, second, third = (" ".join(each) for each in (a, b, c))
    assert word_distance(first, second) == brute_force(tuple(a), tuple(b)) == word_distance(second, first)
    assert word_distance(first, third) <= word_distance(first, second) + word_distance(second, third)
    assert (word_distance(first, second) == 0) == (a == b)


def test_the_distance_counts_words() -> None:
    assert word_distance("kitten sits here", "the kitten sat  here\n") == 2
    assert word_distance("", "") == 0 and word_distance("a b", "") == 2


def run(model: Huginn, path: Path, progress: Callable[[str], None] = lambda line: None, **changes: object) -> dict:
    options = {"settings": SETTINGS, "about": {"model": "tiny"}, "batch": 2, "pairs": PAIRS} | changes
    return measure(model, ByteTokenizer(), path=path, progress=progress, **options)


def test_the_results(model: Huginn, tmp_path: Path) -> None:
    lines: list[str] = []
    results = run(model, tmp_path / "deep" / "results.json", lines.append)
    assert results == json.loads((tmp_path / "deep" / "results.json").read_text())
    assert results["settings"] == {"steps": [1, 3], "max_length": 24, "seed": 5, "model": "tiny"}
    tokenizer = ByteTokenizer()
    for t in (1, 3):
        texts = results["answers"][str(t)]
        for pair, distance in zip(PAIRS, results["distances"][str(t)], strict=True):
            for prompt in pair:
                read = tokenizer.encode(prompt)
                (alone,) = generate(model, [read], num_steps=t, max_length=24, stop=tokenizer.stop, start=5)
                assert texts[prompt] == tokenizer.decode(read + alone) and texts[prompt].startswith(prompt)
            assert distance == word_distance(*(texts[prompt] for prompt in pair))
        distances, summary = results["distances"][str(t)], results["summary"][str(t)]
        mean = sum(distances) / 3
        variance = sum((d - mean) ** 2 for d in distances) / 2
        assert summary["mean"] == pytest.approx(mean, abs=1e-4)
        assert summary["standard_deviation"] == pytest.approx(variance**0.5, abs=1e-4)
        assert summary["standard_error"] == pytest.approx((variance / 3) ** 0.5, abs=1e-4)
        assert summary["quartiles"][1] == sorted(distances)[1]
    assert len(lines) == 6 and all("s left" in line for line in lines) and lines[-1].endswith("answered, 0 s left")


def test_both_prompts_begin_with_the_same_noise(model: Huginn, tmp_path: Path) -> None:
    """A pair that does not differ gets the same answer; another seed gives another one."""
    same = [("a cat", "a cat"), ("a dog", "a dog")]
    results = run(model, tmp_path / "same.json", pairs=same, batch=1)
    assert results["distances"] == {"1": [0, 0], "3": [0, 0]}
    other = run(model, tmp_path / "other.json", pairs=same, settings=Settings(steps=(1, 3), max_length=24, seed=6))
    assert other["answers"] != results["answers"]


@pytest.mark.parametrize("batch", [1, 2])
def test_an_interrupted_run_ends_with_the_same_file(model: Huginn, tmp_path: Path, batch: int) -> None:
    run(model, tmp_path / "whole.json", batch=batch)
    lines: list[str] = []

    def interrupt(line: str) -> None:
        lines.append(line)
        if len(lines) % 3 == 0:
            os.kill(os.getpid(), signal.SIGINT)

    stops = 0
    for _ in range(9):
        try:
            run(model, tmp_path / "parts.json", interrupt, batch=batch)
            break
        except TrainingInterrupted as stopped:
            assert "run the same command again" in str(stopped)
            stops += 1
    assert stops >= 2 and len(lines) == {1: 12, 2: 6}[batch]
    assert (tmp_path / "parts.json").read_bytes() == (tmp_path / "whole.json").read_bytes()
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize(
    "changes",
    [
        {"settings": Settings(steps=(1, 3), max_length=24, seed=6)},
        {"settings": Settings(steps=(1, 2), max_length=24, seed=5)},
        {"about": {"model": "another"}},
        {"pairs": PAIRS[:2]},
    ],
)
def test_results_of_other_settings_are_kept(model: Huginn, tmp_path: Path, changes: dict) -> None:
    run(model, tmp_path / "results.json")
    before = (tmp_path / "results.json").read_bytes()
    with pytest.raises(CheckpointError, match="of other settings; delete the file, or choose another folder"):
        run(model, tmp_path / "results.json", **changes)
    assert (tmp_path / "results.json").read_bytes() == before


@pytest.mark.parametrize("content", ["", "[]", "{}", "{3"])
def test_damaged_results_are_told(model: Huginn, tmp_path: Path, content: str) -> None:
    (tmp_path / "results.json").write_text(content)
    with pytest.raises(CheckpointError, match="cannot be read .*delete the file"):
        run(model, tmp_path / "results.json")


@pytest.mark.parametrize("steps", [(), (0,), (4, -1)])
def test_steps_that_are_none(steps: tuple[int, ...]) -> None:
    with pytest.raises(RecipeError, match="must be 1 or more"):
        Settings(steps=steps)


def test_a_prompt_too_long(model: Huginn, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="max_length must be more than the 31 tokens of the prompt.*but is 24"):
        run(model, tmp_path / "results.json", pairs=[("x" * 30, "y" * 30)])


def command(folder: Path, *more: str) -> int:
    size = ["--steps", "1,2", "--max-length", "60", "--pairs", "2", "--threads", "1", "--device", "cpu"]
    return __main__.main(["--output", str(folder), *size, *more])


def test_without_a_network_the_command_rehearses_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def unreachable(*, progress: Callable[[str], None]) -> Path:
        raise UnreachableError("the hub cannot be reached; connect")

    monkeypatch.setattr(__main__, "download", unreachable)
    assert command(tmp_path) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "the hub cannot be reached; connect" and lines[1].startswith(
        "REHEARSAL with a tiny random model"
    )
    assert lines[-2].startswith("REHEARSAL") and "no result" in lines[-2]
    assert [path.name for path in tmp_path.iterdir()] == ["rehearsal.json"]
    assert json.loads((tmp_path / "rehearsal.json").read_text())["settings"]["model"].startswith("REHEARSAL")


def test_the_command_with_weights_from_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of a small model in the form of the published one; and no further once a file was changed."""
    small = dataclasses.replace(MODEL, vocabulary=260)
    monkeypatch.setattr(_weights, "HuginnConfig", lambda: small)
    folder = tmp_path / "weights"
    write_shards(random_model(small, 0), folder)
    write_tokenizer(folder / "tokenizer.json")
    assert command(tmp_path, "--weights", str(folder), "--dtype", "float32") == 0
    told, results = capsys.readouterr().out, json.loads((tmp_path / "huginn-0125.json").read_text())
    assert results["settings"]["dtype"] == "float32" and results["pairs"] == [list(p) for p in contrast_pairs()[:2]]
    assert "REHEARSAL" not in told and "t = 2: distance" in told and "29 at t = 2 to 53 at t = 16" in told
    shard = folder / "model-00002-of-00004.safetensors"
    shard.write_bytes(shard.read_bytes()[:-4] + b"\0\1\2\3")
    assert command(tmp_path, "--weights", str(folder), "--dtype", "float32") == 1
    assert f"{shard} was changed" in capsys.readouterr().err


def test_a_folder_without_weights_is_no_rehearsal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(tmp_path, "--weights", str(tmp_path / "none")) == 1
    assert "tokenizer.json is missing or damaged" in capsys.readouterr().err


@pytest.mark.parametrize("wrong", [["--pairs", "0"], ["--batch", "0"], ["--steps", "2,0"]])
def test_options_that_are_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str], wrong: list[str]) -> None:
    assert command(tmp_path, "--rehearse", *wrong) == 1
    assert "must be 1 or more" in capsys.readouterr().err
