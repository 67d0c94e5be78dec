"""Training by command: what it writes, what it does not do twice, and what it says when something is wrong."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import torch

from implicit_lib.cases.navier_stokes import (
    MODELS,
    ExplicitFNO,
    FNOSize,
    ImplicitFNO,
    ImplicitInformed,
    ModelName,
    Preset,
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
from implicit_lib.cases.navier_stokes._data import shipped_hash


def short(preset: Preset, model: ModelName, seed: int = 0) -> Recipe:
    """A recipe of a second, of the name of the book's."""
    replay = None if model == "explicit" else Replay(states=6, iterations=2, restart=0.3, damping=0.5)
    size, krylov = FNOSize(width=4, modes=3, blocks=3), 2 if model == "informed" else None
    return Recipe(preset=preset, model=model, size=size, steps=5, batch=3, replay=replay, krylov=krylov, seed=seed)


@pytest.fixture
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """Recipes of seconds, judged on three flows after two iterations."""
    flows = held_out_flows()
    few = dataclasses.replace(flows, forcing=flows.forcing[:3], vorticity=flows.vorticity[:3])
    monkeypatch.setattr(weights, "CARD_ITERATIONS", (1, 2))
    monkeypatch.setattr(weights, "LATE", 101)
    monkeypatch.setattr(weights, "SENSED", 2)
    monkeypatch.setattr(weights, "LIMITED", 1)
    monkeypatch.setattr(weights, "held_out_flows", lambda side: few)
    monkeypatch.setattr("implicit_lib.cases.navier_stokes.__main__.recipe", short)


KINDS: dict[ModelName, type[torch.nn.Module]] = {
    "explicit": ExplicitFNO,
    "implicit": ImplicitFNO,
    "informed": ImplicitInformed,
}


@pytest.mark.parametrize("model", KINDS)
def test_the_command_trains_once(
    brief: None, model: ModelName, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["train", "--model", model, "--output", str(tmp_path)]
    assert main(command) == 0
    name = f"{model}-seed0"
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{name}.json", f"{name}.safetensors"]
    assert f"{name}: step 5/5" in capsys.readouterr().out
    card, found = read_card(model, folder=tmp_path), load(model, folder=tmp_path)
    assert isinstance(found, KINDS[model]) and not found.training
    assert set(card["metrics"]["error"]) == ({"1"} if model == "explicit" else {"1", "2"})
    assert ("late" in card["metrics"]) == (model != "explicit") and ("limit" in card["metrics"]) == (
        model == "implicit"
    )
    assert len(card["metrics"]["sensitivity"]) == (1 if model == "explicit" else 2)
    assert card["data"]["flows"] == "shipped with the library" and card["data"]["viscosity"] == 0.1
    assert card["data"]["sha256"] == shipped_hash() and card["data"]["imbalance"] < 1e-12
    assert main(command) == 0
    assert "step" not in capsys.readouterr().out


def test_a_network_loads_on_other_points(brief: None, tmp_path: Path) -> None:
    main(["train", "--model", "implicit", "--output", str(tmp_path)])
    coarse, fine = (load("implicit", side=side, folder=tmp_path) for side in (32, 64))
    assert all(torch.equal(value, fine.state_dict()[name]) for name, value in coarse.state_dict().items())
    with torch.no_grad():
        assert fine(held_out_flows(64).forcing[:1], 2).shape == (1, 64, 64)


def test_a_card_tells_its_recipe() -> None:
    for model in MODELS:
        written = json.loads(json.dumps({"recipe": dataclasses.asdict(recipe("small", model))}))
        assert weights.recipe_of(written) == recipe("small", model)


def test_what_is_missing_damaged_or_unknown_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"implicit-seed7.json is missing.*--model implicit --seed 7"):
        load("implicit", seed=7, folder=tmp_path)
    (tmp_path / "implicit-seed7.json").write_text("{}")
    with pytest.raises(WeightsError, match="is damaged"):
        load("implicit", seed=7, folder=tmp_path)
    with pytest.raises(ValueError, match="there is no model 'fno' in the preset 'small'"):
        recipe("small", "fno")
