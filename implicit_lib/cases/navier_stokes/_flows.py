"""The data: random steady flows with their forcings, every one of which Newton's method finds again."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from implicit_lib.cases._files import WeightsError, read_tensors, write_tensors
from implicit_lib.cases._running import Progress

from ._flow import Flow
from ._steady import newton_krylov
from ._torus import Torus

CHUNK = 50
"""Flows drawn and tried at once. It decides which random numbers a flow gets, so that it belongs to the data."""

HIGHEST_WAVE = 7
"""|k| of the drawn flows: their forcings have waves up to twice that, which 32 points a side resolve without error."""

WAVES = 2 * HIGHEST_WAVE + 1
"""Coefficients along an axis that tell a flow."""

_SAME = 1e-6
"""Two flows within this relative distance of each other are one."""


@dataclass(frozen=True, eq=False)
class Pairs:
    """Forcings and the vorticities that they drive: what a network is trained or judged on.

    Attributes:
        forcing: g (B, N, N), float64.
        vorticity: ω (B, N, N), float64.
    """

    forcing: Tensor
    vorticity: Tensor


@dataclass(frozen=True, eq=False)
class Flows(Pairs):
    """Steady flows at one viscosity.

    Attributes:
        forcing: g (B, N, N), float64.
        vorticity: ω (B, N, N), float64, with `Flow.relative_residual` at rounding.
        drawn: how many flows were drawn for these.
        elsewhere: how many were left out since Newton's method, from their forcing, arrives at another flow.
        unreached: how many were left out since it does not arrive.
    """

    drawn: int
    elsewhere: int
    unreached: int


def draw(count: int, flow: Flow, generator: torch.Generator) -> Tensor:
    """`count` random vorticities (count, N, N), float64, of largest velocity 1.

    The coefficient of a wave k is normal, of standard deviation (|k|² + 4)⁻² for |k| ≤ 7, and 0 beyond: large eddies
    with smaller ones in them. They are steady under `Flow.forcing_of`: solutions are manufactured, since whoever draws
    forcings instead knows the flow only as well as a solver does. The same random numbers give the same flow on any
    number of points from 32 on.

    Raises:
        ValueError: the flow has fewer points a side.
    """
    squares = Torus(2 * WAVES).squares[:WAVES, :WAVES]
    size = torch.where((squares > 0) & (squares <= HIGHEST_WAVE**2), (squares + 4) ** -2.0, 0)
    normal = torch.randn(count, WAVES, WAVES, generator=generator, dtype=torch.float64)
    vorticity = from_waves(normal * size, flow)
    return vorticity / _fastest(flow, vorticity)


def from_waves(coefficients: Tensor, flow: Flow) -> Tensor:
    """Fields (B, N, N) of the `Torus.coefficients` of the lowest waves (B, WAVES, WAVES).

    Raises:
        ValueError: the flow has fewer than 32 points a side.
    """
    if flow.torus.side < 32:
        raise ValueError(f"the flows have waves that need 32 points a side; the flow has {flow.torus.side}")
    rest = flow.torus.side - 1 - WAVES
    return flow.torus.values(torch.nn.functional.pad(coefficients, (0, rest, 0, rest)).to(flow.torus.squares))


def _fastest(flow: Flow, vorticity: Tensor) -> Tensor:
    """The largest |u| (…, 1, 1), on 32 × 32 of the points."""
    every = flow.torus.side // 32
    u = flow.torus.velocity(vorticity)[..., ::every, ::every]
    return u.square().sum(dim=-3).amax(dim=(-2, -1), keepdim=True).sqrt()


POSES = 8
"""In so many ways a flow can be turned and mirrored on the torus."""


def posed(field: Tensor, pose: Tensor) -> Tensor:
    """Vorticities or forcings (B, N, N), each turned or mirrored by the number (B,) of its pose, 0 … 7.

    A mirror turns vorticity, and what drives it, round. Posed alike, a flow is steady under its forcing still.
    """
    for bit, mirror in enumerate((_left_to_right, _top_to_bottom, _across)):
        chosen = (pose >> bit & 1).bool()[:, None, None]
        field = torch.where(chosen, -mirror(field), field)
    return field


def _left_to_right(field: Tensor) -> Tensor:
    return field.flip(-1).roll(1, -1)  # so that the point 0 stays where it is


def _top_to_bottom(field: Tensor) -> Tensor:
    return field.flip(-2).roll(1, -2)


def _across(field: Tensor) -> Tensor:
    return field.mT


def generate(
    count: int,
    *,
    seed: int,
    side: int = 32,
    viscosity: float = 0.1,
    file: Path | None = None,
    progress: Progress | None = None,
) -> Flows:
    """The first `count` random flows of this seed that Newton's method finds from their forcings.

    At a viscosity where several flows are steady under one forcing, this makes forcing ↦ flow a map: it chooses the one
    that Newton's method reaches from rest. What is left out is counted. Less than a tenth of a second a flow.

    Args:
        count: how many, at least 1.
        seed: of the random numbers. A larger count begins with the flows of a smaller one.
        side: N, a multiple of 32.
        viscosity: ν.
        file: where what is found is kept; interrupted, the same call goes on from there. It is left in place.
        progress: called with a line that tells how many there are, and the time left.

    Raises:
        ValueError: a number is out of its range.
        WeightsError: the file is damaged, or of other flows.
    """
    if count < 1 or side < 32 or side % 32:
        raise ValueError(f"count must be at least 1 and side a multiple of 32; got {count} and {side}")
    flow = Flow(side, viscosity)
    kind = torch.tensor([seed, side, viscosity], dtype=torch.float64)
    found, tally = _kept(file, kind, flow)
    begin, had = time.perf_counter(), len(found)
    while len(found) < count:
        new, counted = _chunk(flow, seed, int(tally[0]) // CHUNK)
        found, tally = torch.cat([found, new]), tally + counted
        if file is not None:
            write_tensors({"vorticity": found, "tally": tally, "kind": kind}, file)
        if progress is not None:
            left = (time.perf_counter() - begin) / max(len(found) - had, 1) * max(count - len(found), 0)
            progress(f"steady flows: {min(len(found), count)} of {count}, {left:.0f} s left")
    vorticity = found[:count]
    return Flows(flow.forcing_of(vorticity), vorticity, *(int(number) for number in tally))


def _chunk(flow: Flow, seed: int, number: int) -> tuple[Tensor, Tensor]:
    """The flows of the chunk that Newton's method finds again; and how many were drawn, led elsewhere, unreached."""
    vorticity = draw(CHUNK, flow, torch.Generator().manual_seed(1_000_003 * seed + number))
    again = newton_krylov(flow, flow.forcing_of(vorticity), tol=1e-10)
    size = torch.linalg.vector_norm(vorticity, dim=(1, 2))
    same = torch.linalg.vector_norm(again.vorticity - vorticity, dim=(1, 2)) <= _SAME * size
    kept = again.arrived & same
    elsewhere, unreached = (again.arrived & ~same).sum(), (~again.arrived).sum()
    return vorticity[kept], torch.stack([torch.tensor(CHUNK), elsewhere, unreached])


def _kept(file: Path | None, kind: Tensor, flow: Flow) -> tuple[Tensor, Tensor]:
    """What the file holds, or nothing."""
    side = flow.torus.side
    if file is None or not file.exists():
        return torch.zeros(0, side, side, dtype=torch.float64), torch.zeros(3, dtype=torch.int64)
    vorticity, tally, of = read_tensors(file, ("vorticity", "tally", "kind"))
    if not torch.equal(of, kind):
        raise WeightsError(f"{file} holds flows of another seed, size or viscosity; choose another file, or delete it")
    return vorticity, tally
