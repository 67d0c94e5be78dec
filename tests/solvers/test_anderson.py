"""Anderson acceleration: never more than one call behind Picard, and no tolerance, scale or neighbour matters."""

from __future__ import annotations

import math
from dataclasses import replace
from unittest import mock

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from benchmarks.zoo import Problem, Zoo, problems
from implicit_lib import solve
from implicit_lib.solvers import Anderson, Evaluation, Picard, Solver, _anderson, _evidence
from implicit_lib.solvers._evidence import Evidence
from implicit_lib.solvers._guard import Guard

TOLERANCES = (1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
SCALES = (1e-4, 1e-2, 1.0, 1e2, 1e4)


def calls(problem: Problem, solver: Solver, max_iter: int = 1000) -> Tensor:
    """The calls of G that every sample needs for every tolerance, (5, B); max_iter + 1 where it does not get there."""
    with torch.no_grad():
        solution = solve(problem.at, problem.y0, solver=solver, max_iter=max_iter, tol=TOLERANCES[-1])
    there = torch.stack([solution.residuals <= tol for tol in TOLERANCES])
    return torch.where(there.any(1), there.int().argmax(1) + 1, max_iter + 1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_never_needs_more_calls_than_picard_and_one(dtype: torch.dtype) -> None:
    picard = {problem.name: calls(problem, Picard()) for problem in problems(dtype=dtype)}
    for scale in SCALES:
        for problem in problems(dtype=dtype, scale=scale):
            excess = (calls(problem, Anderson(), 200) - picard[problem.name]).max().item()
            assert excess <= 1, (problem.name, scale, excess)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_nor_with_other_random_numbers(seed: int) -> None:
    for problem in problems(seed=seed):
        excess = (calls(problem, Anderson(), 200) - calls(problem, Picard())).max().item()
        assert excess <= 1, (problem.name, excess)


@given(
    st.lists(st.floats(-0.99, 0.99), min_size=2, max_size=30),
    st.integers(2, 6),
    st.sampled_from([0.3, 0.7, 1.0]),
    st.integers(0, 2**16),
)
@settings(max_examples=50, deadline=None)
def test_a_symmetric_operator_never_takes_more_calls_than_picard_and_one(
    eigenvalues: list[float], history: int, damping: float, seed: int
) -> None:
    generator, n = torch.Generator().manual_seed(seed), len(eigenvalues)
    Q = torch.linalg.qr(torch.randn(n, n, generator=generator, dtype=torch.float64)).Q
    A = Q * torch.tensor(eigenvalues, dtype=torch.float64) @ Q.mT
    x = torch.randn(4, n, generator=generator, dtype=torch.float64)
    problem = Problem("symmetric", "", lambda y, x: y @ A + x, x, torch.zeros_like(x))
    excess = calls(problem, Anderson(history=history, damping=damping), 1000) - calls(problem, Picard(damping=damping))
    assert excess.max() <= 1


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_a_chain_no_longer_than_the_history_ends_soon_after_picard(n: int) -> None:
    problem = Zoo(dtype=torch.float64).nilpotent(8, n)
    excess = calls(problem, Anderson(), 50) - calls(problem, Picard(), 50)
    assert excess[:3].max() <= 1
    assert excess.max() <= 4  # changes that are almost dependent are forgotten


@pytest.mark.parametrize(("n", "share"), [(16, 0.2), (32, 0.02), (100, 0.0)])
def test_on_longer_chains_few_samples_fall_behind_picard(n: int, share: float) -> None:
    problem = Zoo(dtype=torch.float64, seed=4).nilpotent(256, n)
    excess = calls(problem, Anderson(), 200) - calls(problem, Picard(), 200)
    assert (excess.amax(0) > 1).double().mean() <= share


def test_smooth_numbers_make_a_chain_seem_symmetric() -> None:
    problem = Zoo(dtype=torch.float64).nilpotent(1, 32)
    wave = torch.sin(torch.linspace(0, 2 * math.pi, 32, dtype=torch.float64))[None]
    smooth = replace(problem, x=wave)
    assert (calls(smooth, Anderson(), 200) > calls(smooth, Picard()) + 10).any()  # the limit that its docstring tells


def test_without_evidence_it_walks_picards_path() -> None:
    problem = Zoo(dtype=torch.float64).nilpotent(16, 100)
    plain, careful = (
        solve(problem.at, problem.y0, solver=solver, max_iter=80, tol=0) for solver in (Picard(), Anderson())
    )
    torch.testing.assert_close(careful.value, plain.value, rtol=0, atol=0)


def test_without_asking_for_evidence_it_would_be_worse() -> None:
    def trusting(evidence: Evidence, *rest: Tensor) -> tuple[Evidence, Tensor]:
        return evidence, torch.ones_like(evidence.line, dtype=torch.bool)

    problem = Zoo(dtype=torch.float64).nilpotent(16, 32)
    with mock.patch.object(_anderson, "weigh", trusting):
        assert (calls(problem, Anderson(), 200) > calls(problem, Picard()) + 25).any()


def test_both_kinds_of_evidence_are_needed() -> None:
    symmetric = Zoo().symmetric(16, 64, norm=0.99, drive=0.3)
    W = torch.randn(64, 64, generator=torch.Generator().manual_seed(0))
    W = 0.95 * (W - W.mT) / torch.linalg.matrix_norm(W - W.mT, ord=2)
    skew = replace(symmetric, map=lambda y, x: y @ W + x)
    turning = Zoo(dtype=torch.float64).plane(16)
    healthy = [calls(problem, Anderson(), 200)[-1].max() for problem in (symmetric, skew, turning)]
    with mock.patch.object(_evidence, "_HALF", math.inf):
        assert (calls(symmetric, Anderson(), 200)[-1] > healthy[0] + 5).any()
        assert (calls(skew, Anderson(), 200)[-1] > healthy[1]).all()
    with mock.patch.object(_evidence, "_NOTHING", -math.inf):
        assert (calls(turning, Anderson(), 200)[-1] > healthy[2] + 100).all()


@pytest.mark.parametrize("damping", [0.5, 1.0])
def test_the_evidence_is_of_three_residuals_in_a_row(damping: float) -> None:
    problem = Zoo(dtype=torch.float64).nilpotent(4, 50)
    y, memory, residuals = problem.y0, None, []
    for _ in range(3):
        image = problem.at(y)
        residuals.append(image - y)
        y, memory = Anderson(damping=damping).step(problem.at, Evaluation(y, image, image - y), memory)
    first, second, third = residuals
    assert memory is not None
    torch.testing.assert_close(
        memory.evidence.line.flatten(), (first * third).sum(1) / second.square().sum(1), rtol=1e-9, atol=1e-9
    )
    assert memory.evidence.left.eq(1).all()  # no window is full yet


@pytest.mark.parametrize(("norm", "most"), [(0.9, 27), (0.99, 40)])
@pytest.mark.parametrize(("batch", "n"), [(16, 64), (32, 128), (32, 256)])
@pytest.mark.parametrize("drive", [0.1, 0.3, 1.0])
def test_symmetric_weights(norm: float, most: int, batch: int, n: int, drive: float) -> None:
    problem = Zoo().symmetric(batch, n, norm=norm, drive=drive)
    assert calls(problem, Anderson(), 60)[-1].max() <= most


def test_a_short_history_does_an_unlimited_ones_work_on_symmetric_operators() -> None:
    problem = Zoo(dtype=torch.float64).deblurring(4, 16)
    assert (calls(problem, Anderson(history=3), 60)[-1] <= calls(problem, Anderson(history=60), 60)[-1] + 2).all()


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_no_square_overflows(scale: float) -> None:
    far, near = Zoo(scale=scale).symmetric(4, 16, norm=0.9), Zoo().symmetric(4, 16, norm=0.9)
    torch.testing.assert_close(calls(far, Anderson(), 60), calls(near, Anderson(), 60), rtol=0, atol=1)


@given(
    st.lists(st.floats(-0.95, 0.95), min_size=1, max_size=6),
    st.integers(1, 8),
    st.floats(0.2, 1.0),
)
@settings(max_examples=50, deadline=None)
def test_few_eigenvalues_take_few_calls(eigenvalues: list[float], history: int, damping: float) -> None:
    # GMRES theory: as many calls as there are distinct eigenvalues, and one for the start and one that sees the end.
    # Real eigenvalues make the operator symmetric, so that the history may even be shorter.
    slopes = torch.tensor([eigenvalues], dtype=torch.float64)
    solver = Anderson(history=max(history, 3), damping=damping)
    solution = solve(lambda y: slopes * y + 1, torch.zeros_like(slopes), solver=solver, max_iter=150, tol=1e-10)
    assert solution.converged.all()
    torch.testing.assert_close(solution.value, 1 / (1 - slopes), rtol=1e-7, atol=0)


def test_a_failed_acceleration_is_undone() -> None:
    # Slopes that turn over: the second secant extrapolates far beyond the bend.
    def G(y: Tensor) -> Tensor:
        return torch.where(y < 1, 0.95 * y + 0.2, 1.15 - 0.9 * (y - 1)) * 1.0

    y0 = torch.zeros(1, 1, dtype=torch.float64)
    solution = solve(G, y0, solver=Anderson(), max_iter=60, tol=1e-10, keep_iterates=True)
    assert solution.converged.all()
    sizes = [(G(y) - y).abs().item() for y in solution.iterates]
    for before, failed, after in zip(solution.iterates, solution.iterates[1:], solution.iterates[2:], strict=False):
        if (G(failed) - failed).abs() > 2 * min(sizes) and torch.equal(after, G(before)):
            return
    pytest.fail("no step was undone")


def test_growth_under_picard_keeps_it_from_accelerating() -> None:
    problem = Zoo(dtype=torch.float64).non_normal(16, 16)
    one = torch.ones(len(problem.y0))
    plain = solve(problem.at, problem.y0, max_iter=10, tol=0, relative_to=one)
    accelerated = solve(problem.at, problem.y0, solver=Anderson(), max_iter=10, tol=0)
    grows = (plain.residuals[1:] > plain.residuals[0]).all(0)
    assert grows.any()
    torch.testing.assert_close(accelerated.value[grows], plain.value[grows], rtol=0, atol=0)


def test_it_does_not_stay_at_a_fixed_point_that_repels() -> None:
    # y ← y − (y² − c)/4 has the attracting √c and the repelling −√c, both with a residual of zero.
    c = torch.logspace(-2, 0, 64, dtype=torch.float64).reshape(32, 2)
    problem = lambda y: y - 0.25 * (y * y - c)  # noqa: E731
    solution = solve(problem, torch.zeros_like(c), solver=Anderson(), max_iter=200, tol=1e-10)
    assert solution.converged.all()
    torch.testing.assert_close(solution.value, c.sqrt())


def test_without_its_guard_it_would_be_worse() -> None:
    def trusting(guard: Guard, length: Tensor) -> tuple[Tensor, Tensor, Guard]:
        every = torch.ones_like(length, dtype=torch.bool)
        return every, ~every, guard._replace(extrapolated=every)

    problem = Zoo(dtype=torch.float64).non_normal(16, 16)
    healthy = calls(problem, Anderson(), 200)
    with mock.patch.object(_anderson, "judge", trusting):
        assert (calls(problem, Anderson(), 200) > healthy + 5).any()


def test_without_forgetting_what_is_contradicted_it_would_be_worse() -> None:
    # Secants of a number's nonlinear map: the newest contradicts the older ones.
    x = torch.linspace(-2, 2, 16, dtype=torch.float64)[:, None]
    problem = Problem("cosine", "", lambda y, x: torch.cos(y + x), x, torch.zeros_like(x))
    healthy = calls(problem, Anderson(), 200)
    with mock.patch.object(_anderson, "_DEPENDENT", math.inf):
        assert (calls(problem, Anderson(), 200) > healthy + 20).any()


@pytest.mark.parametrize("setting", [{"history": 0}, {"damping": 0}, {"damping": 1.5}, {"history": -1}])
def test_settings_out_of_range(setting: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(setting))):
        Anderson(**setting)  # type: ignore[arg-type]


def test_settings_of_the_wrong_type() -> None:
    with pytest.raises(TypeError, match="history"):
        Anderson(history=2.5)  # type: ignore[arg-type]


def test_its_memory() -> None:
    y = torch.zeros(3, 7)
    solver, kept = Anderson(history=4), None
    problem = Zoo().tanh(3, 7)
    for _ in range(9):
        image = problem.at(y)
        y, kept = solver.step(problem.at, Evaluation(y, image, image - y), kept)
    assert kept is not None
    assert sum(leaf.numel() for leaf in (kept.changes, kept.images, kept.residual, kept.image)) == 10 * y.numel()
    assert not math.isnan(y.sum().item())
