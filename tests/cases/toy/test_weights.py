"""What ships: it loads, it reproduces its cards, and it is what the chapter says it is."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from implicit_lib.cases.toy import (
    MODELS,
    TARGETS,
    Recipe,
    Target,
    WeightsError,
    certify,
    data_hash,
    evaluate,
    flops_per_pass,
    load,
    parameter_count,
    read_card,
    read_results,
    recipe,
)
from implicit_lib.cases.toy._comparison import RESULTS, final, targets
from implicit_lib.cases.toy._weights import WEIGHTS, metrics

SHIPPED = [(model, target) for model in MODELS for target in targets(model)]


@pytest.mark.parametrize("model, target", SHIPPED)
def test_the_weights_reproduce_their_card(model, target: int) -> None:
    card, module = read_card(model, target), load(model, target)
    chosen = Recipe(**card["recipe"])
    assert chosen == recipe("small", model, target)
    assert card["parameters"] == parameter_count(module) and card["flops_per_pass"] == flops_per_pass(module)
    assert card["data"]["sha256"] == data_hash(Target(target))
    again = metrics(module, chosen)
    assert again.keys() == card["metrics"].keys()
    for t, numbers in card["metrics"].items():
        assert again[t] == pytest.approx(numbers, rel=1e-3), t


@pytest.mark.parametrize("model, target", SHIPPED)
def test_the_shipped_seed_is_the_tables_first(model, target: int) -> None:
    card = read_card(model, target)
    results, name = read_results(), f"{model}-{target}"
    assert results["rms"][name][0] == card["metrics"][final(name)]["rms"]
    assert results["first_slope"][name][0] == card["metrics"]["1"]["lipschitz"]


def test_the_learning_rates_are_the_tuned_ones() -> None:
    for model, errors in read_results()["tuning"].items():
        assert recipe("small", model, 20).learning_rate == float(min(errors, key=errors.get)), model


def test_the_weights_are_small() -> None:
    assert sum(path.stat().st_size for path in WEIGHTS.iterdir()) < 2_000_000


@pytest.mark.parametrize("target", TARGETS)
def test_the_operators_are_certified(target: int) -> None:
    assert certify(load("implicit", target).operator).holds


def test_the_climb_ends_and_stays() -> None:
    found = evaluate(load("implicit", 20), Target(20), iterations=400)
    assert (found.maximum[200:] - found.maximum[-1]).abs().max() < 1e-3
    assert (found.lipschitz[200:] - found.lipschitz[-1]).abs().max() < 1e-2
    assert found.lipschitz[0] <= 2 and found.lipschitz[-1] > 18


def test_an_untrained_operator_fails_what_the_trained_pass() -> None:
    torch.manual_seed(0)
    untrained = recipe("small", "implicit", 20).build()
    assert not certify(untrained.operator).holds
    assert evaluate(untrained, Target(20), iterations=50).rms[-1] > 0.3


def test_the_unrolled_operator_is_refuted() -> None:
    assert not certify(load("unrolled", 20).operator).holds


def test_missing_and_damaged_files_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"explicit-20\.json is missing.*toy train --target 20 --model explicit"):
        load("explicit", 20, folder=tmp_path)
    for suffix in ("json", "safetensors"):
        shutil.copy(WEIGHTS / f"explicit-20.{suffix}", tmp_path)
    load("explicit", 20, folder=tmp_path)
    weights = tmp_path / "explicit-20.safetensors"
    content = weights.read_bytes()
    for damaged in (content[:-100], b"", b"x" * 100):
        weights.write_bytes(damaged)
        with pytest.raises(WeightsError, match="is damaged"):
            load("explicit", 20, folder=tmp_path)
    weights.unlink()
    with pytest.raises(WeightsError, match="is missing"):
        load("explicit", 20, folder=tmp_path)
    card = json.loads((tmp_path / "explicit-20.json").read_text())
    card["recipe"]["widht"] = card["recipe"].pop("width")
    (tmp_path / "explicit-20.json").write_text(json.dumps(card))
    with pytest.raises(WeightsError, match="is damaged"):
        load("explicit", 20, folder=tmp_path)
    with pytest.raises(WeightsError, match="cannot be read"):
        read_results(tmp_path / RESULTS.name)


def test_weights_of_another_size_are_refused(tmp_path: Path) -> None:
    shutil.copy(WEIGHTS / "explicit-20.json", tmp_path)
    shutil.copy(WEIGHTS / "implicit-20.safetensors", tmp_path / "explicit-20.safetensors")
    with pytest.raises(WeightsError, match="is damaged"):
        load("explicit", 20, folder=tmp_path)
