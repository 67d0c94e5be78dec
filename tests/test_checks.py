"""Checks pass, fail and refuse as they say, and their lines are stable."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sympy

from implicit_lib.checks import CHECK_MIME, CheckFailed, attempt, check
from implicit_lib.claims import CLAIMS


@pytest.mark.parametrize(
    ("value", "bound", "line"),
    [
        (1e-15, {"at_most": 1e-12}, "PASS n: q ≤ 1e-12 [measured]"),
        (3.0, {"at_least": 2}, "PASS n: q ≥ 2 [measured]"),
        (5, {"equals": 5}, "PASS n: q = 5 [measured]"),
        (0.3004, {"equals": 0.3, "within": 0.01}, "PASS n: q = 0.3 ± 0.01 [measured]"),
        (0.3004, {"equals": 0.3, "within": 0.01, "show": ".2f"}, "PASS n: q = 0.30, = 0.3 ± 0.01 [measured]"),
        (0.123, {"at_most": 1, "show": ".1f"}, "PASS n: q = 0.1 ≤ 1 [measured]"),
        (sympy.Integer(0), {"equals": 0, "evidence": "proved"}, "PASS n: q = 0 [proved]"),
        (True, {}, "PASS n: q [measured]"),
        (sympy.true, {}, "PASS n: q [measured]"),
        (0.1, {"at_most": 1, "evidence": "sampled", "samples": 9}, "PASS n: q ≤ 1 [not refuted in 9 samples]"),
    ],
)
def test_passes_with_a_stable_line(
    value: Any, bound: dict[str, Any], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    check("n", value, of="q", **bound)
    assert capsys.readouterr().out == line + "\n"


@pytest.mark.parametrize(
    ("value", "bound"),
    [
        (1e-11, {"at_most": 1e-12}),
        (float("nan"), {"at_most": 1e-12}),
        (float("nan"), {"at_least": 0}),
        (float("nan"), {"equals": 0, "within": 1}),
        (1.9, {"at_least": 2}),
        (6, {"equals": 5}),
        (0.32, {"equals": 0.3, "within": 0.01}),
        (False, {}),
        (sympy.Symbol("x"), {"equals": 0}),
        (float("-inf"), {"at_most": 1}),
        (float("inf"), {"at_least": 1}),
        (sympy.nan, {"equals": sympy.nan}),
    ],
)
def test_fails_and_says_the_value(value: Any, bound: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(CheckFailed, match=f"^FAIL n: q.*the value is {value}"):
        check("n", value, of="q", **bound)
    assert "PASS" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"at_most": 1, "at_least": 0}, "with 2 of them"),
        ({}, "needs a truth value"),
        ({"within": 0.1}, "needs a truth value"),
        ({"at_most": 1, "within": 0.1}, "within= is a finite distance"),
        ({"equals": 1, "within": float("inf")}, "within= is a finite distance"),
        ({"at_most": 1, "claim": "flat-earth"}, "unknown claim 'flat-earth'"),
        ({"at_most": 1, "claim": "growth"}, "falsified_by"),
        ({"at_most": 1, "evidence": "sampled"}, "samples="),
        ({"at_most": 1, "samples": 3}, "samples="),
    ],
)
def test_refuses_a_check_that_is_not_well_posed(arguments: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        check("n", 0.5, of="q", **arguments)


@pytest.mark.parametrize("value", ["True", "False", None, 1])
def test_refuses_what_only_looks_like_a_truth_value(value: Any) -> None:
    with pytest.raises(ValueError, match="needs a truth value"):
        check("n", value, of="q")


def test_a_truth_value_has_no_digits() -> None:
    with pytest.raises(ValueError, match="no digits to show"):
        check("n", True, of="q", show=".2f")


@pytest.mark.parametrize(
    ("answer", "verify", "line"),
    [
        (None, lambda a: True, "OPEN e"),
        (7, lambda a: a == 7, "PASS e"),
        (8, lambda a: a == 7, "NOT YET e: this answer does not pass"),
        ("x", lambda a: a > 1, "NOT YET e: checking your answer raised TypeError"),
    ],
)
def test_marks_an_attempt(
    answer: Any, verify: Callable[[Any], bool], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    attempt("e", answer, verify)
    assert capsys.readouterr().out.startswith(line)


def test_the_record_for_the_ledger(monkeypatch: pytest.MonkeyPatch) -> None:
    import IPython

    shown: list[dict[str, Any]] = []
    monkeypatch.setattr(IPython, "get_ipython", lambda: object())
    monkeypatch.setattr(IPython.display, "display", lambda bundle, raw: shown.append(bundle))
    check("n", 1, equals=1, of="q", claim="growth", falsified_by="a constant slope")
    assert shown[0]["text/plain"] == "PASS n: q = 1 [measured]"
    assert shown[0][CHECK_MIME] == {
        "name": "n",
        "statement": "q = 1 [measured]",
        "evidence": "measured",
        "claim": "growth",
        "falsified_by": "a constant slope",
    }


def test_every_claim_says_what_the_paper_says() -> None:
    assert len(CLAIMS) == 24
    assert all(claim.statement.endswith(".") and claim.paper for claim in CLAIMS.values())
