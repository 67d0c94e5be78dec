"""Finding a Chromium: the named one, the first that starts, or one line that says how to get one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tools import browser


@pytest.fixture(autouse=True)
def nothing_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.delenv("CHROMIUM", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(browser, "MAC_APPLICATIONS", ())
    monkeypatch.setattr(browser, "playwright_chromium", lambda: iter(()))
    yield


def program(path: Path, *, exit_status: int) -> Path:
    path.write_text(f"#!/bin/sh\nexit {exit_status}\n")
    path.chmod(0o755)
    return path


def test_the_named_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHROMIUM", str(program(tmp_path / "mine", exit_status=0)))
    assert browser.find() == tmp_path / "mine"


def test_a_named_one_that_does_not_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHROMIUM", str(tmp_path / "missing"))
    with pytest.raises(SystemExit, match=r"CHROMIUM=.*missing does not start"):
        browser.find()


def test_a_stub_that_does_not_start_is_passed_over(tmp_path: Path) -> None:
    program(tmp_path / "chromium", exit_status=1)
    chrome = program(tmp_path / "google-chrome", exit_status=0)
    assert browser.find() == chrome


def test_none_and_no_way_to_install_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browser, "install", lambda: None)
    with pytest.raises(SystemExit) as ended:
        browser.main()
    message = str(ended.value)
    assert message.startswith("error: no Chromium found") and "apt-get install chromium" in message
    assert "\n" not in message


def test_the_one_that_was_installed_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browser, "install", lambda: program(tmp_path / "chromium", exit_status=0))
    browser.main()
    assert browser.find() == tmp_path / "chromium"
