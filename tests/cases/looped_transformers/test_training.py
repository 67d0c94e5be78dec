"""Training resumes exactly, stops cleanly, says what is wrong, and learns."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

from implicit_lib.cases.looped_transformers import (
    MODELS,
    PRESETS,
    CheckpointError,
    RecipeError,
    Size,
    TrainingInterrupted,
    WeightsError,
    accuracy,
    contexts_of,
    load,
    read_card,
    recipe,
    train,
    train_and_write,
)
from implicit_lib.cases.looped_transformers import _weights as weights
from implicit_lib.cases.looped_transformers.__main__ import main
from tests.cases.keyboard import ctrl_c_at


def short(name: str, **changes: object):
    size = Size(width=8, heads=1, blocks=1, factor=2)
    return dataclasses.replace(recipe("small", name), size=size, **{"steps": 10, "tokens": 64, **changes})


def silent(line: str) -> None:
    pass


@pytest.mark.parametrize("name", ["looped", "explicit"])
def test_interrupted_and_resumed_is_uninterrupted(name: str, tmp_path: Path) -> None:
    whole = train(short(name), tmp_path / "whole", progress=silent, every=100)

    with pytest.raises(TrainingInterrupted, match="stopped at step 6"):
        train(short(name), tmp_path / "parts", progress=ctrl_c_at("step 5/"), every=5)
    lines: list[str] = []
    parts = train(short(name), tmp_path / "parts", progress=lines.append, every=100)
    assert "resuming at step 6" in lines[0] and "s left" in lines[-1]
    for key, value in whole.model.state_dict().items():
        assert torch.equal(value, parts.model.state_dict()[key]), key


def test_seeds_decide_and_nothing_else_does(tmp_path: Path) -> None:
    torch.manual_seed(7)
    first = train(short("looped"), tmp_path / "1", progress=silent)
    torch.manual_seed(8)
    again = train(short("looped"), tmp_path / "2", progress=silent)
    other = train(short("looped", seed=2), tmp_path / "3", progress=silent)
    found = [run.model.decoder.weight for run in (first, again, other)]
    assert torch.equal(found[0], found[1]) and not torch.equal(found[0], found[2])


def test_a_checkpoint_of_another_recipe_is_refused(tmp_path: Path) -> None:
    train(short("explicit"), tmp_path / "run", progress=silent)
    with pytest.raises(CheckpointError, match="another recipe"):
        train(short("explicit", seed=2), tmp_path / "run", progress=silent)


def test_a_loss_that_blows_up_is_reported(tmp_path: Path) -> None:
    with pytest.raises(FloatingPointError, match="smaller learning_rate"):
        train(short("looped", learning_rate=1e30), tmp_path / "run", progress=silent)


def test_it_learns(tmp_path: Path) -> None:
    """Values that are given outright, in seconds; guessing is right in one of ten."""
    easy = dataclasses.replace(recipe("small", "looped"), size=Size(width=32, heads=1, blocks=1, factor=2))
    easy = dataclasses.replace(easy, longest=1, steps=60, tokens=512, learning_rate=5e-3)
    model = train(easy, tmp_path / "run", progress=silent).model
    assert float(accuracy(model, contexts_of(1, 50), (4,))) >= 0.9


def test_it_is_written_and_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "AT", {2: (1, 3)})
    monkeypatch.setattr(weights, "_CONTEXTS", {2: 4})
    chosen = short("looped")
    card = train_and_write(chosen, tmp_path, progress=silent)
    assert read_card("looped", folder=tmp_path) == card and not list(tmp_path.glob("*.checkpoint"))
    model = load("looped", folder=tmp_path)
    again = accuracy(model, contexts_of(2, 4), (1, 3)).mean(dim=1)
    assert card["metrics"]["accuracy"]["2"] == {"1": float(again[0]), "3": float(again[1])}
    assert train_and_write(chosen, tmp_path, progress=lambda line: pytest.fail("trained again")) == card
    with pytest.raises(CheckpointError, match="another recipe"):
        train_and_write(dataclasses.replace(chosen, steps=11), tmp_path, progress=silent)
    (tmp_path / "looped.safetensors").write_bytes(b"cut off")
    with pytest.raises(WeightsError, match="train --model looped --seed 0"):
        load("looped", folder=tmp_path)


def test_recipes() -> None:
    for preset in PRESETS:
        for name in MODELS:
            chosen = recipe(preset, name)
            assert (chosen.name, chosen.preset) == (name, preset) and chosen.size.width % chosen.size.heads == 0
    assert recipe("small", "looped", 3).name == "looped-seed3"
    with pytest.raises(RecipeError, match="no preset 'tiny'; choose one of small, wide"):
        recipe("tiny", "looped")
    with pytest.raises(RecipeError, match="no model 'loop'"):
        recipe("small", "loop")


def test_the_command_line_tells_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["train", "--model", "loop"])
    assert "invalid choice: 'loop'" in capsys.readouterr().err
