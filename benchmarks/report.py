"""Tables of measurements: a committed file each, `book/benchmarks/<name>.json`, shown on `book/benchmarks.md`.

No number on the page is typed: `write_page` puts every table between the lines `% table <name>` and `% end`, with the
target, and whether it is met, beside the figure that the target is about. A target is a bound on the column "ours".
"""

from __future__ import annotations

import json
import math
import os
import platform
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

BOOK = Path(__file__).resolve().parent.parent / "book"
RESULTS = BOOK / "benchmarks"
PAGE = BOOK / "benchmarks.md"
NEVER, NOT_FINITE = "never", "not finite"
LIBRARIES = ("torch", "torchdeq", "deepinv", "jaxopt", "optimistix", "jax")
TABLES = {
    "solvers": ("picard", "anderson", "calls", "excess", "symmetric", "independence", "useful"),
    "gradients": ("implicit", "lipschitz"),
    "memory": ("peak", "left"),
}

Cell = float | str | None


@dataclass(frozen=True)
class Row:
    """One line of a table.

    Attributes:
        name: what was measured.
        cells: a number, `NEVER` or another word, or None where there is nothing to measure, for every column.
        target: a bound on the cell "ours", if there is one.
        at_least: whether the bound is from below.
    """

    name: str
    cells: dict[str, Cell]
    target: float | None = None
    at_least: bool = False

    @property
    def met(self) -> bool:
        """Whether our figure keeps to the target."""
        ours = self.cells["ours"]
        if self.target is None or isinstance(ours, str) or ours is None:
            return self.target is None
        return ours >= self.target if self.at_least else ours <= self.target


@dataclass(frozen=True)
class Table:
    """One table and the run that it comes from."""

    name: str
    rows: Sequence[Row]
    run: dict[str, str]

    def save(self) -> None:
        """Replace the table's file."""
        RESULTS.mkdir(exist_ok=True)
        path(self.name).write_text(json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n")

    @property
    def markdown(self) -> str:
        """The table as the page shows it."""
        columns = list(self.rows[0].cells)
        targets = any(row.target is not None for row in self.rows)
        head = ["case", *columns, *(["target", "verdict"] if targets else [])]
        lines = [head, ["---"] * len(head)]
        for row in self.rows:
            verdict = [_target(row), "" if row.target is None else "met" if row.met else "**missed**"]
            lines.append([row.name, *(shown(row.cells[each]) for each in columns), *(verdict if targets else [])])
        body = "\n".join("| " + " | ".join(line) + " |" for line in lines)
        run = self.run
        return f"{body}\n\nMeasured on {run['date']}: {run['machine']}; {run['versions']}."


def path(name: str) -> Path:
    return RESULTS / f"{name}.json"


def load(name: str) -> Table:
    content = json.loads(path(name).read_text())
    return Table(content["name"], [Row(**row) for row in content["rows"]], content["run"])


def shown(cell: Cell) -> str:
    """A cell as text: three digits, and powers of ten where they are shorter."""
    if cell is None or isinstance(cell, str):
        return "–" if cell is None else cell
    if cell == int(cell) and abs(cell) < 1e5:
        return str(int(cell))
    digits = f"{cell:.3g}" if abs(cell) >= 1 or abs(cell) < 1e-3 else f"{cell:.2g}"
    return re.sub(r"e([+-])0*(\d+)", lambda found: f"e{found[1].strip('+')}{found[2]}", digits)


def _target(row: Row) -> str:
    return "" if row.target is None else f"{'≥' if row.at_least else '≤'} {shown(row.target)}"


def about_this_run() -> dict[str, str]:
    """Date, machine and versions, for the line under a table."""
    versions = [f"Python {platform.python_version()}"]
    for library in LIBRARIES:
        try:
            versions.append(f"{library} {version(library)}")
        except PackageNotFoundError:
            continue
    machine = f"{_processor()}, {os.cpu_count()} cores, one of them used"
    return {"date": date.today().isoformat(), "machine": machine, "versions": ", ".join(versions)}


def _processor() -> str:
    try:
        found = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text())
    except OSError:
        found = None
    return found[1] if found else platform.machine()


def page() -> str:
    """The page's text with every table as its file has it.

    Raises:
        KeyError: the page shows no place for a table.
    """
    text = PAGE.read_text()
    for name in (name for names in TABLES.values() for name in names):
        before, line, rest = text.partition(f"\n% table {name}\n")
        _, end, after = rest.partition("% end\n")
        if not end:
            raise KeyError(f"{PAGE} has no line '% table {name}' with a line '% end' after it")
        text = f"{before}{line}\n{load(name).markdown}\n\n{end}{after}"
    return text


def write_page() -> None:
    """Bring the page's tables up to date with the files."""
    PAGE.write_text(page())


def measure(subject: str, tables: dict[str, Callable[[], Sequence[Row]]]) -> None:
    """Measure and save the tables named on the command line, or all of the subject's, and write the page."""
    names = sys.argv[1:] or list(TABLES[subject])
    if unknown := set(names) - set(tables):
        raise SystemExit(f"error: no table {', '.join(sorted(unknown))}; there are {', '.join(tables)}")
    for name in names:
        table = Table(name, tables[name](), about_this_run())
        table.save()
        print(f"\n{name}\n{table.markdown}", flush=True)
    if all(path(name).exists() for names in TABLES.values() for name in names):
        write_page()


def rounded(value: float) -> Cell:
    """A measured number with the three digits worth keeping."""
    return float(f"{value:.3g}") if math.isfinite(value) else NOT_FINITE


if __name__ == "__main__":
    write_page()
