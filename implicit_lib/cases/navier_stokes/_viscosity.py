"""Two walks to a steady flow at any viscosity, and how steep they are: the equation's own, and a trained network's."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from implicit_lib.cases._walks import Walks

from ._data import VISCOSITY
from ._networks import Block, ImplicitFNO, Project
from ._torus import Torus

STEPS = 5
"""Steps of the equation's walk in one iteration."""

CHANGE = 1e-5
"""By so much, along δ, the forcing of the equation's second walk differs; what the walks differ by tells the slope."""

FOOT = -2.0
"""The amplitude at the foot of the stem on which a walk's amplitude is shown."""


class Held(NamedTuple):
    """Flows that are held at every viscosity by the forcings u·∇ω − νΔω, a row for each of F flows.

    Attributes:
        vorticity: ω° (F, N, N).
        mode: φ (F, N, N), along which walks leave it.
        adjoint: ψ (F, N, N): the sum of ψ(ω − ω°) over all points is the amplitude of ω, 1 for ω° + φ.
        direction: δ (F, N, N) of length 1: the change of the forcing along which slopes are told.
    """

    vorticity: Tensor
    mode: Tensor
    adjoint: Tensor
    direction: Tensor


def viscosity_parts(network: ImplicitFNO, held: Held, curves: Mapping[str, Tensor]) -> Walks:
    """The walk y ← y + (−Δ)⁻¹(g − u·∇y + νΔy) and the network's damped walk, each with its slope along δ.

    A forcing g at viscosity ν is one of (ν₀/ν)² g at the viscosity ν₀ that the network knows, and the vorticity there
    is ν₀/ν times that here: so the network answers at any viscosity.
    Of its answers, the waves that the points resolve count.

    Args:
        network: implicit, on N × N points.
        held: the flows to choose from, in float64.
        curves: arrays (F, P) that are shown as they are, by their names.

    Returns:
        Walks whose encoder reads the viscosity, the number of the flow, and the amplitude of φ beside it at which the
        equation's walk starts; the network starts at rest. The view has the pictures "held", "walk" and "network";
        "viscosity" twice, and of both walks "amplitude", after FOOT: the ends of a stem; the scalars "viscosity here",
        "reynolds", and of both walks "slope", "slope drawn" (NaN for 0) and "distance" from the held flow, relative;
        the walk's "residual", relative; "apart", the distance of the network from the walk, relative to the held flow;
        and the curves.
    """
    torus, waves = Torus(held.vorticity.shape[-1]), torch.zeros_like(Torus(held.vorticity.shape[-1]).squares)
    inside = torch.zeros(network.encoder(held.vorticity[:1]).shape[1:]).to(waves)
    start = {"y": torch.stack([waves, waves]), "h": inside, "dh": inside}
    rows = Held(*(torus.coefficients(each) for each in held))
    return Walks(_Posed(network, rows, torus), _Step(network, torus), _Seen(network, rows, torus, curves), start)


class _Posed(nn.Module):
    """(ν, flow, start) ↦ (g and g + CHANGE · δ, y₀, q, dq, ν, flow), by coefficients; δ has the mean square 1."""

    held: Tensor
    mode: Tensor
    direction: Tensor

    def __init__(self, network: ImplicitFNO, held: Held, torus: Torus) -> None:
        super().__init__()
        self.encoder, self.torus = network.encoder, torus
        self.register_buffer("held", held.vorticity)
        self.register_buffer("mode", held.mode)
        self.register_buffer("direction", held.direction * torus.side)

    def forward(self, viscosity: Tensor, flow: Tensor, start: Tensor) -> tuple[Tensor, ...]:
        held, mode, direction = (_row(rows, flow) for rows in (self.held, self.mode, self.direction))
        forcing = self.torus.advected(held) + viscosity * self.torus.squares * held
        asked = (VISCOSITY / viscosity).square() * torch.stack([forcing, forcing + direction])
        q, moved = self.encoder(self.torus.values(asked))
        return (
            torch.stack([forcing, forcing + CHANGE * direction]),
            held + start * mode,
            q.to(held),
            (moved - q).to(held),  # the encoder is affine: this is its derivative
            viscosity + 0,  # an exported graph gives out what it computes, not what it stores
            flow + 0,
        )


class _Step(nn.Module):
    """All walks; y is kept as its distance from the start, which depends on the controls."""

    def __init__(self, network: ImplicitFNO, torus: Torus) -> None:
        super().__init__()
        self.blocks, self.torus = network.blocks, torus

    def forward(self, z: dict[str, Tensor], *posed: Tensor) -> dict[str, Tensor]:
        forcing, start, q, dq, viscosity, _ = posed
        y, waves = z["y"] + start, self.torus.squares.clamp(min=1)
        for _ in range(STEPS):
            y = (1 - viscosity) * y + (forcing - self.torus.advected(y)) / waves
        h = torch.stack([z["h"], z["dh"]]).float()
        told = torch.stack([q, dq]).float()
        for block in cast("Iterable[Block]", self.blocks.blocks):
            h = _activated(block.waves(h) + _linear(block.points, h) + block.injection(told), block.points)
        h, dh = h.to(y)
        return {"y": y - start, "h": 0.5 * z["h"] + 0.5 * h, "dh": 0.5 * z["dh"] + 0.5 * dh}


class _Seen(nn.Module):
    """What the figure shows."""

    held: Tensor
    adjoint: Tensor

    def __init__(self, network: ImplicitFNO, held: Held, torus: Torus, curves: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.decoder, self.torus, self.names = cast("Project", network.decoder), torus, tuple(curves)
        self.register_buffer("held", held.vorticity)
        self.register_buffer("adjoint", held.adjoint * torus.side**2)
        for number, rows in enumerate(curves.values()):
            self.register_buffer(f"curve{number}", rows)

    def forward(self, z: dict[str, Tensor], previous: dict[str, Tensor], *posed: Tensor) -> dict[str, Tensor]:
        (forcing, _), start, _, _, viscosity, flow = posed
        held, adjoint = _row(self.held, flow), _row(self.adjoint, flow)
        walk, beside = z["y"] + start
        network, moved = self.torus.coefficients(self._decoded(z["h"], z["dh"]).to(walk)) * (viscosity / VISCOSITY)
        rest = forcing - self.torus.advected(walk) - viscosity * self.torus.squares * walk
        at = self.torus.values(held)
        seen = {"held": _colours(at, at), "viscosity": torch.stack([viscosity, viscosity]), "reynolds": 1 / viscosity}
        seen["viscosity here"] = viscosity + 0
        for name, found, change in (("walk", walk, (beside - walk) / CHANGE), ("network", network, moved)):
            seen[name] = _colours(self.torus.values(found), at)
            seen[f"{name} amplitude"] = torch.stack([viscosity * 0 + FOOT, (adjoint * (found - held)).sum()])
            seen[f"{name} slope"] = change.norm()
            seen[f"{name} slope drawn"] = torch.where(change.norm() > 0, change.norm(), torch.nan)
            seen[f"{name} distance"] = (found - held).norm() / held.norm()
        return {
            **seen,
            "residual": rest.norm() / forcing.norm(),
            "apart": (network - walk).norm() / held.norm(),
            **{name: _row(getattr(self, f"curve{n}"), flow) for n, name in enumerate(self.names)},
        }

    def _decoded(self, h: Tensor, dh: Tensor) -> Tensor:
        """The network's answer, and its derivative along dh, (2, N, N)."""
        both = _linear(self.decoder.hidden, torch.stack([h, dh]).float())
        field = _linear(self.decoder.last, _activated(both, self.decoder.hidden)).squeeze(1)
        centred: Tensor = self.decoder.units.vorticity * (field - field.mean(dim=(1, 2), keepdim=True))
        return centred


def _linear(layer: nn.Conv2d, h: Tensor) -> Tensor:
    return nn.functional.conv2d(h, layer.weight)


def _activated(both: Tensor, layer: nn.Conv2d) -> Tensor:
    """GELU of the first of two fields (2, C, N, N) plus the bias of `layer`; and its derivative along the second."""
    x, dx = both[0] + cast("Tensor", layer.bias)[:, None, None], both[1]
    below = 0.5 * (1 + torch.erf(x / math.sqrt(2)))
    density = torch.exp(-x.square() / 2) / math.sqrt(2 * math.pi)
    return torch.stack([x * below, (below + x * density) * dx])


def _row(rows: Tensor, number: Tensor) -> Tensor:
    return rows.index_select(0, number.long().reshape(1)).squeeze(0)


def _colours(field: Tensor, held: Tensor) -> Tensor:
    """Red where it turns left, blue where it turns right, white where not at all; (3 · N²,), y upwards."""
    strength = (field / held.abs().max()).clamp(-1, 1).flip(0).flatten()
    up, down = strength.clamp(min=0), (-strength).clamp(min=0)
    return torch.cat([1 - 0.85 * down, 1 - 0.7 * down - 0.75 * up, 1 - 0.3 * down - 0.95 * up])
