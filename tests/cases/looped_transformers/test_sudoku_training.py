"""Training on boards resumes exactly, is written and read, and the page's walk is that of the model."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from implicit_lib.cases.looped_transformers import MODELS, Size, walked
from implicit_lib.cases.looped_transformers.sudoku import (
    PEERS,
    Boards,
    CheckpointError,
    Recipe,
    RecipeError,
    TrainingInterrupted,
    WeightsError,
    load,
    minimal,
    read_card,
    recipe,
    solved,
    text,
    train,
    train_and_write,
    walks,
)
from implicit_lib.cases.looped_transformers.sudoku import _weights as weights
from implicit_lib.cases.looped_transformers.sudoku.__main__ import main
from tests.cases.keyboard import ctrl_c_at


def short(name: str, **changes: int) -> Recipe:
    size = Size(width=8, heads=1, blocks=1, factor=2)
    return dataclasses.replace(recipe(name), size=size, **{"steps": 8, "boards": 20, "batch": 4} | changes)


def silent(line: str) -> None:
    pass


@pytest.mark.parametrize("name", ["looped", "explicit"])
def test_interrupted_and_resumed_is_uninterrupted(name: str, tmp_path: Path) -> None:
    whole = train(short(name), tmp_path / "whole", progress=silent)
    with pytest.raises(TrainingInterrupted, match="stopped at step 6"):
        train(short(name), tmp_path / "parts", progress=ctrl_c_at("step 5/"), every=5)
    parts = train(short(name), tmp_path / "parts", progress=silent)
    for key, value in whole.model.state_dict().items():
        assert torch.equal(value, parts.model.state_dict()[key]), key
    with pytest.raises(CheckpointError, match="another recipe"):
        train(short(name, seed=1), tmp_path / "parts", progress=silent)


def test_it_is_written_and_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "AT", (1, 3))
    monkeypatch.setattr(weights, "TESTED", 30)
    card = train_and_write(short("looped"), tmp_path, progress=silent)
    assert read_card("looped", folder=tmp_path) == card and not list(tmp_path.glob("*.checkpoint"))
    assert sum(card["metrics"]["boards"].values()) == 30 and set(card["metrics"]["solved"]["5"]) == {"1", "3"}
    assert load("looped", folder=tmp_path).core.blocks[0].towards.shape == (1, 8)
    assert train_and_write(short("looped"), tmp_path, progress=lambda line: pytest.fail("trained again")) == card
    (tmp_path / "looped.safetensors").write_bytes(b"cut off")
    with pytest.raises(WeightsError, match=r"looped_transformers\.sudoku train --model looped --seed 0"):
        load("looped", folder=tmp_path)


def test_recipes_and_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert [recipe(name).name for name in MODELS] == list(MODELS) and recipe("looped", 2).name == "looped-seed2"
    with pytest.raises(RecipeError, match="no model 'loop'"):
        recipe("loop")
    with pytest.raises(SystemExit):
        main(["train", "--model", "loop"])
    assert "invalid choice: 'loop'" in capsys.readouterr().err


def untrained() -> nn.Module:
    torch.manual_seed(0)
    return recipe("looped").build().eval()


@torch.no_grad()
def test_solved_means_every_cell() -> None:
    model, boards = untrained(), minimal(3, 0)
    *_, (_, scores) = walked(model, boards.clues, 2)
    answers = scores.argmax(dim=2) + 1
    assert solved(model, boards._replace(solution=answers), (1, 2))[1].all()
    answers[1, 7] = answers[1, 7] % 6 + 1
    assert solved(model, boards._replace(solution=answers), (2,)).tolist() == [[True, False, True]]


@torch.no_grad()
def test_the_walk_of_the_page_is_that_of_the_model() -> None:
    model, boards = untrained(), minimal(3, 0)
    parts = walks(model, boards)
    x = parts.encode(torch.tensor(1.0), torch.tensor(2.0))
    fewer = x[1].long()
    assert int((fewer > 0).sum()) == int((boards.clues[1] > 0).sum()) - 2
    assert bool(((fewer == 0) | (fewer == boards.clues[1])).all())
    z = parts.start
    for _ in range(3):
        z, before = parts.step(z, *x), z
    shown = parts.view(z, before, *x)
    *_, (_, earlier), (_, scores) = walked(model, fewer[None], 3)
    found = torch.where(fewer > 0, fewer, scores[0].argmax(dim=1) + 1)
    torch.testing.assert_close(shown["right"], (found == boards.solution[1]).float().mean())
    p, q = scores[0].softmax(1), earlier[0].softmax(1)
    torch.testing.assert_close(shown["moved"], 0.5 * (p - q).abs().sum(1).max())
    torch.testing.assert_close(shown["entropy"], -(p * p.log2()).sum(1).mean())
    assert float(shown["broken"]) == sum(int(found[a] == found[b]) for a, b in PEERS.tril().nonzero().tolist())
    for digit in range(1, 7):
        for kind, where in (("clue", fewer > 0), ("sure", (fewer == 0) & (p.amax(1) >= 0.9)), ("unsure", fewer == 0)):
            expected = where & (found == digit) & ((kind != "unsure") | (p.amax(1) < 0.9))
            assert torch.equal(shown[f"{kind} {digit}"] > 0, expected), (kind, digit)
            assert torch.equal(shown[f"{kind} {digit}"][expected], (torch.arange(36) % 6 + 0.5)[expected])
    assert torch.equal(shown["wrong"] > 0, found != boards.solution[1])
    assert text(found).count("\n") == 5


@pytest.mark.parametrize("name", MODELS)
def test_it_stays_on_its_device(name: str) -> None:
    boards, one = minimal(2, 0), recipe(name).build()
    with FakeTensorMode(allow_non_fake_inputs=True), torch.no_grad():
        for module in one.modules():
            for key, each in [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]:
                there = torch.empty_like(each, device="cuda")
                setattr(module, key, nn.Parameter(there) if isinstance(each, nn.Parameter) else there)
        clues, solution = (torch.zeros(each.shape, dtype=each.dtype, device="cuda") for each in boards)
        assert solved(one, Boards(clues, solution), (1,)).device == torch.device("cuda", 0)
