"""Upper bounds on the norms of matrices and convolutions: differentiable, and never too small."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

_BLOCK = 1 << 22  # entries of the matrices that are decomposed at once


def operator_norm_bound(kernel: Tensor, oversampling: int) -> Tensor:
    """An upper bound on the norm of convolution with a kernel, over images of every size.

    **The operator.** On sequences over the grid Z^s, convolution by K multiplies the Fourier transform at every
    frequency ω by the matrix K̂(ω) = Σ_j K_j exp(iω·j), so that its norm is sup_ω ‖K̂(ω)‖. No layer that
    `certified_norm` takes has a larger one. Zero padding: the layer is R C E, where E continues the image by zeros, an
    isometry, C is the convolution on Z^s, and R keeps some of the outputs. Circular padding by at most the kernel's
    reach: some rows of a block-circulant matrix, which K̂ at the image's own frequencies block-diagonalises. A stride
    keeps fewer of the outputs. Dilation by δ makes K̂(δω) of K̂(ω), which has the same supremum. Groups are the blocks
    of a block-diagonal matrix.

    **All frequencies from a grid.** Let M be the supremum of ‖K̂‖ along one axis, of k entries, with M = |x*K̂(ω_0)y|
    for unit x and y. The function exp(−iω(k − 1)/2) x*K̂(ω)y has no frequencies above d = (k − 1)/2; turned by a
    constant phase it is M at ω_0. Its real part g obeys the inequality of Bernstein and Szegő, g′² + d²g² ≤ d²M², so
    that g(ω) ≥ M cos(d(ω − ω_0)) for d|ω − ω_0| ≤ π. Of n > 2d grid points one is within π/n of ω_0: there ‖K̂‖ ≥ M
    cos(πd/n). One axis after the other: M ≤ max_grid ‖K̂‖ · Π_a 1/cos(π(k_a − 1)/(2n_a)).

    Only the norm at the worst frequency is differentiated: the derivative of a maximum is that of the largest.

    Source: the circulant matrix: Sedghi, Gupta, Long, The Singular Values of Convolutional Layers, ICLR 2019. The
    inequality: van der Corput and Schaake, 1935, sharper than Bernstein's.

    Args:
        kernel: (groups, outputs, inputs, *kernel size), real, float32 or float64; a matrix has no kernel size.
        oversampling: the grid has this many points for each entry of the kernel along each axis; at least 1.

    Returns:
        a 0-d tensor: at most 1/cos(π/(2 oversampling)) times the norm for each axis, and a margin for rounding.
    """
    groups, outputs, inputs = kernel.shape[:3]
    taps = kernel.reshape(groups * outputs * inputs, -1).T
    phases, correction = _phases(kernel, oversampling)

    def squared_norms(rows: Tensor) -> Tensor:
        """‖K̂‖² (frequencies × groups,) at the frequencies of some rows of phases."""
        symbols = rows @ taps.to(rows.dtype)
        return _largest_eigenvalues(_gram(symbols.reshape(-1, outputs, inputs)))

    if len(phases) > 1:
        with torch.no_grad():
            blocks = torch.chunk(phases, math.ceil(len(phases) * groups * outputs * inputs / _BLOCK))
            worst = torch.cat([squared_norms(block) for block in blocks]).argmax().reshape(1) // groups
        phases = phases.index_select(0, worst)
    largest = squared_norms(phases).amax()
    precision = torch.finfo(kernel.dtype)
    margin = 1 + 4 * (math.prod(kernel.shape[1:]) ** 0.5 + 20) * precision.eps
    # The root has an infinite slope at 0, and what is below the smallest number was rounded to it.
    bound: Tensor = margin * correction * largest.clamp_min(precision.tiny).sqrt()
    return bound


def _phases(kernel: Tensor, oversampling: int) -> tuple[Tensor, float]:
    """exp(iω·j) for the frequencies ω of the grid, and the entries j of the kernel, and the factor from grid to all ω.

    Half of the grid: for a real kernel the other half is its complex conjugate. Real ones for a kernel of one entry.
    """
    sizes = kernel.shape[3:]
    if math.prod(sizes) == 1:
        return kernel.new_ones(1, 1), 1.0
    grid = [1 if size == 1 else oversampling * size for size in sizes]
    half = [n // 2 + 1 if axis == _last_wide(sizes) else n for axis, n in enumerate(grid)]
    phases = torch.ones(1, 1, dtype=torch.complex128)
    for size, n, count in zip(sizes, grid, half, strict=True):
        turns = torch.outer(torch.arange(count), torch.arange(size)).double() / n
        phases = torch.kron(phases, torch.polar(torch.ones_like(turns), 2 * math.pi * turns))
    correction = math.prod(1 / math.cos(math.pi * (size - 1) / (2 * n)) for size, n in zip(sizes, grid, strict=True))
    return phases.to(kernel.device, kernel.dtype.to_complex()), correction


def _last_wide(sizes: tuple[int, ...]) -> int:
    return max(axis for axis, size in enumerate(sizes) if size > 1)


def _gram(matrices: Tensor) -> Tensor:
    """AA* or A*A, whichever is smaller."""
    M, N = matrices.shape[1:]
    return matrices @ matrices.mH if M <= N else matrices.mH @ matrices


def _largest_eigenvalues(grams: Tensor) -> Tensor:
    """(F,), NaN where a matrix is not finite: the decomposition raises for all of them."""
    finite = torch.isfinite(grams).all(dim=2).all(dim=1)
    largest = torch.linalg.eigvalsh(torch.where(finite[:, None, None], grams, 0.0))[:, -1]
    return torch.where(finite, largest, math.nan)


class Remembered:
    """A function of parameters whose last value is kept for as long as their contents stay the same.

    Contents are compared, which costs no more than reading them: version counters miss what fused optimisers and
    `.data` change. Tensors that are not parameters (in torch.compile, torch.func.functional_call, …) are not there to
    stay, and nothing is kept of them.
    """

    def __init__(self, function: Callable[..., Tensor]) -> None:
        self._function = function
        self._known: tuple[tuple[Tensor, ...], Tensor] | None = None

    @torch.no_grad()
    def __call__(self, *parameters: Tensor) -> Tensor:
        """The function of the parameters, without a graph."""
        if torch.compiler.is_compiling() or any(type(each) is not nn.Parameter for each in parameters):
            return self._function(*parameters)
        if self._known is None or not all(map(_same, self._known[0], parameters)):
            self._known = tuple(each.detach().clone() for each in parameters), self._function(*parameters)
        return self._known[1]


def _same(a: Tensor, b: Tensor) -> bool:
    return a.dtype == b.dtype and a.device == b.device and a.shape == b.shape and torch.equal(a, b)
