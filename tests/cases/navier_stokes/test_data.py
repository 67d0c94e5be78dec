"""The flows that ship: steady on any points, found again by Newton's method, and made again from their seeds."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from implicit_lib.cases.navier_stokes import (
    Flow,
    Flows,
    _data,
    _flows,
    draw,
    held_out_flows,
    newton_krylov,
    training_flows,
)


@pytest.mark.parametrize(("flows", "count"), [(training_flows, 2_000), (held_out_flows, 200)])
def test_they_are_steady_and_accounted_for(flows: object, count: int) -> None:
    found = flows()  # type: ignore[operator]
    assert found.vorticity.shape == found.forcing.shape == (count, 32, 32)
    assert Flow(32, 0.1).relative_residual(found.vorticity, found.forcing).max() < 1e-12
    assert found.drawn - found.elsewhere - found.unreached >= count
    assert 0 < found.elsewhere + found.unreached < 0.1 * found.drawn


def test_finer_points_show_the_same_flows() -> None:
    coarse, fine = held_out_flows(), held_out_flows(64)
    torch.testing.assert_close(fine.vorticity[:, ::2, ::2], coarse.vorticity, rtol=0, atol=1e-12)
    assert Flow(64, 0.1).relative_residual(fine.vorticity, fine.forcing).max() < 1e-12


def test_newton_finds_some_again() -> None:
    flows = held_out_flows()
    found = newton_krylov(Flow(32, 0.1), flows.forcing[::20], tol=1e-10)
    assert found.arrived.all()
    torch.testing.assert_close(found.vorticity, flows.vorticity[::20], rtol=0, atol=1e-6)


def test_the_seeds_give_them_and_none_is_in_both() -> None:
    drawn = draw(_flows.CHUNK, Flow(32, 0.1), torch.Generator().manual_seed(1_000_003 * 2))
    first = held_out_flows().vorticity[:10]
    apart = (first[:, None] - drawn).flatten(2).norm(dim=2) / first.flatten(1).norm(dim=1)[:, None]
    assert apart.amin(dim=1).max() < 1e-6
    one, other = (flows().vorticity.flatten(1) for flows in (training_flows, held_out_flows))
    assert torch.cdist(one, other).min() > 0.1 * other.norm(dim=1).mean()


def test_they_are_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_flows, "CHUNK", 3)
    monkeypatch.setattr(_data, "_SEEDS", {"training": (5, 4), "held_out": (6, 2)})
    monkeypatch.setattr(_data, "FOLDER", tmp_path)
    _data._read.cache_clear()
    try:
        _data.make(tmp_path, progress=lambda line: None)
        made: Flows = training_flows()
        assert len(made.vorticity) == 4 and len(held_out_flows().vorticity) == 2
    finally:
        _data._read.cache_clear()
    again = _flows.generate(4, seed=5)
    torch.testing.assert_close(made.vorticity, again.vorticity, rtol=0, atol=1e-6)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["held_out.safetensors", "training.safetensors"]
