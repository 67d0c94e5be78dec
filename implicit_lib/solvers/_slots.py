"""Histories of rows in a ring of slots.

A step writes the newest row over the oldest, which it does not read: if Ctrl-C cuts it short, its memory is as good as
before.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from implicit_lib.solvers._state import may_overwrite


def empty_slots(like: Tensor, history: int) -> Tensor:
    """Zeros (B, history, N) for rows like these (B, 1, N)."""
    # Not `torch.zeros`: under torch.func the slots must be of the kind of the tensors that will be written into them.
    rows = like.detach().expand(-1, history, -1)
    return torch.zeros_like(rows, memory_format=torch.contiguous_format)


def no_slots_used(slots: Tensor) -> Tensor:
    """The marks (B, 1, history) of empty slots: 1 where a slot holds a row, 0 where it is empty or not to be read."""
    return slots[:, None, :, 0].clone()


def place(slots: Tensor, slot: int, operation: Callable[..., Tensor], row: Tensor, other: Tensor) -> Tensor:
    """The slots with operation(row, other), (B, 1, N), in one that is not to be read: in place where allowed."""
    if may_overwrite():
        operation(row, other, out=slots.narrow(1, slot, 1))
        return slots
    return torch.cat((slots[:, :slot], operation(row, other), slots[:, slot + 1 :]), 1)


def mark(used: Tensor, slot: int, value: float) -> Tensor:
    """The marks with a new one for this slot. Takes `used` over."""
    if may_overwrite():
        used.narrow(2, slot, 1).fill_(value)
        return used
    return torch.cat((used[..., :slot], torch.full_like(used[..., :1], value), used[..., slot + 1 :]), 2)
