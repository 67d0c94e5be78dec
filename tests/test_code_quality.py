"""Style, types, and the facts that several files state."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
REPOSITORY = PROJECT["project"]["urls"]["Repository"]


@pytest.mark.parametrize("command", ["ruff check", "ruff format --check", "mypy"])
def test_passes(command: str) -> None:
    result = subprocess.run(
        [sys.executable, "-m", *command.split(), *(["."] if "ruff" in command else [])],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_repository_has_one_address() -> None:
    address = re.compile(r"https://github\.com/rich-equilibria/[\w-]+")
    addresses = {path: set(address.findall(path.read_text())) for path in written_files()}
    assert {path: found for path, found in addresses.items() if found - {REPOSITORY}} == {}
    stated = {path.relative_to(ROOT).as_posix() for path, found in addresses.items() if found}
    assert stated >= {"README.md", "CITATION.cff", "_config.yml", "pyproject.toml", "tools/colab_setup.txt"}


def written_files() -> list[Path]:
    kinds = {".cff", ".ipynb", ".md", ".py", ".toml", ".txt", ".yml"}
    made = {".venv", "node_modules", "_build"}
    tops = [path for path in ROOT.iterdir() if path.name not in made]
    files = (path for top in tops for path in ([top] if top.is_file() else top.rglob("*")))
    return [path for path in files if path.suffix in kinds and path.is_file()]


def test_the_citation_is_complete() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["cff-version"] == "1.2.0"
    assert {"message", "title", "authors", "version", "date-released", "license", "repository-code"} <= set(citation)
    version = re.search(r'__version__ = "(.+)"', (ROOT / "implicit_lib" / "__init__.py").read_text())
    assert version and citation["version"] == version.group(1)
    (paper,) = citation["references"]
    assert paper["doi"] == "10.48550/arXiv.2510.03638"
    assert [author["family-names"] for author in paper["authors"]] == ["Liu", "Ding", "Osher", "Yin"]


def test_every_requirement_is_pinned() -> None:
    lines = [line for line in (ROOT / "requirements.txt").read_text().splitlines() if line and not line.startswith("#")]
    assert [line for line in lines if not re.fullmatch(r"[\w.-]+==[\w.]+", line)] == []
    packages = json.loads((ROOT / "package-lock.json").read_text())["packages"]
    assert [name for name, package in packages.items() if name and "integrity" not in package] == []


def test_the_pins_satisfy_the_librarys_ranges() -> None:
    from packaging.requirements import Requirement

    files = (ROOT / "benchmarks" / "peers.txt", ROOT / "requirements.txt")
    pins = dict(line.split("==") for file in files for line in file.read_text().splitlines() if "==" in line)
    project = PROJECT["project"]
    loose = [*project["dependencies"], *(line for group in project["optional-dependencies"].values() for line in group)]
    for requirement in map(Requirement, loose):
        assert requirement.specifier.contains(pins[requirement.name]), requirement


def test_the_browser_draws_with_the_plotly_that_python_brings() -> None:
    import plotly

    bundled = (Path(plotly.__file__).parent / "package_data" / "plotly.min.js").read_text(errors="ignore")[:500]
    version = re.search(r"plotly\.js v([\d.]+)", bundled)
    dependencies = json.loads((ROOT / "package.json").read_text())["dependencies"]
    assert version and dependencies["plotly.js-cartesian-dist-min"] == version.group(1)


def test_continuous_integration_runs_the_readmes_command() -> None:
    assert "make test" in (ROOT / "README.md").read_text()
    assert (ROOT / ".ci" / "run").read_text().splitlines()[-1] == "make test"
    assert "run: make test" in (ROOT / ".github" / "workflows" / "test.yml").read_text()
