"""What an explorer of walks shows is what the networks and HiGHS say, computed here one by one."""

import numpy as np
import pytest
import torch
from torch import Tensor

from implicit_lib.cases.linear_programs import (
    FARTHEST_BOUND,
    ExplicitGNN,
    ImplicitGNN,
    LinearProgram,
    LinearProgramError,
    Perturbed,
    Size,
    generate,
    optimum,
    parse,
    perturbed,
    touchiest_cost,
    walk,
)
from tests.cases.linear_programs.problems import contracting

SMALL = Size(constraints=4, variables=7, nonzeros=12)
GRID = torch.linspace(-0.02, 0.02, 5, dtype=torch.float64)
SHELF = 10.0


def rival() -> ExplicitGNN:
    torch.manual_seed(1)
    return ExplicitGNN(4)


def moving() -> ImplicitGNN:
    return contracting(gain=20)


def some(count: int = 3) -> Perturbed:
    programs = generate(count, seed=8, size=SMALL).programs
    return perturbed(programs, touchiest_cost(programs, 0.01), GRID)


def shown(
    model: ImplicitGNN, problems: Perturbed, t: int, change: float, instance: int | None = None
) -> dict[str, Tensor]:
    parts = walk(model, rival(), problems, shelf=SHELF)
    q = parts.encode(*(() if instance is None else (torch.tensor(float(instance)),)))
    previous = z = parts.start
    for _ in range(t):
        previous, z = z, parts.step(z, *q)
    return parts.view(z, previous, *q, torch.tensor(change).double())  # type: ignore[no-any-return]


def moved(problems: Perturbed, instance: int, change: float) -> LinearProgram:
    """One program with its cost moved, by hand."""
    one = problems.programs.take(slice(instance, instance + 1))
    c = one.c.clone()
    c[0, problems.moved[instance]] += change
    return one._replace(c=c)


def test_every_point_of_the_grid_is_solved() -> None:
    problems = some()
    assert problems.solutions.shape == (3, 5, 7) and problems.solutions.dtype is torch.float64
    for i in range(3):
        for s, change in enumerate(GRID.tolist()):
            torch.testing.assert_close(problems.solutions[i, s], optimum(moved(problems, i, change))[0])
            for mine, other in zip(problems.at(i), moved(problems, i, change), strict=True):
                assert torch.equal(mine[s], other[0])


def test_the_touchiest_cost_is_that_of_the_farthest_optimum() -> None:
    programs = generate(3, seed=8, size=SMALL).programs
    for i, found in enumerate(touchiest_cost(programs, 0.01)):
        distances = []
        for j in range(7):
            one = programs.take(slice(i, i + 1))
            ways = []
            for sign in (1, -1):
                c = one.c.clone()
                c[0, j] += 0.01 * sign
                ways.append((optimum(one._replace(c=c)) - optimum(one)).norm().item())
            distances.append(max(ways))
        assert found == int(np.argmax(distances)) and max(distances) > 0


@pytest.mark.parametrize(("t", "instance", "point"), [(0, 0, 0), (1, 1, 2), (6, 2, 4)])
def test_the_view_is_computed_directly(t: int, instance: int, point: int) -> None:
    problems, model, change = some(), moving().double(), GRID[point].item()
    seen = {name: array.numpy() for name, array in shown(moving(), problems, t, change, instance).items()}
    program = moved(problems, instance, change)
    A, b, equality, c, lower, upper = (field[0].numpy() for field in program)
    best = optimum(program)[0].numpy()

    def answer(change: float) -> np.ndarray:
        """ŷ_t, of one program alone."""
        one = moved(problems, instance, change)
        q = model.encoder(one)
        z = torch.zeros(1, 7, dtype=torch.float64)
        for _ in range(t):
            z = model.equilibrium.operator(z, q)
        return model.decode(z, q)[0].detach().numpy()  # type: ignore[no-any-return]

    def one_pass(change: float) -> np.ndarray:
        return rival()(moved(problems, instance, change).to(torch.float32))[0].detach().numpy()  # type: ignore[no-any-return]

    y, other = answer(change), one_pass(change)
    over = np.array([abs(A[i] @ y - b[i]) if equality[i] else max(A[i] @ y - b[i], 0) for i in range(4)])
    height = SHELF + np.minimum(over, 0.4 * SHELF)
    across = (np.arange(4) + 0.5) * 7 / 4 + 0.5
    answers = np.array([answer(change) for change in GRID.tolist()])
    truths = problems.solutions[instance].numpy()
    way = truths[-1] - truths[0]
    edges = [(i, j) for i in range(4) for j in range(7) if A[i, j] != 0]
    nan, step = np.nan, 0.01
    expected = {
        "variable": np.arange(1, 8),
        "y": y,
        "optimum": best,
        "bounds x": np.ravel([[j, j, nan] for j in range(1, 8)]),
        "bounds y": np.ravel([[lower[j], upper[j], nan] for j in range(7)]),
        "edges x": np.ravel([[across[i], j + 1, nan] for i, j in edges]),
        "edges y": np.ravel([[height[i], y[j], nan] for i, j in edges]),
        "constraint x": across,
        "constraint y": height,
        "grid": GRID.numpy(),
        "answer": (answers - truths[0]) @ way / (way @ way),
        "true answer": (truths - truths[0]) @ way / (way @ way),
        "rival answer": (np.array([one_pass(change) for change in GRID.tolist()]) - truths[0]) @ way / (way @ way),
        "change here": change,
        "answer here": (y - truths[0]) @ way / (way @ way),
        "error": np.linalg.norm(y - best) / (np.linalg.norm(best) + 1),
        "rival error": np.linalg.norm(other - best) / (np.linalg.norm(best) + 1),
        "objective": c @ y,
        "optimal objective": c @ best,
        "relative objective": c @ y / abs(c @ best),
        "violation": over.max(),
        "slope": max(np.linalg.norm(answers[k + 1] - answers[k]) for k in range(4)) / step,
        "true slope": max(np.linalg.norm(truths[k + 1] - truths[k]) for k in range(4)) / step,
    }
    assert seen.keys() == expected.keys()
    for name, value in expected.items():
        tolerance = 1e-5 if "rival" in name else 1e-9
        np.testing.assert_allclose(seen[name], value, rtol=tolerance, atol=tolerance, err_msg=name)
    assert expected["true answer"][0] == 0 and expected["true answer"][-1] == pytest.approx(1)
    assert (over > 0).any()  # or the heights were not compared


def test_a_single_instance_needs_no_number() -> None:
    problems = some(1)
    without, with_it = shown(moving(), problems, 2, 0.01), shown(moving(), problems, 2, 0.01, 0)
    for name, array in without.items():
        torch.testing.assert_close(array, with_it[name], equal_nan=True)


def test_networks_stay_as_they_are() -> None:
    model, other, problems = moving(), rival().double(), some(1)
    torch.manual_seed(5)
    before = torch.get_rng_state()
    walk(model, other, problems)
    assert torch.equal(torch.get_rng_state(), before)
    assert {p.dtype for p in model.parameters()} == {torch.float32} and {p.dtype for p in other.parameters()} == {
        torch.float64
    }
    assert all(p.requires_grad for each in (model, other) for p in each.parameters())


def test_programs_with_more_or_fewer_edges_stand_side_by_side() -> None:
    few, more = (LinearProgram.from_scipy([1, 1], [[1, a]], [1], bounds=(-1, 1)) for a in (0, 2))
    both = LinearProgram(*(torch.cat(pair) for pair in zip(few, more, strict=True)))
    problems = perturbed(both, [0, 0], GRID)
    for instance, count in ((0, 1), (1, 2)):
        seen = shown(moving(), problems, 1, 0.0, instance)
        x, y = (seen[f"edges {axis}"].view(-1, 3) for axis in "xy")
        assert x.shape == (2, 3) and int(x[:, 0].isfinite().sum()) == count
        assert torch.equal(y[:count, 1], seen["y"][:count]) and x[:count, 1].tolist() == [1, 2][:count]


def test_programs_of_any_form_are_shown() -> None:
    """No constraints, infinite bounds, an optimum that does not move; every number that is drawn is finite."""
    free, _ = parse("min: x + y\nx >= -2\ny >= 1")
    for program in (free, parse("min: 2x - y\n-1 <= x <= 1\ny <= 2\nx + y <= 2")[0]):
        problems = perturbed(program, [0], GRID)
        seen = shown(moving(), problems, 3, 0.0)
        gaps = ("bounds x", "bounds y", "edges x", "edges y")
        for name, array in seen.items():
            drawn = array.view(-1, 3)[:, :2] if name in gaps else array
            assert drawn.isfinite().all(), name
        assert seen["bounds y"].view(-1, 3)[0, 1] == (FARTHEST_BOUND if program is free else 1)
        assert (seen["true answer"] == 0).all() and seen["true slope"] == 0
    assert shown(moving(), perturbed(free, [0], GRID), 3, 0.0)["violation"] == 0


@pytest.mark.parametrize("cost", [[], [0, 1], [7], [-1]])
def test_a_wrong_cost_is_refused(cost: list[int]) -> None:
    programs = generate(1, seed=8, size=SMALL).programs
    with pytest.raises(ValueError, match="moved: must be a number from 0 to 6 for each of the 1 programs, but is"):
        perturbed(programs, cost, GRID)


@pytest.mark.parametrize("grid", [[], [0.0], [0.0, 0.0], [1.0, 0.0], [0.0, 1.0, 3.0], [0.0, float("nan")]])
def test_a_wrong_grid_is_refused(grid: list[float]) -> None:
    programs = generate(1, seed=8, size=SMALL).programs
    with pytest.raises(ValueError, match="grid: must be two or more numbers, ascending in equal steps, but is"):
        perturbed(programs, [0], torch.tensor(grid))


def test_what_has_no_optimum_somewhere_on_the_grid_is_refused() -> None:
    program, _ = parse("min: 0.01x\nx >= 0")
    with pytest.raises(LinearProgramError, match="program 0 of 5 is unbounded"):
        perturbed(program, [0], GRID)
