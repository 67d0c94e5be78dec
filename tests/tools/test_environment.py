"""Setting up: what is missing is said in one line; what is there already is left alone."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from tools import environment

NOWHERE = "http://127.0.0.1:9/"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty checkout; its environment's Python is this one."""
    (tmp_path / ".venv").mkdir()
    for name, path in {
        "ROOT": tmp_path,
        "VENV": tmp_path / ".venv",
        "LOG": tmp_path / ".venv" / "install.log",
        "REQUIREMENTS": tmp_path / "requirements.txt",
        "LOCK": tmp_path / "package-lock.json",
        "PYTHON": Path(sys.executable),
    }.items():
        monkeypatch.setattr(environment, name, path)
    (tmp_path / "requirements.txt").write_text("torch==2.13.0\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Record the installing commands, which all succeed, instead of running them."""
    seen: list[str] = []
    monkeypatch.setattr(environment, "logged", lambda command: seen.append(" ".join(map(str, command[1:]))) or True)
    monkeypatch.setattr(environment, "torch_from_cpu_index", lambda: True)
    return seen


def failure(call: Any) -> str:
    with pytest.raises(SystemExit) as ended:
        call()
    message = str(ended.value)
    assert message.startswith("error: ")
    assert "\n" not in message
    return message


def test_an_old_python_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 9, 2))
    monkeypatch.setattr(shutil, "which", lambda name: None)
    message = failure(environment.use_recent_python)
    assert "3.11 or newer" in message and "is 3.9" in message and "make book PYTHON=" in message


def test_a_newer_python_beside_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 9, 2))
    monkeypatch.setattr(shutil, "which", lambda name: "/somewhere/python3.12" if name == "python3.12" else None)
    started: list[Any] = []
    monkeypatch.setattr(os, "execv", lambda program, arguments: started.append((program, arguments)) or sys.exit())
    with pytest.raises(SystemExit):
        environment.use_recent_python()
    assert started == [("/somewhere/python3.12", ["/somewhere/python3.12", "-m", "tools.environment"])]


@pytest.fixture
def no_ensurepip(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Python as Debian ships it, and no environment yet."""
    (place / ".venv").rmdir()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr(environment, "PYTHON", place / ".venv" / "bin" / "python")


@pytest.mark.usefixtures("no_ensurepip")
def test_without_ensurepip_and_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "PIP_WHEEL", NOWHERE + "pip.whl")
    message = failure(environment.create_venv)
    assert "no network" in message and "apt-get install python3." in message


@pytest.mark.usefixtures("no_ensurepip")
def test_a_pip_that_is_not_the_expected_file(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (place / "pip.whl").write_bytes(b"something else")
    monkeypatch.setattr(environment, "PIP_WHEEL", (place / "pip.whl").as_uri())
    assert "not the file that was expected" in failure(environment.create_venv)


def test_no_network_for_pip(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (place / "requirements.txt").write_text("a-package-that-is-not-installed==1.0\n")
    monkeypatch.setattr(environment, "torch_from_cpu_index", lambda: False)
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", NOWHERE)
    monkeypatch.setenv("PIP_RETRIES", "1")
    assert "no network" in failure(environment.install_packages)
    assert not (place / ".venv" / "requirements.sha256").exists()


def test_a_requirement_that_cannot_be_installed(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (place / "requirements.txt").write_text("not a requirement\n")
    monkeypatch.setattr(environment, "torch_from_cpu_index", lambda: False)
    assert "Invalid requirement" in failure(environment.install_packages)


def test_no_network_for_npm(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = Path(__file__).resolve().parents[2]
    for name in ("package.json", "package-lock.json"):
        shutil.copy(root / name, place)
    monkeypatch.setenv("npm_config_registry", NOWHERE)
    monkeypatch.setenv("npm_config_fetch_retries", "0")
    monkeypatch.setenv("npm_config_cache", str(place / "cache"))
    assert "no network" in failure(environment.install_javascript)


def test_torch_comes_from_the_cpu_index_first(place: Path, commands: list[str]) -> None:
    environment.install_packages()
    torch, everything, *_ = commands
    assert "--index-url https://download.pytorch.org/whl/cpu torch==2.13.0" in torch
    assert everything.endswith(f"install --requirement {place / 'requirements.txt'}")


def test_what_is_unchanged_is_not_installed_again(place: Path, commands: list[str]) -> None:
    environment.install_packages()
    commands.clear()
    environment.install_packages()
    assert commands == []
    (place / "requirements.txt").write_text("torch==2.14.0\n")
    environment.install_packages()
    assert commands


@pytest.mark.parametrize(
    ("platform", "gpu", "pip_configuration", "expected"),
    [
        ("linux", False, "", True),
        ("linux", False, "global.timeout='60'", True),
        ("linux", False, "global.find-links='/wheels'", False),
        ("linux", False, ":env:.index-url='https://mirror.example/simple'", False),
        ("linux", True, "", False),
        ("darwin", False, "", False),
    ],
)
def test_when_to_ask_the_cpu_index(
    platform: str, gpu: bool, pip_configuration: str, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(environment, "has_nvidia_gpu", lambda: gpu)
    monkeypatch.setattr("subprocess.check_output", lambda command: pip_configuration.encode())
    assert environment.torch_from_cpu_index() is expected
