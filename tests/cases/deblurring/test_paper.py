"""The preset of the paper, on small archives and with a stand-in for deepinv's network: what it trains and says."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

import pytest
import torch

from implicit_lib.cases import _running
from implicit_lib.cases._files import data_hash
from implicit_lib.cases.deblurring import (
    PAPER,
    PAPER_MODELS,
    SIGMA,
    Deblurring,
    DRUNet,
    MissingPackageError,
    Observed,
    RecipeError,
    Size,
    TrainingInterrupted,
    _berkeley,
    camera_shake,
    load,
    observe,
    parameter_count,
    read_card,
    recipe,
    train,
)
from implicit_lib.cases.deblurring import _weights as weights
from implicit_lib.cases.deblurring.__main__ import main
from implicit_lib.cases.deblurring._blur import Blur
from implicit_lib.cases.deblurring._training import _Run
from tests.cases.deblurring.berkeley_archive import checksum, packed, photographs, server
from tests.cases.deblurring.problems import StandIn, pictures, put_in_deepinvs_place, short_paper, silent
from tests.cases.keyboard import ctrl_c_at

FILES = photographs()


@pytest.fixture
def deepinv(monkeypatch: pytest.MonkeyPatch) -> None:
    put_in_deepinvs_place(monkeypatch)


@pytest.fixture
def brief(deepinv: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Recipes and judgements of seconds, an empty cache, and the small archive as the right one."""
    crops = weights.held_out()
    monkeypatch.setattr(weights, "held_out", lambda: Observed(*(each[::6] for each in crops)))
    monkeypatch.setattr(weights, "CARD_ITERATIONS", (1, 2))
    monkeypatch.setattr(weights, "SENSED", 2)
    monkeypatch.setattr(weights, "moduli", lambda model, x: torch.full((3, 1), 0.5))
    for module in ("__main__", "_weights"):
        monkeypatch.setattr(
            f"implicit_lib.cases.deblurring.{module}.recipe", lambda preset, model, seed: short_paper(model, seed=seed)
        )
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(_berkeley, "COUNT", len(FILES))
    monkeypatch.setattr(_berkeley, "SHA256", checksum(FILES))
    monkeypatch.setattr(_berkeley, "URL", "http://127.0.0.1:9/photographs.tar.gz")


def command(folder: Path, model: str = "hqs") -> list[str]:
    return ["train", "--preset", "paper", "--model", model, "--device", "cpu", "--output", str(folder)]


def test_the_command_trains_on_the_berkeley_photographs(
    brief: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "runs"
    with server(packed(FILES)) as (url, asked):
        monkeypatch.setattr(_berkeley, "URL", url)
        assert main(command(folder)) == 0
        assert main(command(folder, "pgd")) == 0
        assert asked == ["/photographs.tar.gz"]
    said = capsys.readouterr().out.splitlines()
    assert sum("meant for a GPU" in line for line in said) == 2 and not any("shipped" in line for line in said)
    assert any(line.startswith("denoiser-seed0: step 5/5") for line in said)
    found = _berkeley.berkeley(silent)
    test = observe(found.test, Blur(camera_shake(), 128), SIGMA, seed=0)
    for model in ("denoiser", "hqs", "pgd"):
        card = read_card(model, folder=folder)
        assert weights.recipe_of(card) == short_paper(model)
        hashes = data_hash(found.training), data_hash(found.test, test)
        assert (card["data"]["training"], card["data"]["test"]) == hashes and url in card["data"]["photographs"]
        assert set(card["metrics"]["psnr"]) == ({"1"} if model == "denoiser" else {"1", "2"})
    model = load("hqs", folder=folder)
    assert isinstance(model, Deblurring) and isinstance(model.operator.denoiser, DRUNet)
    monkeypatch.setattr(_berkeley, "URL", "http://127.0.0.1:9/photographs.tar.gz")
    _berkeley.archive().unlink()
    assert main(command(folder)) == 0  # what has been trained needs no photographs
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_without_them_it_trains_on_the_shipped_ones_and_says_so(
    brief: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command(tmp_path)) == 0
    said = capsys.readouterr().out.splitlines()
    (line,) = (line for line in said if "shipped" in line)
    assert "cannot be loaded (" in line and "put that file at" in line and "crops of 64 × 64" in line
    for model in ("denoiser", "hqs"):
        card = read_card(model, folder=tmp_path)
        assert weights.recipe_of(card) == short_paper(model, photographs="shipped", side=64)
        assert "in place of BSDS500: http://127.0.0.1:9" in card["data"]["photographs"]
        assert card["data"]["training"] == data_hash(weights.training_tiles())


def test_other_photographs_do_not_slip_into_a_run(
    brief: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Begun on the shipped ones, interrupted, and gone on with when the network is back."""

    monkeypatch.setattr(_running, "_LATE", -1.0)
    with pytest.raises(TrainingInterrupted):
        weights.train_and_write(short_paper("denoiser"), tmp_path, progress=ctrl_c_at("step 2/"))
    with server(packed(FILES)) as (url, _):
        monkeypatch.setattr(_berkeley, "URL", url)
        assert main(command(tmp_path, "denoiser")) == 1
    assert "is of another recipe; delete it, or choose another folder" in capsys.readouterr().err


def test_without_deepinv_it_says_what_to_install(
    brief: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "deepinv.models", None)
    with server(packed(FILES)) as (url, asked):
        monkeypatch.setattr(_berkeley, "URL", url)
        assert main(command(tmp_path / "runs")) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert 'pip install "deepinv>=0.5,<0.6"' in line
    assert asked == [] and not (tmp_path / "runs").exists()


def test_what_it_does_not_train_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(command(tmp_path, "unfolded-2")) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line == ("there is no model 'unfolded-2' in the preset 'paper'; choose one of denoiser, explicit, pgd, hqs")
    with pytest.raises(RecipeError, match="there is no preset 'huge'; choose one of small, paper"):
        recipe("huge", "hqs")


def test_its_recipes_are_the_papers() -> None:
    for model in PAPER_MODELS:
        found = recipe("paper", model, 3)
        assert (found.model, found.seed, found.size, found.side) == (model, 3, PAPER, 128)
        assert found.learning_rate == 1e-4
        assert weights.recipe_of(json.loads(json.dumps({"recipe": dataclasses.asdict(found)}))) == found
    replay = recipe("paper", "hqs").replay
    assert replay is not None and replay.iterations / replay.restart == 100
    assert (recipe("paper", "pgd").gradient, recipe("paper", "pgd").adjoint_steps) == ("implicit", 20)
    assert recipe("paper", "hqs") == dataclasses.replace(recipe("paper", "pgd"), model="hqs", scheme="hqs")


@pytest.mark.parametrize("model", PAPER_MODELS)
def test_interrupted_and_resumed_is_uninterrupted(deepinv: None, model: str, tmp_path: Path) -> None:
    chosen = short_paper(model, side=64)
    whole = train(chosen, pictures(), tmp_path / "whole", progress=silent)

    with pytest.raises(TrainingInterrupted, match="stopped at step 3"):
        train(chosen, pictures(), tmp_path / "parts", progress=ctrl_c_at("step 2/"), every=2)
    parts = train(chosen, pictures(), tmp_path / "parts", progress=silent)
    assert all(torch.equal(value, parts.model.state_dict()[name]) for name, value in whole.model.state_dict().items())


def test_its_networks_begin_as_the_trained_denoiser(deepinv: None) -> None:
    start = short_paper("denoiser", seed=1).build()
    assert isinstance(start, DRUNet)
    model = _Run(short_paper("hqs", side=64), pictures(), start, torch.device("cpu")).model
    found = model.operator.denoiser.state_dict()
    assert all(torch.equal(value, found[name]) for name, value in start.state_dict().items())


def test_the_adjoint_takes_as_many_steps_as_the_recipe_says(deepinv: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every step is one pass back through the network."""
    passes = 0
    forward = StandIn.forward

    def counting(self: StandIn, y: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        out = forward(self, y, sigma)
        if out.requires_grad:
            out.register_hook(count)
        return out

    def count(gradient: torch.Tensor) -> None:
        nonlocal passes
        passes += 1

    monkeypatch.setattr(StandIn, "forward", counting)
    for steps in (3, 7):
        run, passes = _Run(short_paper("hqs", side=64, adjoint_steps=steps), pictures(), None, torch.device("cpu")), 0
        run.advance()
        assert passes == steps + 1


def test_the_network_is_told_the_noise_of_the_case(deepinv: None, monkeypatch: pytest.MonkeyPatch) -> None:
    levels = []
    monkeypatch.setattr(StandIn, "forward", lambda self, y, sigma: levels.append(sigma) or y)
    y = torch.rand(2, 3, 8, 8, dtype=torch.float64)
    assert torch.equal(DRUNet(short_paper("hqs").size)(y), y)
    assert levels[0].tolist() == [SIGMA, SIGMA]


@pytest.mark.parametrize("model", PAPER_MODELS)
def test_its_models_stay_on_their_device(deepinv: None, model: str) -> None:
    """On a device that holds no numbers, where mixing in a CPU tensor raises."""
    network, x = short_paper(model).build().to("meta"), torch.rand(2, 3, 128, 128, device="meta")
    y = network(x, 2) if isinstance(network, Deblurring) else network(x)
    assert y.shape == x.shape and y.device.type == "meta"
    if not isinstance(network, Deblurring):
        y.square().mean().backward()
        assert all(parameter.grad is not None for parameter in network.parameters())


def test_slow_steps_are_kept_and_told_one_by_one(
    deepinv: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[str] = []
    monkeypatch.setattr(_running, "_LATE", -1.0)
    train(short_paper("explicit", side=64), pictures(), tmp_path / "run", progress=lines.append)
    assert [line.split(",")[0] for line in lines] == [f"explicit-seed0: step {t}/5" for t in range(1, 6)]
    assert all("s left" in line for line in lines)


def real(size: Size) -> DRUNet:
    """deepinv's own network, where it is installed."""
    try:
        return DRUNet(size)
    except MissingPackageError as reason:
        pytest.skip(str(reason))


def test_the_network_has_the_papers_size() -> None:
    assert parameter_count(real(PAPER)) == 32_640_960


def test_deepinvs_network_trains_and_is_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Narrow, for a few steps, by the whole of what a card tells."""
    size = dataclasses.replace(PAPER, widths=(4, 4, 4, 4), blocks=1)
    start = real(size)
    monkeypatch.setattr(weights, "CARD_ITERATIONS", (1, 2))
    monkeypatch.setattr(weights, "SENSED", 2)
    chosen = short_paper("hqs", size=size, side=64)
    model = train(chosen, pictures(), tmp_path / "run", start=start, progress=silent).model
    crops = Observed(*(each[::6] for each in weights.held_out()))
    found = weights.metrics(model, crops)
    assert found["psnr"]["2"] > 0 and len(found["limit"]["envelope"]) == 2 and found["modulus"]["100"] >= 0
