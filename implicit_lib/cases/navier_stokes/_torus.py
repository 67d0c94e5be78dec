"""Fields on the periodic square by their Fourier coefficients, with matrix products alone: exact, and exportable."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn


class Torus(nn.Module):
    """The square [0, 2π)² with opposite sides glued, and the waves that N × N points resolve: |k| < N/2 each way.

    A field f (…, N, N) holds its values at the points (2πi/N, 2πj/N): the first of the two axes is y, the second x.
    What it has of the wave |k| = N/2 is dropped, since that has no derivative on these points. All operators are real
    matrix products: they run in any floating-point dtype, have derivatives of every order and mode, and export to
    ONNX. Products of two fields are formed on 3N/2 × 3N/2 points and projected back, which is the exact Galerkin
    projection: no wave is mistaken for another (Orszag 1971).

    Args:
        side: N, an even number, at least 4.

    Raises:
        ValueError: the side is not such a number.
    """

    analysis: Tensor
    synthesis: Tensor
    wide: Tensor
    slope: Tensor
    squares: Tensor
    highest: Tensor

    def __init__(self, side: int) -> None:
        super().__init__()
        if side < 4 or side % 2:
            raise ValueError(f"side must be an even number of points, at least 4, but is {side}")
        self.side = side
        basis, _ = _waves(side, side)
        wide, slope = _waves(side, 3 * side // 2)
        k = _wave_numbers(side)
        self.register_buffer("synthesis", basis, persistent=False)
        self.register_buffer("analysis", basis.T / side, persistent=False)
        self.register_buffer("wide", wide, persistent=False)
        self.register_buffer("slope", slope, persistent=False)
        self.register_buffer("squares", k[:, None] ** 2 + k**2, persistent=False)
        self.register_buffer("highest", torch.maximum(k[:, None], k), persistent=False)

    def coefficients(self, f: Tensor) -> Tensor:
        """f̂ (…, N−1, N−1), in a basis of waves whose mean square is 1: the mean of f² is the sum of f̂²."""
        return self.analysis @ f @ self.analysis.mT

    def values(self, coefficients: Tensor) -> Tensor:
        """The field (…, N, N) of these coefficients."""
        return self.synthesis @ coefficients @ self.synthesis.mT

    def resolved(self, f: Tensor) -> Tensor:
        """The field without the wave |k| = N/2."""
        return self.values(self.coefficients(f))

    def poisson(self, f: Tensor) -> Tensor:
        """(−Δ)⁻¹ f, of mean 0; a mean of f is ignored."""
        return self.shifted(f, 0.0, 1.0)

    def shifted(self, f: Tensor, shift: float, viscosity: float) -> Tensor:
        """(shift − viscosity · Δ)⁻¹ f, of mean 0; a mean of f is ignored. shift ≥ 0, viscosity > 0."""
        size = shift + viscosity * self.squares.clamp(min=1)
        return self.values(torch.where(self.squares > 0, self.coefficients(f) / size, 0))

    def laplacian(self, f: Tensor) -> Tensor:
        """Δf."""
        return self.values(-self.squares * self.coefficients(f))

    def velocity(self, vorticity: Tensor) -> Tensor:
        """u = (u_x, u_y) = (∂_y ψ, −∂_x ψ) with −Δψ = ω, (…, 2, N, N): free of divergence, of mean 0."""
        stream, turn = self._stream(self.coefficients(vorticity)), self._turn()
        return torch.stack([self.values(turn @ stream), -self.values(stream @ turn.mT)], dim=-3)

    def divergence(self, u: Tensor) -> Tensor:
        """∂_x u_x + ∂_y u_y of a vector field (…, 2, N, N)."""
        (x, y), turn = (self.coefficients(each) for each in u.unbind(dim=-3)), self._turn()
        return self.values(x @ turn.mT + turn @ y)

    def advection(self, vorticity: Tensor) -> Tensor:
        """u · ∇ω (…, N, N), u = `velocity` of ω, projected onto the waves that are resolved."""
        return self.values(self.advected(self.coefficients(vorticity)))

    def advected(self, w: Tensor) -> Tensor:
        """The coefficients (…, N−1, N−1) of `advection`, of those of ω."""
        up, along, rising, going = self._wide(w)
        return self._projected(up * going - along * rising)

    def advection_at(self, vorticity: Tensor) -> Callable[[Tensor], Tensor]:
        """The derivative of `advection` at ω, which maps a change (…, N, N); what depends on ω is computed once."""
        up, along, rising, going = self._wide(self.coefficients(vorticity))

        def of(change: Tensor) -> Tensor:
            up_too, along_too, rising_too, going_too = self._wide(self.coefficients(change))
            product = up * going_too - along * rising_too + up_too * going - along_too * rising
            return self.values(self._projected(product))

        return of

    def _wide(self, w: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """∂_y ψ, ∂_x ψ, ∂_y ω and ∂_x ω on 3N/2 × 3N/2 points, of the coefficients of ω."""
        both = torch.stack([self._stream(w), w])
        (up, rising), (along, going) = self.slope @ both @ self.wide.mT, self.wide @ both @ self.slope.mT
        return up, along, rising, going

    def _projected(self, product: Tensor) -> Tensor:
        """The coefficients of the resolved waves of values on 3N/2 × 3N/2 points."""
        scale = (3 * self.side // 2) ** -2
        return scale * (self.wide.mT @ product @ self.wide)

    def _stream(self, vorticity: Tensor) -> Tensor:
        """The coefficients of ψ, but for its mean, which no derivative sees."""
        return vorticity / self.squares.clamp(min=1)

    def _turn(self) -> Tensor:
        """The derivative of coefficients along one axis (N−1, N−1)."""
        return self.wide.mT @ self.slope / len(self.wide)


def resampled(field: Tensor, side: int) -> Tensor:
    """A field (…, N, N) on side × side points: the waves that both resolve."""
    here, there = Torus(field.shape[-1]).to(field), Torus(side).to(field)
    found, more = here.coefficients(field)[..., : side - 1, : side - 1], max(side - field.shape[-1], 0)
    return there.values(torch.nn.functional.pad(found, (0, more, 0, more)))


def _wave_numbers(side: int) -> Tensor:
    """0, 1, 1, 2, 2, …, N/2 − 1, N/2 − 1: of 1, cos x, sin x, cos 2x, sin 2x, … (N − 1), float64."""
    return torch.arange(side - 1).add(1).div(2, rounding_mode="floor").double()


def _waves(side: int, points: int) -> tuple[Tensor, Tensor]:
    """1, √2 cos kx, √2 sin kx and their derivatives at `points` points, (points, N − 1) each, float64."""
    k = _wave_numbers(side)
    angle = 2 * math.pi / points * torch.arange(points).double()[:, None] * k
    is_sine = (torch.arange(side - 1) % 2 == 0) & (k > 0)
    size = 1 + (math.sqrt(2) - 1) * (k > 0).double()
    cosine, sine = size * angle.cos(), size * angle.sin()
    return torch.where(is_sine, sine, cosine), k * torch.where(is_sine, cosine, -sine)
