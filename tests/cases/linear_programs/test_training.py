"""Training resumes exactly, stops cleanly, says what is wrong, and trains what the recipe says."""

import dataclasses
import math
import signal
from pathlib import Path

import pytest
import torch

from implicit_lib.cases.linear_programs import (
    EMBEDDINGS,
    MODELS,
    CheckpointError,
    Contraction,
    ImplicitGNN,
    Phase,
    TrainingInterrupted,
    errors,
    moduli,
    recipe,
    train,
)
from implicit_lib.cases.linear_programs._training import _Run
from tests.cases.keyboard import ctrl_c_at
from tests.cases.linear_programs.problems import instances, short, silent


@pytest.mark.parametrize("model", MODELS)
def test_interrupted_and_resumed_is_uninterrupted(model: str, tmp_path: Path) -> None:
    handler = signal.getsignal(signal.SIGINT)
    whole = train(short(model), instances(), tmp_path / "whole", progress=silent)

    with pytest.raises(TrainingInterrupted, match="stopped at epoch 4"):
        train(short(model), instances(), tmp_path / "parts", progress=ctrl_c_at("epoch 3/"), every=3)
    assert signal.getsignal(signal.SIGINT) is handler
    lines: list[str] = []
    parts = train(short(model), instances(), tmp_path / "parts", progress=lines.append)
    assert "resuming at epoch 4 of 7" in lines[0]
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, parts.model.state_dict()[name]), name


def test_seeds_decide_and_nothing_else_does(tmp_path: Path) -> None:
    runs = []
    for number, seed in enumerate((0, 0, 1)):
        torch.manual_seed(number)
        runs.append(train(short("implicit", seed=seed), instances(), tmp_path / str(number), progress=silent))
    first, again, other = (run.model.encoder.variables.weight for run in runs)
    assert torch.equal(first, again) and not torch.equal(first, other)


@pytest.mark.parametrize("model", MODELS)
def test_it_learns(model: str, tmp_path: Path) -> None:
    phase = Phase(epochs=30, iterations=2, learning_rate=2e-2, last_learning_rate=0.0, restart=0.5)
    chosen = short(model, phases=(phase,), batch=3, reflect=False)
    torch.manual_seed(chosen.seed)
    before = errors(chosen.build(), instances(), 4)[-1]
    trained = train(chosen, instances(), tmp_path / "run", progress=silent, every=1_000)
    assert errors(trained.model, instances(), 4)[-1] < 0.8 * before


def test_the_papers_recipe_runs(tmp_path: Path) -> None:
    paper = recipe("paper", "implicit", 4)
    once = dataclasses.replace(paper, phases=tuple(dataclasses.replace(phase, epochs=1) for phase in paper.phases))
    torch.manual_seed(paper.seed)
    before = paper.build().state_dict()
    after = train(once, instances(), tmp_path / "run", progress=silent).model.state_dict()
    assert all(value.isfinite().all() for value in after.values())
    assert not torch.equal(before["encoder.variables.weight"], after["encoder.variables.weight"])


def test_progress_tells_the_time_left(tmp_path: Path) -> None:
    lines: list[str] = []
    train(short("explicit"), instances(), tmp_path / "run", progress=lines.append, every=4)
    assert len(lines) == 2 and "epoch 4/7" in lines[0] and "s left" in lines[0]


def test_a_checkpoint_of_another_recipe_is_refused(tmp_path: Path) -> None:
    train(short("explicit"), instances(), tmp_path / "run", progress=silent)
    with pytest.raises(CheckpointError, match="another recipe"):
        train(short("explicit", seed=2), instances(), tmp_path / "run", progress=silent)
    (tmp_path / "run").write_bytes(b"not a checkpoint")
    with pytest.raises(CheckpointError, match="delete it to start again"):
        train(short("explicit"), instances(), tmp_path / "run", progress=silent)


def test_a_loss_that_blows_up_is_reported(tmp_path: Path) -> None:
    phase = Phase(epochs=9, iterations=2, learning_rate=1e20, last_learning_rate=1e20, restart=1.0)
    with pytest.raises(FloatingPointError, match="smaller learning rates"):
        train(short("implicit", phases=(phase,)), instances(), tmp_path / "run", progress=silent)


@pytest.mark.parametrize("reflect", [False, True])
def test_an_instance_goes_on_from_where_it_was(reflect: bool) -> None:
    """With no learning and no restart the states are those of one long walk, of the instance as it is reflected."""
    begin = Phase(epochs=1, iterations=2, learning_rate=0.0, last_learning_rate=0.0, restart=1.0)
    onward = dataclasses.replace(begin, epochs=3, restart=0.0)
    run = _Run(short("implicit", phases=(begin, onward), reflect=reflect), instances(), torch.device("cpu"))
    for _ in range(4):
        run.advance()
    signs = run.places.variables, run.places.constraints
    assert bool((signs[0] < 0).any()) is reflect
    assert (signs[1][run.programs.equality == 0] == 1).all()
    assert isinstance(run.model, ImplicitGNN)
    q = run.model.encoder(run.programs.reflect(*signs))
    torch.testing.assert_close(run.places.state, run.model.equilibrium(q, 8).detach(), rtol=1e-4, atol=1e-5)


def test_a_state_that_runs_away_begins_again() -> None:
    run = _Run(short("implicit"), instances(), torch.device("cpu"))
    with torch.no_grad():
        run.model.equilibrium.operator.to_state.bias.fill_(1e5)
    run._loss(torch.arange(6), run.recipe.phases[0])
    assert (run.places.state == 0).all()


def test_the_learning_rate_falls_along_a_cosine() -> None:
    run = _Run(short("explicit"), instances(), torch.device("cpu"))
    phase = Phase(epochs=1, iterations=1, learning_rate=3.0, last_learning_rate=1.0, restart=1.0)
    found = []
    for part in (0.0, 0.25, 0.5, 1.0):
        run._set_learning_rate(phase, part)
        found.append(run.optimiser.param_groups[0]["lr"])
    assert found == pytest.approx([3, 2 + math.sqrt(0.5), 2, 1])


def test_the_penalty_makes_a_contraction(tmp_path: Path) -> None:
    phase = Phase(epochs=30, iterations=2, learning_rate=1e-2, last_learning_rate=1e-3, restart=0.2)
    largest = []
    for weight in (0.0, 10.0):
        contraction = Contraction(weight=weight, modulus=0.05)
        chosen = short("contraction", phases=(phase,), contraction=contraction, reflect=False)
        trained = train(chosen, instances(), tmp_path / str(weight), progress=silent, every=1_000)
        largest.append(moduli(trained.model, instances().programs, at=[1, 10]).max().item())
    assert largest[1] < 0.5 * largest[0]


def test_recipes() -> None:
    with pytest.raises(ValueError, match="no preset 'tiny'; choose one of small, paper"):
        recipe("tiny", "implicit", 8)
    with pytest.raises(ValueError, match="no model 'gnn'; choose one of explicit, implicit, contraction"):
        recipe("small", "gnn", 8)
    with pytest.raises(ValueError, match="embedding must be at least 1, but is 0"):
        recipe("small", "implicit", 0)
    paper = recipe("paper", "implicit", 16, seed=3)
    assert [(phase.epochs, phase.iterations) for phase in paper.phases] == [(10_000, 3), (5_000, 6)]
    assert paper.batch == 2_500 and paper.loss == "square" and not paper.reflect
    assert paper.build().encoder.units == (1, 1, 1) and paper.name == "implicit-16-seed3"
    for embedding in EMBEDDINGS:  # the same care and budget: as many passes over the instances
        passes = [sum(p.epochs * p.iterations for p in recipe("small", m, embedding).phases) for m in MODELS]
        assert passes[0] == passes[1] == passes[2]
