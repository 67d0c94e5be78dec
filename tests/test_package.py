"""What `pip install` of this repository gives: Colab and other projects get the library with its weights."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    source = tmp_path_factory.mktemp("source")
    shutil.copytree(ROOT / "implicit_lib", source / "implicit_lib", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--wheel-dir", source / "wheels", source], check=True, capture_output=True)
    return zipfile.ZipFile(next((source / "wheels").glob("*.whl")))


def test_holds_every_file_of_the_library(wheel: zipfile.ZipFile) -> None:
    here = {path.relative_to(ROOT).as_posix() for path in (ROOT / "implicit_lib").rglob("*") if path.is_file()}
    assert {name for name in here if "__pycache__" not in name} == {
        name for name in wheel.namelist() if name.startswith("implicit_lib/")
    }


def test_is_small_enough_to_be_installed_in_half_a_minute(wheel: zipfile.ZipFile) -> None:
    assert sum(file.compress_size for file in wheel.infolist()) < 50e6


def test_asks_for_no_exact_versions(wheel: zipfile.ZipFile) -> None:
    (name,) = (name for name in wheel.namelist() if name.endswith("METADATA"))
    needed = [line for line in wheel.read(name).decode().splitlines() if line.startswith("Requires-Dist")]
    assert needed and not any("==" in line.partition(";")[0] for line in needed)
