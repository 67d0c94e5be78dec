"""What can be done with a solution: extend it, look at its iterates, survive Ctrl-C."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from implicit_lib import Picard, Solution, SolveInterrupted, Status, solve
from tests.solvers.problems import linear


def assert_same(a: Solution, b: Solution) -> None:
    assert torch.equal(a.value, b.value) and torch.equal(a.residuals, b.residuals)
    assert a.status == b.status and torch.equal(a.iterations, b.iterations)
    assert len(a.iterates) == len(b.iterates)
    assert all(torch.equal(left, right) for left, right in zip(a.iterates, b.iterates, strict=True))


@given(
    k=st.integers(0, 12),
    more=st.integers(0, 12),
    modulus=st.sampled_from([0.3, 0.9, 1.7]),
    damping=st.sampled_from([1.0, 0.5]),
    tol=st.sampled_from([0.0, 1e-2, 1e-6]),
)
@settings(max_examples=60, deadline=None)
def test_extending_is_the_same_as_not_stopping(k: int, more: int, modulus: float, damping: float, tol: float) -> None:
    G = linear(modulus=modulus)

    def walk(max_iter: int) -> Solution:
        solver = Picard(damping=damping)
        return solve(G, torch.zeros_like(G.b), solver=solver, max_iter=max_iter, tol=tol, keep_iterates=True)

    assert_same(walk(k).extend(more), walk(k + more))


def test_extending_leaves_the_solution_as_it_is() -> None:
    G = linear(modulus=0.9)
    solution = solve(G, torch.zeros_like(G.b), max_iter=5, keep_iterates=True)
    value, rows = solution.value.clone(), solution.residuals.clone()
    first, second = solution.extend(5), solution.extend(5)
    assert_same(first, second)
    assert torch.equal(solution.value, value) and torch.equal(solution.residuals, rows)
    assert len(solution.iterates) == 6


def test_extending_calls_only_for_the_new_iterations() -> None:
    calls = 0

    def G(y: torch.Tensor) -> torch.Tensor:
        nonlocal calls
        calls += 1
        return 0.9 * y + 1

    solve(G, torch.zeros(1), max_iter=7, tol=0).extend(2)
    assert calls == 9


@pytest.mark.parametrize(("k", "error"), [(-1, ValueError), (1.0, TypeError), (True, TypeError)])
def test_extending_by_nonsense_raises(k: object, error: type[Exception]) -> None:
    with pytest.raises(error, match="k must be"):
        solve(lambda y: 0.5 * y, torch.zeros(1)).extend(k)


def test_iterates_that_were_not_kept_say_how_to_keep_them() -> None:
    with pytest.raises(RuntimeError, match="keep_iterates=True"):
        _ = solve(lambda y: 0.5 * y, torch.zeros(1)).iterates


@pytest.mark.parametrize("interrupted_call", [1, 2, 6])
def test_ctrl_c_leaves_the_partial_solution_reachable(interrupted_call: int) -> None:
    def walk(G: object) -> Solution:
        return solve(G, torch.zeros_like(contraction.b), max_iter=20, tol=1e-9, keep_iterates=True)

    contraction = linear(modulus=0.9)
    calls = 0

    def interrupted(y: torch.Tensor) -> torch.Tensor:
        nonlocal calls
        calls += 1
        if calls == interrupted_call:
            raise KeyboardInterrupt
        return contraction(y)

    with pytest.raises(KeyboardInterrupt) as caught:
        walk(interrupted)
    assert isinstance(caught.value, SolveInterrupted)
    partial = caught.value.solution
    assert len(partial.residuals) == interrupted_call - 1
    assert_same(partial.extend(20 - interrupted_call + 1), walk(contraction))


def test_the_message_counts_samples() -> None:
    rates = torch.tensor([0.5, 2.0, 0.5])
    solution = solve(lambda y: rates * y + 1, torch.zeros(3))
    assert solution.message.startswith("2 of 3 samples CONVERGED") and "1 of 3 samples DIVERGED" in solution.message
    assert all(status.message for status in Status)


def test_the_report_holds_no_state() -> None:
    report = solve(lambda y: 0.5 * y + 1, torch.zeros(3)).report
    assert report.converged.all() and not hasattr(report, "value")
