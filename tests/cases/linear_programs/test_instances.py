"""The data: the paper's distribution, the same for a seed everywhere, and labels that a second truth confirms."""

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog, nnls

from implicit_lib.cases.linear_programs import Instances, LinearProgram, Size, draw, generate, optimum


@pytest.fixture(scope="module")
def instances() -> Instances:
    return generate(60, seed=3)


def parts(program: LinearProgram) -> list[tuple[np.ndarray, ...]]:
    return list(zip(*(field.numpy() for field in program), strict=True))


def test_the_distribution_is_the_papers() -> None:
    program = draw(2_000, np.random.default_rng(0))
    assert program.A.shape == (2_000, 10, 50) and program.b.shape == (2_000, 10) and program.c.shape == (2_000, 50)
    assert (program.A != 0).sum(dim=(1, 2)).eq(100).all()
    nonzeros = program.A[program.A != 0]
    assert abs(nonzeros.mean()) < 0.01 and abs(nonzeros.std() - 1) < 0.01
    assert abs(program.equality.mean() - 0.3) < 0.01
    assert program.b.abs().max() <= 1 and abs(program.b.std() - 3**-0.5) < 0.01
    assert program.c.abs().max() <= 0.01 and abs(program.c.std() - 0.01 * 3**-0.5) < 1e-4
    assert (program.lower <= program.upper).all()
    both = torch.cat([program.lower, program.upper])
    assert abs(both.mean()) < 0.1 and abs(both.std() - 10) < 0.1


def test_a_seed_decides_and_a_larger_count_begins_the_same(instances: Instances) -> None:
    fewer, other = generate(7, seed=3), generate(7, seed=4)
    for field, same, different in zip(instances.programs, fewer.programs, other.programs, strict=True):
        assert torch.equal(field[:7], same) and not torch.equal(same, different)
    assert torch.equal(instances.solutions[:7], fewer.solutions)


def test_another_size_and_progress() -> None:
    lines: list[str] = []
    larger = generate(3, seed=0, size=Size(constraints=20, variables=100, nonzeros=200), progress=lines.append)
    assert larger.programs.A.shape == (3, 20, 100) and larger.solutions.shape == (3, 100)
    assert lines[-1] == "linear programs: 3 of 3 feasible ones, 0 s left"


def test_bad_requests_are_refused() -> None:
    with pytest.raises(ValueError, match="count must be at least 1, but is 0"):
        generate(0, seed=0)
    with pytest.raises(ValueError, match="at most 4 nonzeros"):
        Size(constraints=2, variables=2, nonzeros=5)


def test_a_second_solver_agrees(instances: Instances) -> None:
    """An interior-point method, which comes to the optimum from inside and not along vertices."""
    for (A, b, equality, c, lower, upper), y in zip(parts(instances.programs), instances.solutions, strict=True):
        same, bounds = equality > 0, np.stack([lower, upper], axis=1)
        found = linprog(100 * c, A[~same], b[~same], A[same], b[same], bounds, method="highs-ipm")
        assert found.x == pytest.approx(y.numpy(), abs=1e-5)


def certificate(A, b, equality, c, lower, upper, y) -> float:
    """How far y is from satisfying the conditions of Karush, Kuhn and Tucker.

    y is optimal if it is feasible and −c is a nonnegative combination of the gradients of what is tight, those of
    equalities with either sign. No solver of linear programs takes part.
    """
    same, tight = equality > 0, 1e-7
    slack = b - A @ y
    infeasible = max(np.abs(slack[same]).max(initial=0), -slack.min(initial=0), (lower - y).max(), (y - upper).max())
    unit = np.eye(len(y))
    gradients = [
        A[same], -A[same], A[~same & (slack < tight)], unit[upper - y < tight], -unit[y - lower < tight]
    ]  # fmt: skip
    return max(infeasible, nnls(np.vstack(gradients).T, -c / np.abs(c).max())[1])


def test_every_label_has_a_certificate(instances: Instances) -> None:
    for program, y in zip(parts(instances.programs), instances.solutions.numpy(), strict=True):
        assert certificate(*program, y) < 1e-7


def test_a_wrong_label_has_none(instances: Instances) -> None:
    program, y = parts(instances.programs)[0], instances.solutions[0].numpy()
    feasible = linprog(-program[3], bounds=np.stack(program[4:], axis=1)).x  # the worst corner of the box
    assert certificate(*program, feasible) > 1e-2
    assert certificate(*program, y + 1e-3) > 1e-4


def test_least_norm_where_many_are_optimal() -> None:
    def least(*fields: object, bounds: object = (None, None)) -> list[float]:
        return optimum(LinearProgram.from_scipy(*fields, bounds=bounds))[0].tolist()

    assert least([1, 1], [[-1, -1]], [-1]) == pytest.approx([0.5, 0.5])
    assert least([1, 1, 0], [[-1, -1, 0]], [-1], bounds=(0, None)) == pytest.approx([0.5, 0.5, 0])
    assert least([0, 0], [[-1, 0]], [-3]) == pytest.approx([3, 0])
    assert least([0, 0, 0], None, None, [[1, 2, 2]], [9]) == pytest.approx([1, 2, 2])
    assert least([0, 0], None, None, [[1, 1]], [4], bounds=[(None, 1), (None, None)]) == pytest.approx([1, 3])
    assert least([0, 1], bounds=(-2, 3)) == pytest.approx([0, -2])
    assert least([0], bounds=(2, 3)) == pytest.approx([2])


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 6), st.integers(0, 4))
@example(10587, 4, 4)  # a face so thin that rounding made it empty
def test_least_norm_by_its_variational_inequality(seed: int, n: int, m: int) -> None:
    """y is the point of least norm on the optimal face if and only if min yᵀv over that face is ‖y‖²."""
    rng = np.random.default_rng(seed)
    c, A = rng.integers(-1, 2, n), rng.integers(-1, 2, (m, n))
    b = A @ rng.integers(-2, 3, n) + rng.integers(0, 2, m)  # feasible at some y within the bounds
    y = optimum(LinearProgram.from_scipy(c, A, b, bounds=(-3, 3)))[0].numpy()
    on_face = linprog(y, np.vstack([A, c]), np.append(b, c @ y), bounds=(-3, 3))
    assert on_face.fun == pytest.approx(y @ y, abs=1e-6)
