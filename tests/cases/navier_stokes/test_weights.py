"""Training by command: what it writes, what it does not do twice, and what it says when something is wrong."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import torch

from implicit_lib.cases.navier_stokes import (
    ExplicitFNO,
    FNOSize,
    ImplicitFNO,
    ModelName,
    Recipe,
    Replay,
    WeightsError,
    held_out_flows,
    load,
    read_card,
    recipe,
)
from implicit_lib.cases.navier_stokes import _weights as weights
from implicit_lib.cases.navier_stokes.__main__ import main


def short(model: ModelName, seed: int = 0) -> Recipe:
    """A recipe of a second, of the name of the book's."""
    replay = Replay(states=6, iterations=2, restart=0.3, damping=0.5) if model == "implicit" else None
    return Recipe(model=model, size=FNOSize(width=4, modes=3, blocks=3), steps=5, batch=3, replay=replay, seed=seed)


@pytest.fixture
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """Recipes of seconds, judged on three flows after two iterations."""
    flows = held_out_flows()
    few = dataclasses.replace(flows, forcing=flows.forcing[:3], vorticity=flows.vorticity[:3])
    monkeypatch.setattr(weights, "CARD_ITERATIONS", (1, 2))
    monkeypatch.setattr(weights, "LATE", 101)
    monkeypatch.setattr(weights, "held_out_flows", lambda side: few)
    monkeypatch.setattr("implicit_lib.cases.navier_stokes.__main__.recipe", short)


@pytest.mark.parametrize("model", ["explicit", "implicit"])
def test_the_command_trains_once(
    brief: None, model: ModelName, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["train", "--model", model, "--output", str(tmp_path)]
    assert main(command) == 0
    name = f"{model}-3-seed0"
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{name}.json", f"{name}.safetensors"]
    assert f"{name}: step 5/5" in capsys.readouterr().out
    card, found = read_card(model, folder=tmp_path), load(model, folder=tmp_path)
    assert isinstance(found, ImplicitFNO if model == "implicit" else ExplicitFNO) and not found.training
    assert set(card["metrics"]["error"]) == ({"1", "2"} if model == "implicit" else {"1"})
    assert ("late" in card["metrics"]) == (model == "implicit")
    assert main(command) == 0
    assert "step" not in capsys.readouterr().out


def test_a_network_loads_on_other_points(brief: None, tmp_path: Path) -> None:
    main(["train", "--model", "implicit", "--output", str(tmp_path)])
    coarse, fine = (load("implicit", side=side, folder=tmp_path) for side in (32, 64))
    assert all(torch.equal(value, fine.state_dict()[name]) for name, value in coarse.state_dict().items())
    with torch.no_grad():
        assert fine(held_out_flows(64).forcing[:1], 2).shape == (1, 64, 64)


def test_a_card_tells_its_recipe() -> None:
    for model in ("explicit", "implicit"):
        written = json.loads(json.dumps({"recipe": dataclasses.asdict(recipe(model))}))
        assert weights.recipe_of(written) == recipe(model)


def test_what_is_missing_damaged_or_unknown_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"implicit-3-seed7.json is missing.*--model implicit --seed 7"):
        load("implicit", seed=7, folder=tmp_path)
    (tmp_path / "implicit-3-seed7.json").write_text("{}")
    with pytest.raises(WeightsError, match="is damaged"):
        load("implicit", seed=7, folder=tmp_path)
    with pytest.raises(ValueError, match="there is no model 'fno'"):
        recipe("fno")
