"""What users do not see: memory layouts, compiled and transformed solves, looks at the residuals far between."""

import math
from dataclasses import dataclass

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from implicit_lib import Anderson, Broyden, NewtonKrylov, Picard, Solver, Status, solve
from implicit_lib.solvers import _solve
from implicit_lib.solvers._judge import Norms, Watch
from implicit_lib.solvers._layout import Layout
from implicit_lib.solvers._state import flatten_state
from tests.solvers.problems import linear

LAYOUTS = {
    "plain": torch.zeros(2, 3, 4, 5),
    "channels_last": torch.zeros(2, 3, 4, 5).contiguous(memory_format=torch.channels_last),
    "transposed": torch.zeros(2, 4, 3).transpose(1, 2),
    "expanded": torch.zeros(1, 3).expand(2, 3),
    "batch only": torch.zeros(2),
    "empty samples": torch.zeros(2, 0),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_packing_keeps_every_number_in_its_place(name: str) -> None:
    leaf = LAYOUTS[name]
    leaf = torch.empty_like(leaf).copy_(torch.arange(leaf.numel()).reshape(leaf.shape))
    leaves, spec = flatten_state(leaf, "y0")
    layout = Layout.of(leaves, spec)
    assert torch.equal(layout.state(layout.pack(leaves)), leaf)


def test_a_dense_state_is_packed_without_a_copy() -> None:
    for name in ("plain", "channels_last", "transposed"):
        leaf = LAYOUTS[name]
        layout = Layout.of(*flatten_state(leaf, "y0"))
        matrix = layout.pack((leaf,))
        assert matrix.data_ptr() == leaf.data_ptr() == layout.state(matrix).data_ptr()
        assert layout.state(matrix).stride() == leaf.stride()


def test_the_operator_sees_the_memory_layout_of_the_start() -> None:
    seen = []

    def G(y: Tensor) -> Tensor:
        seen.append(y.is_contiguous(memory_format=torch.channels_last))
        return 0.5 * y + 1

    value = solve(G, LAYOUTS["channels_last"], max_iter=3).value
    assert all(seen) and value.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("damping", [1.0, 0.5])
def test_an_exact_solve_compiles_without_a_graph_break(damping: float) -> None:
    G = linear(modulus=0.9)

    def fixed(y: Tensor) -> Tensor:
        return solve(G, y, solver=Picard(damping=damping), max_iter=6, tol=0).value

    start = torch.ones_like(G.b)
    compiled = torch.compile(fixed, fullgraph=True, backend="aot_eager")
    for context in (torch.no_grad(), torch.enable_grad()):
        with context:
            torch.testing.assert_close(compiled(start), fixed(start))


def test_an_exact_solve_can_be_transformed() -> None:
    def answer(x: Tensor) -> Tensor:
        return solve(lambda y: 0.5 * torch.cos(y) + x, torch.zeros_like(x), max_iter=40, tol=0).value

    x = torch.linspace(0, 1, 3, dtype=torch.float64)
    for differentiate in (torch.func.jacrev, torch.func.jacfwd):
        slope = differentiate(answer)(x).diagonal()
        torch.testing.assert_close(slope, 1 / (1 + 0.5 * torch.sin(answer(x))))
    with torch.no_grad():
        rows = torch.stack([x, 2 * x])
        torch.testing.assert_close(torch.vmap(answer)(rows), torch.stack([answer(row) for row in rows]))


@dataclass(frozen=True)
class Patient(Picard):
    patience: int = 5


@pytest.fixture
def accelerator(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop as it runs on a device other than the CPU: nothing is read from the host's memory, looks are rare."""
    monkeypatch.setattr("implicit_lib.solvers._judge.readable", lambda tensor: False)
    monkeypatch.setattr(_solve, "_looks_are_cheap", lambda y: False)


RATES = st.lists(st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.5, 1e30, 1e200, math.nan]), min_size=1, max_size=6)


@given(rates=RATES, tol=st.sampled_from([1e-2, 1e-6]), max_iter=st.integers(0, 40), split=st.integers(0, 40))
@settings(max_examples=80, deadline=None)
@pytest.mark.usefixtures("accelerator")
def test_rare_looks_find_what_frequent_ones_find(rates: list[float], tol: float, max_iter: int, split: int) -> None:
    rate = torch.tensor(rates, dtype=torch.float64).unsqueeze(1)
    start = torch.zeros(len(rates), 2, dtype=torch.float64)

    def G(y: Tensor, rate: Tensor) -> Tensor:
        return rate * y + 1

    often = solve(G, start, inputs=rate, solver=Patient(patience=1), max_iter=max_iter, tol=tol)
    first = min(split, max_iter)
    rarely = solve(G, start, inputs=rate, solver=Patient(), max_iter=first, tol=tol).extend(max_iter - first)
    assert torch.equal(often.value, rarely.value) and torch.equal(often.residuals, rarely.residuals)
    assert often.status == rarely.status and torch.equal(often.iterations, rarely.iterations)


@pytest.mark.usefixtures("accelerator")
def test_rare_looks_cost_few_calls() -> None:
    calls = 0

    def G(y: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        return 0.8 * y + 1

    solution = solve(G, torch.zeros(4, 2), solver=Patient(), max_iter=1000, tol=1e-5)
    assert solution.converged.all() and calls <= len(solution.residuals) + 1


def test_float32_norms_are_left_where_they_fail() -> None:
    """At 1e-30 the squares of float32 numbers vanish, at 1e30 they overflow; the residuals must not."""
    for size in (1e-36, 1e-30, 1e-12, 1.0, 1e12, 1e30):
        solution = solve(lambda y, s=size: 0.5 * y + s, torch.zeros(2, 50), max_iter=9, tol=0)
        expected = torch.tensor([1.0] + [0.5**t / (2 - 0.5**t) for t in range(1, 9)], dtype=torch.float64)
        torch.testing.assert_close(solution.residuals[:, 0], expected, rtol=1e-3, atol=0)


def test_the_watch_sees_what_is_there() -> None:
    """Each of the ways to finish ends the quiet."""
    norms = Norms(torch.zeros(3, 2))

    def watch(**changed: object) -> Watch:
        given = {"scale": None, "limit": None, "walking": None, "far": False, "tol": 1e-3} | changed
        return Watch(start_size=torch.ones(3, dtype=torch.float64), **given)

    assert norms._array is not None
    norms._array[0], norms.count = [[0.1, 0.2, 0.3], [1, 1, 1]], 1
    assert watch().quiet_for(norms, 0) == math.inf
    assert watch(tol=0.15).quiet_for(norms, 0) == 0
    assert watch(tol=0.15, walking=torch.tensor([False, True, True])).quiet_for(norms, 0) == math.inf
    assert watch(limit=torch.full((3,), 0.25)).quiet_for(norms, 0) == 0
    assert watch(scale=torch.tensor([1, 1, 1e4])).quiet_for(norms, 0) == 0
    norms._array[0, 0, 1] = math.nan
    assert watch().quiet_for(norms, 0) == 0


@pytest.mark.parametrize("solver", [Picard(), Anderson(), Broyden(), NewtonKrylov()])
def test_vmap_takes_a_start_that_is_not_mapped(solver: Solver) -> None:
    def answer(b: Tensor) -> Tensor:
        return solve(lambda y: 0.5 * torch.cos(y) + b, torch.zeros(1, 2), solver=solver, tol=0, max_iter=5).value

    b = torch.linspace(0, 1, 8).reshape(4, 1, 2)
    torch.testing.assert_close(torch.vmap(answer)(b), torch.stack([answer(each) for each in b]))


@pytest.mark.parametrize("solver", [Picard(), Anderson(), Broyden(), NewtonKrylov()])
def test_expanded_and_empty_starts(solver: Solver) -> None:
    expanded = solve(lambda y: 0.5 * y + 1, torch.zeros(1, 2).expand(3, 2), solver=solver)
    torch.testing.assert_close(expanded.value, torch.full((3, 2), 2.0), rtol=1e-5, atol=0)
    empty = solve(lambda y: 0.5 * y + 1, torch.zeros(3, 0), solver=solver, tol=0, max_iter=4)
    assert empty.value.shape == (3, 0) and empty.residuals.shape == (4, 3)


def test_norms_that_leave_the_range_of_float32_on_the_way() -> None:
    solution = solve(lambda y: 1000 * y + 1, torch.zeros(1, 4), tol=0, max_iter=8)
    assert solution.status == (Status.DIVERGED,) and float(solution.residuals[-1]) == pytest.approx(0.999)


@pytest.mark.parametrize("solver", [Picard(damping=0.5), Anderson()])
def test_the_residual_is_that_of_the_value_where_leaves_round_differently(solver: Solver) -> None:
    def G(y: list[Tensor]) -> list[Tensor]:
        narrow, wide = y
        mixed = torch.cat([narrow, narrow[:, :1]], dim=1).float()
        return [0.9 * torch.tanh(wide[:, :3].half() + 0.3 * narrow) + 0.1, 0.7 * torch.sin(wide) + 0.3 * mixed]

    start = [torch.zeros(2, 3, dtype=torch.float16), torch.zeros(2, 4)]
    solution = solve(G, start, solver=solver, tol=1e-3, max_iter=200)
    image = torch.cat([leaf.double() for leaf in G(solution.value)], dim=1)
    value = torch.cat([leaf.double() for leaf in solution.value], dim=1)
    residual = torch.linalg.vector_norm(image - value, dim=1) / torch.linalg.vector_norm(image, dim=1)
    assert solution.converged.all() and (residual <= 1e-3).all()


@pytest.mark.parametrize("solver", [Anderson(), Broyden(), NewtonKrylov()])
def test_an_extrapolation_that_overflows_is_not_taken(solver: Solver) -> None:
    start = torch.zeros(1, 1, dtype=torch.float16)
    solution = solve(lambda y: 60000 - 0.8 * (y - 50000).abs(), start, solver=solver, tol=2e-3)
    assert solution.converged.all() and float(solution.value) == pytest.approx(55555, rel=3e-3)


def test_unrolling_broyden_past_its_fixed_point_stays_finite() -> None:
    x = torch.ones(3, 6, requires_grad=True)
    for iterations in (20, 60):
        walk = solve(lambda y: 0.8 * torch.tanh(y) + x, torch.zeros(3, 6), solver=Broyden(), tol=0, max_iter=iterations)
        (slope,) = torch.autograd.grad(walk.value.sum(), x)
        assert torch.isfinite(slope).all()


@pytest.mark.parametrize("solver", [Picard(), Anderson(), Broyden(), NewtonKrylov()])
def test_memory_that_is_filled_again_changes_nothing(solver: Solver) -> None:
    """Large states share memory between iterations where no graph is recorded; a walk that goes on, and goes on twice,
    finds its memory as it was."""
    x = torch.randn(8, 2048, generator=torch.Generator().manual_seed(0))

    def G(y: Tensor) -> Tensor:
        return 0.9 * torch.tanh(y.roll(1, 1) - 0.3 * y) + x

    with torch.no_grad():
        shared = solve(G, torch.zeros_like(x), solver=solver, tol=1e-30, max_iter=4)
        ends = [shared.extend(8).value for _ in range(2)]
    with torch.enable_grad():
        apart = solve(G, torch.zeros_like(x), solver=solver, tol=1e-30, max_iter=12).value
    torch.testing.assert_close(ends[0], apart, rtol=1e-6, atol=1e-6)
    assert torch.equal(ends[0], ends[1])
