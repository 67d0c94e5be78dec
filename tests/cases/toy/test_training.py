"""Training resumes exactly, stops cleanly, and says what is wrong."""

import dataclasses
import signal
from pathlib import Path

import pytest
import torch

from implicit_lib.cases.toy import CheckpointError, TrainingInterrupted, data_hash, recipe, train, training_data
from implicit_lib.cases.toy import Target as Chirp
from implicit_lib.cases.toy.__main__ import main
from tests.cases.keyboard import ctrl_c_at


def short(model, **changes):
    return dataclasses.replace(recipe("small", model, 20), steps=12, batch=32, width=8, **changes)


def silent(line: str) -> None:
    pass


@pytest.mark.parametrize("model", ["implicit", "unrolled", "explicit-deep", "explicit-gentle"])
def test_interrupted_and_resumed_is_uninterrupted(model, tmp_path: Path) -> None:
    handler = signal.getsignal(signal.SIGINT)
    whole = train(short(model), tmp_path / "whole", progress=silent, every=100)

    with pytest.raises(TrainingInterrupted, match="stopped at step 6"):
        train(short(model), tmp_path / "parts", progress=ctrl_c_at("step 5/"), every=5)
    assert signal.getsignal(signal.SIGINT) is handler
    lines: list[str] = []
    parts = train(short(model), tmp_path / "parts", progress=lines.append, every=100)
    assert "resuming at step 6" in lines[0]
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, parts.model.state_dict()[name]), name


def test_seeds_decide_and_nothing_else_does(tmp_path: Path) -> None:
    torch.manual_seed(7)
    first = train(short("explicit"), tmp_path / "1", progress=silent)
    torch.manual_seed(8)
    again = train(short("explicit"), tmp_path / "2", progress=silent)
    other = train(short("explicit", seed=2), tmp_path / "3", progress=silent)
    weights = [next(run.model.parameters()) for run in (first, again, other)]
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])


def test_progress_tells_the_time_left(tmp_path: Path) -> None:
    lines: list[str] = []
    train(short("explicit"), tmp_path / "run", progress=lines.append, every=6)
    assert len(lines) == 2 and "step 6/12" in lines[0] and "s left" in lines[0]


def test_a_checkpoint_of_another_recipe_is_refused(tmp_path: Path) -> None:
    train(short("explicit"), tmp_path / "run", progress=silent)
    with pytest.raises(CheckpointError, match="another recipe"):
        train(short("explicit", seed=2), tmp_path / "run", progress=silent)
    (tmp_path / "run").write_bytes(b"not a checkpoint")
    with pytest.raises(CheckpointError, match="delete it to start again"):
        train(short("explicit"), tmp_path / "run", progress=silent)


def test_a_loss_that_blows_up_is_reported(tmp_path: Path) -> None:
    with pytest.raises(FloatingPointError, match="smaller learning_rate"):
        train(short("explicit", learning_rate=1e30), tmp_path / "run", progress=silent)


def test_recipes() -> None:
    for wrong in (("tiny", "implicit", 5), ("small", "explicitt", 5), ("small", "implicit", 7)):
        with pytest.raises(ValueError, match="choose one of"):
            recipe(*wrong)
    assert recipe("paper", "implicit", 20).width == 256
    assert recipe("paper", "explicit-large", 20).width == 1024


def test_the_data_are_the_target_on_a_grid() -> None:
    x, y = training_data(Chirp(10))
    assert x.shape == y.shape == (2_049, 1) and torch.equal(y, Chirp(10)(x))
    assert data_hash(Chirp(10)) != data_hash(Chirp(20))


def test_the_command_line(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setattr("implicit_lib.cases.toy.__main__.recipe", lambda *chosen: short("explicit"))
    command = ["train", "--target", "20", "--model", "explicit", "--device", "cpu", "--output", str(tmp_path)]
    assert main(command) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["explicit-20.json", "explicit-20.safetensors"]
    assert "rms" in capsys.readouterr().out
    assert main(command) == 0 and "step" not in capsys.readouterr().out  # done already
    with pytest.raises(SystemExit):
        main(["train", "--target", "7"])
