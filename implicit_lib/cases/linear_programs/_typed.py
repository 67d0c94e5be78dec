"""Linear programs as text, one line for the objective and one for each constraint; nothing of it is ever executed."""

from __future__ import annotations

import re

import numpy as np

from ._program import LinearProgram, LinearProgramError

_TERM = re.compile(r"([+-]?)(\d+(?:\.\d*)?(?:e[+-]?\d+)?|\.\d+)?\*?([A-Za-z]\w*)?")
_RELATION = re.compile(r"<=|>=|=")
_FORM = "write, for example, 'min: 2x - 3y', then lines such as 'x + 2y <= 4', 'x - y = 1' or '0 <= x <= 10'"


def parse(text: str) -> tuple[LinearProgram, tuple[str, ...]]:
    """A linear program from its text, and the names of its variables in the order in which they appear.

    The first line is `min:` or `max:` and the objective. Each further line is `left <= right`, with `>=` or `=` as
    well, where both sides are sums of numbers and of variables with a number before them. A line that compares one
    variable with numbers is a bound, and there may be two in it: `0 <= x <= 10`. A variable without bounds has none.
    A `max:` is turned into the minimum of the negative objective, and `>=` into `<=`.

    Raises:
        LinearProgramError: a line cannot be read; the message shows it. Or two lines contradict each other.
    """
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    head, colon, objective = (lines[0] if lines else "").partition(":")
    if not colon or head.strip() not in ("min", "max"):
        raise LinearProgramError(f"the first line must begin with 'min:' or 'max:'; {_FORM}")
    sign = 1.0 if head.strip() == "min" else -1.0
    c = {name: sign * value for name, value in _sum(objective, lines[0]).items()}
    rows: dict[str, list[dict[str, float]]] = {"ub": [], "eq": []}
    bounds: dict[str, list[float]] = {}
    names = [name for name in c if name]
    for line in lines[1:]:
        sides, relations = _RELATION.split(line), _RELATION.findall(line)
        if not relations or len(relations) > 2:
            raise LinearProgramError(f"the line {line!r} does not compare two sides; {_FORM}")
        sums = [_sum(side, line) for side in sides]
        names += [name for each in sums for name in each if name]
        pairs = [_less(*pair) for pair in zip(relations, sums[:-1], sums[1:], strict=True)]
        if len(relations) == 2 and not all(_is_bound(row) for _, row in pairs):
            raise LinearProgramError(f"the line {line!r} has two comparisons, which only the bounds of a variable have")
        for kind, row in pairs:
            if _is_bound(row):
                _bound(bounds, kind, row)
            else:
                rows[kind].append(row)
    order = tuple(dict.fromkeys(names))
    if not order:
        raise LinearProgramError(f"there is no variable in it; {_FORM}")
    (A_ub, b_ub), (A_eq, b_eq) = (
        (
            np.array([[row.get(name, 0.0) for name in order] for row in rows[kind]]).reshape(-1, len(order)),
            np.array([-row.get("", 0.0) for row in rows[kind]]),
        )
        for kind in ("ub", "eq")
    )
    limits = [tuple(bounds.get(name, (-np.inf, np.inf))) for name in order]
    return LinearProgram.from_scipy([c.get(name, 0.0) for name in order], A_ub, b_ub, A_eq, b_eq, limits), order


def _sum(text: str, line: str) -> dict[str, float]:
    """The coefficient of every variable, and under "" that of 1."""
    packed, found, at = re.sub(r"\s+", "", text), {"": 0.0}, 0
    if not packed:
        raise LinearProgramError(f"a side of the line {line!r} is empty; {_FORM}")
    while at < len(packed):
        term = _TERM.match(packed, at)
        if term is None or term.end() == at or not (term[2] or term[3]) or (at > 0 and not term[1]):
            raise LinearProgramError(f"the line {line!r} cannot be read at {packed[at:]!r}; {_FORM}")
        value = float(term[2] or 1) * (-1 if term[1] == "-" else 1)
        found[term[3] or ""] = found.get(term[3] or "", 0.0) + value
        at = term.end()
    return found


def _less(relation: str, left: dict[str, float], right: dict[str, float]) -> tuple[str, dict[str, float]]:
    """Of which kind a line is, and its row: row ≤ 0, or row = 0."""
    if relation == ">=":
        left, right = right, left
    row = {name: left.get(name, 0.0) - right.get(name, 0.0) for name in {**left, **right}}
    return ("eq" if relation == "=" else "ub"), row


def _is_bound(row: dict[str, float]) -> bool:
    return sum(1 for name, value in row.items() if name and value != 0) == 1


def _bound(bounds: dict[str, list[float]], kind: str, row: dict[str, float]) -> None:
    """Narrow the bounds of the row's only variable."""
    name, factor = next((name, value) for name, value in row.items() if name and value != 0)
    limit, known = -row.get("", 0.0) / factor, bounds.setdefault(name, [-np.inf, np.inf])
    if kind == "eq" or factor < 0:
        known[0] = max(known[0], limit)
    if kind == "eq" or factor > 0:
        known[1] = min(known[1], limit)
