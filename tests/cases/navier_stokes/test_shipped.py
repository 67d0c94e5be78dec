"""The networks that ship: they load, reproduce their cards, and are what is said of them."""

from __future__ import annotations

import pytest
import torch

from implicit_lib.cases.navier_stokes import (
    MODELS,
    Flow,
    ImplicitFNO,
    ModelName,
    held_out_flows,
    load,
    parameter_count,
    quality,
    read_card,
    recipe,
)
from implicit_lib.cases.navier_stokes._weights import recipe_of


@pytest.mark.parametrize("name", MODELS)
def test_the_weights_reproduce_their_card(name: ModelName) -> None:
    card, model, flows = read_card(name), load(name), held_out_flows()
    assert recipe_of(card) == recipe(name) and card["parameters"] == parameter_count(model)
    t = 8 if isinstance(model, ImplicitFNO) else 1
    found = quality(model, Flow(32, 0.1), flows.forcing, flows.vorticity, (t,))
    for values, told in ((found.error, "error"), (found.worst, "worst"), (found.imbalance, "imbalance")):
        assert values.item() == pytest.approx(card["metrics"][told][str(t)], rel=1e-3)


def test_the_equilibrium_beats_one_pass_and_stays() -> None:
    """With the same blocks, and no more time to train; and it is a fixed point."""
    equilibrium, one = (read_card(name) for name in ("implicit", "explicit"))
    assert equilibrium["parameters"] == one["parameters"] and equilibrium["cpu_seconds"] <= one["cpu_seconds"]
    errors = equilibrium["metrics"]["error"]
    assert errors["100"] <= 0.078 and errors["100"] <= 0.5 * one["metrics"]["error"]["1"]
    assert errors["100"] <= 1.05 * min(errors.values())
    late = equilibrium["metrics"]["late"]
    assert late["500"] <= 1.05 * late["100"]
    assert equilibrium["metrics"]["step"]["100"] <= 1e-3


def test_the_library_finds_the_same_equilibrium() -> None:
    """By Anderson acceleration, from h = 0, to tolerance."""
    model, flows = load("implicit"), held_out_flows()
    assert isinstance(model, ImplicitFNO)
    forcing = flows.forcing[:20].float()
    with torch.no_grad():
        found = model.solve(forcing)
        vorticity = model.decoder(found.value)
    assert found.converged.all() and found.iterations.float().mean() < 50
    walked = quality(model, Flow(32, 0.1), flows.forcing[:20], flows.vorticity[:20], (100,))
    errors = (vorticity - flows.vorticity[:20]).flatten(1).norm(dim=1) / flows.vorticity[:20].flatten(1).norm(dim=1)
    assert errors.mean().item() == pytest.approx(walked.error.item(), rel=0.02)


def test_it_works_on_points_that_it_never_saw() -> None:
    """On 64 × 64, from training on 32 × 32."""
    errors = []
    for side in (32, 64):
        flows, model = held_out_flows(side), load("implicit", side=side)
        errors.append(quality(model, Flow(side, 0.1), flows.forcing[:10], flows.vorticity[:10], (32,)).error.item())
    assert errors[1] <= 1.05 * errors[0]
