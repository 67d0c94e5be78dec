"""The preset of the paper, on small folders in the form of the reference's: what it trains on, writes and says."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from implicit_lib.cases import _running
from implicit_lib.cases.navier_stokes import (
    BOOK_UNITS,
    PAPER,
    PAPER_MODELS,
    REFERENCE_UNITS,
    Flow,
    FNOSize,
    ModelName,
    Preset,
    Recipe,
    RecipeError,
    Replay,
    TrainingInterrupted,
    _reference,
    held_out_flows,
    load,
    parameter_count,
    quality,
    read_card,
    recipe,
    reference_flows,
)
from implicit_lib.cases.navier_stokes import _weights as weights
from implicit_lib.cases.navier_stokes.__main__ import main
from implicit_lib.cases.navier_stokes._data import shipped_hash
from tests.cases.keyboard import ctrl_c_at
from tests.cases.navier_stokes.reference_folder import write


def short(preset: Preset, model: ModelName, seed: int = 0) -> Recipe:
    """The recipe of the preset, but small and short."""
    changes = {"size": FNOSize(width=4, modes=3, blocks=2), "steps": 5, "batch": 3, "side": 32}
    replay = Replay(states=6, iterations=2, restart=0.3, damping=0.5) if model == "implicit" else None
    return dataclasses.replace(recipe(preset, model, seed), replay=replay, **changes)


def silent(line: str) -> None:
    pass


@pytest.fixture
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """Recipes and judgements of seconds, and folders of five files."""
    flows = held_out_flows()
    few = dataclasses.replace(flows, forcing=flows.forcing[:3], vorticity=flows.vorticity[:3])
    monkeypatch.setattr(weights, "CARD_ITERATIONS", (1, 2))
    monkeypatch.setattr(weights, "LATE", 101)
    monkeypatch.setattr(weights, "held_out_flows", lambda side: few)
    monkeypatch.setattr("implicit_lib.cases.navier_stokes.__main__.recipe", short)
    monkeypatch.setattr(_reference, "_TRAINING", 3)
    monkeypatch.setattr(_reference, "_TEST", 2)


def command(output: Path, *more: str, model: str = "implicit") -> list[str]:
    return ["train", "--preset", "paper", "--model", model, "--device", "cpu", "--output", str(output), *more]


@pytest.mark.parametrize("model", PAPER_MODELS)
def test_the_command_trains_on_the_folder(
    brief: None, model: ModelName, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, output = write(tmp_path / "flows", 5, 36), tmp_path / "runs"
    assert main(command(output, "--reference", str(folder), model=model)) == 0
    assert "shipped" not in capsys.readouterr().out
    card, found = read_card(model, folder=output), reference_flows(folder, 32, silent)
    assert weights.recipe_of(card) == short("paper", model)
    missed = Flow(32, 0.001).relative_residual(found.test.vorticity, found.test.forcing).mean().item()
    assert card["data"] == {
        "flows": f"full_kolmogorov_wavenum_1_mv_5 of {_reference.URL}",
        "sha256": found.sha256,
        "viscosity": 0.001,
        "imbalance": pytest.approx(missed, rel=1e-3),
    }
    trained = load(model, folder=output)
    judged = quality(trained, Flow(32, 0.001), found.test.forcing, found.test.vorticity, (1,))
    assert card["metrics"]["error"]["1"] == pytest.approx(judged.error.item(), rel=1e-3)
    assert card["metrics"]["imbalance"]["1"] == pytest.approx(judged.imbalance.item(), rel=1e-3)
    (folder / "grid.npy").unlink()
    assert main(command(output, "--reference", str(folder), model=model)) == 0  # what has been trained needs no flows
    assert len(capsys.readouterr().out.splitlines()) == 1


@pytest.mark.parametrize("given", [False, True])
def test_without_it_the_shipped_flows_take_its_place_and_it_says_so(
    brief: None, given: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = ["--reference", str(tmp_path / "nowhere")] if given else []
    why = f"{tmp_path}/nowhere is no folder" if given else "no folder of the reference's flows is given"
    assert main(command(tmp_path, *more)) == 0
    (line,) = (line for line in capsys.readouterr().out.splitlines() if "shipped" in line)
    assert line.startswith(why) and _reference.URL in line and "--reference FOLDER" in line
    card = read_card("implicit", folder=tmp_path)
    assert weights.recipe_of(card) == dataclasses.replace(short("paper", "implicit"), data="shipped", units=BOOK_UNITS)
    assert card["data"]["flows"] == f"shipped with the library, in place of the reference's: {why}"
    assert (card["data"]["sha256"], card["data"]["viscosity"]) == (shipped_hash(), 0.1)


def test_shipped_flows_do_not_slip_into_a_run_on_the_others(
    brief: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Begun on the shipped ones, interrupted, and gone on with when the folder is there."""

    monkeypatch.setattr(_running, "_LATE", -1.0)
    with pytest.raises(TrainingInterrupted):
        weights.train_and_write(short("paper", "implicit"), tmp_path, progress=ctrl_c_at("step 2/"))
    folder = write(tmp_path / "flows", 5, 32)
    assert main(command(tmp_path, "--reference", str(folder))) == 1
    assert "is of another recipe; delete it, or choose another folder" in capsys.readouterr().err


def test_interrupted_and_resumed_is_uninterrupted(brief: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, chosen = write(tmp_path / "flows", 5, 32), short("paper", "implicit")

    monkeypatch.setattr(_running, "_LATE", -1.0)
    weights.train_and_write(chosen, tmp_path / "whole", reference=folder, progress=silent)
    with pytest.raises(TrainingInterrupted, match="stopped at step 3"):
        weights.train_and_write(chosen, tmp_path / "parts", reference=folder, progress=ctrl_c_at("step 2/"))
    weights.train_and_write(chosen, tmp_path / "parts", reference=folder, progress=silent)
    whole, parts = (load("implicit", folder=tmp_path / name).state_dict() for name in ("whole", "parts"))
    assert all(torch.equal(value, parts[name]) for name, value in whole.items())


def test_what_it_does_not_train_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(command(tmp_path, model="explicit-wide")) == 1
    assert main(["train", "--reference", "flows", "--output", str(tmp_path)]) == 1
    assert capsys.readouterr().err.splitlines() == [
        "there is no model 'explicit-wide' in the preset 'paper'; choose one of explicit, implicit",
        "implicit-seed0 trains on the shipped flows, and not on flows; choose the preset paper",
    ]
    with pytest.raises(RecipeError, match="there is no preset 'huge'; choose one of small, paper"):
        recipe("huge", "implicit")  # type: ignore[arg-type]


def test_its_recipes_are_the_papers() -> None:
    for model in PAPER_MODELS:
        found = recipe("paper", model, 3)
        assert (found.model, found.seed, found.size, found.side) == (model, 3, PAPER, 64)
        assert (found.data, found.units, found.size.width, found.size.modes) == ("reference", REFERENCE_UNITS, 32, 12)
        assert weights.recipe_of(json.loads(json.dumps({"recipe": dataclasses.asdict(found)}))) == found
    replay = recipe("paper", "implicit").replay
    assert replay is not None and round(replay.iterations / replay.restart) == 50


def test_its_networks_measure_in_the_units_of_its_flows() -> None:
    counts = set()
    for model in PAPER_MODELS:
        network = recipe("paper", model).build()
        assert {each.units for each in network.modules() if hasattr(each, "units")} == {REFERENCE_UNITS}
        counts.add(parameter_count(network))
    assert len(counts) == 1


def on_gpu(network: nn.Module) -> nn.Module:
    """Without numbers; what a module does to move itself needs a real device."""
    for module in network.modules():
        for name, each in [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]:
            moved = torch.empty_like(each, device="cuda")
            setattr(module, name, nn.Parameter(moved) if isinstance(each, nn.Parameter) else moved)
    return network


@pytest.mark.parametrize("model", PAPER_MODELS)
def test_a_network_on_a_gpu_is_judged_there(model: ModelName) -> None:
    """On a device that holds no numbers, where mixing in a CPU tensor raises; the flows stay on the CPU."""
    with FakeTensorMode():
        network, flow = on_gpu(short("paper", model).build()), Flow(32, 0.001)
        flows = torch.ones(3, 32, 32, dtype=torch.float64)
        found = quality(network, flow, flows, flows, (1, 3))
    assert found.error.device.type == "cpu" and found.error.dtype == torch.float64
