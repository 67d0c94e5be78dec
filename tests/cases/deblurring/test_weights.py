"""Training by command: what it writes, what it does not do twice, and what it says when something is wrong."""

import dataclasses
import json
from pathlib import Path

import pytest
import torch

from implicit_lib.cases.deblurring import Deblurring, WeightsError, load, read_card
from implicit_lib.cases.deblurring import _weights as weights
from implicit_lib.cases.deblurring.__main__ import main
from tests.cases.deblurring.problems import short


@pytest.fixture
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """Recipes of seconds, judged on three crops after two iterations."""
    crops = weights.held_out()
    monkeypatch.setattr(weights, "CARD_ITERATIONS", (1, 2))
    monkeypatch.setattr(weights, "SENSED", 2)
    monkeypatch.setattr(weights, "held_out", lambda: type(crops)(*(each[::5, :, :32, :32] for each in crops)))
    monkeypatch.setattr(weights, "moduli", lambda model, x: torch.full((3, 1), 0.5))
    limit = weights.speed_limit
    monkeypatch.setattr(weights, "speed_limit", lambda model, x, t: limit(model, x[..., :32, :32], t))
    for module in ("__main__", "_weights"):
        monkeypatch.setattr(
            f"implicit_lib.cases.deblurring.{module}.recipe", lambda preset, model, seed: short(model, seed=seed)
        )


def test_the_command_trains_the_denoiser_first_and_nothing_twice(
    brief: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["train", "--model", "hqs", "--output", str(tmp_path)]
    assert main(command) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *("denoiser-seed0.json", "denoiser-seed0.safetensors", "hqs-seed0.json", "hqs-seed0.safetensors")
    ]
    assert "denoiser-seed0: step 7/7" in capsys.readouterr().out
    card, model = read_card("hqs", folder=tmp_path), load("hqs", folder=tmp_path)
    assert isinstance(model, Deblurring) and not model.training
    assert set(card["metrics"]) >= {"psnr", "psnr_from_blurred", "ssim", "residual", "sensitivity", "limit", "modulus"}
    assert len(card["metrics"]["limit"]["envelope"]) == 2
    assert main(command) == 0
    assert "step" not in capsys.readouterr().out


def test_a_model_of_another_recipe_is_not_lost(brief: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = tmp_path / "denoiser-seed0.json"
    card = weights.WEIGHTS.joinpath(other.name).read_text()  # of the shipped one, which is larger
    other.write_text(card)
    for model in ("denoiser", "explicit"):
        assert main(["train", "--model", model, "--output", str(tmp_path)]) == 1
        assert "denoiser-seed0.json is of another recipe" in capsys.readouterr().err
    assert other.read_text() == card


def test_a_card_tells_its_recipe() -> None:
    for model in ("denoiser", "pgd", "hqs-contraction", "unfolded-2"):
        recipe = short(model)
        written = json.loads(json.dumps({"recipe": dataclasses.asdict(recipe)}))
        assert weights.recipe_of(written) == recipe


def test_what_is_missing_or_damaged_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"hqs-seed3.json is missing.*--model hqs --seed 3"):
        load("hqs", seed=3, folder=tmp_path)
    (tmp_path / "hqs-seed3.json").write_text("{}")
    with pytest.raises(WeightsError, match="is damaged"):
        load("hqs", seed=3, folder=tmp_path)
