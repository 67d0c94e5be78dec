"""Checksums of downloaded files, in a file beside them, so that a folder is known again by every load."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from implicit_lib.cases._files import WeightsError, read_card, write_card
from implicit_lib.cases._running import Progress

NAME = "checksums.json"

_CHUNK, _QUIET = 1 << 24, 5.0
"""Bytes read at once, and seconds between two lines of progress."""


def record(
    folder: Path, names: Iterable[str], origin: str, progress: Progress, *, expected: Mapping[str, str] | None = None
) -> None:
    """Write the size and the SHA-256 of these files of the folder, and where they are from.

    Args:
        folder: of the files, and of the record.
        names: of the files.
        origin: where they are from.
        progress: called with a line that tells how far it is, and the time left.
        expected: the SHA-256 that some of them must have.

    Raises:
        WeightsError: one cannot be read, or is not the expected one; or the folder cannot be written to.
    """
    try:
        sizes = {name: (folder / name).stat().st_size for name in sorted(names)}
        digests = _digests(folder, sizes, progress)
        _compare(folder, digests, expected or {})
        files = {name: {"bytes": sizes[name], "sha256": digests[name]} for name in sizes}
        write_card({"origin": origin, "files": files}, folder / NAME)
    except OSError as error:
        raise WeightsError(
            f"the checksums of {folder} cannot be recorded ({error}); copy its files to a folder that can be written to"
        ) from None


def recorded(folder: Path) -> dict[str, Any]:
    """What `record` wrote: "origin", and "files" by name.

    Raises:
        WeightsError: it is missing or damaged.
    """

    def understand(card: dict[str, Any]) -> None:
        if not isinstance(card["origin"], str):
            raise TypeError
        for file in card["files"].values():
            int(file["bytes"]), str(file["sha256"])

    try:
        return read_card(folder / NAME, understand, remedy="")
    except WeightsError:
        raise WeightsError(f"{folder / NAME} is damaged; delete it, and the next load records it anew") from None


def verify(folder: Path, names: Iterable[str], progress: Progress) -> None:
    """Compare what was recorded of the folder's files, these among them, with the files.

    Raises:
        WeightsError: one is missing, cut off or another one, or was not recorded; or the record is damaged.
    """
    files = recorded(folder)["files"]
    if unknown := sorted(set(names) - files.keys()):
        raise WeightsError(
            f"{folder / NAME} does not tell of {unknown[0]}; delete it, and the next load records it anew"
        )
    sizes = {name: _size(folder / name) for name in files}
    for name, size in sizes.items():
        if size < (whole := files[name]["bytes"]):
            raise WeightsError(_again(folder / name, f"is cut off: it has {size} of {whole} bytes"))
    _compare(folder, _digests(folder, sizes, progress), {name: file["sha256"] for name, file in files.items()})


def _compare(folder: Path, digests: Mapping[str, str], expected: Mapping[str, str]) -> None:
    for name, right in expected.items():
        if digests[name] != right:
            told = f"SHA-256 {digests[name][:12]}… instead of {right[:12]}…"
            raise WeightsError(_again(folder / name, f"was changed, or damaged on its way: {told}"))


def _again(path: Path, reason: str) -> str:
    return f"{path} {reason}. Delete it and {NAME} beside it, and download it again"


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        raise WeightsError(_again(path, "is missing")) from None


def _digests(folder: Path, sizes: dict[str, int], progress: Progress) -> dict[str, str]:
    """The SHA-256 of each file, with lines that tell how far it is."""
    total, done, begun = sum(sizes.values()), 0, time.monotonic()
    spoken, found = begun, {}
    for name in sizes:
        digest = hashlib.sha256()
        with (folder / name).open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
                done += len(chunk)
                if (now := time.monotonic()) - spoken > _QUIET:
                    spoken, left = now, (now - begun) / done * (total - done)
                    progress(f"checksums: {done / 1e9:.1f} of {total / 1e9:.1f} GB, {left:.0f} s left")
        found[name] = digest.hexdigest()
    return found
