"""How good a model is, iteration by iteration: the paper's error, its L_t, and whether it contracts."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Literal

import torch
from torch import Tensor

from implicit_lib.lipschitz import Estimate, effective_lipschitz

from ._instances import Instances
from ._networks import Encoded, ExplicitGNN, ImplicitGNN
from ._program import LinearProgram

Model = ExplicitGNN | ImplicitGNN

Field = Literal["A", "b", "c", "lower", "upper"]
FIELDS: tuple[Field, ...] = ("A", "b", "c", "lower", "upper")
"""What is perturbed, one at a time: the paper's A, b, c, l, u."""

_AT_ONCE = 250
"""Programs that are computed at once: what then lies in memory stays in the processor's cache."""


def relative_error(y: Tensor, solutions: Tensor) -> Tensor:
    """‖ŷ − y*‖ / (‖y*‖ + 1) of every program (B,), for ŷ and y* (B, n): the mean of it is the paper's error."""
    size: Tensor = torch.linalg.vector_norm(solutions, dim=1)
    off: Tensor = torch.linalg.vector_norm(y - solutions, dim=1)
    return off / (size + 1)


@torch.no_grad()
def errors(model: Model, instances: Instances, iterations: int = 200) -> Tensor:
    """The paper's error of ŷ_1 … ŷ_T (T,), float64, for T = iterations; of the only ŷ (1,) of an explicit model."""
    first = next(model.parameters())
    sums = torch.zeros((), dtype=torch.float64)
    for programs, solutions in _portions(instances):
        outputs = _trajectory(model, programs.to(first.device), iterations)
        wanted = solutions.to(first)
        sums = sums + torch.stack([relative_error(y, wanted).double().sum().cpu() for y in outputs])
    return sums / len(instances.solutions)


def perturbation(programs: LinearProgram, field: Field, *, seed: int = 0, norm: float = 1e-4) -> LinearProgram:
    """A random δ of Euclidean norm `norm` in one field of every program, 0 in the others; of A only nonzeros move.

    The norm is the paper's. Its code stores perturbed programs with five decimals, which this does not.

    Args:
        programs: x, (B, …), all of whose bounds are finite if a bound is perturbed.
        field: which one.
        seed: of the direction, which is the same on every device.
        norm: of δ, for every program; 0 where there is nothing to move.
    """
    x = getattr(programs, field)
    generator = torch.Generator().manual_seed(seed)
    direction = torch.randn(x.shape, generator=generator, dtype=torch.float64).to(x)
    if field == "A":
        direction = direction * (x != 0)
    length = direction.flatten(1).norm(dim=1).clamp(min=torch.finfo(x.dtype).tiny)
    delta = direction * (norm / length).view(-1, *[1] * (x.dim() - 1))
    return LinearProgram(*(torch.zeros_like(each) for each in programs))._replace(**{field: delta})


def sensitivity(
    model: Model,
    programs: LinearProgram,
    field: Field,
    *,
    iterations: int = 50,
    directions: int = 1,
    norm: float = 1e-4,
) -> Estimate:
    """L_t (T,) for perturbations of one field: the mean over programs and directions of ‖ŷ_t(x+δ) − ŷ_t(x)‖ / ‖δ‖.

    In float64, whatever the model's dtype: ‖δ‖ is small.

    Args:
        model: implicit; or explicit, of which there is T = 1 iterate only.
        programs: x.
        field: what is perturbed.
        iterations: T.
        directions: how many random δ for each program.
        norm: ‖δ‖; see `perturbation`.
    """
    double = copy.deepcopy(model).double()
    x = programs.to(next(double.parameters()).device).to(torch.float64)
    deltas = (perturbation(x, field, seed=seed, norm=norm) for seed in range(directions))
    return effective_lipschitz(partial(_trajectory, double, iterations=iterations), x, deltas, reduce="mean")


@torch.no_grad()
def moduli(model: ImplicitGNN, programs: LinearProgram, at: Iterable[int] = (1, 10, 200)) -> Tensor:
    """‖∂G/∂z‖ at the iterates z_t of every program (len(at), B), float64, in ascending order of the t in `at`.

    The largest of them is a lower bound of the modulus of contraction: at 1 or above, the operator is refuted as a
    contraction; below 1 it has not been at these states. A state has few numbers, so that here the Jacobian is formed
    and its norm is exact, many times faster than by `contraction_modulus`.
    """
    double = copy.deepcopy(model).double()
    device, wanted = next(double.parameters()).device, sorted(set(at))
    parts = []
    for portion in programs_in_portions(programs):
        q = double.encoder(portion.to(device))
        z, found = torch.zeros_like(portion.c, device=device), []
        for t in range(wanted[-1] + 1):
            if t in wanted:
                found.append(torch.linalg.matrix_norm(_jacobian(double, q, z), ord=2))
            z = double.equilibrium.operator(z, q)
        parts.append(torch.stack(found).cpu())
    return torch.cat(parts, dim=1)


def _jacobian(model: ImplicitGNN, q: Encoded, z: Tensor) -> Tensor:
    """∂G/∂z (B, n, n) at z (B, n)."""

    def column(direction: Tensor) -> Tensor:
        derivative: Tensor = torch.func.jvp(lambda z: model.equilibrium.operator(z, q), (z,), (direction,))[1]
        return derivative

    directions = torch.eye(z.shape[1]).to(z).unsqueeze(1).expand(-1, *z.shape)
    return torch.func.vmap(column, chunk_size=10)(directions).movedim(0, -1)


def programs_in_portions(programs: LinearProgram) -> Iterator[LinearProgram]:
    for start in range(0, len(programs.c), _AT_ONCE):
        yield programs.take(slice(start, start + _AT_ONCE))


def _portions(instances: Instances) -> Iterator[tuple[LinearProgram, Tensor]]:
    return zip(programs_in_portions(instances.programs), torch.split(instances.solutions, _AT_ONCE), strict=True)


def _trajectory(model: Model, programs: LinearProgram, iterations: int) -> Sequence[Tensor]:
    return model.trajectory(programs, iterations) if isinstance(model, ImplicitGNN) else (model(programs),)
