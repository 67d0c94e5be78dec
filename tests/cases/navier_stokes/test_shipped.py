"""The networks that ship: they load, reproduce their cards, and are what is said of them."""

from __future__ import annotations

import pytest
import torch

from implicit_lib.cases.navier_stokes import (
    MODELS,
    Flow,
    ImplicitFNO,
    ImplicitInformed,
    ModelName,
    held_out_flows,
    load,
    parameter_count,
    quality,
    read_card,
    recipe,
)
from implicit_lib.cases.navier_stokes._weights import recipe_of

SHIPPED: tuple[ModelName, ...] = ("explicit", "implicit", "informed")


@pytest.mark.parametrize("name", SHIPPED)
def test_the_weights_reproduce_their_card(name: ModelName) -> None:
    card, model, flows = read_card(name), load(name), held_out_flows()
    assert recipe_of(card) == recipe("small", name) and card["parameters"] == parameter_count(model)
    t = {"explicit": 1, "implicit": 8, "informed": 2}[name]
    found = quality(model, Flow(32, 0.1), flows.forcing, flows.vorticity, (t,))
    for values, told in ((found.error, "error"), (found.worst, "worst"), (found.imbalance, "imbalance")):
        assert values.item() == pytest.approx(card["metrics"][told][str(t)], rel=1e-3)


@pytest.mark.parametrize("name", [name for name in MODELS if name != "explicit-wide"])  # not trained here
def test_every_card_tells_the_recipe_of_the_book(name: ModelName) -> None:
    card = read_card(name)
    assert recipe_of(card) == recipe("small", name)
    assert card["parameters"] == parameter_count(recipe("small", name).build())


def test_the_informed_operator_goes_on_to_rounding() -> None:
    """But for one flow of 200, where it does not arrive."""
    metrics = read_card("informed")["metrics"]
    assert metrics["error"]["32"] <= 0.005 and metrics["far"]["100"] == 1
    assert metrics["error"]["1"] <= 0.11 and metrics["error"]["4"] <= 0.01
    found, flows = load("informed"), held_out_flows()
    assert isinstance(found, ImplicitInformed)
    forcing = flows.forcing[:20].float()
    with torch.no_grad():
        solution = found.solve(forcing)
    errors = (solution.value - flows.vorticity[:20]).flatten(1).norm(dim=1) / flows.vorticity[:20].flatten(1).norm(
        dim=1
    )
    assert solution.converged.all() and errors.median() < 1e-4


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
