"""The walk to an optimum as torch modules: what an explorer encodes, steps and shows."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ._evaluation import relative_error
from ._networks import FARTHEST_BOUND, ExplicitGNN, ImplicitGNN
from ._optimum import optimum
from ._program import LinearProgram


@dataclass(frozen=True, eq=False)
class Perturbed:
    """Linear programs, each with one cost moved along a grid, and what is optimal there.

    Attributes:
        programs: I programs of one size.
        moved: which cost moves, one of each program.
        grid: (S,), the changes of that cost, in equal steps.
        solutions: (I, S, n), the optimal solutions.
    """

    programs: LinearProgram
    moved: tuple[int, ...]
    grid: Tensor
    solutions: Tensor

    def at(self, instance: int) -> LinearProgram:
        """The program `instance` at every point of the grid, S programs."""
        one = self.programs.take(slice(instance, instance + 1))
        return _along(one, self.moved[instance], self.grid)


def _along(one: LinearProgram, cost: int, grid: Tensor) -> LinearProgram:
    wide = LinearProgram(*(field.expand(len(grid), *field.shape[1:]) for field in one))
    moved = torch.zeros_like(wide.c)
    moved[:, cost] = grid
    return wide._replace(c=wide.c + moved)


def perturbed(programs: LinearProgram, moved: Sequence[int], grid: Tensor) -> Perturbed:
    """Solve every program at every point of the grid, by HiGHS; some millisecond each.

    Args:
        programs: I programs of one size.
        moved: which cost moves, for each of them.
        grid: (S,), the changes of that cost; at least two, ascending in equal steps.

    Raises:
        ValueError: `moved` or `grid` is not such.
        LinearProgramError: a program is infeasible or unbounded somewhere on the grid.
    """
    count, n = programs.c.shape
    if len(moved) != count or not all(0 <= cost < n for cost in moved):
        raise ValueError(f"moved: must be a number from 0 to {n - 1} for each of the {count} programs, but is {moved}")
    steps = grid.double().diff()
    if len(steps) == 0 or not (steps > 0).all() or not torch.allclose(steps, steps.mean(), rtol=1e-3, atol=0):
        raise ValueError(f"grid: must be two or more numbers, ascending in equal steps, but is {grid.tolist()}")
    solutions = [optimum(_along(programs.take(slice(i, i + 1)), cost, grid.double())) for i, cost in enumerate(moved)]
    return Perturbed(programs, tuple(moved), grid.double(), torch.stack(solutions))


def touchiest_cost(programs: LinearProgram, change: float) -> list[int]:
    """Of every program the cost that moves the optimum farthest when it is raised or lowered by `change`."""
    n, found = programs.c.shape[1], []
    for i in range(len(programs.c)):
        one = programs.take(slice(i, i + 1))
        wide = LinearProgram(*(field.expand(2 * n, *field.shape[1:]) for field in one))
        around = optimum(wide._replace(c=wide.c + change * torch.cat([torch.eye(n), -torch.eye(n)]).to(wide.c)))
        moves = (around - optimum(one)).norm(dim=1).view(2, n).amax(dim=0)
        found.append(int(moves.argmax()))
    return found


@dataclass(frozen=True)
class Walk:
    """The parts of a system for an explorer, in float64 on the CPU; the state is z at every point of the grid.

    Attributes:
        encode: the number of the instance, which may be left out where there is one only -> what the operator and the
            view read.
        step: one iteration of the operator at every point of the grid.
        view: the arrays and numbers; see `walk`.
        start: z_0 = 0, (S, n).
    """

    encode: nn.Module
    step: nn.Module
    view: nn.Module
    start: Tensor


def walk(model: ImplicitGNN, rival: ExplicitGNN, problems: Perturbed, *, shelf: float = 36.0) -> Walk:
    """The walk of ŷ_t to the optimum, for a chosen program and a chosen change of its cost.

    It runs at every point of the grid at once, so that the view can show the answer as a function of the change. In
    float64, since operators that do not contract blow up the last digits of float32.

    The view reads the change, and has the arrays
    - variable, y, optimum (n,): the answer at the change, and the truth;
    - bounds x, bounds y (3n,): a line from the lower to the upper bound of every variable, which ends at
      `FARTHEST_BOUND` where there is none;
    - edges x, edges y (3k,) for k nonzeros, constraint x, constraint y (m,): the graph, its variables at their values,
      its constraints on a shelf above, and higher by how far they are violated, but not out of sight; k is that of the
      program with most nonzeros, and the lines that others have not are gaps;
    - grid, answer, true answer, rival answer (S,): how far along the way from the optimum at the lowest change (0) to
      that at the highest (1), or 0 where these are the same;
    and the scalars change, answer here; error, rival error (the paper's), objective, optimal objective, relative
    objective (over the size of the optimal one), violation (the
    largest |A y − b|, or A y − b where it is positive), slope and true slope (the largest change of the solution from
    one point of the grid to the next, over the step).

    Args:
        model: it is copied; any embedding.
        rival: an explicit network, whose answers, in float32, are shown beside; it is copied.
        problems: what is walked on.
        shelf: the height at which constraints that hold are drawn, above all variables; 40 % above it sight ends.
    """
    model = copy.deepcopy(model).cpu().double().eval().requires_grad_(False)
    rival = copy.deepcopy(rival).cpu().float().eval().requires_grad_(False)
    return Walk(_Encode(model, rival, problems), _Step(model), _View(model, problems, shelf), _zeros(problems))


def _zeros(problems: Perturbed) -> Tensor:
    return torch.zeros(problems.solutions.shape[1:], dtype=torch.float64)


class _Encode(nn.Module):
    """What depends on the instance: stacked for all of them and picked by its number."""

    solutions: Tensor
    rival: Tensor
    moved: Tensor
    grid: Tensor
    rows: Tensor
    columns: Tensor

    def __init__(self, model: ImplicitGNN, rival: ExplicitGNN, problems: Perturbed) -> None:
        super().__init__()
        self.encoder = model.encoder
        for name, field in zip(LinearProgram._fields, problems.programs, strict=True):
            self.register_buffer(name, field)
        places = nn.utils.rnn.pad_sequence([_edges(A) for A in problems.programs.A], True, padding_value=-1)
        every = range(len(problems.moved))
        with torch.no_grad():
            answers = [rival(problems.at(i).to(torch.float32)).double() for i in every]
        self.register_buffer("solutions", problems.solutions)
        self.register_buffer("rival", torch.stack(answers))
        self.register_buffer("moved", torch.tensor(problems.moved).double())
        self.register_buffer("grid", problems.grid)
        self.register_buffer("rows", places[..., 0].double())
        self.register_buffer("columns", places[..., 1].double())

    def forward(self, *instance: Tensor) -> tuple[Tensor, ...]:
        number = instance[0].reshape(1).long() if instance else torch.zeros(1, dtype=torch.long)

        def chosen(name: str) -> Tensor:
            return self.get_buffer(name).index_select(0, number).squeeze(0)

        A, b, equality, c, lower, upper = (chosen(name) for name in LinearProgram._fields)
        m, n = A.shape
        points = self.grid.reshape(-1, 1)
        costs = c + points * _is(chosen("moved"), n)
        count = len(points)
        program = LinearProgram(
            A.expand(count, m, n),
            b.expand(count, m),
            equality.expand(count, m),
            costs,
            lower.expand(count, n),
            upper.expand(count, n),
        )
        encoded = self.encoder(program)
        solutions = chosen("solutions")
        across = solutions[-1] - solutions[0]
        return (
            *encoded,
            costs,
            b,
            equality,
            lower,
            upper,
            solutions,
            chosen("rival"),
            _is(chosen("columns").reshape(-1, 1), n),
            _is(chosen("rows").reshape(-1, 1), m),
            across / across.square().sum().clamp(min=torch.finfo(across.dtype).tiny),
        )


def _edges(A: Tensor) -> Tensor:
    """The rows and columns (k, 2) of the nonzeros."""
    return (A != 0).nonzero()


def _is(number: Tensor, count: int) -> Tensor:
    """1 in the place of the number among `count`, 0 elsewhere."""
    return (number == torch.arange(count, device=number.device)).to(number.dtype)


class _Step(nn.Module):
    def __init__(self, model: ImplicitGNN) -> None:
        super().__init__()
        self.operator = model.equilibrium.operator

    def forward(self, z: Tensor, A: Tensor, constraints: Tensor, variables: Tensor, *others: Tensor) -> Tensor:
        next_state: Tensor = self.operator(z, (A, constraints, variables))
        return next_state


class _View(nn.Module):
    grid: Tensor
    places: Tensor
    across: Tensor

    def __init__(self, model: ImplicitGNN, problems: Perturbed, shelf: float) -> None:
        super().__init__()
        self.model, self.height = model, shelf
        n, m = problems.programs.c.shape[1], problems.programs.b.shape[1]
        self.spacing = float(problems.grid[1] - problems.grid[0])
        self.register_buffer("grid", problems.grid)
        self.register_buffer("places", torch.arange(1.0, n + 1).double())
        self.register_buffer("across", (torch.arange(m).double() + 0.5) * n / max(m, 1) + 0.5)

    def forward(
        self,
        z: Tensor,
        previous: Tensor,
        A: Tensor,
        constraints: Tensor,
        variables: Tensor,
        costs: Tensor,
        b: Tensor,
        equality: Tensor,
        lower: Tensor,
        upper: Tensor,
        solutions: Tensor,
        rival: Tensor,
        to_variable: Tensor,
        to_constraint: Tensor,
        across: Tensor,
        change: Tensor,
    ) -> dict[str, Any]:
        answers = self.model.decode(z, (A, constraints, variables))
        chosen = ((self.grid - change).abs() < self.spacing / 2).to(answers.dtype)
        y, best, other, c = (chosen @ each for each in (answers, solutions, rival, costs))
        over = A[0] @ y - b
        violation = torch.where(equality > 0.5, over.abs(), over.clamp(min=0))
        height = self.height + violation.clamp(max=0.4 * self.height)
        gap = torch.full_like(y, torch.nan)
        hole = torch.full_like(to_variable[:, 0], torch.nan)
        there = torch.where(to_variable.sum(dim=1) > 0, 1.0, hole)  # as many lines for every program
        nothing = 0 * y[0]  # an exported graph gives out what it computes, not what it stores
        start = solutions[:1]
        low, high = (bound.clamp(-FARTHEST_BOUND, FARTHEST_BOUND) + nothing for bound in (lower, upper))

        def line(from_: Tensor, to: Tensor, hole: Tensor) -> Tensor:
            return torch.stack([from_, to, hole], dim=1).flatten()

        def along(points: Tensor) -> Tensor:
            return (points - start) @ across

        return {
            "variable": self.places + nothing,
            "y": y,
            "optimum": best + nothing,
            "bounds x": line(self.places + nothing, self.places + nothing, gap),
            "bounds y": line(low, high, gap),
            "edges x": line(there * (to_constraint @ self.across), to_variable @ self.places, hole) + nothing,
            "edges y": line(to_constraint @ height, to_variable @ y, hole),
            "constraint x": self.across + nothing,
            "constraint y": height,
            "grid": self.grid + nothing,
            "answer": along(answers),
            "true answer": along(solutions) + nothing,
            "rival answer": along(rival) + nothing,
            "change here": change + nothing,
            "answer here": chosen @ along(answers),
            "error": relative_error(y[None], best[None])[0],
            "rival error": relative_error(other[None], best[None])[0] + nothing,
            "objective": c @ y,
            "optimal objective": c @ best + nothing,
            "relative objective": c @ y / (c @ best).abs().clamp(min=1e-9),
            "violation": torch.cat([violation, 0 * y[:1]]).max(),
            "slope": answers.diff(dim=0).norm(dim=1).max() / self.spacing,
            "true slope": solutions.diff(dim=0).norm(dim=1).max() / self.spacing + nothing,
        }
