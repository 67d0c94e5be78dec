"""The walks from a forcing to its flow as torch modules: what an explorer encodes, steps and shows."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from implicit_lib.cases._walks import Walks, frozen, picked

from ._flow import Flow
from ._flows import HIGHEST_WAVE
from ._informed import ImplicitInformed
from ._networks import BOOK_UNITS, ExplicitFNO, ImplicitFNO
from ._torus import Torus
from ._training import relative_error

PICTURE = 64
"""Pixels along a side of a picture."""

ARROWS = 16
"""Arrows along a side."""

_LONGEST = 1.5
"""Of an arrow for a velocity of 1, beside the distance of two arrows."""

_EDDY = 0.5
"""The radius of an eddy, at which its vorticity has fallen to 61 %."""

_COLD, _WARM = (0.05, 0.25, 0.65), (0.75, 0.2, 0.02)
"""The colours of vorticity −1 and 1 in units; 0 is white."""


def walks(
    model: ImplicitFNO, informed: ImplicitInformed, rival: ExplicitFNO, flows: Tensor, damping: float = 0.5
) -> Walks:
    """The walks of both implicit models to a flow that the reader shapes, who sets four numbers.

    They are: which of the given flows; what it is multiplied by; and the size and the place along x, in [0, 2π], of a
    round eddy that is added. The forcing under which the outcome is steady is computed from it, and is all that the
    models are given.

    The view has the pictures (3 · PICTURE²,) forcing, flow, one pass, implicit and informed; the arrows of velocity
    as broken lines (flow|implicit) arrows (x|y); and the scalars error and imbalance of implicit, informed and one
    pass, and the fastest velocity of the flow.

    Args:
        model, informed, rival: the networks; they are copied.
        flows: vorticities to choose from (F, N, N), of the equation of `informed`.
        damping: of the iteration of `model`.
    """
    one, other, third = frozen(model), frozen(informed), frozen(rival)
    side, flow = flows.shape[-1], other.informed.flow
    start = {"h": torch.zeros(1, one.blocks.width, side, side), "w": torch.zeros(1, side, side)}
    return Walks(_Encode(one, third, flow, flows), _Step(one, other, damping), _View(one, flow), start)


class _Encode(nn.Module):
    flows: Tensor
    eddies: Tensor

    def __init__(self, model: ImplicitFNO, rival: ExplicitFNO, flow: Flow, flows: Tensor) -> None:
        super().__init__()
        self.lift, self.rival, self.flow = model.encoder, rival, flow
        self.register_buffer("flows", flows.float())
        self.register_buffer("eddies", _eddies(flow))

    def forward(self, which: Tensor, strength: Tensor, eddy: Tensor, place: Tensor) -> tuple[Tensor, ...]:
        base = picked(self.flows, which)
        turn = place * torch.arange(len(self.eddies) // 2)
        moved = torch.tensordot(torch.cat([turn.cos(), turn.sin()]), self.eddies, dims=1)
        vorticity = (strength * base + eddy * moved).unsqueeze(0)
        forcing = self.flow.forcing_of(vorticity)
        return self.lift(forcing), forcing, vorticity, self.rival(forcing)


class _Step(nn.Module):
    def __init__(self, model: ImplicitFNO, informed: ImplicitInformed, damping: float) -> None:
        super().__init__()
        self.blocks, self.informed, self.damping = model.blocks, informed.informed, damping

    def forward(self, ys: dict[str, Tensor], q: Tensor, forcing: Tensor, *seen: Tensor) -> dict[str, Tensor]:
        h = ys["h"] + self.damping * (self.blocks(ys["h"], q) - ys["h"])
        return {"h": h, "w": self.informed(ys["w"], forcing)}


class _View(nn.Module):
    def __init__(self, model: ImplicitFNO, flow: Flow) -> None:
        super().__init__()
        self.decoder, self.flow = model.decoder, flow
        self.enlarge = Enlarge(flow.torus.side)

    def forward(
        self,
        ys: dict[str, Tensor],
        previous: dict[str, Tensor],
        q: Tensor,
        forcing: Tensor,
        known: Tensor,
        rival: Tensor,
    ) -> dict[str, Tensor]:
        found = {"implicit": self.decoder(ys["h"]), "informed": ys["w"], "one pass": rival}
        seen = {"forcing": self.enlarge(forcing / (2 * BOOK_UNITS.forcing)), "flow": self._drawn(known)}
        for name, vorticity in found.items():
            seen[name] = self._drawn(vorticity)
            seen[f"{name} error"] = relative_error(vorticity, known)[0]
            seen[f"{name} imbalance"] = self.flow.relative_residual(vorticity, forcing)[0]
        for name, vorticity in (("flow", known), ("implicit", found["implicit"])):
            u = self.flow.torus.velocity(vorticity)[0]
            seen[f"{name} arrows x"], seen[f"{name} arrows y"] = _arrows(u)
        seen["fastest"] = self.flow.torus.velocity(known).square().sum(dim=1).flatten().amax(dim=0).sqrt()
        return seen

    def _drawn(self, vorticity: Tensor) -> Tensor:
        picture: Tensor = self.enlarge(vorticity / (2 * BOOK_UNITS.vorticity))
        return picture


class Enlarge(nn.Module):
    """Fields (1, N, N) in units as pictures (3 · PICTURE²,): blue below 0, white, red above; y points up."""

    up: Tensor
    along: Tensor
    colours: Tensor

    def __init__(self, side: int) -> None:
        super().__init__()
        self.torus = Torus(side).float()
        fine = Torus(PICTURE).synthesis[:, : side - 1].float()
        self.register_buffer("up", fine.flip(0))
        self.register_buffer("along", fine)
        self.register_buffer("colours", 1 - torch.tensor([_COLD, _WARM]))

    def forward(self, field: Tensor) -> Tensor:
        fine = self.up @ self.torus.coefficients(field)[0] @ self.along.mT
        both = torch.stack([(-fine).clamp(0, 1), fine.clamp(0, 1)])
        shade: Tensor = torch.tensordot(self.colours, both, dims=([0], [0]))
        return 1 - shade.flatten()


def _arrows(u: Tensor) -> tuple[Tensor, Tensor]:
    """x and y of a broken line (3 · ARROWS²,): for every arrow its foot, its tip along u (2, N, N), and a gap."""
    side = u.shape[-1]
    every, apart = side // ARROWS, 2 * math.pi / ARROWS
    tips = (u[:, ::every, ::every] * _LONGEST * apart).flatten(1)
    at = apart * torch.arange(ARROWS)
    feet = torch.stack([at.repeat(ARROWS), at.repeat_interleave(ARROWS)])
    gap = 0 * tips + torch.nan
    line = torch.stack([feet, feet + tips, gap], dim=2).flatten(1)
    return line[0], line[1]


def _eddies(flow: Flow) -> Tensor:
    """A round eddy of peak 1 by its waves along x, (2 K, N, N): those with cos kx, then those with sin kx, k < K.

    With the factors cos kp and sin kp they sum up to the eddy at x = p, y = π.
    """
    side = flow.torus.side
    at, k = 2 * math.pi / side * torch.arange(side).double(), torch.arange(HIGHEST_WAVE + 1).double()
    size = (2 - (k == 0).double()) * (-(k * _EDDY).square() / 2).exp()
    along_y = (size[:, None] * (k[:, None] * (at - math.pi)).cos()).sum(dim=0)
    turns = torch.cat([size[:, None] * (k[:, None] * at).cos(), size[:, None] * (k[:, None] * at).sin()])
    eddies = turns[:, None, :] * along_y[:, None]
    eddies[0] -= eddies[0].mean()
    peak = (size.sum() ** 2).float()
    return eddies.float() / peak
