"""Linear programs as text, one line for the objective and one for each constraint; nothing of it is ever executed."""

from __future__ import annotations

import math
import re

import numpy as np

from ._program import LinearProgram, LinearProgramError

LONGEST = 50_000
"""Characters of a text, at most: a program of twice the paper's size, with all digits, has a quarter of that."""

MOST = 500
"""Variables, and constraints beside bounds, at most."""

LONGEST_NAME = 40

_BLANKS = " \t\u00a0"
_NUMBER = r"[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?|\.[0-9]+(?:[eE][+-]?[0-9]+)?"
_NAME = r"[A-Za-z][A-Za-z0-9_]*"
_TERM = re.compile(rf" ?([+-])? ?(?:({_NUMBER})(?:(?: ?\*)? ?({_NAME}))?|({_NAME})) ?")
_RELATION = re.compile(r"<=|>=|=")
_AS_ASCII = str.maketrans({"−": "-", "≤": "<=", "≥": ">="})
_FORM = "write, for example, 'min: 2x - 3y', then lines such as 'x + 2y <= 4', 'x - y = 1' or '0 <= x <= 10'"


def parse(text: str) -> tuple[LinearProgram, tuple[str, ...]]:
    """A linear program from its text, and the names of its variables in the order in which they appear.

    The first line is `min:` or `max:` and the objective. Each further line is `left <= right`, with `>=` or `=` as
    well, where both sides are sums of numbers and of variables with a number before them. A line that compares one
    variable with numbers is a bound, and there may be two in it: `0 <= x <= 10`. A variable without bounds has none.
    A `max:` is turned into the minimum of the negative objective, and `>=` into `<=`. A number alone in the objective
    is left out, since it moves no optimum.

    In full, with blanks (spaces, tabs, no-break spaces) between any two of the signs, numbers and names:

        line = sum relation sum [relation sum],  relation = "<=" | ">=" | "="
        sum = [sign] term {sign term},  sign = "+" | "-"
        term = number | [number ["*"]] name
        number = such as 2, 2., .5, 2.5e-3;  name = up to 40 of a–z, A–Z, 0–9 and "_", a letter first

    `2e3` is a number, `2 e3` and `2*e3` are twice the variable e3. The signs −, ≤ and ≥ are read as well. Empty lines
    do not count.

    Raises:
        LinearProgramError: a line cannot be read, compares no variable, leads to numbers beyond float64, or
            contradicts the bounds in the lines before it; the message shows the line. Or the text has more than
            `LONGEST` characters, more than `MOST` variables or constraints, or no variable.
    """
    if len(text) > LONGEST:
        raise LinearProgramError(f"the text has {len(text):,} characters; at most {LONGEST:,} are read")
    lines = [_tidy(line) for line in re.split(r"[\r\n]", text) if _tidy(line)]
    head, colon, objective = (lines[0] if lines else "").partition(":")
    if not colon or head.strip() not in ("min", "max"):
        raise LinearProgramError(f"the first line must begin with 'min:' or 'max:'; {_FORM}")
    sign = 1.0 if head.strip() == "min" else -1.0
    c = {name: sign * value for name, value in _sum(objective, lines[0]).items()}
    rows: dict[str, list[dict[str, float]]] = {"ub": [], "eq": []}
    bounds: dict[str, tuple[float, float]] = {}
    names = dict.fromkeys(name for name in c if name)
    for line in lines[1:]:
        sides, relations = _RELATION.split(line), _RELATION.findall(line)
        if not relations or len(relations) > 2:
            raise LinearProgramError(f"the line {_shown(line)} does not compare two sides; {_FORM}")
        sums = [_sum(side, line) for side in sides]
        names.update((name, None) for each in sums for name in each if name)
        pairs = [_less(*pair, line) for pair in zip(relations, sums[:-1], sums[1:], strict=True)]
        if len(relations) == 2 and not all(_variables(row) == 1 for _, row in pairs):
            raise LinearProgramError(
                f"the line {_shown(line)} has two comparisons, which only the bounds of a variable have"
            )
        for kind, row in pairs:
            if _variables(row) == 0:
                raise LinearProgramError(f"the line {_shown(line)} compares no variable, or only such as cancel")
            if _variables(row) == 1:
                _bound(bounds, kind, row, line)
            else:
                rows[kind].append(row)
    for many, what in ((len(names), "variables"), (sum(map(len, rows.values())), "constraints")):
        if many > MOST:
            raise LinearProgramError(f"the text has {many:,} {what}; at most {MOST} are read")
    if not names:
        raise LinearProgramError(f"there is no variable in it; {_FORM}")
    (A_ub, b_ub), (A_eq, b_eq) = (
        (
            np.array([[row.get(name, 0.0) for name in names] for row in rows[kind]]).reshape(-1, len(names)),
            np.array([0.0 - row[""] for row in rows[kind]]),
        )
        for kind in ("ub", "eq")
    )
    limits = [bounds.get(name, (-np.inf, np.inf)) for name in names]
    costs = [c.get(name, 0.0) + 0.0 for name in names]  # not −0
    return LinearProgram.from_scipy(costs, A_ub, b_ub, A_eq, b_eq, limits), tuple(names)


def _tidy(line: str) -> str:
    """The line in ASCII, where it has a form in it, with single blanks."""
    return re.sub(f"[{_BLANKS}]+", " ", line.translate(_AS_ASCII)).strip(" ")


def _shown(line: str) -> str:
    return repr(line if len(line) <= 80 else line[:79] + "…")


def _sum(text: str, line: str) -> dict[str, float]:
    """The coefficient of every variable, and under "" that of 1."""
    found, at = {"": 0.0}, 0
    if not text.strip(" "):
        raise LinearProgramError(f"a side of the line {_shown(line)} is empty; {_FORM}")
    while at < len(text):
        term = _TERM.match(text, at)
        if term is None or (at > 0 and not term[1]):
            rest = text[at:].strip(" ")
            raise LinearProgramError(f"the line {_shown(line)} cannot be read at {_shown(rest)}; {_FORM}")
        value = float(term[2] or 1) * (-1 if term[1] == "-" else 1)
        name = term[3] or term[4] or ""
        if len(name) > LONGEST_NAME:
            raise LinearProgramError(f"the name {_shown(name)} is longer than {LONGEST_NAME} characters")
        found[name] = _finite(found.get(name, 0.0) + value, line)
        at = term.end()
    return found


def _finite(value: float, line: str) -> float:
    if not math.isfinite(value):
        raise LinearProgramError(f"the line {_shown(line)} leads to numbers that are too large; scale it")
    return value


def _less(relation: str, left: dict[str, float], right: dict[str, float], line: str) -> tuple[str, dict[str, float]]:
    """Of which kind a line is, and its row: row ≤ 0, or row = 0."""
    if relation == ">=":
        left, right = right, left
    row = {name: _finite(left.get(name, 0.0) - right.get(name, 0.0), line) for name in {**left, **right}}
    return ("eq" if relation == "=" else "ub"), row


def _variables(row: dict[str, float]) -> int:
    """How many are in the row and do not cancel."""
    return sum(1 for name, value in row.items() if name and value != 0)


def _bound(bounds: dict[str, tuple[float, float]], kind: str, row: dict[str, float], line: str) -> None:
    """Narrow the bounds of the row's only variable."""
    name, factor = next((name, value) for name, value in row.items() if name and value != 0)
    limit = _finite(0.0 - row[""] / factor, line)
    lower, upper = bounds.get(name, (-np.inf, np.inf))
    if kind == "eq" or factor < 0:
        lower = max(lower, limit)
    if kind == "eq" or factor > 0:
        upper = min(upper, limit)
    if lower > upper:
        raise LinearProgramError(
            f"the line {_shown(line)} leaves no value for {name}, which must be at least {lower:.12g} and at most "
            f"{upper:.12g}"
        )
    bounds[name] = lower, upper
