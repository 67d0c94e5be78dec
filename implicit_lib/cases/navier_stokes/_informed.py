"""The equation inside the operator: a network proposes a step from what is missing, and the equation corrects it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from implicit_lib.gradients import Gradient
from implicit_lib.model import ImplicitModel

from ._flow import Flow, length
from ._networks import BOOK_UNITS, Block, FNOSize, Units
from ._steady import combined, shortened

_SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Of a proposed step, of which the best is taken."""

_FAR = 1.0
"""Nothing is proposed where less is missing than there is: near a flow its equation is the better guide."""


@dataclass(frozen=True, kw_only=True)
class InformedSize:
    """How large an informed operator is.

    Attributes:
        network: of what proposes; None: nothing does.
        krylov: directions that a correction is combined of.
    """

    network: FNOSize | None
    krylov: int


class Proposal(nn.Module):
    """B_Θ: a Fourier neural operator from where the iterate is, and what is missing, to a step towards the flow.

    Its size is proportional to what is missing: its output is multiplied by ‖p‖, and its input p/‖p‖ does not fade.
    """

    def __init__(self, size: FNOSize, side: int, units: Units) -> None:
        super().__init__()
        self.units = units
        self.lift = nn.Conv2d(6, size.width, 1)
        self.blocks = nn.ModuleList(Block(size, side) for _ in range(size.blocks))
        self.project = nn.Conv2d(size.width, 1, 1)

    def forward(self, vorticity: Tensor, u: Tensor, missing: Tensor, bent: Tensor) -> Tensor:
        """The step (B, N, N), of mean 0, from ω, u (B, 2, N, N), p and J p − p."""
        size = length(missing).clamp(min=torch.finfo(missing.dtype).tiny)[:, None, None] / missing.shape[-1]
        unit = self.units.vorticity
        seen = torch.stack([vorticity / unit, missing / unit, missing / size, bent / size], dim=1)
        q = self.lift(torch.cat([seen, 2 * u], dim=1))
        h = q
        for block in self.blocks:
            h = block(h, q)
        step = self.project(h).squeeze(1)
        proposed: Tensor = size * (step - step.mean(dim=(1, 2), keepdim=True))
        return proposed


class InformedOperator(nn.Module):
    """G_Θ(ω, g): ω + s B_Θ(ω, p), then one short step of Newton's method from there.

    p = (−νΔ)⁻¹(g − u·∇ω + νΔω) is what is missing, a flow. Where ‖p‖ > ‖ω‖, the network proposes a step of the size of
    p. The share s ∈ {0, ¼, ½, ¾, 1} of it is taken after which least is missing: by that measure none can do harm.
    The correction is combined of `krylov` directions, as in `newton_krylov`. Where p = 0 both steps are 0: whatever the
    network has learned, steady flows are fixed points exactly.

    Args:
        size: of the network, and how many directions.
        flow: the equation; it is copied, in float32.
        units: of vorticity, in which the network sees it.
    """

    def __init__(self, size: InformedSize, flow: Flow, *, units: Units = BOOK_UNITS) -> None:
        super().__init__()
        self.size = size
        side = flow.torus.side
        self.flow = Flow(side, flow.viscosity).float()
        self.proposal = Proposal(size.network, side, units) if size.network else None

    def forward(self, vorticity: Tensor, forcing: Tensor) -> Tensor:
        """The next ω (B, N, N), of ω and g (B, N, N)."""
        return self.advance(vorticity, forcing, _FAR)

    def advance(self, vorticity: Tensor, forcing: Tensor, far: float) -> Tensor:
        """As `forward`, with proposals where ‖p‖ > far · ‖ω‖."""
        flow, missing = self.flow, self.missing(vorticity, forcing)
        if self.proposal is not None:
            step, bent = self.propose(vorticity, missing)
            rest = step + bent, flow.stokes(flow.torus.advection(step))
            is_far = (length(missing) > far * length(vorticity)).to(missing)[:, None, None]
            share = is_far * self._best(missing, *rest)
            vorticity, missing = vorticity + share * step, missing - share * rest[0] - share.square() * rest[1]
        inertia = flow.torus.advection_at(vorticity)
        step = combined(lambda change: change + flow.stokes(inertia(change)), missing, self.size.krylov)
        return vorticity + shortened(step, vorticity, forcing)

    def missing(self, vorticity: Tensor, forcing: Tensor) -> Tensor:
        """p (B, N, N), of ω and g."""
        return self.flow.stokes(self.flow.residual(vorticity, forcing))

    def propose(self, vorticity: Tensor, missing: Tensor) -> tuple[Tensor, Tensor]:
        """B_Θ(ω, p) =: d (B, N, N), and J d − d, where −J is the derivative of p.

        Raises:
            ValueError: the operator has no network.
        """
        if self.proposal is None:
            raise ValueError("this operator proposes nothing: its size has no network")
        flow = self.flow
        inertia = flow.torus.advection_at(vorticity)
        u = flow.torus.velocity(vorticity)
        step = flow.torus.resolved(self.proposal(vorticity, u, missing, flow.stokes(inertia(missing))))
        return step, flow.stokes(inertia(step))

    @staticmethod
    def _best(missing: Tensor, image: Tensor, bend: Tensor) -> Tensor:
        """The share (B, 1, 1) after which ‖p − s J d − s² (−νΔ)⁻¹(u_d·∇d)‖ is least: exactly what is missing there."""
        shares = missing.new_tensor(_SHARES)[:, None, None, None]
        left = length(missing - shares * image - shares.square() * bend)  # (S, B)
        best = (left == left.amin(dim=0)).to(left) * shares[:, :, 0, 0]
        return best.amax(dim=0)[:, None, None]


class ImplicitInformed(ImplicitModel):
    """g ↦ ω* with ω* = G_Θ(ω*, g), from ω_0 = 0: a physics-informed implicit operator.

    Source: the advice of Liu, Ding, Osher, Yin (arXiv:2510.03638), Section 4, to put what is known into G; the operator
    is this book's own.

    Args:
        size: of G_Θ.
        flow: the equation; the operator computes in float32.
        units: of vorticity, in which the network sees it.
        gradient: how to differentiate through the equilibrium; None: `ImplicitGradient()`.
    """

    def __init__(
        self, size: InformedSize, flow: Flow, *, units: Units = BOOK_UNITS, gradient: Gradient | None = None
    ) -> None:
        super().__init__(InformedOperator(size, flow, units=units), gradient=gradient, max_iter=100, tol=1e-5)

    @property
    def informed(self) -> InformedOperator:
        """G_Θ."""
        return cast("InformedOperator", self.operator)
