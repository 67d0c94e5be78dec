"""Huginn-0125 from the Hugging Face hub: a download of 14.3 GB at one revision, kept and checked.

Its files are safetensors and JSON; the code that lies beside them there is not loaded. The hub tells the checksum of
each file at that revision, and what arrives is compared with it.
"""

from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path
from typing import Any

from implicit_lib.cases._files import WeightsError
from implicit_lib.cases._running import MissingPackageError, Progress

from . import _manifest
from ._weights import INDEX, TOKENIZER, files_of, read_index

REPOSITORY = "tomg-group-umd/huginn-0125"
REVISION = "bb6621b65e90b6a4b9b29ef88dc83866d450470c"
ORIGIN = f"https://huggingface.co/{REPOSITORY}/tree/{REVISION}"


class UnreachableError(WeightsError):
    """The hub cannot be reached; the message says why and what to do."""


def download(folder: Path | None = None, progress: Progress = print) -> Path:
    """The folder with the published weights and the tokenizer, from the hub unless it was filled before.

    An interrupted download goes on where it stopped. Files that hold nothing but the copy of the embedding under
    another name are left out. `load` checks what was downloaded, each time.

    Args:
        folder: where to; $XDG_CACHE_HOME/implicit_lib/huginn-0125-…, or under ~/.cache, unless told.
        progress: called with a line for each file. The hub's package draws a bar with the time left.

    Raises:
        MissingPackageError: huggingface_hub is not installed.
        UnreachableError: no network, or no such file there.
        WeightsError: no room, or other files than those of the hub.
    """
    folder = folder or default_folder()
    if not (folder / _manifest.NAME).exists():
        _load(folder, _hub(), progress)
    return folder


def default_folder() -> Path:
    """Where the download is kept."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "implicit_lib" / f"huginn-0125-{REVISION[:12]}"


def _hub() -> Any:
    try:
        import huggingface_hub
    except ImportError:
        raise MissingPackageError(
            "huggingface_hub is not installed, which downloads the weights; run pip install 'implicit_lib[huginn]'"
        ) from None
    return huggingface_hub


def _load(folder: Path, hub: Any, progress: Progress) -> None:
    """Fill the folder, and record what the files are once they are those of the hub."""
    try:
        told = hub.HfApi().model_info(REPOSITORY, revision=REVISION, files_metadata=True)
        listed = {file.rfilename: file for file in told.siblings}
        _fetch(INDEX, folder, hub, listed, progress)
        names = [INDEX, TOKENIZER, *files_of(read_index(folder))]
        for name in names[1:]:
            _fetch(name, folder, hub, listed, progress)
    except WeightsError:
        raise
    except Exception as error:  # its versions raise exceptions of different packages
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            raise WeightsError(f"{folder} has no room for the weights of Huginn-0125; free 15 GB there") from None
        reason = (str(error) or type(error).__name__).strip().splitlines()[0]
        raise UnreachableError(
            f"{REPOSITORY} cannot be loaded from the Hugging Face hub ({reason}); connect to the network and run "
            "again, or say by --weights FOLDER where its files are"
        ) from None
    large = {name: listed[name].lfs.sha256 for name in names if listed[name].lfs}
    _manifest.record(folder, names, ORIGIN, progress, expected=large)


def _fetch(name: str, folder: Path, hub: Any, listed: dict[str, Any], progress: Progress) -> None:
    """Download one file into the folder; compare it with the checksum of git, which the hub tells of small files."""
    if name not in listed:
        raise WeightsError(f"{ORIGIN} has no file {name}")
    progress(f"{name}: {(listed[name].size or 0) / 1e6:.1f} MB from {REPOSITORY}")
    hub.hf_hub_download(REPOSITORY, name, revision=REVISION, local_dir=folder)
    if not listed[name].lfs:
        content = (folder / name).read_bytes()
        if hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest() != listed[name].blob_id:
            raise WeightsError(f"{folder / name} is not what the hub has, by its checksum. Delete it, and run again")
