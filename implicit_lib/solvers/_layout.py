"""Where the entries of a state lie in its packed form: one matrix (B, N), a row a sample."""

import math
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import TreeSpec

from implicit_lib.solvers._state import Leaves, Operator, unflatten_state


@dataclass(frozen=True)
class _Place:
    """Where one leaf lies: its axes in the order of memory, so that channels_last and the like need no copy."""

    order: tuple[int, ...] | None  # None where it is the order of the axes
    inverse: tuple[int, ...]
    shape: tuple[int, ...]  # of a sample, its axes in that order
    dtype: torch.dtype

    @classmethod
    def of(cls, leaf: Tensor) -> "_Place":
        stride = leaf.stride()
        order = (0, *sorted(range(1, leaf.dim()), key=lambda axis: -stride[axis]))
        natural = order == tuple(range(leaf.dim()))
        inverse = tuple(order.index(axis) for axis in range(leaf.dim()))
        return cls(None if natural else order, inverse, tuple(leaf.shape[axis] for axis in order[1:]), leaf.dtype)

    @property
    def flat(self) -> bool:
        """Whether the leaf is its own matrix."""
        return len(self.shape) == 1

    @property
    def width(self) -> int:
        return math.prod(self.shape)

    def pack(self, leaf: Tensor) -> Tensor:
        ordered = leaf if self.order is None else leaf.permute(self.order)
        rows = leaf if self.flat else ordered.reshape(leaf.shape[0], self.width)
        return rows if rows.is_contiguous() else rows.clone(memory_format=torch.contiguous_format)

    def unpack(self, rows: Tensor) -> Tensor:
        if self.flat:
            return rows
        ordered = rows.reshape(rows.shape[0], *self.shape)
        return ordered if self.order is None else ordered.permute(self.inverse)


@dataclass(frozen=True)
class Layout:
    """The structure of a state, and the widest dtype of its leaves, which is that of the matrix."""

    spec: TreeSpec
    places: tuple[_Place, ...]
    dtype: torch.dtype

    @classmethod
    def of(cls, leaves: Leaves, spec: TreeSpec) -> "Layout":
        """The layout of this state and of every image of it."""
        dtype = leaves[0].dtype
        for leaf in leaves[1:]:
            dtype = torch.promote_types(dtype, leaf.dtype)
        return cls(spec, tuple(_Place.of(leaf) for leaf in leaves), dtype)

    def pack(self, leaves: Leaves) -> Tensor:
        """The matrix (B, N): a view of the leaf if there is one leaf, in its own dtype."""
        if len(leaves) == 1:
            return self.places[0].pack(leaves[0])
        packed = [place.pack(leaf).to(self.dtype) for place, leaf in zip(self.places, leaves, strict=True)]
        return torch.cat(packed, dim=1)

    def unpack(self, matrix: Tensor) -> Leaves:
        """The leaves of the state that the matrix packs."""
        if len(self.places) == 1:
            return (self.places[0].unpack(matrix),)
        starts = accumulate((place.width for place in self.places[:-1]), initial=0)
        parts = (
            matrix.narrow(1, start, place.width).to(place.dtype)
            for start, place in zip(starts, self.places, strict=True)
        )
        return tuple(
            place.unpack(part.clone(memory_format=torch.contiguous_format))
            for place, part in zip(self.places, parts, strict=True)
        )

    def rounded(self, matrix: Tensor) -> Tensor:
        """The matrix as it is after unpacking: leaves of a narrower dtype than the matrix round it."""
        if all(place.dtype == matrix.dtype for place in self.places):
            return matrix
        return self.pack(self.unpack(matrix))

    def state(self, matrix: Tensor) -> Any:
        """The state that the matrix packs."""
        return unflatten_state(self.unpack(matrix), self.spec)


@dataclass(frozen=True)
class PackedOperator:
    """G on packed states of any number of samples, every call checked."""

    operator: Operator
    layout: Layout

    def __call__(self, matrix: Tensor) -> Tensor:
        return self.layout.pack(self.operator(self.layout.unpack(matrix)))
