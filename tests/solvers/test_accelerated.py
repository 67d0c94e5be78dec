"""What Anderson, Broyden and Newton–Krylov all promise: independent samples, any dtype, traceable steps."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from onnxruntime import InferenceSession
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_map, tree_unflatten

from benchmarks.zoo import Zoo, problems
from implicit_lib import solve
from implicit_lib.solvers import Anderson, Broyden, Evaluation, NewtonKrylov, Picard, Solver, Status
from tests.solvers.problems import linear

SOLVERS: list[Solver] = [Anderson(), Broyden(), NewtonKrylov(krylov=4)]
each_solver = pytest.mark.parametrize("solver", SOLVERS, ids=lambda solver: type(solver).__name__)


@each_solver
def test_it_converges_wherever_picard_does(solver: Solver) -> None:
    for problem in problems(dtype=torch.float64):
        solution = solve(problem.at, problem.y0, solver=solver, max_iter=1000, tol=1e-6)
        assert solution.converged.all(), problem.name


@each_solver
@pytest.mark.parametrize("n", [1, 2, 3, 40])
def test_it_finds_the_fixed_point(solver: Solver, n: int) -> None:
    G = linear(modulus=0.9, batch=5, n=n)
    solution = solve(G, torch.zeros_like(G.b), solver=solver, max_iter=300, tol=1e-12)
    assert solution.converged.all()
    torch.testing.assert_close(solution.value, G.fixed_point, rtol=1e-9, atol=1e-9)


def mixed(W: Tensor) -> Callable[[Tensor, Tensor], Tensor]:
    """Per sample a mode: 0 a tanh layer, 1 NaN, 2 overflow, 3 no fixed point, 4 a constant, 5 slow, 6 expanding."""

    def G(y: Tensor, inputs: tuple[Tensor, Tensor]) -> Tensor:  # type: ignore[override]
        x, mode = inputs
        cases = [torch.tanh(y @ W + x), y * torch.nan, 1e20 * (y + 1), y + 1, 0 * y + x, 0.999 * y + x, -3 * y + x]
        return torch.stack(cases).gather(0, mode[None, :, None].expand(1, *y.shape))[0]

    return G  # type: ignore[return-value]


@each_solver
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_sample_does_not_notice_its_neighbours(solver: Solver, dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(1)
    W = (torch.randn(8, 8, generator=generator) / 5).to(dtype)
    x = torch.randn(16, 8, generator=generator).to(dtype)
    mode = torch.tensor([0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 1, 2, 3])
    G, y0 = mixed(W), torch.zeros_like(x)
    together = solve(G, y0, inputs=(x, mode), solver=solver, max_iter=40, tol=1e-5)
    for i in range(13):
        alone = solve(G, y0[i : i + 1], inputs=(x[i : i + 1], mode[i : i + 1]), solver=solver, max_iter=40, tol=1e-5)
        assert together.status[i] == alone.status[0], i
        if mode[i] in (0, 4):
            assert together.status[i] == Status.CONVERGED
            assert together.iterations[i] == alone.iterations[0]
            torch.testing.assert_close(together.value[i], alone.value[0], rtol=1e-6, atol=1e-6)


@each_solver
def test_going_on_at_the_fixed_point_is_harmless(solver: Solver) -> None:
    G = linear(modulus=0.5, n=3)
    solution = solve(G, torch.zeros_like(G.b), solver=solver, max_iter=100, tol=0)
    torch.testing.assert_close(solution.value, G.fixed_point, rtol=1e-13, atol=1e-13)
    constant = solve(lambda y: torch.ones_like(y), torch.zeros(3, 4), solver=solver, max_iter=20, tol=0)
    assert constant.value.equal(torch.ones(3, 4))
    zero = solve(lambda y: 0.5 * y, torch.zeros(3, 4), solver=solver, max_iter=20, tol=0)
    assert zero.value.equal(torch.zeros(3, 4))


@each_solver
def test_an_empty_batch(solver: Solver) -> None:
    assert solve(torch.tanh, torch.zeros(0, 3), solver=solver).value.shape == (0, 3)


@each_solver
@pytest.mark.parametrize(("dtype", "tol"), [(torch.float16, 5e-3), (torch.bfloat16, 3e-2)])
@pytest.mark.parametrize("scale", [1e-2, 1.0, 1e3])
def test_half_precision(solver: Solver, dtype: torch.dtype, tol: float, scale: float) -> None:
    problem = Zoo(dtype=dtype, scale=scale).tanh(8, 64)
    solution = solve(problem.at, problem.y0, solver=solver, max_iter=60, tol=tol)
    assert solution.converged.all()
    assert solution.value.dtype == dtype
    exact = Zoo(dtype=torch.float64, scale=scale).tanh(8, 64)
    reference = solve(exact.at, exact.y0, max_iter=200).value
    assert ((solution.value.double() - reference).norm() / reference.norm()).item() <= 5 * tol


@each_solver
def test_it_walks_the_same_way_with_a_graph_as_without(solver: Solver) -> None:
    problem = Zoo(dtype=torch.float64).symmetric(4, 12, norm=0.9)
    with torch.no_grad():
        without = solve(problem.at, problem.y0, solver=solver, max_iter=25, tol=0)
        later = without.extend(5)
    with_graph = solve(problem.at, problem.y0, solver=solver, max_iter=25, tol=0)
    torch.testing.assert_close(with_graph.value, without.value, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(without.extend(5).value, later.value)  # now by functional steps, from the same memory


@each_solver
def test_a_step_leaves_the_memory_it_was_given(solver: Solver) -> None:
    problem = Zoo(dtype=torch.float64).symmetric(4, 12, norm=0.9)
    y, memory = problem.y0, None
    for _ in range(12):
        with torch.no_grad():
            image = problem.at(y)
            at = Evaluation(y, image, image - y)
            before = tree_map(lambda leaf: leaf.clone() if isinstance(leaf, Tensor) else leaf, memory)
            _, _ = solver.step(problem.at, at, memory)
            y, memory = solver.step(problem.at, at, memory)  # once more, as after an interrupt
            reference, _ = solver.step(problem.at, at, before)
        torch.testing.assert_close(y, reference, rtol=0, atol=0)


@each_solver
def test_the_unrolled_derivative(solver: Solver) -> None:
    generator = torch.Generator().manual_seed(0)
    W = 0.3 * torch.randn(5, 5, generator=generator, dtype=torch.float64)
    x = torch.randn(2, 5, generator=generator, dtype=torch.float64, requires_grad=True)

    def walked(x: Tensor) -> Tensor:
        value: Tensor = solve(
            lambda y: torch.tanh(y @ W + x), torch.zeros_like(x), solver=solver, max_iter=5, tol=0
        ).value
        return value

    assert torch.autograd.gradcheck(walked, (x,), atol=1e-5)


@each_solver
def test_under_vmap(solver: Solver) -> None:
    x = torch.randn(3, 2, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    def walked(x: Tensor) -> Tensor:
        y: Tensor = torch.zeros_like(x)
        memory: Any = None
        for _ in range(6):
            image = torch.tanh(0.5 * y + x)
            at = Evaluation(y, image, image - y)
            y, memory = solver.step(lambda y: torch.tanh(0.5 * y + x), at, memory)
        return y

    with torch.no_grad():
        torch.testing.assert_close(torch.func.vmap(walked)(x), torch.stack([walked(each) for each in x]))


@each_solver
def test_compiled_without_graph_breaks(solver: Solver) -> None:
    torch._dynamo.reset()
    problem = Zoo(dtype=torch.float64).symmetric(3, 8, norm=0.9)

    def walked(y0: Tensor) -> Tensor:
        value: Tensor = solve(problem.at, y0, solver=solver, max_iter=7, tol=0).value
        return value

    with torch.no_grad():
        compiled = torch.compile(walked, fullgraph=True, backend="aot_eager")
        torch.testing.assert_close(compiled(problem.y0), walked(problem.y0), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("solver", SOLVERS[:2], ids=lambda solver: type(solver).__name__)
def test_a_step_in_onnx(solver: Solver) -> None:
    problem, memory = Zoo().symmetric(2, 6, norm=0.9), None
    y = problem.y0
    with torch.no_grad():
        for _ in range(3):
            image = problem.at(y)
            y, memory = solver.step(problem.at, Evaluation(y, image, image - y), memory)
        leaves, spec = tree_flatten(memory)
        tensors = [leaf.clone() for leaf in leaves if isinstance(leaf, Tensor)]

        class Step(torch.nn.Module):
            def forward(self, y: Tensor, *tensors: Tensor) -> list[Tensor]:
                given = iter(tensors)
                filled = [next(given) if isinstance(leaf, Tensor) else leaf for leaf in leaves]
                image = problem.at(y)
                y, memory = solver.step(problem.at, Evaluation(y, image, image - y), tree_unflatten(filled, spec))
                return [y, *(leaf for leaf in tree_flatten(memory)[0] if isinstance(leaf, Tensor))]

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            exported = torch.onnx.export(Step(), (y, *tensors), dynamo=True, verbose=False)
        assert exported is not None
        session = InferenceSession(exported.model_proto.SerializeToString())
        names = [given.name for given in session.get_inputs()]
        found = session.run(None, dict(zip(names, (each.numpy() for each in (y, *tensors)), strict=True)))
        for ours, theirs in zip(Step()(y, *tensors), found, strict=True):
            torch.testing.assert_close(torch.as_tensor(theirs), ours, rtol=1e-4, atol=1e-5)


@each_solver
def test_the_adjoint_of_a_layer(solver: Solver) -> None:
    # The fixed-point problem of a backward pass: an affine G made of vector-Jacobian products.
    generator = torch.Generator().manual_seed(0)
    W = 0.2 * torch.randn(6, 6, generator=generator, dtype=torch.float64)
    y = torch.randn(3, 6, generator=generator, dtype=torch.float64, requires_grad=True)
    image, b = torch.tanh(y @ W), torch.randn(3, 6, generator=generator, dtype=torch.float64)

    def G(v: Tensor) -> Tensor:
        return torch.autograd.grad(image, y, v, retain_graph=True)[0] + b

    with torch.no_grad():
        solution = solve(G, b, solver=solver, max_iter=60, tol=1e-10)
    J = torch.diag_embed(1 - image.detach().square()) @ W.mT
    expected = torch.linalg.solve(torch.eye(6, dtype=torch.float64) - J.mT, b)
    assert solution.converged.all()
    torch.testing.assert_close(solution.value, expected, rtol=1e-8, atol=1e-8)


@each_solver
def test_it_is_hashable_and_says_what_it_is(solver: Solver) -> None:
    assert {solver: 1}[solver]
    assert repr(solver).startswith(type(solver).__name__)


def test_picard_is_within_reach_of_all() -> None:
    problem = Zoo(dtype=torch.float64).tanh(4, 16)
    values = [solve(problem.at, problem.y0, solver=solver, tol=1e-12).value for solver in [Picard(), *SOLVERS]]
    for value in values[1:]:
        torch.testing.assert_close(value, values[0], rtol=1e-10, atol=1e-10)
