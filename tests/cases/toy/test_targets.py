"""The targets' Lipschitz constants, and the error that a bounded slope forces."""

import math

import pytest
import sympy
import torch

from implicit_lib.cases.toy import TARGETS, Target, grid, least_error


@pytest.mark.parametrize("constant", TARGETS)
def test_the_lipschitz_constant_is_exact(constant: int) -> None:
    x, K = sympy.Symbol("x", real=True), sympy.Integer(constant)
    scaled = 4 * (x - sympy.Rational(1, 5))
    target = sympy.sin(K / 4 * sympy.asinh(scaled))
    slope = sympy.diff(target, x)
    assert sympy.simplify(slope.subs(x, sympy.Rational(1, 5)) - K) == 0  # attained
    bound = K * sympy.cos(K / 4 * sympy.asinh(scaled)) / sympy.sqrt(1 + scaled**2)  # |cos| ≤ 1 ≤ √
    assert sympy.simplify(slope - bound) == 0
    numbers = grid(101).flatten()
    ours = Target(constant)(numbers)
    theirs = torch.tensor([float(target.subs(x, sympy.Float(v.item(), 30))) for v in numbers], dtype=torch.float64)
    assert (ours - theirs).abs().max() < 1e-13
    assert abs(float(Target(constant).derivative(torch.tensor(0.2, dtype=torch.float64))) - constant) < 1e-12


@pytest.mark.parametrize("constant", TARGETS)
def test_differences_agree(constant: int) -> None:
    x, target = grid(200_001), Target(constant)
    quotients = (target(x).diff(dim=0) / x.diff(dim=0)).abs()
    assert constant * (1 - 1e-6) < quotients.max() <= constant + 1e-9
    middle = (x[1:] + x[:-1]) / 2
    assert (quotients - target.derivative(middle).abs()).abs().max() < 1e-4


def test_a_target_needs_a_positive_constant() -> None:
    for constant in (0, -1.0, math.nan):
        with pytest.raises(ValueError, match="positive"):
            Target(constant)


def test_the_least_error_is_a_lower_bound_and_is_attained() -> None:
    target, bound = Target(20), 2.0
    floor = least_error(target, torch.tensor([bound, 20.0, 100.0]))
    assert floor[1] == 0 and floor[2] == 0
    # McShane's extension of F, moved by the gap, is bound-Lipschitz and attains it.
    x = grid(601)
    best = (target(x).T + bound * (x - x.T).abs()).amin(dim=1, keepdim=True) + floor[0]
    assert (best.diff(dim=0).abs() <= bound * x.diff(dim=0) + 1e-12).all()
    assert (best - target(x)).abs().max() == pytest.approx(float(floor[0]))


def test_a_coarser_grid_gives_a_smaller_bound() -> None:
    bounds = torch.tensor([2.0])
    assert least_error(Target(20), bounds, points=31) <= least_error(Target(20), bounds, points=601)
