"""The making of the sheets: what is missing is said in one line; packages are read, and squares cut, as told."""

from __future__ import annotations

import hashlib
import io
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tools import photographs
from tools.photographs import Package


def picture(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(height).integers(0, 256, (height, width, 3), dtype=np.uint8)


def png(pixels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "png")
    return stream.getvalue()


def deb(files: dict[str, bytes]) -> bytes:
    """A Debian package as `ar` writes it: members of odd length are padded."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:xz") as archive:
        for path, content in files.items():
            entry = tarfile.TarInfo(f"./{path}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    members = {"debian-binary": b"2.0\n", "control.tar.xz": b"odd", "data.tar.xz": data.getvalue()}
    packed = b"!<arch>\n"
    for name, content in members.items():
        packed += f"{name:<16}{0:<12}{0:<6}{0:<6}{644:<8}{len(content):<10}`\n".encode() + content
        packed += b"\n" * (len(content) % 2)
    return packed


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two small packages, which stand for the four."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as wheel:
        wheel.writestr("data/held.png", png(picture(300, 480)))
    contents = {"a.deb": deb({"usr/train.png": png(picture(500, 700))}), "b.whl": stream.getvalue()}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    monkeypatch.setattr(photographs, "TRAINING", (Package("a.deb", "there", digests["a.deb"], ("usr/train.png",)),))
    monkeypatch.setattr(photographs, "HELD_OUT", (Package("b.whl", "there", digests["b.whl"], ("data/held.png",)),))
    monkeypatch.setattr(photographs, "SHEETS", tmp_path / "sheets")
    monkeypatch.setattr(photographs, "LIVELIEST", 18)
    return tmp_path


def test_the_sheets_are_made(packages: Path) -> None:
    photographs.main([str(packages)])
    sizes = {path.name: Image.open(path).size for path in (packages / "sheets").iterdir()}
    assert sizes == {"training.png": (18 * 96, 96), "held_out.png": (8 * 64, 64), "whole.png": (128, 128)}
    training = np.asarray(Image.open(packages / "sheets" / "training.png"))
    tiles = photographs.grid(picture(500, 700), 96)
    assert all(any((cut == tile).all() for tile in tiles) for cut in np.split(training, 18, axis=1))


def test_what_is_missing_is_named(packages: Path) -> None:
    (packages / "b.whl").unlink()
    with pytest.raises(SystemExit, match=r"error: b\.whl is missing in .*\. Download it from there$"):
        photographs.main([str(packages)])


def test_another_file_of_that_name_is_refused(packages: Path) -> None:
    (packages / "a.deb").write_bytes(b"something else")
    with pytest.raises(SystemExit, match=r"error: .*a\.deb is not the file that was expected\. Download it again"):
        photographs.main([str(packages)])


def test_no_folder() -> None:
    with pytest.raises(SystemExit, match="error: give the folder with the packages"):
        photographs.main([])


def test_squares_are_centred_and_do_not_overlap() -> None:
    pixels = picture(7, 12)
    squares = photographs.grid(pixels, 3)
    assert len(squares) == 8 and all(square.shape == (3, 3, 3) for square in squares)
    assert (photographs.sheet(squares, columns=4) == pixels[:6]).all()


def test_flat_tiles_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(photographs, "LIVELIEST", 2)
    lively, flat = picture(3, 3), np.zeros((3, 3, 3), dtype=np.uint8)
    first, second = photographs.liveliest([lively, flat, lively // 2])
    assert (first == lively).all() and (second == lively // 2).all()
