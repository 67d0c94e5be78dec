"""Checks: one stable verdict line each, an exception where they fail, and a record for the claims ledger.

A verdict says what kind of evidence it rests on. Sampling can refute and cannot prove.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import Any, Literal

from .claims import CLAIMS

Evidence = Literal["proved", "certified", "measured", "sampled"]

CHECK_MIME = "application/vnd.rich-equilibria.check+json"


class CheckFailed(AssertionError):
    """A check did not hold; the message is its verdict line."""


def check(
    name: str,
    value: Any,
    *,
    of: str,
    at_most: float | None = None,
    at_least: float | None = None,
    equals: Any = None,
    within: float = 0.0,
    show: str | None = None,
    evidence: Evidence = "measured",
    samples: int | None = None,
    claim: str | None = None,
    falsified_by: str | None = None,
    detail: str = "",
) -> None:
    """Compare `value` with a bound; print `PASS name: …`, or print `FAIL name: …` and raise.

    The line must read the same on every machine: it carries the bound, and the value only by `show`, with as many
    digits as are stable.

    Args:
        name: what is checked; unique within its chapter.
        value: the measured number; or, with `equals`, anything that compares (a sympy expression, an int); or, without
            a bound, a truth value.
        of: what `value` is, as a formula or in words.
        at_most: passes when value ≤ at_most.
        at_least: passes when value ≥ at_least.
        equals: passes when value == equals; with `within`, when |value − equals| ≤ within.
        show: format of the value in the verdict, such as ".2f".
        evidence: "proved" (symbolic), "certified" (an enclosure), "measured" (this very number is the claim) or
            "sampled" (not refuted in `samples` samples).
        claim: the id of the paper's claim that this check carries (see `implicit_lib.claims`).
        falsified_by: what would turn it red; required with `claim`.
        detail: said after a failing verdict only.

    Raises:
        CheckFailed: if the comparison does not hold; NaN never holds.
        ValueError: if the check is not well posed.
    """
    bounds = [b for b in (at_most, at_least, equals) if b is not None]
    truth = not isinstance(value, str) and str(value) in ("True", "False")
    if len(bounds) > 1 or (not bounds and not truth):
        raise ValueError(
            f"Check '{name}' needs a truth value, or a value with one of at_most, at_least and equals; "
            f"got {value!r} with {len(bounds)} of them."
        )
    if within and (equals is None or not math.isfinite(within)):
        raise ValueError(f"Check '{name}': within= is a finite distance from equals=; got {within} and {equals}.")
    if show and not bounds:
        raise ValueError(f"Check '{name}': a truth value has no digits to show.")
    if claim is not None and claim not in CLAIMS:
        raise ValueError(f"Check '{name}': unknown claim {claim!r}; known are {', '.join(CLAIMS)}.")
    if claim is not None and not falsified_by:
        raise ValueError(f"Check '{name}' carries the claim '{claim}': say in falsified_by what would refute it.")
    if (evidence == "sampled") != (samples is not None):
        raise ValueError(f"Check '{name}': samples= goes with evidence='sampled', and with nothing else.")
    passed, relation = _compare(value, at_most, at_least, equals, within)
    shown = f" = {value:{show}}{',' if equals is not None else ''}" if show else ""
    basis = f"not refuted in {samples} samples" if evidence == "sampled" else evidence
    if not passed:
        line = f"FAIL {name}: {of}{relation} does not hold; the value is {value}. {detail}".rstrip()
        print(line, file=sys.stderr)
        raise CheckFailed(line)
    statement = f"{of}{shown}{relation} [{basis}]"
    record = {"name": name, "statement": statement, "evidence": basis, "claim": claim, "falsified_by": falsified_by}
    _show(f"PASS {name}: {statement}", record)


def _compare(value: Any, at_most: float | None, at_least: float | None, equals: Any, within: float) -> tuple[bool, str]:
    """Whether the comparison holds, and how to write it. NaN holds nowhere, and an infinity is not a measurement."""
    if at_most is not None:
        return bool(-math.inf < value <= at_most), f" ≤ {at_most}"
    if at_least is not None:
        return bool(at_least <= value < math.inf), f" ≥ {at_least}"
    if equals is None:
        return bool(value), ""
    if within:
        return bool(abs(value - equals) <= within), f" = {equals} ± {within}"
    return bool(value == equals) and str(value) != "nan", f" = {'∞' if str(equals) in ('oo', 'inf') else equals}"


def attempt(name: str, answer: Any, verify: Callable[[Any], bool]) -> None:
    """Mark a reader's answer to an exercise: open while it is None, then right or not yet; never an exception.

    Args:
        name: the exercise, such as "Exercise 1.1".
        answer: the reader's answer, None until there is one.
        verify: returns whether the answer is right.
    """
    if answer is None:
        print(f"OPEN {name}: replace None by your answer and run the cell again.")
        return
    try:
        right = bool(verify(answer))
    except Exception as error:  # a reader's answer may be anything
        print(f"NOT YET {name}: checking your answer raised {type(error).__name__}: {error}")
        return
    print(f"PASS {name}" if right else f"NOT YET {name}: this answer does not pass the check.")


def _show(line: str, record: dict[str, Any]) -> None:
    """In a notebook: the line, with the record beside it for the ledger. Elsewhere: the line."""
    ipython = sys.modules.get("IPython")
    if ipython is None or ipython.get_ipython() is None:
        print(line)
        return
    ipython.display.display({"text/plain": line, CHECK_MIME: record}, raw=True)
