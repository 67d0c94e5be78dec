"""Training resumes exactly, stops cleanly, says what is wrong, and trains what the recipe says."""

import dataclasses
from pathlib import Path

import pytest
import torch

from implicit_lib.cases.deblurring import (
    MODELS,
    SIGMA,
    Blur,
    CheckpointError,
    Contraction,
    Deblurring,
    Observed,
    Replay,
    Size,
    TrainingInterrupted,
    camera_shake,
    held_out,
    load,
    observe,
    quality,
    recipe,
    train,
    training_tiles,
)
from implicit_lib.cases.deblurring._training import Crops, _Run
from tests.cases.deblurring.problems import awake, pictures, short, silent
from tests.cases.keyboard import ctrl_c_at

KINDS = ("denoiser", "explicit", "pgd", "hqs-implicit", "hqs-contraction", "unfolded-2")


@pytest.mark.parametrize("model", KINDS)
def test_interrupted_and_resumed_is_uninterrupted(model: str, tmp_path: Path) -> None:
    whole = train(short(model), pictures(), tmp_path / "whole", progress=silent)

    with pytest.raises(TrainingInterrupted, match="stopped at step 4"):
        train(short(model), pictures(), tmp_path / "parts", progress=ctrl_c_at("step 3/"), every=3)
    lines: list[str] = []
    parts = train(short(model), pictures(), tmp_path / "parts", progress=lines.append)
    assert "resuming at step 4 of 7" in lines[0]
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, parts.model.state_dict()[name]), name


@pytest.mark.parametrize("model", ["denoiser", "explicit", "unfolded-2"])
def test_one_pass_learns(model: str) -> None:
    """What it makes of the same blurred crops, at least a fifth of a dB better."""
    clean = pictures()[:, :, 32:64, 32:64]
    observed = Observed(clean, observe(clean, Blur(camera_shake(), 32), SIGMA, seed=0))
    chosen = short(model, size=Size(widths=(12, 16), blocks=1), steps=100, learning_rate=2e-3, batch=4)
    run = _Run(chosen, pictures(), None, torch.device("cpu"))
    before = quality(run.model, observed).psnr
    for _ in range(100):
        run.advance()
    assert quality(run.model, observed).psnr > before + 0.2


@pytest.mark.parametrize("model", ["hqs", "hqs-implicit"])
def test_an_equilibrium_learns(model: str) -> None:
    """From the shipped denoiser: what it makes of the same crops after ten iterations, a quarter of a dB better."""
    some = Observed(*(each[::8] for each in held_out()))
    chosen = dataclasses.replace(recipe("small", model), steps=30, batch=4, learning_rate=1e-4)
    run = _Run(chosen, training_tiles(), load("denoiser"), torch.device("cpu"))
    before = quality(run.model, some, [10]).psnr
    for _ in range(30):
        run.advance()
    assert quality(run.model, some, [10]).psnr > before + 0.25


def test_seeds_decide_and_nothing_else_does(tmp_path: Path) -> None:
    runs = []
    for number, seed in enumerate((0, 0, 1)):
        torch.manual_seed(number)
        runs.append(train(short("hqs", seed=seed), pictures(), tmp_path / str(number), progress=silent))
    first, again, other = (run.model.operator.denoiser.tail.weight for run in runs)
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_every_denoiser_begins_as_the_trained_one() -> None:
    start = awake(short("denoiser").build())
    model = _Run(short("unfolded-2"), pictures(), start, torch.device("cpu")).model
    for step in model.steps:
        assert all(torch.equal(v, step.denoiser.state_dict()[k]) for k, v in start.state_dict().items())


def test_a_picture_goes_on_from_where_it_was() -> None:
    """With no learning and no restart the states are those of one long walk."""
    replay = Replay(pictures=6, iterations=2, restart=0.0, first=2)
    run = _Run(short("hqs", learning_rate=0.0, batch=6, replay=replay), pictures(), None, torch.device("cpu"))
    for _ in range(4):
        run.advance()
    assert isinstance(run.model, Deblurring) and run.walks is not None
    torch.testing.assert_close(run.walks.state, run.model(run.walks.blurred, 8).detach(), rtol=1e-4, atol=1e-5)


def test_a_restarted_picture_is_another_one() -> None:
    replay = Replay(pictures=6, iterations=1, restart=1.0, first=1)
    run = _Run(short("hqs", batch=6, replay=replay), pictures(), None, torch.device("cpu"))
    assert run.walks is not None
    before = run.walks.clean.clone()
    run.advance()
    assert (run.walks.clean != before).flatten(1).any(dim=1).all()


def test_a_state_that_runs_away_begins_again() -> None:
    replay = Replay(pictures=6, iterations=2, restart=0.0, first=2)
    run = _Run(short("hqs", batch=6, replay=replay), pictures(), None, torch.device("cpu"))
    assert run.walks is not None
    run.walks.state.fill_(1e3)
    run.advance()
    assert (run.walks.state == 0).all()


def test_the_penalty_makes_the_jacobian_smaller() -> None:
    found = []
    for wanted in (None, Contraction(weight=10.0, modulus=0.2)):
        chosen = short("pgd", steps=60, learning_rate=3e-3, contraction=wanted)
        run = _Run(chosen, pictures(), None, torch.device("cpu"))
        for _ in range(60):
            run.advance()
        assert isinstance(run.model, Deblurring) and run.walks is not None
        y = run.walks.state
        found.append((run.model.operator(y + 1e-2 * run.walks.direction, 0 * y) - run.model.operator(y, 0 * y)).norm())
    assert found[1] < 0.9 * found[0]


def test_progress_tells_the_time_left(tmp_path: Path) -> None:
    lines: list[str] = []
    train(short("explicit"), pictures(), tmp_path / "run", progress=lines.append, every=4)
    assert len(lines) == 2 and "step 4/7" in lines[0] and "s left" in lines[0]


def test_a_checkpoint_of_another_recipe_is_refused(tmp_path: Path) -> None:
    train(short("explicit"), pictures(), tmp_path / "run", progress=silent)
    with pytest.raises(CheckpointError, match="another recipe"):
        train(short("explicit", seed=2), pictures(), tmp_path / "run", progress=silent)


def test_a_loss_that_blows_up_is_reported(tmp_path: Path) -> None:
    with pytest.raises(FloatingPointError, match="smaller learning_rate"):
        train(short("explicit", learning_rate=1e30), pictures(), tmp_path / "run", progress=silent)


def test_crops_are_pieces_of_the_pictures() -> None:
    marked = torch.arange(6.0).view(6, 1, 1, 1).expand(6, 3, 40, 40)
    drawn = Crops(marked, 32, torch.Generator().manual_seed(0)).draw(64)
    assert drawn.shape == (64, 3, 32, 32) and set(drawn.flatten().tolist()) == set(range(6))
    with pytest.raises(ValueError, match="at least 64"):
        Crops(marked, 64, torch.Generator())


def test_crops_come_in_all_eight_poses() -> None:
    tile = training_tiles()[:1, :, :32, :32]
    drawn = Crops(tile, 32, torch.Generator().manual_seed(0)).draw(200)
    assert len({each.numpy().tobytes() for each in drawn}) == 8


def test_an_unknown_recipe_is_refused() -> None:
    with pytest.raises(ValueError, match="there is no model 'hq'"):
        recipe("small", "hq")
    assert len({recipe("small", model).name for model in MODELS}) == len(MODELS)
