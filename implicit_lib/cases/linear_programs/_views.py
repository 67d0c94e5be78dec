"""The walk to an optimum as torch modules: what an explorer encodes, steps and shows."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

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
    rival = copy.deepcopy(rival).cpu().float().eval().requires_grad_(False)
    n = problems.programs.c.shape[1]
    return walk_by(_Encode(model, rival, problems), model, problems.grid, n, shelf=shelf, reach=FARTHEST_BOUND)


def walk_by(encode: nn.Module, model: ImplicitGNN, grid: Tensor, variables: int, *, shelf: float, reach: float) -> Walk:
    """The walk of what `encode` gives, by `encoded`, at every point of the grid; bounds are drawn as far as `reach`."""
    own = copy.deepcopy(model).cpu().double().eval().requires_grad_(False)
    start = torch.zeros(len(grid), variables, dtype=torch.float64)
    return Walk(encode, _Step(own), _View(own, grid, shelf, reach), start)


class Places(NamedTuple):
    """Where a graph is drawn; what has no place, NaN, is not.

    Attributes:
        real: (n,), 1; 0 for variables that are padding, whose state and answer stay 0.
        variables, constraints: (n,) and (m,), along the axis.
        to_variable, to_constraint: (k, n) and (k, m), one-hot: the ends of every edge.
        edges: (k, 2), where its constraint and its variable are.
        unit: 0-d, in which values are drawn.
    """

    real: Tensor
    variables: Tensor
    constraints: Tensor
    to_variable: Tensor
    to_constraint: Tensor
    edges: Tensor
    unit: Tensor


def at_every_point(one: Sequence[Tensor], grid: Tensor, moved: Tensor) -> LinearProgram:
    """The program of these fields (without B), its cost that is 1 in `moved` (n,) changed by each of the grid (S,)."""
    A, b, equality, c, lower, upper = one
    costs = c + grid.reshape(-1, 1) * moved
    fields = (field.expand(len(grid), *field.shape) for field in (A, b, equality, lower, upper))
    wide = dict(zip(("A", "b", "equality", "lower", "upper"), fields, strict=True))
    return LinearProgram(c=costs, **wide)


def encoded(
    encoder: nn.Module, programs: LinearProgram, solutions: Tensor, rival: Tensor, places: Places
) -> tuple[Tensor, ...]:
    """What the operator and the view read, of programs that differ in one cost."""
    across = solutions[-1] - solutions[0]
    return (
        *encoder(programs),
        places.real,
        programs.c,
        *(field[0] for field in (programs.b, programs.equality, programs.lower, programs.upper)),
        solutions,
        rival,
        across / across.square().sum().clamp(min=torch.finfo(across.dtype).tiny),
        *places[1:],
    )


class _Encode(nn.Module):
    """What depends on the instance: stacked for all of them and picked by its number."""

    solutions: Tensor
    rival: Tensor
    moved: Tensor
    grid: Tensor
    rows: Tensor
    columns: Tensor
    variable_places: Tensor
    constraint_places: Tensor

    def __init__(self, model: ImplicitGNN, rival: ExplicitGNN, problems: Perturbed) -> None:
        super().__init__()
        self.encoder = copy.deepcopy(model.encoder).cpu().double().requires_grad_(False)
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
        m, n = problems.programs.A.shape[1:]
        self.register_buffer("variable_places", torch.arange(1.0, n + 1).double())
        self.register_buffer("constraint_places", (torch.arange(m).double() + 0.5) * n / max(m, 1) + 0.5)

    def forward(self, *instance: Tensor) -> tuple[Tensor, ...]:
        number = instance[0].reshape(1).long() if instance else torch.zeros(1, dtype=torch.long)

        def chosen(name: str) -> Tensor:
            return self.get_buffer(name).index_select(0, number).squeeze(0)

        one = [chosen(name) for name in LinearProgram._fields]
        m, n = one[0].shape
        programs = at_every_point(one, self.grid, is_number(chosen("moved"), n))
        to_variable = is_number(chosen("columns").reshape(-1, 1), n)
        to_constraint = is_number(chosen("rows").reshape(-1, 1), m)
        ends = torch.stack([to_constraint @ self.constraint_places, to_variable @ self.variable_places], dim=1)
        places = Places(
            torch.ones_like(self.variable_places),
            self.variable_places,
            self.constraint_places,
            to_variable,
            to_constraint,
            torch.where(to_variable.sum(dim=1, keepdim=True) > 0, ends, torch.nan),  # as many lines for every program
            torch.ones_like(self.grid[0]),
        )
        return encoded(self.encoder, programs, chosen("solutions"), chosen("rival"), places)


def _edges(A: Tensor) -> Tensor:
    """The rows and columns (k, 2) of the nonzeros."""
    return (A != 0).nonzero()


def is_number(number: Tensor, count: int) -> Tensor:
    """1 in the place of the number among `count`, 0 elsewhere."""
    return (number == torch.arange(count, device=number.device)).to(number.dtype)


class _Step(nn.Module):
    def __init__(self, model: ImplicitGNN) -> None:
        super().__init__()
        self.operator = model.equilibrium.operator

    def forward(
        self, z: Tensor, A: Tensor, constraints: Tensor, variables: Tensor, real: Tensor, *others: Tensor
    ) -> Tensor:
        next_state: Tensor = self.operator(z, (A, constraints, variables))
        return real * next_state


class _View(nn.Module):
    grid: Tensor

    def __init__(self, model: ImplicitGNN, grid: Tensor, shelf: float, reach: float) -> None:
        super().__init__()
        self.model, self.height, self.reach = model, shelf, reach
        self.spacing = float(grid[1] - grid[0])
        self.register_buffer("grid", grid)

    def forward(
        self,
        z: Tensor,
        previous: Tensor,
        A: Tensor,
        constraints: Tensor,
        variables: Tensor,
        real: Tensor,
        costs: Tensor,
        b: Tensor,
        equality: Tensor,
        lower: Tensor,
        upper: Tensor,
        solutions: Tensor,
        rival: Tensor,
        across: Tensor,
        variable_places: Tensor,
        constraint_places: Tensor,
        to_variable: Tensor,
        to_constraint: Tensor,
        edges: Tensor,
        unit: Tensor,
        change: Tensor,
    ) -> dict[str, Any]:
        answers = real * self.model.decode(z, (A, constraints, variables))
        here = (self.grid - change).abs().argmin().reshape(1)
        y, best, other, c, way = (
            each.index_select(0, here).squeeze(0)
            for each in (answers, solutions, rival, costs, (answers - solutions[:1]) @ across)
        )
        over = A[0] @ y - b
        violation = torch.where(equality > 0.5, over.abs(), over.clamp(min=0))
        height = self.height + (violation / unit).clamp(max=0.4 * self.height)
        low, high = ((bound / unit).clamp(-self.reach, self.reach) for bound in (lower, upper))
        gap = torch.full_like(y, torch.nan)
        hole = torch.full_like(edges[:, 0], torch.nan)
        nothing = 0 * y[0]  # an exported graph gives out what it computes, not what it stores

        def line(from_: Tensor, to: Tensor, hole: Tensor) -> Tensor:
            return torch.stack([from_, to, hole], dim=1).flatten()

        def along(points: Tensor) -> Tensor:
            return (points - solutions[:1]) @ across

        return {
            "variable": variable_places + nothing,
            "y": y / unit,
            "optimum": best / unit + nothing,
            "bounds x": line(variable_places + nothing, variable_places + nothing, gap),
            "bounds y": line(low + nothing, high + nothing, gap),
            "edges x": line(edges[:, 0] + nothing, edges[:, 1] + nothing, hole),
            "edges y": line(to_constraint @ height, to_variable @ y / unit, hole),
            "constraint x": constraint_places + nothing,
            "constraint y": height,
            "grid": self.grid + nothing,
            "answer": along(answers),
            "true answer": along(solutions) + nothing,
            "rival answer": along(rival) + nothing,
            "change here": change + nothing,
            "answer here": way,
            "error": relative_error(y[None], best[None])[0],
            "rival error": relative_error(other[None], best[None])[0] + nothing,
            "objective": c @ y,
            "optimal objective": c @ best + nothing,
            "relative objective": c @ y / (c @ best).abs().clamp(min=1e-9),
            "violation": torch.cat([violation, 0 * y[:1]]).max(),
            "slope": answers.diff(dim=0).norm(dim=1).max() / self.spacing,
            "true slope": solutions.diff(dim=0).norm(dim=1).max() / self.spacing + nothing,
        }
