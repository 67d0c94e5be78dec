"""Errors, perturbations, L_t and moduli are what their definitions say; an unstable model is found out."""

import pytest
import torch

from implicit_lib import contraction_modulus
from implicit_lib.cases.linear_programs import (
    FIELDS,
    ExplicitGNN,
    LinearProgram,
    errors,
    moduli,
    perturbation,
    relative_error,
    sensitivity,
)
from tests.cases.linear_programs.problems import contracting, instances


def test_the_relative_error() -> None:
    wanted = torch.tensor([[3.0, 4.0], [0.0, 0.0]])
    assert relative_error(wanted + torch.tensor([0.0, 3.0]), wanted).tolist() == [0.5, 3.0]


def test_errors_of_every_iterate() -> None:
    model, data = contracting(), instances()
    found = errors(model, data, iterations=3)
    outputs = model.trajectory(data.programs, 3)
    assert found.shape == (3,) and found.dtype is torch.float64
    for error, y in zip(found, outputs, strict=True):
        assert error.item() == pytest.approx(relative_error(y.detach(), data.solutions).mean().item(), rel=1e-5)
    assert errors(ExplicitGNN(4), data).shape == (1,)


@pytest.mark.parametrize("field", FIELDS)
def test_a_perturbation_moves_one_field_by_its_norm(field: str) -> None:
    programs = instances().programs
    delta = perturbation(programs, field, seed=3, norm=1e-3)
    for name, moved in delta._asdict().items():
        sizes = moved.flatten(1).norm(dim=1)
        expected = 1e-3 if name == field else 0.0
        torch.testing.assert_close(sizes, torch.full_like(sizes, expected))
    assert (delta.A[programs.A == 0] == 0).all()
    assert not torch.equal(getattr(delta, field), getattr(perturbation(programs, field, seed=4, norm=1e-3), field))
    none = LinearProgram.from_scipy([1.0, 2.0])
    if field in ("A", "b"):  # without constraints there is nothing to move
        assert getattr(perturbation(none, field), field).numel() == 0


@pytest.mark.parametrize("field", FIELDS)
def test_sensitivity_is_its_definition(field: str) -> None:
    model, programs = contracting(), instances().programs
    found = sensitivity(model, programs, field, iterations=2, directions=2)
    double = contracting().double()
    quotients = []
    for seed in range(2):
        delta = perturbation(programs, field, seed=seed)
        shifted = LinearProgram(*(a + b for a, b in zip(programs, delta, strict=True)))
        moved = double.trajectory(shifted, 2)[-1] - double.trajectory(programs, 2)[-1]
        quotients.append(moved.norm(dim=1) / 1e-4)
    assert found.value[-1].item() == pytest.approx(torch.stack(quotients).mean().item(), rel=1e-6)
    assert (found.error < 1e-6 * found.value + 1e-9).all()
    assert sensitivity(ExplicitGNN(4), programs, field).value.shape == (1,)


def test_moduli_are_the_norms_that_the_library_measures() -> None:
    model, programs = contracting(), instances().programs
    found = moduli(model, programs, at=[3, 0])
    double = contracting().double()
    q, z = double.encoder(programs), torch.zeros_like(programs.c)
    for t, values in ((0, found[0]), (3, found[1])):
        state = double.equilibrium(q, t) if t else z
        measured = contraction_modulus(lambda z: double.equilibrium.operator(z, q), state, iterations=50)
        torch.testing.assert_close(values, measured.value)


def test_a_model_that_does_not_contract_is_found_out() -> None:
    programs = instances().programs
    assert moduli(contracting(), programs).max() < 1
    assert moduli(contracting(gain=100), programs, at=[0, 1]).max() > 1
