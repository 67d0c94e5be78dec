"""What is written is what is read; missing and damaged files say what to do."""

import json
from pathlib import Path

import pytest
import torch

from implicit_lib.cases.linear_programs import (
    CheckpointError,
    Instances,
    WeightsError,
    errors,
    load,
    read_card,
    train_and_write,
)
from implicit_lib.cases.linear_programs.__main__ import main
from tests.cases.linear_programs.problems import instances, short, silent


@pytest.fixture(autouse=True)
def few_instances(monkeypatch: pytest.MonkeyPatch) -> None:
    def few(progress: object = None) -> Instances:
        return instances()

    module = "implicit_lib.cases.linear_programs._weights"
    for name in ("training_instances", "held_out_instances"):
        monkeypatch.setattr(f"{module}.{name}", few)
    monkeypatch.setattr(f"{module}.CARD_ITERATIONS", (1, 3))


@pytest.mark.parametrize("model", ["explicit", "implicit"])
def test_written_and_read(model: str, tmp_path: Path) -> None:
    card = train_and_write(short(model), tmp_path, progress=silent)
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".json", ".safetensors"]
    assert read_card(model, 4, folder=tmp_path) == json.loads(json.dumps(card))
    module = load(model, 4, folder=tmp_path)
    assert not module.training
    assert errors(module, instances(), 200)[-1].item() == pytest.approx(
        list(card["metrics"]["error"].values())[-1], 1e-3
    )
    assert card["parameters"] == {"explicit": 580, "implicit": 722}[model]
    assert ("modulus" in card["metrics"]) is (model == "implicit")
    lines: list[str] = []
    again = train_and_write(short(model), tmp_path, progress=lines.append)
    assert lines == [] and again == json.loads(json.dumps(card))  # done already


def test_missing_and_damaged_files_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"implicit-4-seed0\.json is missing.*train --model implicit --embedding 4"):
        load("implicit", 4, folder=tmp_path)
    train_and_write(short("implicit"), tmp_path, progress=silent)
    weights, card = tmp_path / "implicit-4-seed0.safetensors", tmp_path / "implicit-4-seed0.json"
    content = weights.read_bytes()
    weights.write_bytes(content[:-100])
    with pytest.raises(WeightsError, match="is damaged"):
        load("implicit", 4, folder=tmp_path)
    weights.write_bytes(content)
    fields = json.loads(card.read_text())
    fields["recipe"]["embedding"] = 8
    card.write_text(json.dumps(fields))
    with pytest.raises(WeightsError, match="is missing"):  # it names another file
        load("implicit", 4, folder=tmp_path)
    del fields["recipe"]["phases"]
    card.write_text(json.dumps(fields))
    with pytest.raises(WeightsError, match="is damaged"):
        read_card("implicit", 4, folder=tmp_path)


def test_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    threads = torch.get_num_threads()
    monkeypatch.setattr("implicit_lib.cases.linear_programs.__main__.recipe", lambda *chosen: short("explicit"))
    command = ["train", "--model", "explicit", "--embedding", "4", "--device", "cpu", "--output", str(tmp_path)]
    try:
        assert main(command) == 0
        out = capsys.readouterr().out
        assert "epoch 7/7" in out and "s left" in out and "explicit-4-seed0: test error" in out
        (tmp_path / "explicit-4-seed0.json").unlink()
        (tmp_path / "explicit-4-seed0.checkpoint").write_bytes(b"?")
        assert main(command) == 1 and "delete it to start again" in capsys.readouterr().err
        with pytest.raises(SystemExit):
            main(["train", "--model", "gnn"])
    finally:
        torch.set_num_threads(threads)
    assert issubclass(CheckpointError, RuntimeError)
