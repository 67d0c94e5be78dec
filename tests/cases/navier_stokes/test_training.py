"""Training resumes exactly, stops cleanly, says what is wrong, learns, and uses the symmetries of the equation."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch

from implicit_lib import Picard, solve
from implicit_lib.cases.navier_stokes import (
    CheckpointError,
    Flow,
    Flows,
    FNOSize,
    ImplicitFNO,
    ImplicitInformed,
    Recipe,
    Replay,
    TrainingInterrupted,
    draw,
    posed,
    relative_error,
    train,
)
from implicit_lib.cases.navier_stokes._training import _Run
from tests.cases.keyboard import ctrl_c_at

SIZE = FNOSize(width=4, modes=3, blocks=2)
REPLAY = Replay(states=6, iterations=2, restart=0.3, damping=0.5)
RECIPES = {
    "explicit": Recipe(preset="small", model="explicit", size=SIZE, steps=7, batch=3),
    "implicit": Recipe(preset="small", model="implicit", size=SIZE, steps=7, batch=3, replay=REPLAY),
    "informed": Recipe(preset="small", model="informed", size=SIZE, steps=7, batch=3, replay=REPLAY, krylov=2),
}


@pytest.fixture(scope="module")
def flows() -> Flows:
    """Some, not tried by Newton's method."""
    flow = Flow(32, 0.1)
    vorticity = draw(12, flow, torch.Generator().manual_seed(0))
    return Flows(flow.forcing_of(vorticity), vorticity, 12, 0, 0)


def silent(line: str) -> None:
    pass


def run_of(recipe: Recipe, flows: Flows, **changes: Any) -> _Run:
    return _Run(dataclasses.replace(recipe, **changes), flows, torch.device("cpu"))


@pytest.mark.parametrize("model", RECIPES)
def test_interrupted_and_resumed_is_uninterrupted(model: str, flows: Flows, tmp_path: Path) -> None:
    whole = train(RECIPES[model], flows, tmp_path / "whole", progress=silent)

    with pytest.raises(TrainingInterrupted, match="stopped at step 4"):
        train(RECIPES[model], flows, tmp_path / "parts", progress=ctrl_c_at("step 3/"), every=3)
    lines: list[str] = []
    parts = train(RECIPES[model], flows, tmp_path / "parts", progress=lines.append)
    assert "resuming at step 4 of 7" in lines[0] and "s left" in lines[-1]
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, parts.model.state_dict()[name]), name


@pytest.mark.parametrize("model", RECIPES)
def test_it_learns(model: str, flows: Flows) -> None:
    always = dataclasses.replace(REPLAY, restart=1.0)  # proposals from rest are learned first
    changes: dict[str, Any] = {"replay": always} if model == "informed" else {}
    run = run_of(RECIPES[model], flows, steps=60, batch=6, learning_rate=1e-2, **changes)
    losses = [run.advance() for _ in range(60)]
    assert sum(losses[-6:]) < 0.85 * sum(losses[:6])


def test_a_flow_goes_on_from_where_it_was(flows: Flows) -> None:
    """With no learning and no restart the states are those of one long, damped walk."""
    replay = Replay(states=6, iterations=2, restart=0.0, damping=0.5)
    run = run_of(RECIPES["implicit"], flows, learning_rate=0.0, batch=6, replay=replay)
    for _ in range(4):
        run.advance()
    assert isinstance(run.model, ImplicitFNO) and run.walks is not None
    forcing = posed(flows.forcing[run.walks.flow].float(), run.walks.pose)
    q = run.model.encoder(forcing).detach()
    walked = solve(lambda h: run.model.operator(h, q), 0 * q, solver=Picard(damping=0.5), max_iter=8, tol=0.0)
    torch.testing.assert_close(run.walks.state, walked.value.detach(), rtol=1e-4, atol=1e-5)


def test_an_informed_walk_goes_on_until_it_has_arrived(flows: Flows) -> None:
    """With no learning and no restart its states are those of the operator with proposals everywhere."""
    replay = dataclasses.replace(REPLAY, restart=0.0)
    run = run_of(RECIPES["informed"], flows, learning_rate=0.0, batch=6, replay=replay, krylov=10)
    for _ in range(3):
        run.advance()
    assert isinstance(run.model, ImplicitInformed) and run.walks is not None
    forcing, known = (posed(each[run.walks.flow].float(), run.walks.pose) for each in (flows.forcing, flows.vorticity))
    w = torch.zeros_like(forcing)
    with torch.no_grad():
        for _ in range(3):
            w = run.model.informed.advance(w, forcing, far=0.0)
    torch.testing.assert_close(run.walks.state, w, rtol=0, atol=1e-3)
    run.walks.state.copy_(known * 1.0005)
    run.advance()
    assert (run.walks.state == 0).all()  # arrived, and begun again


def test_a_restarted_flow_is_another_one_from_the_start(flows: Flows) -> None:
    run = run_of(RECIPES["implicit"], flows, batch=6, replay=dataclasses.replace(REPLAY, restart=1.0))
    assert run.walks is not None
    run.walks.state.fill_(5.0)
    run.walks.flow.fill_(-1)
    run.advance()
    assert (run.walks.flow >= 0).all() and (run.walks.state < 4).all()


def test_a_state_that_runs_away_begins_again(flows: Flows) -> None:
    run = run_of(RECIPES["implicit"], flows, batch=6, replay=dataclasses.replace(REPLAY, restart=0.0))
    assert run.walks is not None
    run.walks.state.fill_(1e6)
    run.advance()
    assert (run.walks.state == 0).all()


def test_seeds_decide_and_nothing_else_does(flows: Flows, tmp_path: Path) -> None:
    runs = []
    for number, seed in enumerate((0, 0, 1)):
        torch.manual_seed(number)
        recipe = dataclasses.replace(RECIPES["implicit"], seed=seed)
        runs.append(train(recipe, flows, tmp_path / str(number), progress=silent).model.state_dict())
    first, again, other = (run["decoder.last.weight"] for run in runs)
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_poses_keep_the_equation() -> None:
    flow, pose = Flow(32, 0.1), torch.arange(8)
    vorticity = draw(1, flow, torch.Generator().manual_seed(3)).expand(8, -1, -1)
    forcing = flow.forcing_of(vorticity)
    assert flow.relative_residual(posed(vorticity, pose), posed(forcing, pose)).max() < 1e-13
    assert flow.relative_residual(posed(vorticity, pose), forcing)[1:].min() > 0.1
    assert flow.relative_residual(-vorticity, -forcing).min() > 0.1  # no symmetry: a flow turned round
    assert len({each.numpy().tobytes() for each in posed(vorticity, pose)}) == 8


def test_relative_errors() -> None:
    known = torch.tensor([[[3.0, 4.0]], [[1.0, 0.0]]])
    torch.testing.assert_close(relative_error(1.1 * known, known), torch.tensor([0.1, 0.1]))


def test_what_does_not_fit_is_refused(flows: Flows, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="for 64 points a side, but the flows have 32"):
        train(dataclasses.replace(RECIPES["explicit"], side=64), flows, tmp_path / "run", progress=silent)
    train(RECIPES["explicit"], flows, tmp_path / "run", progress=silent)
    with pytest.raises(CheckpointError, match="another recipe"):
        train(dataclasses.replace(RECIPES["explicit"], seed=2), flows, tmp_path / "run", progress=silent)
    with pytest.raises(FloatingPointError, match="smaller learning_rate"):
        train(dataclasses.replace(RECIPES["explicit"], learning_rate=1e30), flows, tmp_path / "bad", progress=silent)
