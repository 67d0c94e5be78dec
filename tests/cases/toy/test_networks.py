"""Sizes, slopes, and the cost of a pass, against counts made independently."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from implicit_lib.cases.toy import (
    MODELS,
    Operator,
    certify,
    flops_per_pass,
    parameter_count,
    recipe,
    slopes,
    speed_limit,
)
from implicit_lib.model import ImplicitModel


@pytest.mark.parametrize("model", MODELS)
def test_parameters_and_flops(model) -> None:
    module = recipe("small", model, 20).build()
    x = torch.zeros(7, 1)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        module(x, iterations=1) if isinstance(module, ImplicitModel) else module(x)
    assert flops_per_pass(module) * 7 == counter.get_total_flops()
    assert parameter_count(module) == sum(len(p.flatten()) for p in module.state_dict().values())


def test_the_counts_by_hand() -> None:
    operator, explicit = recipe("small", "implicit", 5).build(), recipe("small", "explicit", 5).build()
    assert parameter_count(operator) == (2 + 1) * 64 + (64 + 1) * 64 + 64 + 1
    assert parameter_count(explicit) == (1 + 1) * 64 + (64 + 1) * 64 + 64 + 1
    assert flops_per_pass(operator) == 2 * (2 * 64 + 64 * 64 + 64)


def test_slopes_agree_with_differences() -> None:
    torch.manual_seed(0)
    operator = Operator(8, 2).double()
    y, x, step = torch.randn(5, 1).double(), torch.randn(5, 1).double(), 1e-6
    image, by_state, by_input = slopes(operator, y, x)
    assert torch.equal(image, operator(y, x))
    differences = (operator(y + step, x) - operator(y - step, x)) / (2 * step)
    assert torch.allclose(by_state, differences, atol=1e-8)
    assert torch.allclose(operator.state_slope(y, x), by_state)
    assert torch.allclose(by_input, (operator(y, x + step) - operator(y, x - step)) / (2 * step), atol=1e-8)


def known_operator(state_slope: float, input_slope: float) -> Operator:
    """G(y, x) ≈ state_slope·y + input_slope·x: tanh at the scale where it is nearly linear."""
    operator = Operator(2, 1)
    first, last = operator.layers[0], operator.layers[2]
    with torch.no_grad():
        first.weight.copy_(1e-3 * torch.eye(2))
        first.bias.zero_()
        last.weight.copy_(1e3 * torch.tensor([[state_slope, input_slope]]))
        last.bias.zero_()
    return operator


def test_the_certificate_holds_where_it_should() -> None:
    assert certify(known_operator(0.7, 0.3)).holds


@pytest.mark.parametrize("state_slope, input_slope", [(1.01, 0.1), (-0.1, 0.1), (0.5, 2.1), (0.7, 1.9)])
def test_the_certificate_refutes(state_slope: float, input_slope: float) -> None:
    """Expansive, overshooting, too steep in x, and (1.9 + 0.7·1.2 > 1.2) leaving the range of states."""
    certificate = certify(known_operator(state_slope, input_slope))
    assert not certificate.holds and certificate.refuted_at is not None


def test_the_certificate_encloses() -> None:
    """A network that breaks the bound only in a dip narrower than any sampling grid of the tests is not certified."""
    operator = Operator(3, 1)
    with torch.no_grad():
        operator.layers[0].weight.copy_(torch.tensor([[1e-3, 0.0], [0.0, 2e4], [0.0, 2e4]]))
        operator.layers[0].bias.copy_(torch.tensor([0.0, 2468.3, 2468.1]))
        operator.layers[2].weight.copy_(torch.tensor([[700.0, 0.01, -0.01]]))
        operator.layers[2].bias.zero_()
    assert not certify(operator, cuts=3).holds


def test_the_speed_limit_solves_its_recursion() -> None:
    limit = speed_limit(30)
    assert limit[0] == 2 and torch.allclose(limit[1:], 0.95 * limit[:-1] + 2)
