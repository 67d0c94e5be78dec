"""The Berkeley photographs, which the paper trains and tests on: a download, kept and checked.

BSDS500 (Arbeláez, Maire, Fowlkes, Malik, TPAMI 2011): 500 photographs of 481 × 321 pixels, for non-commercial research
and education, so that they do not ship. What is loaded is the mirror of the Berkeley Institute for Data Science on
GitHub, at one commit. The host makes the archive anew now and then and promises its files, but not its bytes; so that
the checksum is of the 500 photographs, as that commit holds them.
"""

from __future__ import annotations

import hashlib
import http.client
import io
import os
import re
import tarfile
import time
import urllib.error
import urllib.request
import zlib
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from implicit_lib.cases._running import Progress

COMMIT = "a04b7c6c3a9f0ace74bf205c72a43d32e1c72722"
URL = f"https://github.com/BIDS/BSDS500/archive/{COMMIT}.tar.gz"

SHA256 = "d2c7b9ebb6f3a051071a6d614e3cf7f0436cb8f27d5415b19d4f138297dd7b53"
"""Of the SHA-256 digests of the photographs' files, one after the other, in the order of split/name."""

COUNT = 500

SIDE = 128
"""Pixels along a side of a crop to test on."""

_MEGABYTES = 150
"""About what is loaded, where the host does not tell."""

_PHOTOGRAPH = re.compile(r"[^/]+/BSDS500/data/images/((?:train|val|test)/[^/]+\.jpg)")

_CHUNK, _QUIET, _PATIENCE = 1 << 20, 5.0, 30.0
"""Bytes read at once, and seconds between two lines of progress, and until a silent host is given up."""


class BerkeleyError(RuntimeError):
    """The Berkeley photographs cannot be had; the message says why and what to do."""


class Berkeley(NamedTuple):
    """Photographs to train on (400, 3, 321, 481), and crops to test on (100, 3, 128, 128), float32 in [0, 1]."""

    training: Tensor
    test: Tensor


def berkeley(progress: Progress) -> Berkeley:
    """The photographs from the cache, or from the network into it.

    Trained on are the 400 of its folders train and test, upright ones turned by a right angle; tested on are those of
    val, of which the benchmarks BSD100 and CBSD68 are part, each the square in its middle.

    The archive is loaded once, into $XDG_CACHE_HOME/implicit_lib, or ~/.cache/implicit_lib. It is never unpacked: the
    photographs are read from it, and checked, every time.

    Args:
        progress: called with a line that tells how much is loaded, and the time left.

    Raises:
        BerkeleyError: no network, no such file, no room, an archive that is cut off, or other photographs than those.
    """
    path = archive()
    try:
        if path.exists():
            try:
                return _pictures(path, str(path))
            except BerkeleyError as error:
                progress(f"{error}; loading it again")
        return _loaded(path, progress)
    except OSError as error:
        raise BerkeleyError(
            f"{path.parent} cannot hold the Berkeley photographs ({error.strerror or error}); free {_MEGABYTES} MB "
            "there, or set XDG_CACHE_HOME to another folder"
        ) from None


def archive() -> Path:
    """Where the archive is kept."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "implicit_lib" / f"BSDS500-{COMMIT[:12]}.tar.gz"


def _loaded(path: Path, progress: Progress) -> Berkeley:
    """The photographs from the network, and the file, which is there only when they are the right ones."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    try:
        _load(part, progress)
        found = _pictures(part, f"what {URL} gave")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return found


def _load(part: Path, progress: Progress) -> None:
    """Write what the network gives into the file, from its beginning."""
    try:
        answer = urllib.request.urlopen(URL, timeout=_PATIENCE)
    except (OSError, http.client.HTTPException) as error:
        raise _unreachable(error) from None
    with answer, part.open("wb") as file:
        told = int(answer.headers.get("Content-Length") or 0)
        loaded = _copy(answer, file, told or _MEGABYTES * 10**6, progress)
    if loaded < told:
        raise BerkeleyError(f"{URL} broke off after {loaded} of {told} bytes")


def _copy(answer: IO[bytes], file: IO[bytes], total: int, progress: Progress) -> int:
    """How many bytes there were."""
    loaded, begun = 0, time.monotonic()
    spoken = begun
    while chunk := _read(answer):
        file.write(chunk)
        loaded += len(chunk)
        now = time.monotonic()
        if now - spoken > _QUIET:
            spoken, left = now, (now - begun) / loaded * max(total - loaded, 0)
            progress(f"Berkeley photographs: {loaded / 1e6:.0f} of about {total / 1e6:.0f} MB, {left:.0f} s left")
    return loaded


def _read(answer: IO[bytes]) -> bytes:
    try:
        return answer.read(_CHUNK)
    except (OSError, http.client.HTTPException) as error:
        raise _unreachable(error) from None


def _unreachable(error: Exception) -> BerkeleyError:
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    told = f"HTTP {error.code}" if isinstance(error, urllib.error.HTTPError) else str(reason) or type(error).__name__
    return BerkeleyError(
        f"{URL} cannot be loaded ({told}); connect to the network, or put that file at {archive()}, and run again"
    )


def _pictures(path: Path, named: str) -> Berkeley:
    """The photographs of an archive, once their checksum is right; `named` so in what is raised."""
    files = _files(path, named)
    digest = hashlib.sha256(b"".join(hashlib.sha256(files[name]).digest() for name in sorted(files))).hexdigest()
    if len(files) != COUNT or digest != SHA256:
        raise BerkeleyError(
            f"{named} does not hold the {COUNT} Berkeley photographs, but {len(files)} of SHA-256 {digest[:12]}… "
            f"instead of {SHA256[:12]}…"
        )
    splits: dict[str, list[NDArray[np.uint8]]] = {"train": [], "test": [], "val": []}
    for name in sorted(files):
        splits[name.partition("/")[0]].append(_decoded(files[name]))
    test = [_middle(pixels) for pixels in splits["val"]]
    return Berkeley(_stacked(splits["train"] + splits["test"]), _stacked(test))


def _files(path: Path, named: str) -> dict[str, bytes]:
    """The files of the photographs by split/name; nothing is unpacked to the disk."""
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(path, "r:gz") as contents:
            for member in contents:
                tarfile.data_filter(member, str(path.parent))  # an archive that would write elsewhere is not this one
                photograph = _PHOTOGRAPH.fullmatch(member.name)
                if photograph and (file := contents.extractfile(member)):
                    found[photograph[1]] = file.read()
    except tarfile.FilterError as error:
        raise BerkeleyError(f"{named} is refused: {error}") from None
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        raise BerkeleyError(f"{named} is no archive, damaged or cut off ({error})") from None
    return found


def _decoded(data: bytes) -> NDArray[np.uint8]:
    """(321, 481, 3)."""
    from PIL import Image

    with Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
        pixels = np.asarray(image.convert("RGB"))
    return pixels if pixels.shape[0] < pixels.shape[1] else np.rot90(pixels)


def _middle(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    top, left = ((edge - SIDE) // 2 for edge in pixels.shape[:2])
    return pixels[top : top + SIDE, left : left + SIDE]


def _stacked(pictures: list[NDArray[np.uint8]]) -> Tensor:
    """(N, 3, height, width), float32 in [0, 1]."""
    whole = torch.from_numpy(np.stack(pictures))
    return whole.permute(0, 3, 1, 2).to(torch.float32, memory_format=torch.contiguous_format).div_(255)
