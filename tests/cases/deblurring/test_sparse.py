"""Sparse reconstruction: solutions against the optimality conditions and closed forms; ISTA against the solutions."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from implicit_lib import ImplicitModel, solve
from implicit_lib.cases import deblurring as db
from implicit_lib.cases.deblurring._sparse_walk import _spectral_norm_bound
from implicit_lib.explore import TorchSystem
from implicit_lib.explore._onnx import Exports


def normal(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def objective(A: Tensor, x: Tensor, y: Tensor, lam: float) -> Tensor:
    return (x - y @ A.mT).square().sum(dim=-1) / 2 + lam * y.abs().sum(dim=-1)


SHAPES = [(8, 8), (12, 5), (5, 12), (1, 3), (3, 1)]


def test_the_threshold_is_the_proximal_map() -> None:
    v, points = torch.linspace(-3, 3, 61).double(), torch.linspace(-4, 4, 8001).double()
    costs = (points - v[:, None]).square() / 2 + 0.7 * points.abs()
    assert torch.allclose(db.soft_threshold(v, 0.7), points[costs.argmin(dim=1)], atol=1e-3)


@pytest.mark.parametrize(("m", "n"), SHAPES)
@pytest.mark.parametrize("lam", [1e-4, 0.1, 2.0])
def test_a_solution_satisfies_the_optimality_conditions(m: int, n: int, lam: float) -> None:
    A, x = normal(m, n, seed=m), normal(4, m, seed=n)
    y = db.lasso(A, x, lam)
    slope = (x - y @ A.mT) @ A  # written out: |aᵀr| ≤ λ, and aᵀr = λ sign(y) where y is not 0
    assert (slope.abs() <= lam + 1e-9).all()
    assert torch.allclose(slope[y != 0], lam * y[y != 0].sign(), atol=1e-9)
    assert db.optimality_residual(A, x, y, lam).max() <= 1e-9
    assert db.duality_gap(A, x, y, lam).abs().max() <= 1e-9


def test_orthogonal_columns_are_thresholded() -> None:
    Q = torch.linalg.qr(normal(9, 6, seed=0)).Q
    x = normal(3, 9, seed=1)
    assert torch.allclose(db.lasso(Q, x, 0.3), db.soft_threshold(x @ Q, 0.3), atol=1e-12)


def test_nothing_is_found_where_the_weight_is_large() -> None:
    A, x = normal(5, 8, seed=0), normal(5, seed=1)
    largest = float((A.mT @ x).abs().max())
    assert (db.lasso(A, x, largest * 1.001) == 0).all()
    assert (db.lasso(A, x, largest * 0.999) != 0).sum() == 1


@pytest.mark.parametrize(("m", "n"), SHAPES)
def test_the_gap_bounds_what_is_left(m: int, n: int) -> None:
    A, x, y = normal(m, n, seed=3), normal(6, m, seed=4), normal(6, n, seed=5)
    best = db.lasso(A, x, 0.2)
    gap = db.duality_gap(A, x, y, 0.2)
    assert (objective(A, x, y, 0.2) - objective(A, x, best, 0.2) <= gap + 1e-10).all()
    assert (((y - best) @ A.mT).square().sum(dim=-1) <= 2 * gap + 1e-10).all()


def test_a_point_that_is_not_optimal_is_told() -> None:
    A, x = normal(8, 8, seed=0), normal(8, seed=1)
    y = db.lasso(A, x, 0.1)
    for wrong in (y + 1e-3, torch.zeros(8).double(), db.lasso(A, x, 0.11)):
        assert db.optimality_residual(A, x, wrong, 0.1) >= 1e-4
        assert db.duality_gap(A, x, wrong, 0.1) >= 1e-7


@pytest.mark.parametrize(("m", "n"), [(12, 6), (6, 12)])
@pytest.mark.parametrize("relative_step", [0.5, 1.0, 1.9])
def test_ista_finds_the_solution(m: int, n: int, relative_step: float) -> None:
    A, x = normal(m, n, seed=7), normal(3, m, seed=8)
    operator = db.ISTA(A, lam=0.5, step=relative_step / float(torch.linalg.matrix_norm(A, 2)) ** 2)
    found = solve(operator, torch.zeros(3, n).double(), inputs=x, max_iter=20_000, tol=1e-13).value
    assert torch.allclose(found, db.lasso(A, x, 0.5), atol=1e-9)
    assert torch.allclose(operator(db.lasso(A, x, 0.5), x), db.lasso(A, x, 0.5), atol=1e-12)


def test_a_step_too_large_diverges() -> None:
    A, x = db.random_projections(16, 32, 0), normal(1, 16, seed=1)
    operator = db.ISTA(A, lam=0.01, step=2.5 / float(torch.linalg.matrix_norm(A, 2)) ** 2)
    walked = solve(operator, torch.zeros(1, 32).double(), inputs=x, max_iter=60, tol=0, keep_iterates=True).iterates
    assert walked[-1].norm() > 1e6 * db.lasso(A, x, 0.01).norm()


def test_it_is_an_implicit_model() -> None:
    A, x = normal(10, 6, seed=2), normal(2, 10, seed=3)
    operator = db.ISTA(A, lam=0.3, step=1 / float(torch.linalg.matrix_norm(A, 2)) ** 2)
    model = ImplicitModel(operator, start=lambda q: torch.zeros(len(q), 6).double(), max_iter=5000, tol=1e-12)
    assert torch.allclose(model(x), db.lasso(A, x, 0.3), atol=1e-8)


def test_the_modulus_is_that_of_the_operator() -> None:
    A = normal(10, 6, seed=2)
    y, other, x = 50 * normal(2000, 6, seed=3), 50 * normal(2000, 6, seed=4), normal(1, 10, seed=5)
    for step in (0.02, 0.1, 0.2):
        operator, modulus = db.ISTA(A, lam=1e-6, step=step), db.ista_modulus(A, step)
        quotients = (operator(y, x) - operator(other, x)).norm(dim=1) / (y - other).norm(dim=1)
        assert 0.9 * modulus <= quotients.max() <= modulus * (1 + 1e-12)
    assert db.ista_modulus(normal(6, 10, seed=0), 0.01) == pytest.approx(1, abs=1e-12)
    used = torch.tensor([True, False, True, False, False, False])
    expected = torch.linalg.matrix_norm(torch.eye(2) - 0.1 * A[:, used].mT @ A[:, used], 2)
    assert db.ista_modulus(A, 0.1, used) == pytest.approx(float(expected))


@pytest.mark.parametrize(("m", "n"), [(12, 6), (6, 12)])
def test_the_solution_map_is_lipschitz(m: int, n: int) -> None:
    A, x = normal(m, n, seed=11), normal(300, m, seed=12)
    change = normal(300, m, seed=13)
    for size in (1e-4, 1e-1, 10):
        before, after = db.lasso(A, x, 0.4), db.lasso(A, x + size * change, 0.4)
        moved, by = after - before, size * change.norm(dim=1)
        assert ((moved @ A.mT).norm(dim=1) <= by * (1 + 1e-9)).all()
        if m >= n:
            assert (moved.norm(dim=1) <= by / torch.linalg.svdvals(A)[-1] * (1 + 1e-9)).all()


def test_between_its_kinks_the_solution_map_is_affine() -> None:
    A, x, change = normal(6, 12, seed=11), normal(6, seed=12), normal(6, seed=13)
    y = db.lasso(A, x, 0.4)
    used = y != 0
    step = torch.linalg.pinv(A[:, used]) @ change
    moved = db.lasso(A, x + 1e-6 * change, 0.4) - y
    assert torch.allclose(moved[used], 1e-6 * step, atol=1e-12) and (moved[~used] == 0).all()


def test_the_norm_is_bounded_from_above_and_closely() -> None:
    for seed, (m, n) in enumerate([(5, 5), (9, 4), (64, 64)]):
        matrix = normal(m, n, seed=seed) * 10.0 ** (seed - 1)
        norm = float(torch.linalg.matrix_norm(matrix, 2))
        assert norm * (1 - 1e-12) <= float(_spectral_norm_bound(matrix)) <= 1.002 * norm
    assert float(_spectral_norm_bound(torch.zeros(3, 3).double())) < 1e-300


@pytest.fixture(scope="module", params=["blur", "random"])
def problems(request: pytest.FixtureRequest) -> db.SparseProblems:
    A = db.gaussian_blur(24, 1.0) if request.param == "blur" else db.random_projections(14, 24, 3)
    signal, change = torch.zeros(2, 24).double()
    signal[[4, 12, 15]], change[12], change[15] = torch.tensor([-1, 1, 0.7]).double(), 1, -1
    grid = [round(0.25 * i - 1, 2) for i in range(9)]
    return db.sparse_problems(A, signal, change, grid=grid, lams=[-2, -1.5, -1], noises=[0, 0.05], seed=1)


def walked(problems: db.SparseProblems, log_lam: float, noise: float, relative_step: float, t: int):  # type: ignore[no-untyped-def]
    walk = db.sparse_walk(problems, watched=12)
    z = previous = walk.start
    q = walk.encode(*(torch.tensor(value).double() for value in (log_lam, noise, relative_step)))
    views = []
    for _ in range(t):
        previous, z = z, walk.step(z, *q)
        views.append(walk.view(z, previous, *q, torch.tensor(0.5).double()))
    return z, views


def test_the_walk_is_that_of_ista(problems: db.SparseProblems) -> None:
    norm = float(torch.linalg.matrix_norm(problems.A, 2))
    z, views = walked(problems, -1.5, 0.05, 1.5, 40)
    operator = db.ISTA(problems.A, lam=10**-1.5, step=1.5 / norm**2)
    x, y = problems.measured(0.05), torch.zeros_like(z["y"])
    for _ in range(40):
        y = operator(y, x)
    assert torch.allclose(z["y"], y, atol=1e-12)
    best = db.lasso(problems.A, x, 10**-1.5)
    last, at = views[-1], 6  # s = 0.5
    assert torch.allclose(last["y*"].nan_to_num(), best[at], atol=1e-9) and torch.allclose(last["y"], y[at])
    assert float(last["error"]) == pytest.approx(float((y[at] - best[at]).norm() / best[at].norm()))
    assert float(last["residual"]) == pytest.approx(float(db.optimality_residual(problems.A, x[at], y[at], 10**-1.5)))
    assert float(last["true slope"]) == pytest.approx(
        float(best.diff(dim=0).norm(dim=1).max() / x.diff(dim=0).norm(dim=1).max())
    )
    assert torch.allclose(last["answer"], y[:, 12]) and float(last["modulus"]) == pytest.approx(
        db.ista_modulus(problems.A, 1.5 / norm**2)
    )


@pytest.mark.parametrize("relative_step", [0.5, 1.0, 1.9, 2.5])
@pytest.mark.parametrize("log_lam", [-2, -1])
def test_slopes_stay_below_both_limits(problems: db.SparseProblems, log_lam: float, relative_step: float) -> None:
    _, views = walked(problems, log_lam, 0.05, relative_step, 120)
    slope, limit, closer = (
        np.array([float(view[name]) for view in views]) for name in ("slope", "limit", "limit on the support")
    )
    assert (slope <= closer * (1 + 1e-9)).all() and (closer <= limit * (1 + 1e-9)).all()


def test_the_walk_arrives(problems: db.SparseProblems) -> None:
    _, views = walked(problems, -1, 0.05, 1.9, 400)
    assert float(views[-1]["error"]) < 1e-2 and float(views[-1]["wrong"]) == 0
    assert float(views[-1]["slope"]) == pytest.approx(float(views[-1]["true slope"]), rel=1e-2)
    assert float(views[-1]["modulus on the support"]) < 1


@pytest.mark.parametrize("problems", ["random"], indirect=True)
def test_the_walk_is_exported_and_computes_the_same(problems: db.SparseProblems, tmp_path: Path) -> None:
    import onnxruntime

    walk = db.sparse_walk(problems, watched=12)
    system = TorchSystem(
        encode=walk.encode,
        step=walk.step,
        view=walk.view,
        start=walk.start,
        controls=("lam", "noise", "gamma"),
        view_controls=("s",),
    )
    settings = {"lam": -1.5, "noise": 0.05, "gamma": 1.0, "s": -0.5}
    system.write_page(Exports(tmp_path), "sparse", settings)
    encode, step, view = (
        onnxruntime.InferenceSession(next(tmp_path.glob(f"sparse-{part}-*.onnx")))
        for part in ("encode", "step", "view")
    )
    number = {name: np.array(value) for name, value in settings.items()}
    q = dict(
        zip(
            [each.name for each in encode.get_outputs()],
            encode.run(None, {name: number[name] for name in ("lam", "noise", "gamma")}),
            strict=True,
        )
    )
    state, ours = system.start(settings), [each.numpy() for each in walk.start.values()]
    for _ in range(30):
        before, previous = state, ours
        state = system.step(state)
        given = {f"z{i}": leaf for i, leaf in enumerate(ours)} | q
        ours = step.run(None, {each.name: given[each.name] for each in step.get_inputs()})
    given = {f"z{i}": leaf for i, leaf in enumerate(ours)} | {f"previous{i}": leaf for i, leaf in enumerate(previous)}
    given |= q | number
    seen = view.run(None, {each.name: given[each.name] for each in view.get_inputs()})
    for (name, expected), got in zip(system.view(state, before, settings, 30).items(), seen, strict=True):
        assert np.allclose(got, expected, rtol=1e-9, atol=1e-12, equal_nan=True), name


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: db.ISTA(torch.zeros(3).double(), lam=1, step=1), "matrix"),
        (lambda: db.ISTA(torch.full((2, 2), math.nan), lam=1, step=1), "finite"),
        (lambda: db.ISTA(torch.eye(2), lam=0, step=1), "lam must be a positive"),
        (lambda: db.ISTA(torch.eye(2), lam=1, step=-1), "step must be a positive"),
        (lambda: db.lasso(torch.eye(2), torch.zeros(3), 1), "length 2"),
        (lambda: db.lasso(torch.eye(2), torch.tensor([math.inf, 0]), 1), "finite"),
        (lambda: db.ista_modulus(torch.eye(2), 1, torch.zeros(2, dtype=torch.bool)), "support"),
        (lambda: db.gaussian_blur(0, 1.0), "n must be a positive"),
        (lambda: db.gaussian_blur(8, 0), "width must be a positive"),
        (lambda: db.random_projections(0, 3, 0), "m must be a positive"),
    ],
)
def test_refuses(make, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=message):
        make()


def test_problems_refuse_what_does_not_fit() -> None:
    good = {"grid": [0, 1], "lams": [-2, -1], "noises": [0, 1], "seed": 0}
    A, one = db.gaussian_blur(4, 0.5), torch.ones(4)
    with pytest.raises(ValueError, match="length 4"):
        db.sparse_problems(A, one[:3], one, **good)
    with pytest.raises(ValueError, match="no measurement sees"):
        db.sparse_problems(A, one, 0 * one, **good)
    for name in ("grid", "lams", "noises"):
        with pytest.raises(ValueError, match=f"{name}: must be two or more"):
            db.sparse_problems(A, one, one, **{**good, name: [0, 1, 3]})
    with pytest.raises(ValueError, match="watched"):
        db.sparse_walk(db.sparse_problems(A, one, one, **good), watched=4)
