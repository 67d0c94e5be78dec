"""The Berkeley photographs: loaded once, checked every time, and one clear line for everything that can go wrong."""

from __future__ import annotations

import io
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from implicit_lib.cases.deblurring import BerkeleyError, _berkeley, berkeley
from tests.cases.deblurring.berkeley_archive import checksum, packed, photographs, server
from tests.cases.deblurring.problems import silent

FILES = photographs()


@pytest.fixture(autouse=True)
def pinned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The small archive is the right one, and the cache is empty."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(_berkeley, "COUNT", len(FILES))
    monkeypatch.setattr(_berkeley, "SHA256", checksum(FILES))


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch):
    """Makes a server's address the one that is loaded from."""

    @contextmanager
    def serve(content: bytes | None, **settings: int) -> Iterator[list[str]]:
        with server(content, **settings) as (url, asked):
            monkeypatch.setattr(_berkeley, "URL", url)
            yield asked

    return serve


def refused(match: str) -> None:
    """One line that says so, and nothing is left behind."""
    with pytest.raises(BerkeleyError, match=match) as found:
        berkeley(silent)
    assert "\n" not in str(found.value)
    folder = _berkeley.archive().parent
    assert not folder.is_dir() or list(folder.iterdir()) == []


def test_the_pictures_are_those_of_the_archive(at) -> None:
    with at(packed(FILES)) as asked:
        found = berkeley(silent)
        assert found.training.shape == (5, 3, 321, 481) and found.test.shape == (8, 3, 128, 128)
        assert found.training.dtype == torch.float32
        again = berkeley(silent)
    assert len(asked) == 1 and torch.equal(found.training, again.training) and torch.equal(found.test, again.test)
    lying, upright, *_ = (np.asarray(Image.open(io.BytesIO(FILES[f"train/{i}.jpg"]))) / np.float32(255) for i in (0, 1))
    assert np.array_equal(found.training[0].permute(1, 2, 0), lying)
    assert np.array_equal(found.training[1].permute(1, 2, 0), np.rot90(upright))
    seen = np.asarray(Image.open(io.BytesIO(FILES["val/0.jpg"])).crop((176, 96, 304, 224))) / np.float32(255)
    assert np.array_equal(found.test[0].permute(1, 2, 0), seen)


def test_progress_tells_the_time_left(at, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_berkeley, "_QUIET", -1.0)
    monkeypatch.setattr(_berkeley, "_CHUNK", 50_000)
    lines: list[str] = []
    with at(packed(FILES)):
        berkeley(lines.append)
    assert len(lines) > 1 and all("s left" in line for line in lines) and ", 0 s left" in lines[-1]


def test_what_a_stopped_download_left_is_overwritten(at) -> None:
    part = _berkeley.archive().with_suffix(".gz.part")
    part.parent.mkdir()
    part.write_bytes(b"half")
    with at(packed(FILES)):
        berkeley(silent)
    assert [path.name for path in part.parent.iterdir()] == [_berkeley.archive().name]


def test_ctrl_c_leaves_nothing(at, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_berkeley, "_QUIET", -1.0)

    def press_ctrl_c(line: str) -> None:
        raise KeyboardInterrupt

    with at(packed(FILES)), pytest.raises(KeyboardInterrupt):
        berkeley(press_ctrl_c)
    assert list(_berkeley.archive().parent.iterdir()) == []


def test_a_damaged_file_in_the_cache_is_loaded_again(at) -> None:
    _berkeley.archive().parent.mkdir()
    _berkeley.archive().write_bytes(packed(FILES)[:20_000])
    lines: list[str] = []
    with at(packed(FILES)):
        assert len(berkeley(lines.append).test) == 8
    (line,) = lines
    assert "cut off" in line and "loading it again" in line


def test_a_missing_file_is_named(at) -> None:
    with at(None):
        refused("photographs.tar.gz cannot be loaded .HTTP 404.; connect to the network, or put that file at ")


def test_no_network_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setattr(_berkeley, "URL", f"http://127.0.0.1:{taken.getsockname()[1]}/photographs.tar.gz")
        refused("Connection refused")
    monkeypatch.setattr(_berkeley, "URL", "http://no-such-host.invalid/photographs.tar.gz")
    refused("no-such-host.*cannot be loaded")


def test_a_silent_host_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_berkeley, "_PATIENCE", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        monkeypatch.setattr(_berkeley, "URL", f"http://127.0.0.1:{mute.getsockname()[1]}/photographs.tar.gz")
        refused("timed out")


def test_a_download_that_breaks_off_is_named(at) -> None:
    content = packed(FILES)
    with at(content[:30_000], told=len(content)):
        refused(f"30000 of {len(content)} bytes|IncompleteRead")


def test_a_truncated_archive_is_refused(at) -> None:
    with at(packed(FILES)[:30_000]):
        refused("damaged or cut off")


def test_what_is_no_archive_is_refused(at) -> None:
    with at(b"<html>Please log in</html>"):
        refused("is no archive")


def test_other_photographs_are_refused(at) -> None:
    """One bit of one file; one file more; one file less; two files exchanged; none at all."""
    flipped = FILES | {"val/3.jpg": FILES["val/3.jpg"][:-1] + b"\0"}
    exchanged = FILES | {"val/0.jpg": FILES["train/0.jpg"], "train/0.jpg": FILES["val/0.jpg"]}
    fewer = {name: content for name, content in FILES.items() if name != "test/1.jpg"}
    for files in (flipped, FILES | {"val/9.jpg": FILES["val/0.jpg"]}, fewer, exchanged, {}):
        with at(packed(files)):
            refused(f"does not hold the 13 Berkeley photographs, but {len(files)} of SHA-256")


@pytest.mark.parametrize("name", ["../outside.jpg", "BSDS500-1/../../outside.jpg"])
def test_an_archive_that_would_write_elsewhere_is_refused(name: str, at, tmp_path: Path) -> None:
    with at(packed(FILES, **{name: b"evil"})):
        refused("is refused: .*outside")
    assert not list(tmp_path.parent.rglob("outside.jpg"))


def test_a_full_disk_is_named(at) -> None:
    part = _berkeley.archive().with_suffix(".gz.part")
    part.parent.mkdir()
    part.symlink_to("/dev/full")
    with at(packed(FILES)):
        refused("No space left on device.*free 150 MB there, or set XDG_CACHE_HOME")


def test_a_cache_that_is_no_folder_is_named(at, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with at(packed(FILES)):
        refused("set XDG_CACHE_HOME to another folder")
