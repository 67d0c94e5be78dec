"""The problems that every benchmark and every solver test shares: `problems()` makes one of each, small.

All are fixed-point problems y = G(y, x) whose Picard iteration converges from y0. The state can be scaled,
G'(y') = s G(y'/s, x), which changes nothing but the size of the numbers: a solver whose number of calls depends on s
has an absolute tolerance, ridge or step hidden somewhere.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn.functional import conv2d

Map = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Problem:
    """One fixed-point problem, y and x with a leading batch axis of the same length.

    Attributes:
        name: what tables call it.
        about: one line on what it is, and what is hard about it.
        map: G before scaling.
        x: the inputs (B, …).
        y0: the start (B, …), zero.
        scale: the factor s on the state.
    """

    name: str
    about: str
    map: Map = field(repr=False)
    x: Tensor = field(repr=False)
    y0: Tensor = field(repr=False)
    scale: float = 1.0

    def G(self, y: Tensor, x: Tensor) -> Tensor:
        """The operator, (B, …) → (B, …)."""
        return self.map(y, x) if self.scale == 1 else self.scale * self.map(y / self.scale, x)

    def at(self, y: Tensor) -> Tensor:
        """The operator at this problem's own inputs."""
        return self.G(y, self.x)


@dataclass(frozen=True, kw_only=True)
class Zoo:
    """Makes problems of one dtype and scale. All random numbers are drawn in float64: every dtype gets the same ones.

    Sizes are arguments; `problems` makes the small ones.
    """

    dtype: torch.dtype = torch.float32
    scale: float = 1.0
    seed: int = 0

    def tanh(self, batch: int, n: int, *, norm: float = 0.9) -> Problem:
        """tanh(W y + x), W Gaussian of spectral norm `norm`. The ones timed are 256×512 and 16×64."""
        draw = _Draw(self.seed)
        W = _of_norm(draw.normal(n, n), norm).to(self.dtype)
        about = f"a dense layer, ‖W‖ = {norm}: an equilibrium model at its simplest"
        return self._problem(f"tanh {batch}×{n}", about, _tanh(W), draw.normal(batch, n))

    def symmetric(self, batch: int, n: int, *, norm: float, drive: float = 1.0) -> Problem:
        """tanh(W y + x), W Gaussian and symmetric, of norm `norm`; the smaller x, by `drive`, the steeper at y*."""
        draw = _Draw(self.seed)
        W = draw.normal(n, n)
        W = _of_norm(W + W.mT, norm).to(self.dtype)
        about = "a dense layer with symmetric W: real eigenvalues of both signs, close to 1 in size"
        return self._problem(f"tanh symmetric {norm}", about, _tanh(W), drive * draw.normal(batch, n))

    def convolutions(self, batch: int, channels: int, side: int, *, norm: float = 0.9) -> Problem:
        """tanh(K ∗ y + x) with 3×3 kernels from all channels to all channels. The one timed is 8×32×64×64."""
        draw = _Draw(self.seed)
        kernel = draw.normal(channels, channels, 3, 3)
        # The operator norm is at most the largest singular value of the kernel's Fourier symbol, here on a fine grid.
        symbol = torch.fft.fft2(kernel, s=(16, 16)).permute(2, 3, 0, 1)
        kernel = (kernel * (norm / torch.linalg.matrix_norm(symbol, ord=2).max())).to(self.dtype)
        about = f"a convolutional layer of norm {norm}, on images: memory traffic counts"
        x = draw.normal(batch, channels, side, side)
        name = f"conv {batch}×{channels}×{side}×{side}"
        return self._problem(name, about, lambda y, x: torch.tanh(conv2d(y, kernel, padding=1) + x), x)

    def rotation(self, batch: int, n: int, *, modulus: float = 0.9) -> Problem:
        """modulus · R y + x, R turning n/2 planes, each by its own angle."""
        draw = _Draw(self.seed)
        angles = math.pi * draw.uniform(n // 2)
        R = _rotations(angles.cos(), angles.sin())
        about = "eigenvalues all around a circle: no polynomial of low degree beats Picard by much"
        return self._problem(
            f"rotations {modulus}", about, _affine((modulus * R).to(self.dtype)), draw.normal(batch, n)
        )

    def plane(self, batch: int, *, modulus: float = 0.9) -> Problem:
        """modulus · R y + x, R turning the plane by one radian: two eigenvalues, done in three steps or 131."""
        draw = _Draw(self.seed)
        angle = torch.ones(1, dtype=torch.float64)
        A = (modulus * _rotations(angle.cos(), angle.sin())).to(self.dtype)
        about = "one rotation of the plane: a history longer than the state"
        return self._problem(f"rotation {modulus}", about, _affine(A), draw.normal(batch, 2))

    def near_critical(self, batch: int, n: int, *, norm: float = 0.999) -> Problem:
        """tanh(W y + x) with W symmetric, positive, of norm `norm`, and x small: slope all but 1 at the fixed point."""
        draw = _Draw(self.seed)
        W = draw.normal(n, n)
        W = _of_norm(W @ W.mT, norm).to(self.dtype)
        about = "slopes of almost 1 that only the nonlinearity bends down: Picard creeps"
        return self._problem("near-critical", about, _tanh(W), 0.03 * draw.normal(batch, n))

    def non_normal(self, batch: int, n: int) -> Problem:
        """A y + x with A upper triangular, 0.5 on its diagonal, 0.8 above it and 0.4 next: ρ(A) = 0.5 < 1 < ‖A‖."""
        draw = _Draw(self.seed)
        bands = ((0, 0.5), (1, 0.8), (2, 0.4))
        A = sum((torch.diag(torch.full((n - k,), a, dtype=torch.float64), k) for k, a in bands), torch.zeros(n, n))
        about = "a far from normal matrix: steps grow long before they shrink"
        return self._problem("non-normal", about, _affine(A.to(self.dtype)), draw.normal(batch, n))

    def nilpotent(self, batch: int, n: int) -> Problem:
        """0.9 S y + x with S the shift, Sⁿ = 0: Picard is exact after n steps, whatever it looked like before."""
        draw = _Draw(self.seed)
        A = 0.9 * torch.diag(torch.ones(n - 1, dtype=torch.float64), -1)
        about = "a chain of n links: Picard ends after n steps, and a short memory cannot know"
        return self._problem("nilpotent", about, _affine(A.to(self.dtype)), draw.normal(batch, n))

    def deblurring(self, batch: int, side: int) -> Problem:
        """y − (Kᵀ K y − Kᵀ x) − 0.02 y: gradient steps to undo a blur K, slightly regularised."""
        draw = _Draw(self.seed)
        row = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0], dtype=torch.float64) / 16
        kernel = torch.outer(row, row)[None, None].to(self.dtype)
        images = (draw.uniform(batch, 1, side, side) > 0.7).to(torch.float64)

        def blur(y: Tensor) -> Tensor:
            return conv2d(y, kernel, padding=2)  # symmetric, so its own adjoint

        about = "linear convolution, gradient steps against a blur: fine detail creeps"
        return self._problem("deblurring", about, lambda y, x: 0.98 * y - blur(blur(y)) + blur(x), images)

    def stiff(self, batch: int, n: int) -> Problem:
        """y − η ∇φ(y), φ(y) = ½ Σ λᵢ yᵢ² + Σ log cosh (Q y)ᵢ/2 − x·y, λ from 10⁻² to 1: conditions and curvature."""
        draw = _Draw(self.seed)
        curvatures = torch.logspace(-2, 0, n, dtype=torch.float64)
        Q = torch.linalg.qr(draw.normal(n, n)).Q
        Q[n // 2 :] = 0  # half of the directions feel the nonlinear term, mixed over all curvatures
        Q, curvatures = Q.to(self.dtype), curvatures.to(self.dtype)

        def step(y: Tensor, x: Tensor) -> Tensor:
            return y - 0.9 * (curvatures * y + 0.5 * torch.tanh(y @ Q.mT) @ Q - x)

        about = "gradient steps, curvatures a hundred-fold apart, and saturation on the way"
        return self._problem("stiff", about, step, draw.normal(batch, n))

    def kinks(self, batch: int, n: int, *, norm: float = 0.9) -> Problem:
        """relu(W y + x): piecewise linear, so that secants across a kink mislead."""
        draw = _Draw(self.seed)
        W = _of_norm(draw.normal(n, n) + 0.5, norm).to(self.dtype)
        about = "a dense layer with ReLU: piecewise linear, secants across a kink mislead"
        return self._problem("relu", about, lambda y, x: torch.relu(torch.addmm(x, y, W.mT)), draw.normal(batch, n))

    def bellman(self, batch: int, states: int, *, discount: float = 0.9) -> Problem:
        """max over 4 actions of x + discount · P_a y: value iteration, a contraction in the maximum norm only."""
        draw = _Draw(self.seed)
        P = torch.softmax(4 * draw.normal(4, states, states), -1).to(self.dtype)

        def step(y: Tensor, x: Tensor) -> Tensor:
            return (x + discount * torch.einsum("aij,bj->bai", P, y)).amax(1)

        about = "value iteration: kinks, and a contraction in the maximum norm only"
        return self._problem("Bellman", about, step, draw.normal(batch, 4, states), (batch, states))

    def _problem(self, name: str, about: str, map: Map, x: Tensor, shape: tuple[int, ...] = ()) -> Problem:
        y0 = torch.zeros(shape or tuple(x.shape), dtype=self.dtype)
        return Problem(name, about, map, x.to(self.dtype), y0, self.scale)


def problems(*, dtype: torch.dtype = torch.float32, scale: float = 1.0, seed: int = 0) -> tuple[Problem, ...]:
    """One of each, small enough for tests: a call of G takes about 10 µs, the convolutions' a millisecond."""
    zoo = Zoo(dtype=dtype, scale=scale, seed=seed)
    return (
        zoo.tanh(16, 64),
        zoo.tanh(16, 128, norm=2.0),
        zoo.symmetric(16, 64, norm=0.9),
        zoo.symmetric(16, 64, norm=0.99),
        zoo.convolutions(4, 8, 16),
        zoo.plane(16),
        zoo.rotation(16, 64),
        zoo.near_critical(16, 64),
        zoo.non_normal(16, 16),
        zoo.nilpotent(16, 32),
        zoo.deblurring(4, 16),
        zoo.stiff(16, 64),
        zoo.kinks(16, 64),
        zoo.bellman(16, 32),
    )


class _Draw:
    def __init__(self, seed: int) -> None:
        self.generator = torch.Generator().manual_seed(seed)

    def normal(self, *shape: int) -> Tensor:
        return torch.randn(*shape, generator=self.generator, dtype=torch.float64)

    def uniform(self, *shape: int) -> Tensor:
        return torch.rand(*shape, generator=self.generator, dtype=torch.float64)


def _tanh(W: Tensor) -> Map:
    return lambda y, x: torch.tanh(torch.addmm(x, y, W.mT))


def _affine(A: Tensor) -> Map:
    return lambda y, x: torch.addmm(x, y, A.mT)


def _of_norm(W: Tensor, norm: float) -> Tensor:
    return W * (norm / torch.linalg.matrix_norm(W, ord=2))


def _rotations(cos: Tensor, sin: Tensor) -> Tensor:
    """The block-diagonal matrix that turns plane i by the angle with cosine cos[i] and sine sin[i]."""
    blocks = torch.stack([torch.stack([cos, -sin], -1), torch.stack([sin, cos], -1)], -2)
    return torch.block_diag(*blocks)
