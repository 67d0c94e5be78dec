"""The operators with and without a forced bound: bounds hold by construction, and what ships is what the card says."""

import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from implicit_lib.cases.forced import (
    FLOORS,
    INPUT_SLOPE,
    TARGETS,
    Operator,
    Recipe,
    WeightsError,
    evaluate,
    least_error,
    load,
    plain,
    read_card,
    train,
)
from implicit_lib.cases.forced._weights import WEIGHTS

SHIPPED = [(target, floor) for target in TARGETS for floor in (None, *FLOORS)]


def steep_operator(seed: int, least_step: float) -> Operator:
    """An operator with large random parameters, so that every bound binds."""
    torch.manual_seed(seed)
    operator = Operator(least_step=least_step, input_slope=INPUT_SLOPE, width=8)
    with torch.no_grad():
        for parameter in operator.parameters():
            parameter.copy_(3 * torch.randn(parameter.shape))
    return operator.double()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0.0, 0.1, 0.5]))
def test_bounds_hold_by_construction(seed: int, least_step: float) -> None:
    operator = steep_operator(seed, least_step)
    x, moved = (torch.rand(400, 1, dtype=torch.float64) for _ in range(2))
    y, other = (4 * torch.rand(400, 1, dtype=torch.float64) - 2 for _ in range(2))
    with torch.no_grad():
        in_x = (operator(y, x) - operator(y, moved)).abs() / (x - moved).abs()
        in_y = (operator(y, x) - operator(other, x)).abs() / (y - other).abs()
        step = operator.push_and_step(x)[1]
    assert in_x.max() <= INPUT_SLOPE * (1 + 1e-6)
    assert (in_y <= 1 - step + 1e-9).all()
    assert least_step <= step.min() and step.max() <= 1


@pytest.mark.parametrize("least_step", [0.1, 0.5])
def test_fixed_point_is_fixed_and_obeys_the_forced_bound(least_step: float) -> None:
    operator = steep_operator(3, least_step)
    x = torch.linspace(0, 1, 2001, dtype=torch.float64)[:, None]
    with torch.no_grad():
        y = operator.fixed_point(x)
        walked = torch.zeros_like(x)
        for _ in range(400):
            walked = operator(walked, x)
    assert (operator(y, x) - y).abs().max() <= 1e-12
    assert (walked - y).abs().max() <= 1e-12
    assert y.diff(dim=0).abs().max() / (x[1] - x[0]) <= INPUT_SLOPE / least_step * (1 + 1e-6)


def test_plain_copy_is_the_same_map() -> None:
    operator = steep_operator(1, 0.0)
    x, y = torch.rand(50, 1, dtype=torch.float64), torch.rand(50, 1, dtype=torch.float64)
    for _ in range(2):  # the original stays as it was
        assert torch.equal(plain(operator)(y, x), operator(y, x).detach())
    assert not any("parametrizations" in key for key in plain(operator).state_dict())


def test_least_error_is_a_lower_bound_that_is_attained() -> None:
    x = torch.linspace(0, 1, 201, dtype=torch.float64)
    values = torch.sin(20 * x)
    floor = least_error(x, values, 3.0)
    best = (values[None, :] + 3.0 * (x[:, None] - x[None, :]).abs()).amin(1) + floor  # McShane's extension
    assert (best.diff().abs() / x.diff()).max() <= 3.0 + 1e-9
    assert (best - values).abs().max().item() == pytest.approx(floor)
    assert least_error(x, values, 21.0) == 0


@pytest.mark.parametrize(("target", "floor"), SHIPPED)
def test_shipped_operator_reproduces_its_card(target: str, floor: int | None) -> None:
    card, operator = read_card(), load(target, floor)
    stored = card["metrics"][Recipe(target=target, floor=floor).name][0]
    found = evaluate(operator, target)
    assert {name: pytest.approx(value, rel=0.01) for name, value in stored.items()} == found
    assert sum(parameter.numel() for parameter in operator.parameters()) == card["parameters"]


def test_training_is_reproducible() -> None:
    recipe = Recipe(target="root", floor=4, steps=20, width=8)
    first, second = train(recipe), train(recipe)
    for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_bad_requests_are_refused(tmp_path) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match="no target 'sine'; choose one of reciprocal, root"):
        Recipe(target="sine", floor=None)
    with pytest.raises(ValueError, match="at least 1"):
        Recipe(target="root", floor=0)
    with pytest.raises(WeightsError, match="is missing"):
        load("root", None, folder=tmp_path)
    with pytest.raises(WeightsError, match="is missing"):
        read_card(folder=tmp_path)
    (tmp_path / "models.json").write_text("{", encoding="utf-8")
    with pytest.raises(WeightsError, match="is damaged"):
        read_card(folder=tmp_path)
    tensors = load_file(WEIGHTS / "models.safetensors")
    save_file(
        {key: value for key, value in tensors.items() if not key.startswith("root-4/")}, tmp_path / "models.safetensors"
    )
    with pytest.raises(WeightsError, match="is damaged"):
        load("root", 4, folder=tmp_path)


def test_card_is_complete() -> None:
    card = json.loads((WEIGHTS / "models.json").read_text(encoding="utf-8"))
    assert set(card) >= {"recipe", "data", "parameters", "metrics", "cpu_seconds", "torch"}
    assert all(len(seeds) == 3 for seeds in card["metrics"].values())
