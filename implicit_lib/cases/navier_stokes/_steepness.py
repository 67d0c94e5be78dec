"""Two walks from nearly the same forcing as torch modules: how steep an iterate is, beside the equation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from implicit_lib.cases._walks import Walks, frozen, picked

from ._evaluation import steepest
from ._flow import Flow, length
from ._networks import ImplicitFNO
from ._views import Enlarge


class Directions(NamedTuple):
    """Changes of a forcing, and by how much the equation lets its flow change along each.

    Attributes:
        change: δ (D, N, N), each of length 1.
        moved: what it does to the flow, to first order (D, N, N); its length is the slope.
    """

    change: Tensor
    moved: Tensor


@torch.no_grad()
def directions(flow: Flow, vorticity: Tensor) -> Directions:
    """The steepest direction at a steady flow (N, N), and those along which its vorticity moves by sin y and sin 2x.

    Args:
        flow: the equation, in float64.
        vorticity: ω.
    """
    at = 2 * torch.pi / flow.torus.side * torch.arange(flow.torus.side).to(vorticity)
    sines = torch.stack([torch.sin(at[:, None] + 0 * at), torch.sin(2 * at + 0 * at[:, None])])
    changes = flow.derivative_at(vorticity)(sines)
    size = length(changes)[:, None, None]
    most = steepest(flow, vorticity)
    return Directions(torch.cat([most.forcing[None], changes / size]), torch.cat([most.vorticity[None], sines / size]))


def steepness(
    model: ImplicitFNO, flow: Flow, vorticity: Tensor, along: Sequence[Directions], damping: float = 0.5
) -> Walks:
    """The walk of the model from a forcing g, and from g + δ beside it.

    The reader chooses the flow, the direction, and log10 of ‖δ‖ / ‖g‖. The view has the pictures (3 · PICTURE²,) of δ,
    of ω_t(g + δ) − ω_t(g) and of what the equation makes of δ to first order, each in its own unit, the last two in the
    same; and the scalars L, ‖ω_t(g + δ) − ω_t(g)‖ / ‖δ‖, and slope, that of the equation.

    Args:
        model: it is copied.
        flow: the equation.
        vorticity: flows to choose from (F, N, N).
        along: for each of them the directions to choose from.
        damping: of the iteration.
    """
    one = frozen(model)
    start = torch.zeros(2, one.blocks.width, *vorticity.shape[-2:])
    return Walks(_Encode(one, flow, vorticity, along), _Step(one, damping), _View(one, flow), {"h": start})


class _Encode(nn.Module):
    forcing: Tensor
    change: Tensor
    moved: Tensor

    def __init__(self, model: ImplicitFNO, flow: Flow, vorticity: Tensor, along: Sequence[Directions]) -> None:
        super().__init__()
        self.lift = model.encoder
        self.register_buffer("forcing", flow.forcing_of(vorticity).float())
        self.register_buffer("change", torch.stack([each.change for each in along]).float())
        self.register_buffer("moved", torch.stack([each.moved for each in along]).float())

    def forward(self, which: Tensor, direction: Tensor, size: Tensor) -> tuple[Tensor, ...]:
        g = picked(self.forcing, which)
        unit, moved = (picked(picked(each, which), direction) for each in (self.change, self.moved))
        change = 10**size * length(g) * unit
        return self.lift(torch.stack([g, g + change])), change, moved


class _Step(nn.Module):
    def __init__(self, model: ImplicitFNO, damping: float) -> None:
        super().__init__()
        self.blocks, self.damping = model.blocks, damping

    def forward(self, z: dict[str, Tensor], q: Tensor, change: Tensor, moved: Tensor) -> dict[str, Tensor]:
        return {"h": z["h"] + self.damping * (self.blocks(z["h"], q) - z["h"])}


class _View(nn.Module):
    def __init__(self, model: ImplicitFNO, flow: Flow) -> None:
        super().__init__()
        self.decoder, self.enlarge = model.decoder, Enlarge(flow.torus.side)

    def forward(
        self, z: dict[str, Tensor], previous: dict[str, Tensor], q: Tensor, change: Tensor, moved: Tensor
    ) -> dict[str, Tensor]:
        vorticity = self.decoder(z["h"])
        apart = (vorticity[1] - vorticity[0]) / length(change)
        unit = 2 * moved.square().mean().sqrt()
        return {
            "change": self.enlarge(change[None] / (2 * change.square().mean().sqrt())),
            "apart": self.enlarge(apart[None] / unit),
            "moved": self.enlarge(moved[None] / unit),
            "L": length(apart),
            "slope": length(moved),
        }
