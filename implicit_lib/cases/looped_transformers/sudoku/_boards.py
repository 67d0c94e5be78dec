"""Sudoku on 6 × 6 cells: boards with one completion, and how many rounds of reasoning each needs."""

from __future__ import annotations

import random
import re
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import one_hot

SIDE, BOX_ROWS, BOX_COLUMNS = 6, 2, 3
"""Digits, rows and columns; a box has 2 rows of 3."""

CELLS = SIDE * SIDE


class SudokuError(ValueError):
    """A text that is no board with exactly one completion; the message says which cells, and why."""


class Boards(NamedTuple):
    """B boards and their completions.

    Attributes:
        clues: (B, 36), int64, row by row: a digit from 1 to 6, or 0 where the cell is empty.
        solution: the digits (B, 36).
    """

    clues: Tensor
    solution: Tensor

    def to(self, device: torch.device | str) -> Boards:
        """The same elsewhere."""
        return Boards(self.clues.to(device), self.solution.to(device))

    def take(self, rows: Tensor | slice) -> Boards:
        """Some of the boards."""
        return Boards(self.clues[rows], self.solution[rows])


def _units() -> Tensor:
    """Which cells each row, column and box has (18, 36), int64."""
    row, column = torch.arange(CELLS) // SIDE, torch.arange(CELLS) % SIDE
    box = row // BOX_ROWS * (SIDE // BOX_COLUMNS) + column // BOX_COLUMNS
    return torch.cat([one_hot(of, SIDE).T for of in (row, column, box)])


UNITS = _units()
"""1 where a row, a column or a box, in this order, has a cell (18, 36), int64."""

PEERS = ((UNITS.T @ UNITS) > 0).long() - torch.eye(CELLS, dtype=torch.int64)
"""1 where two cells must differ (36, 36), int64."""

_UNITS_OF = [[unit for unit in range(len(UNITS)) if UNITS[unit, cell]] for cell in range(CELLS)]


def relation() -> Tensor:
    """What one cell is to another (36, 36), int64: 1 for the same row, 2 for column and 4 for box, added up."""
    same = torch.stack([unit.T @ unit for unit in UNITS.view(3, SIDE, CELLS)])
    return (same * torch.tensor([1, 2, 4])[:, None, None]).sum(dim=0)


def rounds(board: Tensor, most: int = CELLS) -> tuple[Tensor, Tensor]:
    """Rounds (B,) of filling at once every cell that is sure, and the board (B, 36) where that ends.

    Sure is a cell that one digit is left for, and one that is the only place for a digit in a row, column or box. A
    board that is not full in the end needs other reasoning. Stops after `most` rounds.
    """
    count = torch.zeros_like(board[:, 0])
    units, peers = UNITS.to(board.device).float(), PEERS.to(board.device).float()
    for _ in range(most):
        has = one_hot(board, SIDE + 1)[..., 1:].float()
        free = ((peers @ has) == 0) & (board == 0)[..., None]
        only = (units.T @ ((units @ free.float()) == 1).float() > 0) & free
        sure = only | (free & (free.sum(dim=2, keepdim=True) == 1))
        moves = sure.any(dim=2)
        if not bool(moves.any()):
            break
        count += moves.any(dim=1)
        board = torch.where(moves, sure.float().argmax(dim=2) + 1, board)
    return count, board


def completions(clues: list[int], most: int, order: random.Random | None = None) -> list[list[int]]:
    """Up to `most` completions of 36 clues that break no rule, by search; in random order if one is given."""
    board, found, used = list(clues), list[list[int]](), [0] * len(UNITS)  # used: bit d of a unit that has the digit d
    for cell, digit in enumerate(clues):
        for unit in _UNITS_OF[cell] if digit else ():
            used[unit] |= 1 << digit

    def free(cell: int) -> list[int]:
        row, column, box = _UNITS_OF[cell]
        taken = used[row] | used[column] | used[box]
        return [digit for digit in range(1, SIDE + 1) if not taken >> digit & 1]

    def search() -> None:
        options = [(len(digits), cell, digits) for cell in range(CELLS) if not board[cell] for digits in [free(cell)]]
        if not options:
            found.append(list(board))
            return
        _, cell, digits = min(options)
        for digit in order.sample(digits, len(digits)) if order else digits:
            board[cell] = digit
            for unit in _UNITS_OF[cell]:
                used[unit] ^= 1 << digit
            search()
            board[cell] = 0
            for unit in _UNITS_OF[cell]:
                used[unit] ^= 1 << digit
            if len(found) >= most:
                return

    search()
    return found


def minimal(count: int, seed: int) -> Boards:
    """Random boards of which no clue can be left out, or there would be several completions."""
    order = random.Random(seed)
    clues, solved = [], []
    for _ in range(count):
        (whole,) = completions([0] * CELLS, 1, order)
        left = list(whole)
        for cell in order.sample(range(CELLS), CELLS):
            kept, left[cell] = left[cell], 0
            if len(completions(left, 2)) > 1:
                left[cell] = kept
        clues.append(left)
        solved.append(whole)
    return Boards(torch.tensor(clues), torch.tensor(solved))


def shallow(count: int, deepest: int, seed: int) -> Boards:
    """Random boards that at most `deepest` rounds fill, and of which no clue can be left out, or it would take more."""
    order = random.Random(seed)
    solution = torch.tensor([completions([0] * CELLS, 1, order)[0] for _ in range(count)])
    cells = torch.rand(count, CELLS, generator=torch.Generator().manual_seed(seed)).argsort(dim=1)
    clues = solution.clone()
    for cell in cells.T[..., None]:
        fewer = clues.scatter(1, cell, 0)
        clues = torch.where((rounds(fewer, deepest)[1] > 0).all(dim=1, keepdim=True), fewer, clues)
    return Boards(clues, solution)


def turned(boards: Boards, generator: torch.Generator) -> Boards:
    """The same with other digits, rows and columns: a random symmetry of the rules for each."""
    batch = len(boards.clues)
    digits = torch.cat([torch.zeros(batch, 1, dtype=torch.int64), 1 + _shuffled(batch, SIDE, generator)], dim=1)
    rows, columns = (_lines(batch, size, generator) for size in (BOX_ROWS, BOX_COLUMNS))
    cells = (SIDE * rows[:, :, None] + columns[:, None, :]).flatten(1)
    return Boards(*(digits.gather(1, each).gather(1, cells) for each in boards))


def parse(written: str) -> Boards:
    """The board of a text with 36 digits and dots, row by row, a dot where a cell is empty; spaces and lines are free.

    Raises:
        SudokuError: there are not 36, one is neither, two clues break a rule, or there is not one completion.
    """
    signs = re.sub(r"\s", "", written)
    if unknown := re.search(rf"[^.1-{SIDE}]", signs):
        raise SudokuError(
            f"{unknown[0]!r} is no cell of a board; write digits from 1 to {SIDE}, and dots for empty cells"
        )
    if len(signs) != CELLS:
        raise SudokuError(f"a board has {CELLS} cells, {SIDE} rows of {SIDE}, but the text has {len(signs)}")
    clues = [0 if sign == "." else int(sign) for sign in signs]
    for cell, other in (PEERS.triu().nonzero()).tolist():
        if clues[cell] and clues[cell] == clues[other]:
            raise SudokuError(f"{_place(cell)} and {_place(other)} both have a {clues[cell]}; leave one of them out")
    found = completions(clues, 2)
    if len(found) != 1:
        raise SudokuError(
            "the board has several completions; add a clue" if found else "the board has no completion; change a clue"
        )
    return Boards(torch.tensor([clues]), torch.tensor(found))


def text(board: Tensor) -> str:
    """One board (36,) as `parse` reads it, six lines."""
    signs = "".join(str(digit) if digit else "." for digit in board.tolist())
    return "\n".join(signs[SIDE * row : SIDE * (row + 1)] for row in range(SIDE))


def _place(cell: int) -> str:
    return f"row {cell // SIDE + 1}, column {cell % SIDE + 1}"


def _shuffled(batch: int, n: int, generator: torch.Generator) -> Tensor:
    """Permutations of 0 … n − 1 (batch, n)."""
    return torch.rand(batch, n, generator=generator).argsort(dim=1)


def _lines(batch: int, size: int, generator: torch.Generator) -> Tensor:
    """Permutations (batch, 6) of rows or columns that keep those of a box together, `size` each."""
    groups = SIDE // size
    inside = torch.stack([_shuffled(batch, size, generator) for _ in range(groups)], dim=1)
    return (size * _shuffled(batch, groups, generator)[:, :, None] + inside).flatten(1)
