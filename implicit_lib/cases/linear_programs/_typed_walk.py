"""A typed linear program in a figure: read, solved and padded to one size, so that one graph serves every program.

A variable or a constraint without edges changes nothing in a graph network. What is padding has cost, row and bounds 0,
is held at 0, and is not drawn.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from implicit_lib.explore import Reading, Text

from ._networks import BOOK_UNITS, ExplicitGNN, ImplicitGNN
from ._optimum import solve_one
from ._program import Array, LinearProgram, LinearProgramError
from ._typed import parse
from ._views import Places, Walk, at_every_point, encoded, is_number, walk_by

VARIABLES, CONSTRAINTS = 8, 6
"""How many of them a figure has room for."""

ARRAYS = (*LinearProgram._fields, "optima", "sizes", "unit")
"""What systems read of a typed program, in the order in which the walk's `encode` takes it.

The fields of a `LinearProgram`, without B and with padding; optima (S, n), NaN where there is none; the numbers of its
variables and constraints; the unit that values are drawn in, at least 1.
"""

_SIGHT = 10.0  # units: values up to it are in sight
_REASONS = {
    "is infeasible": "no values satisfy all lines together; relax one of them",
    "is unbounded": "the objective can be made as good as one likes; bound the variables, or check its signs",
}
_HINT = (
    "First 'min:' or 'max:' and the objective, then a line for each constraint or bound, such as x + 2y <= 4, "
    f"x - y = 1 or 0 <= x <= 10. At most {VARIABLES} variables and {CONSTRAINTS} constraints."
)


def read_program(text: str, changes: Sequence[float]) -> Reading:
    """The arrays of a typed program, named as in `ARRAYS`.

    Its costs are scaled so that the largest is `BOOK_UNITS.cost`, the size of those that networks are trained on. The
    optimum is computed for every change, in these units, of the first variable's cost.

    Args:
        text: in the grammar of `parse`.
        changes: S of them; the one nearest to 0 is the program itself.

    Raises:
        LinearProgramError: a line cannot be read, it has too many, or there is no optimum.
    """
    program, names = parse(text)
    A, b, equality, c, lower, upper = (field[0].numpy() for field in program)
    m, n = A.shape
    if n > VARIABLES or m > CONSTRAINTS:
        raise LinearProgramError(
            f"it has {n} variables and {m} constraints, bounds not counted; the figure has room for {VARIABLES} and "
            f"{CONSTRAINTS}"
        )
    c = BOOK_UNITS.cost * c / (np.abs(c).max() or 1.0)
    first, home = np.eye(n)[0], int(np.argmin(np.abs(changes)))
    found = [solve_one(A, b, equality, c + BOOK_UNITS.cost * change * first, lower, upper) for change in changes]
    optimal = found[home]
    if isinstance(optimal, str):
        reason = next((each for each in _REASONS if optimal.startswith(each)), "")
        raise LinearProgramError(f"it {reason}: {_REASONS[reason]}" if reason else _UNSOLVED)
    optima = np.array([np.full(n, np.nan) if isinstance(each, str) else each for each in found])
    unit = _unit(optima)
    wide, tall = (0, VARIABLES - n), (0, CONSTRAINTS - m)
    arrays = {
        "A": np.pad(A, (tall, wide)),
        "b": np.pad(b, tall),
        "equality": np.pad(equality, tall),
        "c": np.pad(c, wide),
        "lower": np.pad(lower, wide),
        "upper": np.pad(upper, wide),
        "optima": np.pad(optima, ((0, 0), wide)),
        "sizes": np.array([n, m], dtype=np.float64),
        "unit": np.array(unit),
    }
    return Reading(arrays=arrays, ticks=_ticks(names, unit), said=_said(names, optimal, optima))


_UNSOLVED = "HiGHS cannot solve it; its numbers may be of too different sizes"


def _unit(optima: Array) -> float:
    """The least of 1, 2, 5, 10, 20, … in which all of them are in sight."""
    largest = max(float(np.nanmax(np.abs(optima))), _SIGHT) * (1 - 1e-9) / _SIGHT
    power = 10.0 ** math.floor(math.log10(largest) + 1e-12) if largest > 1 else 1.0
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= largest)


def _ticks(names: Sequence[str], unit: float) -> dict[str, list[tuple[float, str]]]:
    """Names where `typed_walk` places the variables, and values in their own unit."""
    levels = (-_SIGHT, -_SIGHT / 2, 0.0, _SIGHT / 2, _SIGHT)
    return {
        "x": [((j + 0.5) / len(names), name) for j, name in enumerate(names)],
        "y": [(level, f"{level * unit:.0f}".replace("-", "−")) for level in levels],
    }


def _said(names: Sequence[str], optimal: Array, optima: Array) -> str:
    """What the reader is told: the optimum, and where there is none."""
    values = ", ".join(f"{name} = {value:.3f}" for name, value in zip(names, optimal, strict=True))
    said = f"HiGHS's optimum: {values.replace('-', '−').replace('−0.000', '0.000')}."
    missing = int(np.isnan(optima[:, 0]).sum())
    return said + f" With {missing} of the {len(optima)} changes of the cost of {names[0]} there is none." * bool(
        missing
    )


def program_text(examples: Mapping[str, str], changes: Sequence[float]) -> Text:
    """The control that a linear program is typed into, for `typed_walk`.

    Args:
        examples: programs by their labels; the first can be solved.
        changes: as for `read_program`.
    """
    given = tuple(float(change) for change in changes)
    return Text(
        name="program",
        label="Linear program",
        hint=_HINT,
        examples={label: text.strip() for label, text in examples.items()},
        read=lambda text: read_program(text, given),
        page="./linear_program.js",
        parameters={"changes": given, "variables": VARIABLES, "constraints": CONSTRAINTS, "cost": BOOK_UNITS.cost},
    )


def typed_walk(model: ImplicitGNN, rival: ExplicitGNN, changes: Sequence[float], *, shelf: float = 12.0) -> Walk:
    """The walk of ŷ_t to the optimum of a typed program, as `walk` has it; its `encode` takes `ARRAYS`.

    In the view, variables and constraints are spread along the axis from 0 to 1, and what is padding has no place, NaN;
    the edges are all pairs, those of weight 0 without a place.

    Args:
        model, rival: they are copied.
        changes: of the first variable's cost, as for `read_program`, in equal steps.
        shelf: as for `walk`, in the unit in which values are drawn.
    """
    grid = BOOK_UNITS.cost * torch.tensor(changes, dtype=torch.float64)
    return walk_by(_Encode(model, rival, grid), model, grid, VARIABLES, shelf=shelf, reach=shelf)


class _Encode(nn.Module):
    grid: Tensor

    def __init__(self, model: ImplicitGNN, rival: ExplicitGNN, grid: Tensor) -> None:
        super().__init__()
        self.encoder = copy.deepcopy(model.encoder).cpu().double().requires_grad_(False)
        self.rival = copy.deepcopy(rival).cpu().double().requires_grad_(False)
        self.register_buffer("grid", grid)

    def forward(
        self,
        A: Tensor,
        b: Tensor,
        equality: Tensor,
        c: Tensor,
        lower: Tensor,
        upper: Tensor,
        optima: Tensor,
        sizes: Tensor,
        unit: Tensor,
    ) -> tuple[Tensor, ...]:
        # One for each network: of two clamps of one tensor, the ONNX exporter loses the limits.
        programs, theirs = (
            at_every_point((A, b, equality, c, lower, upper), self.grid, is_number(sizes.new_zeros(1), VARIABLES))
            for _ in range(2)
        )
        (real, variables), (_, constraints) = _along(sizes[0], VARIABLES), _along(sizes[1], CONSTRAINTS)
        pairs = torch.cartesian_prod(torch.arange(CONSTRAINTS), torch.arange(VARIABLES))
        ends = torch.stack([constraints.repeat_interleave(VARIABLES), variables.repeat(CONSTRAINTS)], dim=1)
        places = Places(
            real,
            variables,
            constraints,
            is_number(pairs[:, 1:].double(), VARIABLES),
            is_number(pairs[:, :1].double(), CONSTRAINTS),
            torch.where(A.reshape(-1, 1) != 0, ends, torch.nan),
            unit,
        )
        return encoded(self.encoder, programs, optima, real * self.rival(theirs), places)


def _along(used: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Which of `count` nodes are used, 1 or 0; and where they are between 0 and 1, NaN for the others."""
    numbers = torch.arange(count).double()
    is_used = numbers < used
    return is_used.double(), torch.where(is_used, (numbers + 0.5) / used, torch.nan)
