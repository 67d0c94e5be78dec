"""The networks: the paper's sizes, equivariant, device-agnostic, and the plain formula that the fast one stands for."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from implicit_lib import UnrolledGradient
from implicit_lib.cases._files import parameter_count
from implicit_lib.cases.linear_programs import (
    FARTHEST_BOUND,
    ExplicitGNN,
    ImplicitGNN,
    LinearProgram,
    draw,
)
from implicit_lib.cases.linear_programs._networks import Convolution, Passes, affine, dense


def programs(count: int = 3, seed: int = 0) -> LinearProgram:
    return draw(count, np.random.default_rng(seed))


def network(kind: str, embedding: int = 4, seed: int = 0) -> nn.Module:
    """Random weights and biases, in float64; an operator that is a contraction."""
    torch.manual_seed(seed)
    model = (ImplicitGNN if kind == "implicit" else ExplicitGNN)(embedding).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(0.5 * torch.randn(parameter.shape))
        if kind == "implicit":
            model.equilibrium.operator.to_state.weight.mul_(0.01)
    return model


def answer(model: nn.Module, program: LinearProgram) -> Tensor:
    return model(program, 5) if isinstance(model, ImplicitGNN) else model(program)


KINDS = ("explicit", "implicit")


@pytest.mark.parametrize(
    ("embedding", "explicit", "implicit"),
    [(4, 580, 722), (8, 2_088, 2_350), (16, 7_888, 8_390), (32, 30_624, 31_606)],
)
def test_the_parameter_counts_are_the_papers(embedding: int, explicit: int, implicit: int) -> None:
    assert parameter_count(ExplicitGNN(embedding)) == explicit
    assert parameter_count(ImplicitGNN(embedding)) == implicit


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), data=st.data())
def test_permutations_permute_the_answer(kind: str, seed: int, data: st.DataObject) -> None:
    program, model = programs(2, seed), network(kind, seed=seed)
    rows = torch.tensor(data.draw(st.permutations(range(10))))
    columns = torch.randperm(50, generator=torch.Generator().manual_seed(seed))
    A, b, equality, c, lower, upper = program
    moved = LinearProgram(
        A[:, rows][:, :, columns], b[:, rows], equality[:, rows], c[:, columns], lower[:, columns], upper[:, columns]
    )
    torch.testing.assert_close(answer(model, moved), answer(model, program)[:, columns])


@pytest.mark.parametrize("kind", KINDS)
def test_one_program_does_not_touch_another(kind: str) -> None:
    program, model = programs(3), network(kind)
    torch.testing.assert_close(answer(model, program)[1:2], answer(model, program.take(slice(1, 2))))


def convolved(layer: Convolution, edges: Tensor, sending: Tensor, receiving: Tensor) -> Tensor:
    """The formula of a convolution, edge by edge and layer by layer."""
    found = []
    for i in range(edges.shape[1]):
        message = sum(edges[:, i, j] * layer.source(sending[:, :, j]) for j in range(edges.shape[2]))
        found.append(layer.output(torch.cat([message, layer.target(receiving[:, :, i])])).relu())
    return torch.stack(found, dim=2)


def random_weights(module: nn.Module) -> None:
    for parameter in module.double().parameters():
        nn.init.normal_(parameter)


@pytest.mark.parametrize("shape", [(2, 5), (5, 2), (3, 3)])
@pytest.mark.parametrize("variables_send", [True, False])
def test_the_fast_convolution_is_the_formula(shape: tuple[int, int], variables_send: bool) -> None:
    receivers, senders = shape
    layer = Convolution(3, 4, variables_send=variables_send)
    random_weights(layer)
    edges = torch.randn(2, receivers, senders, dtype=torch.float64)
    sending, receiving = (torch.randn(d, 2, k, dtype=torch.float64) for d, k in ((3, senders), (4, receivers)))
    keep, receive = layer.at(edges)
    kept = keep(dense(receiving.flatten(1), layer.target.first).relu())
    found = receive(dense(sending.flatten(1), layer.source.first).relu(), kept)
    torch.testing.assert_close(found, convolved(layer, edges, sending, receiving).flatten(1))


def test_layers_computed_together_are_those_of_each_convolution() -> None:
    passes = Passes(3, 4)
    random_weights(passes)
    A = torch.randn(2, 5, 7, dtype=torch.float64)
    constraints, variables = torch.randn(3, 2, 5, dtype=torch.float64), torch.randn(4, 2, 7, dtype=torch.float64)
    found = passes.at(A, constraints.flatten(1))(affine(variables.flatten(1), passes.enter_variables()))
    for to_constraints, to_variables in zip(passes.to_constraints, passes.to_variables, strict=True):
        constraints = convolved(to_constraints, A, variables, constraints)
        variables = convolved(to_variables, A.transpose(1, 2), constraints, variables)
    torch.testing.assert_close(found, variables.flatten(1))


def test_the_state_enters_as_one_more_feature_of_the_variables() -> None:
    program, model = programs(), network("implicit")
    A, constraints, variables = q = model.encoder(program)
    z = torch.randn_like(program.c)
    joined = torch.cat([variables.movedim(-1, 0), z.unsqueeze(0)]).flatten(1)
    passes = model.operator.passes
    run = passes.at(A, constraints.movedim(-1, 0).flatten(1))
    state = dense(run(affine(joined, passes.enter_variables())), model.operator.to_state)
    torch.testing.assert_close(model.operator(z, q), state.view_as(z))
    torch.testing.assert_close(model.decode(z, q), model.encoder.units.solution * model.decoder(joined).view_as(z))


def test_the_explicit_and_the_implicit_answer_change_with_every_field() -> None:
    for kind in KINDS:
        model, program = network(kind), programs()
        for number, field in enumerate(program):
            changed = LinearProgram(*(1.1 * f + 0.1 * (f != 0) if k == number else f for k, f in enumerate(program)))
            assert not torch.allclose(answer(model, changed), answer(model, program)), (kind, field.shape)


@pytest.mark.parametrize("kind", KINDS)
def test_infinite_bounds_and_no_constraints(kind: str) -> None:
    model = network(kind)
    free = LinearProgram.from_scipy([1, -1], bounds=(None, None))
    far = LinearProgram.from_scipy([1, -1], bounds=(-FARTHEST_BOUND, FARTHEST_BOUND))
    assert answer(model, free).shape == (1, 2) and answer(model, free).isfinite().all()
    assert torch.equal(answer(model, free), answer(model, far))


def test_the_equilibrium_is_one_and_its_gradient_is_that_of_many_iterations() -> None:
    program, model = programs(), network("implicit")
    q = model.encoder(program)
    z = model.equilibrium(q)
    torch.testing.assert_close(model.equilibrium.operator(z, q), z, rtol=0, atol=1e-4)
    torch.testing.assert_close(model.trajectory(program, 3)[-1], model(program, 3))
    model.equilibrium.gradient.tol, model.equilibrium.tol = 1e-10, 1e-12
    gradients = []
    for iterations, gradient in ((None, model.equilibrium.gradient), (60, UnrolledGradient())):
        model.equilibrium.gradient = gradient
        gradients.append(torch.autograd.grad(model(program, iterations).sum(), list(model.parameters())))
    for found, expected in zip(*gradients, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("kind", KINDS)
def test_everything_stays_on_its_device(kind: str) -> None:
    device = torch.device("cuda", 0)
    model = (ImplicitGNN if kind == "implicit" else ExplicitGNN)(4)
    arguments = (5,) if kind == "implicit" else ()
    with FakeTensorMode(), torch.no_grad(), device:
        weights = {name: torch.ones(parameter.shape) for name, parameter in model.named_parameters()}
        shapes = ((2, 10, 50), (2, 10), (2, 10), (2, 50), (2, 50), (2, 50))
        program = LinearProgram(*(torch.ones(shape, dtype=torch.float64) for shape in shapes))
        found = torch.func.functional_call(model, weights, (program, *arguments))
        assert found.device == device and found.shape == (2, 50) and found.dtype is torch.float32


@pytest.mark.parametrize("kind", KINDS)
def test_training_works_on_another_device(kind: str) -> None:
    with torch.device("meta"):
        model = (ImplicitGNN if kind == "implicit" else ExplicitGNN)(4)
        shapes = ((2, 10, 50), (2, 10), (2, 10), (2, 50), (2, 50), (2, 50))
        program = LinearProgram(*(torch.ones(shape) for shape in shapes))
        y = model.trajectory(program, 3)[-1] if isinstance(model, ImplicitGNN) else model(program)
        y.square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.is_meta for parameter in model.parameters())


@pytest.mark.parametrize("kind", KINDS)
def test_it_runs_in_onnx_runtime(kind: str, tmp_path) -> None:  # type: ignore[no-untyped-def]
    """The operator, that is, which the page iterates; the explicit network as a whole."""
    onnxruntime = pytest.importorskip("onnxruntime")
    model, program = network(kind).float(), programs(1).to(torch.float32)
    if isinstance(model, ImplicitGNN):
        q = tuple(part.detach().contiguous() for part in model.encoder(program))
        exported, inputs = model.equilibrium.operator, (torch.randn(1, 50), q)
    else:
        exported, inputs = model, (program,)
    exported.eval()
    path = tmp_path / "model.onnx"
    torch.onnx.export(exported, inputs, path, dynamo=True, external_data=False, verbose=False)
    session = onnxruntime.InferenceSession(path)
    flat = [*inputs[:-1], *inputs[-1]]
    names = [each.name for each in session.get_inputs()]
    (found,) = session.run(None, {name: each.numpy() for name, each in zip(names, flat, strict=True)})
    torch.testing.assert_close(torch.from_numpy(found), exported(*inputs).detach(), rtol=1e-4, atol=1e-4)
