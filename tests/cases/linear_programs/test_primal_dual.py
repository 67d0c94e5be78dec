"""The plain iteration is its formula, and ends where HiGHS ends."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog
from torch.utils.flop_counter import FlopCounterMode

from implicit_lib.cases.linear_programs import (
    LinearProgram,
    Size,
    generate,
    optimum,
    primal_dual,
    primal_dual_flops,
    relative_error,
)
from tests.cases.linear_programs.problems import instances


def by_hand(program: LinearProgram, iterations: int, weight: float) -> np.ndarray:
    """Every iterate for one program, entry by entry, from the formula of the docstring."""
    A, b, equality, c, lower, upper = (field[0].numpy() for field in program)
    m, n = A.shape
    norm = np.sqrt(np.linalg.eigvalsh(A @ A.T).max())
    y, prices, found = np.clip(np.zeros(n), lower, upper), np.zeros(m), []
    for _ in range(iterations):
        found.append(y)
        after = np.empty(n)
        for j in range(n):
            pull = c[j] + sum(A[i, j] * prices[i] for i in range(m))
            after[j] = min(max(y[j] - 0.9 / (weight * norm) * pull, lower[j]), upper[j])
        for i in range(m):
            over = sum(A[i, j] * (2 * after[j] - y[j]) for j in range(n)) - b[i]
            prices[i] += 0.9 * weight / norm * over
            if equality[i] == 0:
                prices[i] = max(prices[i], 0)
        y = after
    return np.array(found)


def test_it_is_the_formula() -> None:
    programs = instances().programs
    found = primal_dual(programs, range(20), weight=3e-3)
    assert found.shape == (20, 12, 50) and found.dtype is torch.float64
    for number in (0, 7):
        expected = by_hand(programs.take(slice(number, number + 1)), 20, 3e-3)
        np.testing.assert_allclose(found[:, number], expected, rtol=0, atol=1e-10)
    assert torch.equal(primal_dual(programs, [19, 3, 3], weight=3e-3), found[[3, 19]])


def test_it_ends_at_the_optimum_of_highs() -> None:
    data = generate(20, seed=11)
    start, early, late = primal_dual(data.programs, [0, 100, 10_000])
    errors = [float(relative_error(y, data.solutions).median()) for y in (start, early, late)]
    assert errors[0] > 0.7 > 0.2 > errors[1] > 1e-2 and errors[2] < 1e-3, errors
    A, b, equality, c, lower, upper = data.programs
    over = (A @ late.unsqueeze(2)).squeeze(2) - b
    assert torch.where(equality > 0, over.abs(), over).amax(dim=1).quantile(0.75) < 0.01
    assert ((lower <= late) & (late <= upper)).all()
    objective, best = (c * late).sum(1), (c * data.solutions).sum(1)
    assert ((objective - best).abs() / best.abs()).quantile(0.75) < 1e-3


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 5), st.integers(0, 3), st.integers(0, 1))
def test_small_programs_of_any_form(seed: int, n: int, k: int, same: int) -> None:
    """Infinite bounds where the costs allow it, equalities, no constraints at all."""
    rng = np.random.default_rng(seed)
    A, inside = rng.standard_normal((k + same, n)), rng.uniform(-1, 1, n)
    b = A @ inside + np.where(np.arange(k + same) < k, rng.uniform(0.1, 1, k + same), 0)
    c = rng.uniform(0.2, 1, n) * rng.choice([-1, 1], n)
    bounds = [(-2, None) if cost > 0 else (None, 2) for cost in c]  # bounded below
    expected = linprog(c, A[:k], b[:k], A[k:], b[k:], bounds)
    program = LinearProgram.from_scipy(c, A[:k], b[:k], A[k:], b[k:], bounds)
    assert expected.status == 0
    (y,) = primal_dual(program, [4_000], weight=1.0)
    assert float(program.c[0] @ y[0]) == pytest.approx(expected.fun, rel=1e-3, abs=1e-3)


def test_extreme_programs() -> None:
    apart = LinearProgram.from_scipy([1, -1], bounds=(-2, 3))  # no constraints
    assert primal_dual(apart, [1_000])[0].tolist() == [[-2, 3]]
    empty = LinearProgram.from_scipy([1, -1], [[0, 0]], [1], bounds=(-2, 3))  # a row of zeros
    assert torch.equal(primal_dual(empty, [100])[0], optimum(empty))
    fixed = LinearProgram.from_scipy([1, -1], [[1, 1]], [9], bounds=[(2, 2), (0, 3)])
    torch.testing.assert_close(primal_dual(fixed, [3_000], weight=1.0)[0], optimum(fixed), atol=1e-6, rtol=0)
    with pytest.raises(ValueError, match="at: must name iterations from 0 on, but is"):
        primal_dual(apart, [])
    with pytest.raises(ValueError, match="at: must name iterations from 0 on, but is"):
        primal_dual(apart, [3, -1])


def test_a_wrong_sign_or_step_would_be_seen() -> None:
    """The checks above can fail: on rows that mean ≥, on prices that may be negative."""
    data = generate(20, seed=11)
    flipped = data.programs._replace(A=-data.programs.A, b=-data.programs.b)
    loose = data.programs._replace(equality=torch.ones_like(data.programs.equality))
    for wrong in (flipped, loose):
        (y,) = primal_dual(wrong, [2_000])
        assert relative_error(y, data.solutions).median() > 0.05


@pytest.mark.parametrize("size", [Size(), Size(constraints=3, variables=4, nonzeros=12)])
def test_the_flops_are_counted(size: Size) -> None:
    """By hand: Aᵀλ and A(2y⁺ − y) two for every nonzero; c + ·, τ ·, y − ·, clip, 2 ·, · − y; − b, σ ·, λ + ·, max."""
    by_variable, by_constraint = len(["c +", "tau *", "y -", "clip", "2 *", "- y"]), len(["- b", "sigma *", "+", "max"])
    count = 2 * 2 * size.nonzeros + by_variable * size.variables + by_constraint * size.constraints
    assert primal_dual_flops(size) == count
    assert primal_dual_flops() == 740


def test_torch_counts_the_products_alike() -> None:
    """With a dense A, which torch multiplies by in full."""
    size = Size(constraints=3, variables=7, nonzeros=21)
    programs, counted = generate(5, seed=0, size=size).programs, []
    for iterations in (3, 13):
        with FlopCounterMode(display=False) as counter:
            primal_dual(programs, [iterations])
        counted.append(counter.get_total_flops())
    vectors = 6 * size.variables + 4 * size.constraints
    assert (counted[1] - counted[0]) / 10 / 5 == primal_dual_flops(size) - vectors
    assert primal_dual_flops(dataclasses.replace(size, nonzeros=0)) == vectors
