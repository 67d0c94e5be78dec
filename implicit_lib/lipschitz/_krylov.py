"""Singular values and eigenvalues of matrices that are known by their products, a batch of matrices at once.

Vectors are the rows of a matrix (B, N), one a matrix; products map (B, N) to (B, M). The number of products is fixed
beforehand and nothing branches on a number, so that host and device need not wait for each other.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from implicit_lib.solvers._state import norms, scaled

Product = Callable[[Tensor], Tensor]


class _Basis:
    """Orthonormal vectors of each sample, and the Gram–Schmidt process that adds products with a matrix to them.

    What is left of a product after orthogonalisation is rounding noise once it is this far below the largest product
    seen. It is then replaced by zero, which later products keep: the space of that sample is exhausted. The noise is
    that of the basis' own dtype: what coarser products leave is a new direction, if a random one.
    """

    def __init__(self, like: Tensor, size: int) -> None:
        self.vectors = like.new_zeros(len(like), size, like.shape[1])
        self.count = 0
        self.noise = 10 * torch.finfo(like.dtype).eps
        self.largest = torch.zeros_like(norms((like,)))

    def begin(self, vector: Tensor) -> Tensor:
        """The first basis vector, which is no product."""
        self.vectors[:, 0] = _unit(vector)
        self.count = 1
        return self.vectors[:, 0]

    def add(self, vector: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The new basis vector (B, N), its length before it was normalised (B,), and the coefficients taken away."""
        known = self.vectors[:, : self.count]
        self.largest = torch.maximum(self.largest, norms((vector,)))
        coefficients = vector.new_zeros(len(vector), self.count)
        for _ in range(2):  # once leaves a rounding error relative to what was taken away, twice is enough
            overlap = (known @ vector.unsqueeze(2)).squeeze(2)
            vector = vector - (overlap.unsqueeze(1) @ known).squeeze(1)
            coefficients = coefficients + overlap
        length = norms((vector,))
        length = length.masked_fill(length <= self.noise * self.largest, 0.0)
        (vector,) = scaled((vector,), torch.where(length == 0, 0.0, 1 / length))
        self.vectors[:, self.count] = vector
        self.count += 1
        return vector, length, coefficients

    def combine(self, coefficients: Tensor) -> Tensor:
        """Σ coefficients (B, count) × vectors, as (B, N)."""
        weights = coefficients.to(self.vectors.dtype).unsqueeze(1)
        return (weights @ self.vectors[:, : coefficients.shape[1]]).squeeze(1)


def largest_singular_value(push: Product, pull: Product, start: Tensor, steps: int) -> tuple[Tensor, Tensor]:
    """σ = ‖Av‖ for the Ritz vector v of Golub–Kahan–Lanczos bidiagonalisation, and ‖Aᵀu − σv‖ / √2 with u = Av / σ.

    Both bases are kept and orthogonalised against in full. The two numbers come from one more product with A and one
    with Aᵀ, not from the recurrence, so that an error anywhere in it shows.

    Args:
        push: x ↦ Ax, from (B, N) to (B, M).
        pull: x ↦ Aᵀx, from (B, M) to (B, N).
        start: random vectors (B, N).
        steps: at most N and M.

    Returns:
        two tensors (B,).
    """
    right = _Basis(start, steps + 1)
    v = right.begin(start)
    left: _Basis | None = None
    diagonal, above = [], []
    for _ in range(steps):
        image = push(v)
        left = left or _Basis(image, steps)
        u, length, _ = left.add(image)
        diagonal.append(length)
        v, length, _ = right.add(pull(u))
        above.append(length)
    # k left and k + 1 right vectors: the last right one costs nothing more, and completes the space of wide matrices.
    columns = torch.nn.functional.pad(torch.diag_embed(torch.stack(diagonal, dim=1)), (0, 1))
    bidiagonal = columns + torch.nn.functional.pad(torch.diag_embed(torch.stack(above, dim=1)), (1, 0))
    top = torch.linalg.svd(_finite(bidiagonal))[2][:, 0]
    v = _unit(right.combine(top))
    image = push(v)
    value = norms((image,))
    residual = norms((pull(_unit(image)) - scaled((v,), value)[0],))
    return value, residual / math.sqrt(2)


def largest_eigenvalue(push: Product, start: Tensor, steps: int, unit_roundoff: float) -> tuple[Tensor, Tensor, Tensor]:
    """|θ| of the Ritz value θ of largest modulus in Arnoldi's process, its forward and its backward error.

    Args:
        push: x ↦ Ax, from (B, N) to (B, N).
        start: random vectors (B, N).
        steps: at most N.
        unit_roundoff: of the products.

    Returns:
        three tensors (B,): |θ|; the forward error, see `spectral_radius`; and ‖Az − θz‖ for the Ritz vector z of
        length 1, from products of their own.
    """
    basis = _Basis(start, steps + 1)
    vector = basis.begin(start)
    columns = []
    for k in range(steps):
        vector, length, coefficients = basis.add(push(vector))
        column = torch.cat([coefficients.to(length.dtype), length.unsqueeze(1)], dim=1)
        columns.append(torch.nn.functional.pad(column, (0, steps - k - 1)))
    H = torch.stack(columns, dim=2)[:, :steps]
    values, vectors = torch.linalg.eig(_finite(H))
    place = values.abs().argmax(dim=1, keepdim=True)
    theta = values.gather(1, place)
    ritz = vectors.gather(2, place.unsqueeze(1).expand(-1, steps, 1)).squeeze(2)
    real, imaginary = basis.combine(ritz.real), basis.combine(ritz.imag)
    residual = torch.complex(push(real).to(H.dtype), push(imaginary).to(H.dtype))
    residual = residual - theta * torch.complex(real.to(H.dtype), imaginary.to(H.dtype))
    backward = torch.linalg.vector_norm(residual, dim=1)
    condition = _condition(vectors, place)
    forward = _forward_error(backward, condition, torch.linalg.matrix_norm(_finite(H), ord=2), steps, unit_roundoff)
    return theta.squeeze(1).abs() + 0 * backward, forward, backward  # NaN where a product was


def _condition(vectors: Tensor, place: Tensor) -> Tensor:
    """‖x‖ ‖y‖ / |yᴴx| for the right and left eigenvectors x and y at `place`; infinite where there is no left one."""
    inverse, info = torch.linalg.inv_ex(vectors)
    left = torch.linalg.vector_norm(inverse, dim=2).gather(1, place).squeeze(1)
    return torch.where((info == 0) & torch.isfinite(left), left, math.inf)  # the columns of `vectors` have length 1


def _forward_error(backward: Tensor, condition: Tensor, size: Tensor, steps: int, unit_roundoff: float) -> Tensor:
    rounding = 4 * unit_roundoff * size
    first_order = condition * (backward + steps * rounding)
    elsner = (2 * size) ** (1 - 1 / steps) * (backward + rounding) ** (1 / steps)
    return torch.where(first_order < elsner, first_order, elsner)  # elsner also where infinity times 0 is NaN


def _unit(vectors: Tensor) -> Tensor:
    """Every row at norm 1; zero stays zero."""
    size = norms((vectors,))
    return scaled((vectors,), 1 / torch.where(size == 0, 1.0, size))[0]


def _finite(matrices: Tensor) -> Tensor:
    """The matrices (B, n, n), zero where one is not finite: decompositions raise for the whole batch."""
    good = torch.isfinite(matrices).all(dim=2).all(dim=1)
    return torch.where(good[:, None, None], matrices, 0.0)
