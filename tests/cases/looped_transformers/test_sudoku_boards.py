"""Boards against an integer program and against singles that are looked for cell by cell."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations

import numpy as np
import pytest
import torch
from scipy.optimize import Bounds, LinearConstraint, milp

from implicit_lib.cases.looped_transformers.sudoku import (
    CELLS,
    PEERS,
    SIDE,
    UNITS,
    Boards,
    SudokuError,
    completions,
    levels,
    minimal,
    parse,
    relation,
    rounds,
    shallow,
    text,
    turned,
)

DIGITS = set(range(1, SIDE + 1))
PAIRS = PEERS.tril().nonzero().tolist()


@pytest.fixture(scope="module")
def hard() -> Boards:
    return minimal(12, 0)


def rules() -> np.ndarray:
    """Rows of an integer program over (cell, digit): each cell has one digit, each unit has each digit once."""
    cell = np.kron(np.eye(CELLS), np.ones(SIDE))
    return np.vstack([cell, np.kron(UNITS.numpy(), np.eye(SIDE))])


def by_integer_program(clues: list[int], other_than: list[int] | None = None) -> list[int] | None:
    """A completion that HiGHS finds, if there is one, other than the given one."""
    fixed = np.zeros((CELLS, SIDE))
    for at, digit in enumerate(clues):
        if digit:
            fixed[at, digit - 1] = 1
    constraints = [LinearConstraint(rules(), 1, 1)]
    if other_than is not None:
        same = np.eye(SIDE)[np.array(other_than) - 1].flatten()
        constraints.append(LinearConstraint(same, -np.inf, CELLS - 1))
    found = milp(np.zeros(CELLS * SIDE), integrality=1, bounds=Bounds(fixed.flatten(), 1), constraints=constraints)
    return None if found.x is None else [int(d) + 1 for d in found.x.reshape(CELLS, SIDE).argmax(axis=1)]


def singles(board: list[int]) -> dict[int, int]:
    """Cells that are sure, and their digits, cell by cell."""
    units = [unit.nonzero().flatten().tolist() for unit in UNITS]
    free = {
        at: DIGITS - {board[other] for unit in units if at in unit for other in unit}
        for at in range(CELLS)
        if not board[at]
    }
    found = {at: min(digits) for at, digits in free.items() if len(digits) == 1}
    for unit in units:
        for digit in DIGITS:
            places = [at for at in unit if digit in free.get(at, ())]
            if len(places) == 1:
                found[places[0]] = digit
    return found


def test_a_minimal_board_has_one_completion_and_would_have_more(hard: Boards) -> None:
    for clues, solution in zip(hard.clues.tolist()[:4], hard.solution.tolist(), strict=False):
        assert by_integer_program(clues) == solution and by_integer_program(clues, other_than=solution) is None
        for at in [at for at, digit in enumerate(clues) if digit][:3]:
            fewer = [0 if other == at else digit for other, digit in enumerate(clues)]
            assert by_integer_program(fewer, other_than=solution) is not None


def test_completions_are_all_that_there_are() -> None:
    """Of three given rows that repeat nothing: as many as an enumeration of all rows finds."""
    clues = [*(1, 2, 3, 4, 5, 6), *(4, 5, 6, 1, 2, 3), *(2, 1, 4, 3, 6, 5), *[0] * 18]
    found = completions(clues, 10_000)
    assert len({tuple(board) for board in found}) == len(found)
    assert all(singles(board) == {} and fits(board) for board in found)
    assert len(completions(clues, 3)) == 3
    assert len(found) == sum(1 for _ in enumerated(clues[:18]))


def fits(board: list[int]) -> bool:
    return all({board[at] for at in unit.nonzero().flatten().tolist()} == DIGITS for unit in UNITS)


def enumerated(rows: list[int]) -> Iterator[list[int]]:
    """Every way to go on row by row, tried out."""
    if len(rows) == CELLS:
        yield rows
        return
    for row in permutations(range(1, SIDE + 1)):
        longer = [*rows, *row]
        if all(longer[a] != longer[b] for a, b in PAIRS if len(rows) <= a < len(longer)):
            yield from enumerated(longer)


def test_rounds_fill_all_that_is_sure_at_once(hard: Boards) -> None:
    counts, ends = rounds(hard.clues)
    for clues, count, end in zip(hard.clues.tolist(), counts.tolist(), ends.tolist(), strict=True):
        board, done = list(clues), 0
        while sure := singles(board):
            board, done = [sure.get(at, digit) for at, digit in enumerate(board)], done + 1
        assert (board, done) == (end, count)
    assert torch.equal(rounds(hard.clues, 1)[0], counts.clamp(max=1))


def test_boards_of_the_training_take_few_rounds_and_could_not_have_fewer_clues() -> None:
    boards = shallow(20, 2, 0)
    count, end = rounds(boards.clues)
    assert int(count.max()) <= 2 and torch.equal(end, boards.solution)
    for clues in boards.clues[:5]:
        for at in clues.nonzero().flatten():
            fewer = clues.clone()
            fewer[at] = 0
            assert bool((rounds(fewer[None], 2)[1] == 0).any())


def test_symmetries_keep_the_rules_and_the_rounds(hard: Boards) -> None:
    other = turned(hard, torch.Generator().manual_seed(1))
    assert not torch.equal(other.solution, hard.solution)
    assert all(fits(board) for board in other.solution.tolist())
    assert bool(((other.clues == 0) | (other.clues == other.solution)).all())
    assert torch.equal(rounds(other.clues)[0], rounds(hard.clues)[0]) and torch.equal(levels(other), levels(hard))


def test_the_relation_of_two_cells() -> None:
    kind = relation()
    assert kind[0, 0] == 7 and kind[0, 1] == 1 + 4 and kind[0, 5] == 1 and kind[0, 6] == 2 + 4 and kind[0, 30] == 2
    assert kind[0, 7] == 4 and kind[0, 21] == 0
    assert torch.equal((kind > 0).long() - torch.eye(CELLS, dtype=torch.int64), PEERS)


def test_a_board_is_written_and_read(hard: Boards) -> None:
    for board in (hard.take(slice(i, i + 1)) for i in range(3)):
        again = parse(text(board.clues[0]))
        assert torch.equal(again.clues, board.clues) and torch.equal(again.solution, board.solution)


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("", "the text has 0"),
        ("1" * 37, "the text has 37"),
        ("7" + "." * 35, "'7' is no cell"),
        ("0" * 36, "'0' is no cell"),
        ("." * 36, "several completions; add a clue"),
        ("1" + "." * 4 + "1" + "." * 30, "row 1, column 1 and row 1, column 6 both have a 1"),
        ("12345." + "." * 5 + "6" + "." * 24, "no completion; change a clue"),
    ],
)
def test_what_is_no_board_says_why(written: str, why: str) -> None:
    with pytest.raises(SudokuError, match=why):
        parse(written)
