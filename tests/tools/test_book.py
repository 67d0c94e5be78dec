"""Building and serving: only what changed, on a free port, and a failure in one line."""

from __future__ import annotations

import threading
import urllib.request
from pathlib import Path

import nbformat
import pytest

from tools import book

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def small_book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "_config.yml").write_text("title: Small\n")
    (tmp_path / "_toc.yml").write_text("format: jb-book\nroot: book/index\n")
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "index.md").write_text("# Small\n")
    for name, path in {
        "ROOT": tmp_path,
        "BUILD": tmp_path / "_build",
        "LOG": tmp_path / "_build" / "build.log",
    }.items():
        monkeypatch.setattr(book, name, path)
    monkeypatch.setattr(book, "SITE", tmp_path / "_build" / "html")
    return tmp_path


def test_builds_once_and_again_when_something_changed(small_book: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    builds: list[None] = []
    monkeypatch.setattr(book, "run_jupyter_book", lambda: builds.append(None))
    book.build()
    book.build()
    assert len(builds) == 1
    (small_book / "book" / "index.md").write_text("# Changed\n")
    book.build()
    assert len(builds) == 2


def test_a_failed_build_is_tried_again(small_book: Path) -> None:
    (small_book / "book" / "index.md").write_text("# Small\n\n[nowhere](nowhere.md)\n")
    for _ in range(2):
        with pytest.raises(SystemExit) as ended:
            book.build()
        message = str(ended.value)
        assert message.startswith("error: the book does not build: ") and "index.md" in message
        assert "\n" not in message


def test_a_notebook_that_fails_is_named(small_book: Path) -> None:
    extension = f"sphinx:\n  local_extensions:\n    side_by_side: {ROOT}/book/_ext\n"
    (small_book / "_config.yml").write_text(f"title: Small\nexecute:\n  execute_notebooks: cache\n{extension}")
    (small_book / "_toc.yml").write_text(
        "format: jb-book\nroot: book/index\nchapters:\n- file: notebooks/01_sound\n- file: notebooks/02_broken\n"
    )
    (small_book / "notebooks").mkdir()
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    for name, source in {"01_sound": "print(7)", "02_broken": "raise ValueError('no such figure')"}.items():
        cells = [nbformat.v4.new_code_cell(source)]
        nbformat.write(
            nbformat.v4.new_notebook(cells=cells, metadata=kernel), small_book / "notebooks" / f"{name}.ipynb"
        )
    with pytest.raises(SystemExit) as ended:
        book.build()
    message = str(ended.value)
    assert "02_broken.ipynb: ValueError: no such figure" in message and "\n" not in message


@pytest.mark.parametrize(
    ("before", "said"),
    [
        ("zmq.error.ZMQError: Socket operation on non-socket", "ERROR: 02_broken.ipynb: ValueError: no such figure"),
        ("zmq.error.ZMQError: Socket operation on non-socket", "index.md:3: WARNING: 'myst' reference not found"),
        ("Running Sphinx", "KeyError: 'title'"),
    ],
)
def test_what_the_book_complains_of_is_told_before_what_a_kernel_writes(before: str, said: str) -> None:
    assert book.complaint(f"{before}\n\x1b[31m{said}\x1b[39m\nRuntimeError: There was an error\n") == said
    assert book.complaint("Running Sphinx") is None


def test_two_servers_take_two_ports(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("here")
    with book.server(tmp_path) as first, book.server(tmp_path) as second:
        assert first.server_port != second.server_port
        for running in (first, second):
            assert running.server_address[0] == "127.0.0.1"
            threading.Thread(target=running.serve_forever, daemon=True).start()
            with urllib.request.urlopen(f"http://127.0.0.1:{running.server_port}/page.html") as answer:
                assert answer.read() == b"here"
            running.shutdown()


@pytest.mark.parametrize(
    ("name", "kind"),
    [("module.mjs", "text/javascript"), ("runtime.wasm", "application/wasm"), ("module.js", "text/javascript")],
)
def test_browsers_accept_the_types_of_scripts(tmp_path: Path, name: str, kind: str) -> None:
    assert book.QuietHandler.guess_type(book.QuietHandler.__new__(book.QuietHandler), str(tmp_path / name)) == kind
