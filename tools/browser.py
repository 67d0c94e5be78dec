"""Find the Chromium that the tests drive, or install one: `python -m tools.browser`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tools.console import fail, step

COMMANDS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
MAC_APPLICATIONS = ("Chromium.app/Contents/MacOS/Chromium", "Google Chrome.app/Contents/MacOS/Google Chrome")
ADVICE = (
    "install it (Debian: apt-get install chromium; Ubuntu: snap install chromium; macOS: brew install --cask chromium) "
    "or name one: make test CHROMIUM=/path/to/chromium"
)


def find() -> Path | None:
    """The first Chromium or Chrome that starts: $CHROMIUM, then PATH, then applications, then Playwright's own.

    Raises:
        SystemExit: $CHROMIUM names a program that does not start.
    """
    named = os.environ.get("CHROMIUM")
    if named:
        return Path(named) if starts(Path(named)) else fail(f"CHROMIUM={named} does not start; {ADVICE}")
    return next(filter(starts, candidates()), None)


def candidates() -> Iterator[Path]:
    for command in COMMANDS:
        found = shutil.which(command)
        if found:
            yield Path(found)
    for folder in (Path("/Applications"), Path.home() / "Applications"):
        yield from (folder / application for application in MAC_APPLICATIONS)
    yield from playwright_chromium()


def playwright_chromium() -> Iterator[Path]:
    """Where Playwright keeps a Chromium that it installed; a child process, because it starts a driver to answer."""
    question = "from playwright.sync_api import sync_playwright as s\nwith s() as p: print(p.chromium.executable_path)"
    answer = subprocess.run([sys.executable, "-c", question], capture_output=True, text=True)
    if answer.returncode == 0:
        yield Path(answer.stdout.strip())


def starts(program: Path) -> bool:
    """Whether the program runs at all; Ubuntu's chromium-browser may be a stub, a download may lack libraries."""
    try:
        return subprocess.run([program, "--version"], capture_output=True, timeout=60).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def install() -> None:
    """Try every way that needs no question: Debian's package as root, then Playwright's download."""
    root = os.geteuid() == 0
    ways = [[sys.executable, "-m", "playwright", "install", *(["--with-deps"] if root else []), "chromium"]]
    # Ubuntu has apt-get too, but its chromium package only points at a snap.
    if root and is_debian():
        ways.insert(0, ["sh", "-c", "apt-get update && apt-get install --yes --no-install-recommends chromium"])
    for way in ways:
        if subprocess.run(way, capture_output=True).returncode == 0 and find():
            return


def is_debian() -> bool:
    release = Path("/etc/os-release")
    return release.exists() and "ID=debian" in release.read_text().splitlines()


def main() -> None:
    if find():
        return
    with step("Installing Chromium for the tests"):
        install()
    if not find():
        fail(f"no Chromium found, and none could be installed (no network, or no rights); {ADVICE}")


if __name__ == "__main__":
    main()
