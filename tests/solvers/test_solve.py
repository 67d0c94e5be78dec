"""What `solve` computes: values, residuals, statuses, and that no sample feels its neighbours."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from implicit_lib import Picard, Status, solve
from tests.solvers.problems import ETA, linear, reciprocal

few = settings(max_examples=30, deadline=None)


@given(modulus=st.floats(0.0, 0.95), seed=st.integers(0, 1000), damping=st.floats(0.3, 1.0))
@few
def test_a_linear_contraction_reaches_its_fixed_point(modulus: float, seed: int, damping: float) -> None:
    G = linear(modulus=modulus, seed=seed)
    solution = solve(G, torch.zeros_like(G.b), solver=Picard(damping=damping), max_iter=3000, tol=1e-12)
    assert set(solution.status) == {Status.CONVERGED}
    error = torch.linalg.vector_norm(solution.value - G.fixed_point, dim=1)
    allowed = 1e-12 * torch.linalg.vector_norm(G(solution.value), dim=1) / (1 - modulus)
    assert (error <= 1.01 * allowed + 1e-14).all()


@given(seed=st.integers(0, 1000), tol=st.sampled_from([1e-2, 1e-5, 1e-9]))
@few
def test_converged_means_that_the_value_itself_has_the_residual(seed: int, tol: float) -> None:
    G = linear(modulus=0.9, seed=seed)
    solution = solve(G, torch.ones_like(G.b), max_iter=500, tol=tol)
    image = G(solution.value)
    residual = torch.linalg.vector_norm(image - solution.value, dim=1) / torch.linalg.vector_norm(image, dim=1)
    assert solution.converged.all() and (residual <= tol).all()
    assert torch.equal(solution.residuals[-1], residual)


def test_the_reciprocal_iterates_follow_their_closed_form() -> None:
    x = torch.linspace(0.05, 1, 20, dtype=torch.float64)
    solution = solve(reciprocal(x), torch.zeros_like(x), max_iter=60, tol=0, keep_iterates=True)
    assert len(solution.iterates) == 61
    for t, y in enumerate(solution.iterates):
        torch.testing.assert_close(y, (1 - (1 - ETA * x) ** t) / x, rtol=1e-13, atol=1e-13)


def test_residual_rows_are_those_of_the_iterates() -> None:
    x = torch.linspace(0.05, 1, 20, dtype=torch.float64)
    G = reciprocal(x)
    solution = solve(G, torch.zeros_like(x), max_iter=25, tol=1e-4, keep_iterates=True)
    assert solution.residuals.shape == (len(solution.iterates) - 1, 20)
    for row, y in zip(solution.residuals, solution.iterates, strict=False):
        torch.testing.assert_close(row, (G(y) - y).abs() / G(y).abs())


def test_a_finished_sample_is_frozen() -> None:
    x = torch.tensor([0.05, 1.0], dtype=torch.float64)
    solution = solve(reciprocal(x), torch.zeros_like(x), max_iter=40, tol=1e-6, keep_iterates=True)
    slow, fast = solution.iterations.tolist()
    assert slow == 40 and fast == 20
    assert solution.status == (Status.MAX_ITER, Status.CONVERGED)
    frozen = torch.stack(solution.iterates)[fast - 1 :, 1]
    assert (frozen == frozen[0]).all() and (solution.residuals[fast - 1 :, 1] <= 1e-6).all()


def test_the_loop_ends_when_all_samples_have_finished() -> None:
    calls = 0

    def G(y: torch.Tensor) -> torch.Tensor:
        nonlocal calls
        calls += 1
        return 0.1 * y + 1

    solution = solve(G, torch.zeros(3, 2), max_iter=1000, tol=1e-3)
    assert calls == len(solution.residuals) == int(solution.iterations.max()) < 10


@given(
    neighbour=st.sampled_from([math.nan, math.inf, -math.inf, 1e300, 1e-300, 7.0]),
    rate=st.sampled_from([0.5, 1.0, 1.5, 1e200]),
    tol=st.sampled_from([0.0, 1e-8]),
)
@few
def test_a_sample_does_not_feel_its_neighbours(neighbour: float, rate: float, tol: float) -> None:
    rates = torch.tensor([[0.5], [rate], [0.9]], dtype=torch.float64)
    start = torch.tensor([[1.0, 2.0], [neighbour, 1.0], [-3.0, 0.5]], dtype=torch.float64)
    together = solve(lambda y: rates * y + 1, start, max_iter=80, tol=tol)
    for i in (0, 2):
        alone = solve(lambda y, i=i: rates[i : i + 1] * y + 1, start[i : i + 1], max_iter=80, tol=tol)
        assert torch.equal(together.value[i], alone.value[0])
        assert together.status[i] is alone.status[0]
        rows = len(alone.residuals)
        assert torch.equal(together.residuals[:rows, i], alone.residuals[:, 0])


@pytest.mark.parametrize("rate", [1.001, 1.5, 3.0, -1.0, -2.0, 1e30])
@pytest.mark.parametrize("damping", [1.0, 0.9])
def test_an_expanding_map_is_never_converged(rate: float, damping: float) -> None:
    start = torch.ones(2, 3, dtype=torch.float64)
    solution = solve(lambda y: rate * y + 1, start, solver=Picard(damping=damping), max_iter=300, tol=1e-6)
    if rate < 0 and abs(1 - damping + damping * rate) < 1:
        assert solution.converged.all()  # damping has made a contraction of it
    else:
        assert set(solution.status) <= {Status.DIVERGED, Status.MAX_ITER}
        assert torch.isfinite(solution.value).all()


def test_divergence_stops_a_sample_and_says_what_to_try() -> None:
    solution = solve(lambda y: 2 * y + 1, torch.zeros(2), max_iter=1000)
    assert solution.status == (Status.DIVERGED, Status.DIVERGED)
    assert int(solution.iterations[0]) < 50 and "Picard(damping" in solution.message


def test_growth_that_passes_is_not_divergence() -> None:
    """A contraction in another norm: its steps grow ten-thousand-fold before they shrink."""
    A = torch.tensor([[0.5, 1e4], [0.0, 0.5]], dtype=torch.float64)
    solution = solve(lambda y: y @ A.T + torch.tensor([0.0, 1.0]), torch.zeros(1, 2, dtype=torch.float64))
    assert solution.converged.all() and float(solution.residuals[-1]) <= 1e-6


def test_a_finished_sample_is_not_judged_again() -> None:
    """G is another one from its second call on; the sample that had converged by then stays as it was."""
    rates = iter([torch.tensor([1.0, 0.5]), *[torch.tensor([2.0, 0.5])] * 100])
    solution = solve(lambda y: next(rates) * y + torch.tensor([0.0, 1.0]), torch.ones(2))
    assert solution.status == (Status.CONVERGED, Status.CONVERGED)
    assert solution.iterations[0] == 1 < solution.iterations[1] and float(solution.value[0]) == 1.0


def test_slow_growth_to_a_distant_fixed_point_is_not_divergence() -> None:
    x = torch.tensor([1e-8], dtype=torch.float64)
    solution = solve(reciprocal(x), torch.zeros_like(x))
    assert solution.status[0] is Status.MAX_ITER and float(solution.value) == pytest.approx(50)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_no_dtype_overflows_in_the_statistics(dtype: torch.dtype) -> None:
    """‖y‖ is far beyond float16's 65504 and the difference of y_0 and G(y_0) is too."""
    start = torch.full((2, 1000), 60000.0, dtype=dtype)
    solution = solve(lambda y: -0.5 * y, start, max_iter=3, tol=1e-3)
    assert torch.isfinite(solution.residuals).all() and set(solution.status) == {Status.MAX_ITER}
    torch.testing.assert_close(solution.residuals[0], torch.full((2,), 3.0, dtype=torch.float64), rtol=1e-2, atol=0)


def test_float16_overflow_is_nonfinite_and_not_nan() -> None:
    solution = solve(lambda y: y * y, torch.tensor([[300.0], [0.0]], dtype=torch.float16), max_iter=10)
    assert solution.status == (Status.NONFINITE, Status.CONVERGED)
    assert not solution.residuals.isnan().any()
    assert float(solution.value[0]) == 300.0


def test_a_start_that_is_not_finite_spoils_its_own_sample_only() -> None:
    start = torch.zeros(3, 2, dtype=torch.float64)
    start[1, 0] = math.nan
    solution = solve(lambda y: 0.5 * y.nan_to_num() + 1, start)
    assert solution.status == (Status.CONVERGED, Status.NONFINITE, Status.CONVERGED)
    assert solution.iterations.tolist()[1] == 0 and solution.value[1].isnan().any()
    assert "y0" in solution.message and not solution.residuals.isnan().any()


@given(exact=st.integers(0, 12), rate=st.sampled_from([0.0, 0.5, 1.0, 4.0, 1e100]))
@few
def test_tol_zero_runs_exactly_max_iter_iterations_of_every_sample(exact: int, rate: float) -> None:
    expected = start = torch.tensor([[0.0], [1.0], [math.inf]], dtype=torch.float64)
    for _ in range(exact):
        expected = rate * expected + 1
    solution = solve(lambda y: rate * y + 1, start, max_iter=exact, tol=0)
    torch.testing.assert_close(solution.value, expected, rtol=0, atol=0, equal_nan=True)
    assert solution.iterations.tolist() == [exact] * 3 and solution.residuals.shape == (exact, 3)
    assert solution.status[2] is Status.NONFINITE


def test_tol_zero_still_tells_what_happened() -> None:
    rates = torch.tensor([[0.0], [0.5], [100.0], [1e200]], dtype=torch.float64)
    solution = solve(lambda y: rates * y + 1, torch.zeros(4, 1, dtype=torch.float64), max_iter=9, tol=0)
    assert solution.status == (Status.CONVERGED, Status.MAX_ITER, Status.DIVERGED, Status.NONFINITE)


def test_tol_zero_does_not_forget_what_went_wrong_on_the_way() -> None:
    """y is NaN and huge once, and harmless afterwards."""
    path = torch.tensor([[2.0, 2.0], [math.nan, 1e30], [1.0, 1.0], [1.1, 1.1]], dtype=torch.float64)
    visits = iter(path)
    solution = solve(lambda y: next(visits).clone(), torch.ones(2, dtype=torch.float64), max_iter=4, tol=0)
    assert solution.status == (Status.NONFINITE, Status.DIVERGED) and solution.value.tolist() == [1.1, 1.1]


def test_max_iter_zero_is_the_start() -> None:
    def never(y: torch.Tensor) -> torch.Tensor:
        raise AssertionError("G was called")

    start = torch.tensor([1.0, math.nan])
    solution = solve(never, start, max_iter=0)
    assert solution.value.data_ptr() == start.data_ptr() and solution.residuals.shape == (0, 2)
    assert solution.status == (Status.MAX_ITER, Status.NONFINITE) and solution.iterations.tolist() == [0, 0]


@pytest.mark.parametrize("tol", [0.0, 1e-6])
def test_an_empty_batch_is_an_empty_solution(tol: float) -> None:
    solution = solve(lambda y: 0.5 * y, torch.zeros(0, 3), tol=tol, keep_iterates=True)
    assert solution.value.shape == (0, 3) and solution.status == () and solution.residuals.shape == (0, 0)
    assert len(solution.iterates) == 1 and solution.extend(3).residuals.shape == (0, 0)


def test_a_state_may_be_nested() -> None:
    def G(y: dict[str, object]) -> dict[str, object]:
        a, (b, [c]) = y["a"], y["rest"]
        return {"rest": (0.5 * b + a.mean(dim=1), [0.25 * c]), "a": 0.5 * a + 1}  # keys in another order

    start = {"a": torch.zeros(2, 3), "rest": (torch.ones(2), [torch.ones(2, 1, 1, dtype=torch.float64)])}
    solution = solve(G, start, max_iter=100, tol=1e-6, keep_iterates=True)
    assert solution.converged.all()
    torch.testing.assert_close(solution.value["a"], torch.full((2, 3), 2.0), rtol=1e-5, atol=0)
    torch.testing.assert_close(solution.value["rest"][0], torch.full((2,), 4.0), rtol=1e-5, atol=0)
    assert solution.value["rest"][1][0].dtype is torch.float64 and len(solution.iterates[3]["rest"]) == 2
    # One residual for the whole state: (1, 1, 1), 1 − 0.5 and 0.25 − 1, against the image (1, 1, 1), 0.5 and 0.25.
    expected = math.sqrt(3 + 0.25 + 0.75**2) / math.sqrt(3 + 0.25 + 0.25**2)
    assert float(solution.residuals[0, 0]) == pytest.approx(expected)


def test_relative_to_ones_makes_the_tolerance_absolute() -> None:
    """The fixed point is 0, where relative residuals never fall."""
    start = torch.ones(2, 3, dtype=torch.float64)
    assert not solve(lambda y: 0.5 * y, start, tol=1e-6).converged.any()
    solution = solve(lambda y: 0.5 * y, start, tol=1e-6, relative_to=torch.ones(2))
    assert solution.converged.all() and solution.value.abs().max() < 2e-6


@given(damping=st.floats(0.01, 1.0), rate=st.floats(-0.99, 0.99))
@few
def test_damping_mixes_the_old_iterate_in(damping: float, rate: float) -> None:
    start = torch.full((1,), 3.0, dtype=torch.float64)
    solution = solve(lambda y: rate * y + 1, start, solver=Picard(damping=damping), max_iter=1, tol=0)
    assert float(solution.value) == pytest.approx((1 - damping) * 3 + damping * (3 * rate + 1), abs=1e-12)


def test_a_solve_leaves_its_start_alone() -> None:
    start = torch.zeros(3)
    solve(lambda y: 0.5 * y + 1, start)
    assert torch.equal(start, torch.zeros(3)) and not start.requires_grad


def test_the_solve_records_a_graph_exactly_when_gradients_are_enabled() -> None:
    weight = torch.tensor(0.5, requires_grad=True)
    with torch.no_grad():
        assert not solve(lambda y: weight * y + 1, torch.zeros(1)).value.requires_grad
    with torch.inference_mode():
        assert solve(lambda y: weight * y + 1, torch.zeros(1)).converged.all()
    value = solve(lambda y: weight * y + 1, torch.zeros(1), max_iter=3, tol=0).value
    (slope,) = torch.autograd.grad(value, weight)  # of 1 + w + w²
    assert float(slope) == pytest.approx(2.0)


def test_residuals_hold_no_graph() -> None:
    weight = torch.tensor(0.5, requires_grad=True)
    solution = solve(lambda y: weight * y + 1, torch.zeros(1), max_iter=3)
    assert not solution.residuals.requires_grad and not solution.iterations.requires_grad
