"""Build the book if anything changed, and serve it on this machine: `python -m tools.book` (`build`: do not serve)."""

from __future__ import annotations

import fcntl
import hashlib
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tools.console import fail, step

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "_build"
SITE = BUILD / "html"
LOG = BUILD / "build.log"
SOURCES = ("_config.yml", "_toc.yml", "package-lock.json", "requirements.txt", "book", "implicit_lib", "notebooks")
USUAL_PORT = 8000


def build() -> Path:
    """Build the book if anything it is made from changed since the last build; the folder of the site.

    Every build starts from nothing: a page shows what its notebook and the library compute now, so no page may be kept.

    Raises:
        SystemExit: the build failed, with the first warning or error.
    """
    BUILD.mkdir(exist_ok=True)
    stamp = BUILD / "sources.sha256"
    with alone(BUILD / "lock"):
        digest = digest_of_sources()
        if stamp.exists() and stamp.read_text() == digest:
            return SITE
        stamp.unlink(missing_ok=True)
        for made in ("html", ".doctrees"):
            shutil.rmtree(BUILD / made, ignore_errors=True)
        with step("Building the book"):
            run_jupyter_book()
        stamp.write_text(digest)
    return SITE


def run_jupyter_book() -> None:
    command = "from jupyter_book.cli.main import main; main()"
    strict = ["--warningiserror", "--keep-going", "--nitpick"]
    with LOG.open("w") as log:
        result = subprocess.run(
            [sys.executable, "-c", command, "build", str(ROOT), *strict],
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=ROOT,
        )
    if result.returncode != 0:
        fail(f"the book does not build: {complaint(LOG.read_text()) or 'see the log'} (log: {LOG})")


def complaint(log: str) -> str | None:
    """The line that says why: the book's first, or where it has none, as a crash has none, the first error's."""
    plain = re.sub(r"\x1b\[[\d;]*m", "", log)
    # in this order: a kernel that shuts down may have written a traceback of its own before what the book complains of
    found = (re.search(rf"^.*{mark}.*$", plain, re.MULTILINE) for mark in ("(?:WARNING|ERROR): ", "Error: "))
    return next((line[0] for line in found if line), None)


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Hold a lock file, so that two builds (two test workers, say) wait for each other."""
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def digest_of_sources() -> str:
    digest = hashlib.sha256()
    for path in sorted(path for source in SOURCES for path in files_of(ROOT / source)):
        digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def files_of(source: Path) -> Iterator[Path]:
    if source.is_file():
        yield source
    hidden = {"__pycache__", ".ipynb_checkpoints"}
    yield from (path for path in source.rglob("*") if path.is_file() and not hidden.intersection(path.parts))


class QuietHandler(SimpleHTTPRequestHandler):
    """Serves files as `python -m http.server` does, without a line per request."""

    def log_message(self, format: str, *args: object) -> None:
        pass


def server(site: Path) -> ThreadingHTTPServer:
    """A server of the folder on a loopback port: the usual one, or any when that is taken."""
    handler = partial(QuietHandler, directory=str(site))
    try:
        return ThreadingHTTPServer(("127.0.0.1", USUAL_PORT), handler)
    except OSError:
        return ThreadingHTTPServer(("127.0.0.1", 0), handler)


def main() -> None:
    site = build()
    if sys.argv[1:] == ["build"]:
        return
    with server(site) as running:
        print(f"The book is at http://127.0.0.1:{running.server_port}/  (Ctrl-C stops)", flush=True)
        running.serve_forever()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        print()
