"""The data: every flow steady and found again, what is left out counted, runs that go on where they were stopped."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from implicit_lib.cases.navier_stokes import (
    Flow,
    Flows,
    SteadyFlow,
    WeightsError,
    _flows,
    draw,
    generate,
    newton_krylov,
)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_flows, "CHUNK", 4)


@pytest.fixture
def kept(tmp_path: Path) -> tuple[Path, Flows]:
    file = tmp_path / "flows.safetensors"
    return file, generate(5, seed=3, viscosity=0.2, file=file)


def test_flows_are_steady_and_all_are_accounted_for(kept: tuple[Path, Flows]) -> None:
    _, flows = kept
    flow = Flow(32, 0.2)
    assert flows.vorticity.shape == flows.forcing.shape == (5, 32, 32)
    assert flow.relative_residual(flows.vorticity, flows.forcing).max() < 1e-12
    assert flow.relative_residual(flows.vorticity, flows.forcing.roll(1, dims=0)).min() > 0.1
    found = flows.drawn - flows.elsewhere - flows.unreached
    assert flows.drawn % 4 == 0 and found >= 5
    speed = flow.torus.velocity(flows.vorticity).square().sum(dim=1).amax(dim=(1, 2)).sqrt()
    torch.testing.assert_close(speed, torch.ones(5).double())


def test_what_newton_does_not_find_is_left_out_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of four flows the second is lost on the way, and for the third another flow is found."""

    def clumsy(flow: Flow, forcing: torch.Tensor, tol: float) -> SteadyFlow:
        found = newton_krylov(flow, forcing, tol=tol)
        arrived = found.arrived & torch.tensor([True, False, True, True])
        return found._replace(vorticity=found.vorticity * torch.tensor([1, 1, 1.1, 1])[:, None, None], arrived=arrived)

    honest = generate(4, seed=0, viscosity=0.5)
    assert (honest.drawn, honest.elsewhere, honest.unreached) == (4, 0, 0)
    monkeypatch.setattr(_flows, "newton_krylov", clumsy)
    flows = generate(2, seed=0, viscosity=0.5)
    assert (flows.drawn, flows.elsewhere, flows.unreached) == (4, 1, 1)
    assert torch.equal(flows.vorticity, honest.vorticity[[0, 3]])


def test_an_interrupted_run_goes_on(kept: tuple[Path, Flows], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    chunk = _flows._chunk

    def stopped(*arguments: object) -> None:
        raise KeyboardInterrupt

    file = tmp_path / "part.safetensors"
    generate(2, seed=3, viscosity=0.2, file=file)
    monkeypatch.setattr(_flows, "_chunk", stopped)
    with pytest.raises(KeyboardInterrupt):
        generate(5, seed=3, viscosity=0.2, file=file)
    monkeypatch.setattr(_flows, "_chunk", chunk)
    again = generate(5, seed=3, viscosity=0.2, file=file, progress=told.append)
    assert torch.equal(again.vorticity, kept[1].vorticity) and again.drawn == kept[1].drawn
    assert told[-1].startswith("steady flows: 5 of 5, ") and len(told) == again.drawn // 4 - 1
    monkeypatch.setattr(_flows, "_chunk", stopped)
    assert torch.equal(generate(5, seed=3, viscosity=0.2, file=file).vorticity, again.vorticity)  # nothing to do


def test_another_or_a_damaged_file_is_refused(kept: tuple[Path, Flows]) -> None:
    file, _ = kept
    with pytest.raises(WeightsError, match="another seed, size or viscosity"):
        generate(5, seed=4, viscosity=0.2, file=file)
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(WeightsError, match="delete it"):
        generate(5, seed=3, viscosity=0.2, file=file)


@pytest.mark.parametrize(("count", "side"), [(0, 32), (1, 16), (1, 48)])
def test_impossible_requests_are_refused(count: int, side: int) -> None:
    with pytest.raises(ValueError, match="multiple of 32"):
        generate(count, seed=0, side=side)


def test_too_few_points_are_refused() -> None:
    with pytest.raises(ValueError, match="32 points"):
        draw(1, Flow(16, 0.1), torch.Generator())
