"""Any linear program in SciPy's form enters as it is meant, or is refused with a reason that helps."""

import numpy as np
import pytest
import scipy.sparse
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from implicit_lib.cases.linear_programs import LinearProgram, LinearProgramError, generate, optimum


def test_rows_come_in_order_and_bounds_stay_what_they_are() -> None:
    program = LinearProgram.from_scipy([1, 2], [[1, 0]], [3], [[0, 5]], [4], [(None, 1), (-2, float("inf"))])
    assert program.A.tolist() == [[[1, 0], [0, 5]]] and program.A.dtype is torch.float64
    assert program.b.tolist() == [[3, 4]] and program.equality.tolist() == [[0, 1]]
    assert program.c.tolist() == [[1, 2]]
    assert program.lower.tolist() == [[float("-inf"), -2]] and program.upper.tolist() == [[1, float("inf")]]


def test_scipys_conventions() -> None:
    assert LinearProgram.from_scipy([1]).lower.tolist() == [[0]]  # without bounds: 0 ≤ y
    assert LinearProgram.from_scipy([1]).A.shape == (1, 0, 1)  # without constraints
    shared = LinearProgram.from_scipy([1, 1, 1], bounds=(None, 2))
    assert shared.upper.tolist() == [[2, 2, 2]] and shared.lower.isinf().all()
    sparse = LinearProgram.from_scipy([1, 2], A_ub=scipy.sparse.eye(2), b_ub=[1, 1])
    assert torch.equal(sparse.A[0], torch.eye(2, dtype=torch.float64))
    arrays = LinearProgram.from_scipy(np.ones(2), np.ones((1, 2)), np.ones(1), bounds=np.zeros((2, 2)))
    assert arrays.upper.tolist() == [[0, 0]]
    assert LinearProgram.from_scipy([1, 1], [[1, 1]], 3).b.tolist() == [[3]]  # a number for one row


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 6), st.integers(0, 4), st.integers(0, 2))
def test_from_scipy_means_what_scipy_means(seed: int, n: int, k: int, same: int) -> None:
    rng = np.random.default_rng(seed)
    c = rng.integers(-3, 4, n)
    A_ub, b_ub = rng.integers(-2, 3, (k, n)), rng.integers(-4, 5, k)
    A_eq, b_eq = rng.integers(-2, 3, (same, n)), rng.integers(-4, 5, same)
    bounds = [(rng.choice([None, -3, 0]), rng.choice([None, 0, 4])) for _ in range(n)]
    expected = linprog(c, A_ub, b_ub, A_eq, b_eq, bounds, options={"presolve": False})
    program = LinearProgram.from_scipy(c, A_ub, b_ub, A_eq, b_eq, bounds)
    if expected.status == 0:
        assert (program.c * optimum(program)).sum().item() == pytest.approx(expected.fun, abs=1e-6)
    else:
        with pytest.raises(LinearProgramError, match={2: "infeasible", 3: "unbounded"}[expected.status]):
            optimum(program)


NAN = float("nan")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"c": []}, r"^c: is empty; give the objective"),
        ({"c": [1, NAN]}, r"^c: is nan at index \(1,\)"),
        ({"c": [[1, 2]]}, r"^c: must have 1 axes, but has the shape \(1, 2\)"),
        ({"c": ["a"]}, r"^c: must be an array of numbers, but is \['a'\]"),
        ({"A_ub": [[1, 1]]}, r"^b_ub: is missing; A_ub and b_ub go together"),
        ({"b_eq": [1]}, r"^A_eq: is missing"),
        ({"A_ub": [[1, 1, 1]], "b_ub": [1]}, r"^A_ub: has 3 columns; it needs one for each entry of c, 2"),
        ({"A_ub": [1, 1], "b_ub": [1]}, r"^A_ub: must have 2 axes"),
        (
            {"A_eq": [[1, 1]], "b_eq": [1, 2]},
            r"^b_eq: has the shape \(2,\); it needs one entry for each row of A_eq, 1",
        ),
        ({"A_eq": [[1, 1]], "b_eq": [1, [2]]}, r"^b_eq: must be an array of numbers"),
        ({"A_eq": [[1, float("inf")]], "b_eq": [1]}, r"^A_eq: is inf at index \(0, 1\)"),
        ({"A_ub": [[1, 1]], "b_ub": [NAN]}, r"^b_ub: is nan"),
        ({"bounds": [(0, 1)]}, r"^bounds: must be one pair .* for each of the 2 variables.* but is \[\(0, 1\)\]"),
        ({"bounds": [(0, 1), 3]}, r"^bounds: must be one pair"),
        ({"bounds": "none"}, r"^bounds: must be one pair"),
        ({"bounds": [(0, 1), (2, 1)]}, r"^bounds: of variable 1 are \(2.0, 1.0\).*give lower ≤ upper"),
        ({"bounds": [(0, 1), (0, NAN)]}, r"^bounds: of variable 1"),
        ({"bounds": [(float("inf"), None), (0, 1)]}, r"^bounds: of variable 0"),
    ],
)
def test_what_is_no_linear_program_is_refused(fields: dict[str, object], message: str) -> None:
    with pytest.raises(LinearProgramError, match=message):
        LinearProgram.from_scipy(**{"c": [1, 2], **fields})


def test_what_has_no_solution_is_refused() -> None:
    with pytest.raises(LinearProgramError, match="is infeasible: no y satisfies A, b and the bounds.*relax"):
        optimum(LinearProgram.from_scipy([1], [[1]], [-1]))
    with pytest.raises(LinearProgramError, match="is unbounded: c can be lowered without end; give finite bounds"):
        optimum(LinearProgram.from_scipy([-1]))
    fine, bad = (LinearProgram.from_scipy([1], [[1]], [b]) for b in (1, -1))
    both = LinearProgram(*(torch.cat(pair) for pair in zip(fine, bad, strict=True)))
    with pytest.raises(LinearProgramError, match="program 1 of 2 is infeasible"):
        optimum(both)


def test_the_batch_is_cut_and_converted_together() -> None:
    program = LinearProgram.from_scipy([1, 2], [[1, 1]], [1])
    two = LinearProgram(*(torch.cat([field, 2 * field]) for field in program))
    assert torch.equal(two.take(slice(1, 2)).c, 2 * program.c)
    assert {field.dtype for field in two.to(torch.float32)} == {torch.float32}


def test_a_reflection_reflects_the_optimum() -> None:
    found = generate(20, seed=6)
    random = torch.Generator().manual_seed(0)
    signs = 2.0 * torch.randint(0, 2, found.programs.c.shape, generator=random) - 1
    rows = torch.where(found.programs.equality > 0, -1.0, 1.0)
    reflected = found.programs.reflect(signs.double(), rows.double())
    assert (reflected.lower <= reflected.upper).all()
    torch.testing.assert_close(optimum(reflected), found.solutions * signs)
