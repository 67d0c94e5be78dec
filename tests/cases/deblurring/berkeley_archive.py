"""Small archives in the form of the Berkeley one, and servers on a loopback port that give them, or fail to."""

from __future__ import annotations

import hashlib
import io
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
from PIL import Image

COUNTS = {"train": 3, "test": 2, "val": 8}


def photographs(side: tuple[int, int] = (481, 321)) -> dict[str, bytes]:
    """JPEG files by split/name, smooth at random, every second one upright."""
    random = np.random.default_rng(0)
    found = {}
    for split, count in COUNTS.items():
        for number in range(count):
            size = side if number % 2 == 0 else side[::-1]
            rough = Image.fromarray(random.integers(0, 256, (6, 6, 3), dtype=np.uint8))
            file = io.BytesIO()
            rough.resize(size, Image.Resampling.BICUBIC).save(file, "JPEG")
            found[f"{split}/{number}.jpg"] = file.getvalue()
    return found


def checksum(files: dict[str, bytes]) -> str:
    """SHA-256 of their digests."""
    whole = hashlib.sha256()
    for name in sorted(files):
        whole.update(hashlib.sha256(files[name]).digest())
    return whole.hexdigest()


def packed(files: dict[str, bytes], **others: bytes) -> bytes:
    """A .tar.gz of the photographs in their folders, and of files with these full names."""
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w:gz") as archive:
        inside = {f"BSDS500-1/BSDS500/data/images/{name}": content for name, content in files.items()}
        for name, content in (inside | {"BSDS500-1/README.md": b"photographs"} | others).items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return written.getvalue()


@contextmanager
def server(content: bytes | None, *, told: int | None = None) -> Iterator[tuple[str, list[str]]]:
    """Its address, and the list that it keeps of what was asked for.

    Args:
        content: what it gives; None: it knows no file.
        told: the length that it tells; None: the right one.
    """
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200 if content is not None else 404)
            self.send_header("Content-Length", str(len(content or b"") if told is None else told))
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *args: object) -> None:
            pass

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{running.server_port}/photographs.tar.gz", asked
    finally:
        running.shutdown()
        running.server_close()
