"""The page of benchmarks shows the committed results, and these are complete and what the command would write."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

from benchmarks import report
from benchmarks.report import NEVER, Row, Table

NAMES = [name for names in report.TABLES.values() for name in names]
RUN = {"date": "2026-01-01", "machine": "a machine", "versions": "Python 3"}

# The rows and the columns of the target table, by name; a results file may have more.
ROWS = {
    "picard": {"tanh 256×512", "conv 8×32×64×64", "tanh 16×64"},
    "anderson": {"tanh 256×512", "conv 8×32×64×64", "tanh 16×64"},
    "symmetric": {"‖W‖ = 0.9", "‖W‖ = 0.99"},
    "independence": {"NaN", "overflow", "slow"},
    "useful": {"Picard", "Anderson"},
    "implicit": {f"b_tol 1e-{k:02}, worst scale" for k in range(2, 7)} | {"b_tol 1e-06, loss × 1e-09"},
    "lipschitz": {"‖∂G/∂y‖, rotations 0.9", "L_10, nilpotent", "ρ(∂G/∂y), a quarter turn × 0.9"},
    "peak": {f"Picard, T = {calls}" for calls in (10, 100, 1000)},
    "left": {"Picard"},
}
COLUMNS = {
    "picard": {"bare loop", "torchdeq", "deepinv", "jaxopt / compiled G", "optimistix / compiled G"},
    "anderson": {"torchdeq", "deepinv", "jaxopt / compiled G"},
    "calls": {"Picard", "torchdeq", "deepinv", "jaxopt"},
    "excess": {"torchdeq", "deepinv", "jaxopt"},
    "symmetric": {"Picard", "torchdeq", "deepinv", "jaxopt"},
    "independence": {"torchdeq", "deepinv", "jaxopt"},
    "useful": {"torchdeq"},
    "implicit": {"torchdeq", "deepinv", "jaxopt", "optimistix"},
    "lipschitz": {"torchdeq"},
    "peak": {"torchdeq", "deepinv"},
    "left": {"torchdeq", "deepinv"},
}


def test_the_page_shows_the_committed_results() -> None:
    assert report.PAGE.read_text() == report.page(), "run: .venv/bin/python -m benchmarks.report"


@pytest.mark.parametrize("name", NAMES)
def test_results_are_complete(name: str) -> None:
    table = report.load(name)
    assert ROWS.get(name, set()) <= {row.name for row in table.rows}
    for row in table.rows:
        assert {"ours"} | COLUMNS[name] <= set(row.cells)
        assert list(row.cells) == list(table.rows[0].cells)
    assert table.run.keys() == RUN.keys() and all(table.run.values())
    assert {"torchdeq 0.1.0", "deepinv 0.5.0", "jaxopt 0.8.5", "optimistix 0.1.0"} <= set(
        table.run["versions"].split(", ")
    )


@pytest.mark.parametrize("name", ["calls", "excess"])
def test_every_problem_of_the_zoo_is_in_the_table(name: str) -> None:
    from benchmarks.zoo import problems

    assert {row.name for row in report.load(name).rows} == {problem.name for problem in problems()}


def test_a_missed_target_says_so() -> None:
    row = Row("a", {"ours": 2.0}, 1.5)
    assert "**missed**" in Table("t", [row], RUN).markdown
    assert "**missed**" not in Table("t", [replace(row, target=2)], RUN).markdown
    assert not replace(row, cells={"ours": NEVER}).met
    assert replace(row, at_least=True).met


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (None, "–"),
        (NEVER, NEVER),
        (3.0, "3"),
        (0.0, "0"),
        (-12, "-12"),
        (1.05, "1.05"),
        (0.5, "0.5"),
        (1.23e-7, "1.23e-7"),
    ],
)
def test_cells_read_well(cell: report.Cell, text: str) -> None:
    assert report.shown(cell) == text


def test_a_table_survives_its_file(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "RESULTS", tmp_path)
    table = Table("t", [Row("a", {"ours": 1e-30, "b": None}, 3e-6, at_least=True)], RUN)
    table.save()
    assert report.load("t") == table
    json.loads(report.path("t").read_text(), parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert report.rounded(math.nan) == report.rounded(math.inf) == report.NOT_FINITE
