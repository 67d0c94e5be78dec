"""The walk to a board as torch modules: what an explorer encodes, steps and shows."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from implicit_lib.cases._walks import Walks, frozen, picked
from implicit_lib.cases.looped_transformers._networks import LoopedTransformer
from implicit_lib.cases.looped_transformers._views import CoreStep

from ._boards import CELLS, PEERS, SIDE, Boards

SURE = 0.9
"""The probability from which on a digit counts as sure."""


def walks(model: LoopedTransformer, boards: Boards) -> Walks:
    """The walk on a board of which the reader takes clues away.

    The reader sets which of the boards, and how many clues are missing. The view has for every digit d, as arrays (36,)
    cell by cell, "clue d", "sure d" and "unsure d": the cell's column + 1/2 where it shows that digit as a clue, with a
    probability of at least SURE, or with less, elsewhere NaN; and "wrong" in the same way, where it shows another
    digit than the board's own completion. Its scalars are right, the share of cells that show that digit; entropy, the
    mean over cells in bits; moved, the most that a cell's distribution moved in the last iteration, in total variation;
    and broken, how many pairs of cells show a digit twice in a row, column or box.

    Args:
        model: it is copied.
        boards: to choose from.
    """
    one = frozen(model)
    start = torch.zeros(1, CELLS, one.core.width)
    return Walks(_Encode(one, boards), CoreStep(one), _View(one), {"h": start})


class _Encode(nn.Module):
    clues: Tensor
    solution: Tensor
    rank: Tensor

    def __init__(self, model: LoopedTransformer, boards: Boards) -> None:
        super().__init__()
        self.embed = model.encoder
        given = boards.clues > 0
        chance = torch.rand(given.shape, generator=torch.Generator().manual_seed(0)) + (~given)
        self.register_buffer("clues", boards.clues.float())
        self.register_buffer("solution", boards.solution.float())
        self.register_buffer("rank", chance.argsort(dim=1).argsort(dim=1).float())

    def forward(self, which: Tensor, missing: Tensor) -> tuple[Tensor, ...]:
        clues, solution, rank = (picked(each, which) for each in (self.clues, self.solution, self.rank))
        kept = clues * (rank >= missing).to(clues)
        return self.embed(kept.long()[None]), kept, solution


class _View(nn.Module):
    peers: Tensor
    columns: Tensor

    def __init__(self, model: LoopedTransformer) -> None:
        super().__init__()
        self.decoder = model.decoder
        self.register_buffer("peers", PEERS.float())
        self.register_buffer("columns", torch.arange(CELLS) % SIDE + 0.5)

    def forward(
        self, z: dict[str, Tensor], previous: dict[str, Tensor], e: Tensor, clues: Tensor, solution: Tensor
    ) -> dict[str, Tensor]:
        p, before = (self.decoder(each["h"][0]).softmax(dim=1) for each in (z, previous))
        found = torch.where(clues > 0, clues, p.argmax(dim=1).to(clues) + 1)
        sure = p.amax(dim=1) >= SURE
        shown: dict[str, Tensor] = {}
        for digit in range(1, SIDE + 1):
            has, given = found == digit, clues > 0
            shown |= {
                f"clue {digit}": self._at(has & given),
                f"sure {digit}": self._at(has & ~given & sure),
                f"unsure {digit}": self._at(has & ~given & ~sure),
            }
        digits = one_hot(found.long(), SIDE + 1).to(clues)
        return shown | {
            "wrong": self._at(found != solution),
            "right": (found == solution).to(clues).mean(),
            "entropy": -(p * p.clamp(min=1e-12).log2()).sum(dim=1).mean(),
            "moved": (0.5 * (p - before).abs().sum(dim=1)).amax(dim=0),
            "broken": 0.5 * (digits * (self.peers @ digits)).sum(),
        }

    def _at(self, where: Tensor) -> Tensor:
        return torch.where(where, self.columns, torch.full_like(self.columns, torch.nan))
