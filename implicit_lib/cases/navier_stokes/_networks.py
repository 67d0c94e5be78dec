"""Fourier neural operators from the forcing to the vorticity: explicit, block after block, and as an equilibrium."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from implicit_lib.gradients import Gradient
from implicit_lib.model import ImplicitModel
from implicit_lib.solvers import Anderson

from ._fourier import FourierLayer
from ._torus import Torus


@dataclass(frozen=True, kw_only=True)
class FNOSize:
    """How large a Fourier neural operator is.

    Attributes:
        width: channels inside.
        modes: the highest wave number of its Fourier layers.
        blocks: Fourier layers one after the other, in one operator of an implicit model, or in all of an explicit one.
    """

    width: int
    modes: int
    blocks: int


@dataclass(frozen=True, kw_only=True)
class Units:
    """What forcings and vorticities are measured in inside."""

    forcing: float
    vorticity: float


BOOK_UNITS = Units(forcing=0.4, vorticity=0.7)
"""About the root mean squares of the flows that `draw` makes at ν = 0.1."""


class Block(nn.Module):
    """h ↦ GELU(Fourier layer of h + W h + V q): q is injected into every block."""

    def __init__(self, size: FNOSize, side: int) -> None:
        super().__init__()
        self.waves = FourierLayer(size.width, size.width, size.modes, side)
        self.points = nn.Conv2d(size.width, size.width, 1)
        self.injection = nn.Conv2d(size.width, size.width, 1, bias=False)
        with torch.no_grad():  # so that blocks contract at first, and iterations have a fixed point to learn from
            self.waves.weight.mul_(0.5)
            self.points.weight.mul_(0.5)

    def forward(self, h: Tensor, q: Tensor) -> Tensor:
        """(B, width, N, N), of h and q of that shape."""
        return nn.functional.gelu(self.waves(h) + self.points(h) + self.injection(q))


class Blocks(nn.Module):
    """G_Θ(h, q): the blocks in their order."""

    def __init__(self, size: FNOSize, side: int) -> None:
        super().__init__()
        self.width = size.width
        self.blocks = nn.ModuleList(Block(size, side) for _ in range(size.blocks))

    def forward(self, h: Tensor, q: Tensor) -> Tensor:
        """(B, width, N, N)."""
        for block in self.blocks:
            h = block(h, q)
        return h


class Lift(nn.Module):
    """Q_Φ: the forcing (B, N, N), and what it would drive without inertia, point by point to (B, width, N, N)."""

    def __init__(self, size: FNOSize, side: int, units: Units) -> None:
        super().__init__()
        self.units, self.torus = units, Torus(side).float()
        self.layer = nn.Conv2d(2, size.width, 1)

    def forward(self, forcing: Tensor) -> Tensor:
        """In the dtype of the weights."""
        weight = self.layer.weight
        scaled = (forcing / self.units.forcing).to(weight)
        lifted: Tensor = self.layer(torch.stack([scaled, self.torus.poisson(scaled)], dim=1))
        return lifted


class Project(nn.Module):
    """Q_Ψ: (B, width, N, N) point by point to the vorticity (B, N, N), of mean 0."""

    def __init__(self, size: FNOSize, units: Units) -> None:
        super().__init__()
        self.units = units
        self.hidden, self.last = nn.Conv2d(size.width, 2 * size.width, 1), nn.Conv2d(2 * size.width, 1, 1)

    def forward(self, h: Tensor) -> Tensor:
        """In the dtype of the weights."""
        field = self.last(nn.functional.gelu(self.hidden(h))).squeeze(1)
        centred: Tensor = self.units.vorticity * (field - field.mean(dim=(1, 2), keepdim=True))
        return centred


class ExplicitFNO(nn.Module):
    """g ↦ ω in one pass through all blocks, from h = q; with more blocks than the implicit one's, the paper's FNO++.

    Source: Li et al., ICLR 2021 (arXiv:2010.08895); Liu, Ding, Osher, Yin (arXiv:2510.03638), Section 3.2.
    """

    def __init__(self, size: FNOSize, side: int, *, units: Units = BOOK_UNITS) -> None:
        super().__init__()
        self.lift, self.project = Lift(size, side, units), Project(size, units)
        self.blocks = Blocks(size, side)

    def forward(self, forcing: Tensor) -> Tensor:
        """The vorticity (B, N, N), of a forcing of that shape."""
        q = self.lift(forcing)
        vorticity: Tensor = self.project(self.blocks(q, q))
        return vorticity


class ImplicitFNO(ImplicitModel):
    """g ↦ ω = Q_Ψ(h*) with h* = G_Θ(h*, q), q = Q_Φ(g), from h_0 = 0.

    Source: Marwah, Pokle, Kolter, Lipton, Lu, Risteski, NeurIPS 2023 (arXiv:2312.00234); Liu, Ding, Osher, Yin
    (arXiv:2510.03638), Section 3.2.

    Args:
        size: of G_Θ and of what is around it.
        side: N, points along a side.
        units: of forcing and vorticity.
        gradient: how to differentiate through the equilibrium; None: `ImplicitGradient()`.
    """

    def __init__(
        self,
        size: FNOSize,
        side: int,
        *,
        units: Units = BOOK_UNITS,
        gradient: Gradient | None = None,
    ) -> None:
        super().__init__(
            Blocks(size, side),
            encoder=Lift(size, side, units),
            decoder=Project(size, units),
            solver=Anderson(damping=0.5),  # as trained: undamped, trained operators expand
            gradient=gradient,
            max_iter=200,
            tol=1e-4,
        )

    @property
    def blocks(self) -> Blocks:
        """G_Θ."""
        return cast("Blocks", self.operator)
