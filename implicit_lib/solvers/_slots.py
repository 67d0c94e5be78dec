"""Histories of rows in a ring of slots, of which one is always free: what a step is writing, nobody reads yet."""

from __future__ import annotations

import torch
from torch import Tensor

from implicit_lib.solvers._state import may_overwrite


def empty_slots(like: Tensor, history: int) -> Tensor:
    """Zeros (B, history + 1, N) for rows like these (B, 1, N)."""
    # Not `torch.zeros`: under torch.func the slots must be of the kind of the tensors that will be written into them.
    rows = like.detach().expand(-1, history + 1, -1)
    return torch.zeros_like(rows, memory_format=torch.contiguous_format)


def no_slots_used(slots: Tensor) -> Tensor:
    """The marks (B, 1, history + 1) of empty slots: 1 where a slot is in use, 0 where it is free."""
    return slots[:, None, :, 0].clone()


def place(slots: Tensor, slot: int, row: Tensor, divisor: Tensor) -> Tensor:
    """The slots with row / divisor, (B, 1, N) / (B, 1, 1), in the free one: in place where that is allowed."""
    if may_overwrite():
        torch.div(row, divisor, out=slots.narrow(1, slot, 1))
        return slots
    return torch.cat((slots[:, :slot], row / divisor, slots[:, slot + 1 :]), 1)


def mark(used: Tensor, filled: int) -> tuple[Tensor, int]:
    """The marks when this slot has been filled and the next one freed, and which that is. Takes `used` over."""
    freed = (filled + 1) % used.shape[2]
    if may_overwrite():
        used.narrow(2, filled, 1).fill_(1)
        used.narrow(2, freed, 1).zero_()
        return used, freed
    marks = list(used.unbind(2))
    marks[filled], marks[freed] = torch.ones_like(marks[0]), torch.zeros_like(marks[0])
    return torch.stack(marks, 2), freed
