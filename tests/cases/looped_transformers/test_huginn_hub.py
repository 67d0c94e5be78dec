"""The download, with the hub's own package, from a stand-in of the hub on this machine."""

from __future__ import annotations

import hashlib
import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import huggingface_hub
import huggingface_hub.constants
import pytest
import torch

from implicit_lib.cases.looped_transformers.huginn import (
    REPOSITORY,
    REVISION,
    MissingPackageError,
    UnreachableError,
    WeightsError,
    download,
    load,
)
from tests.cases.looped_transformers.tiny_huginn import TINY, lively, write_shards

FIRST = "model-00001-of-00004.safetensors"
INDEX = "model.safetensors.index.json"


class Hub:
    """Serves the files of a folder as the hub does: a list with checksums, and each file with its mark."""

    def __init__(self, files: Path) -> None:
        self.files, self.asked, self.told = files, [], {}
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                hub.answer(self, body=True)

            def do_HEAD(self) -> None:
                hub.answer(self, body=False)

            def log_message(self, *parts: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def describe(self, name: str) -> dict:
        """As listed; `told` replaces it for a file."""
        content = (self.files / name).read_bytes()
        row = {"rfilename": name, "size": len(content), "blobId": git_hash(content)}
        if name.endswith(".safetensors"):
            row["lfs"] = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 134}
        return row | self.told.get(name, {})

    def answer(self, request: BaseHTTPRequestHandler, *, body: bool) -> None:
        path = request.path.partition("?")[0]
        prefix = f"/{REPOSITORY}/resolve/{REVISION}/"
        headers = {"X-Repo-Commit": REVISION}
        if path == f"/api/models/{REPOSITORY}/revision/{REVISION}":
            rows = [self.describe(file.name) for file in sorted(self.files.iterdir())]
            content = json.dumps({"id": REPOSITORY, "sha": REVISION, "siblings": rows}).encode()
        elif path.startswith(prefix) and (self.files / path.removeprefix(prefix)).is_file():
            name = path.removeprefix(prefix)
            content = (self.files / name).read_bytes()
            headers["ETag"] = f'"{hashlib.sha256(content).hexdigest()}"'
            if body:
                self.asked.append(name)
        else:
            request.send_error(404)
            return
        request.send_response(200)
        for header, value in {**headers, "Content-Length": str(len(content))}.items():
            request.send_header(header, value)
        request.end_headers()
        if body:
            request.wfile.write(content)


def git_hash(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    write_shards(lively(), tmp_path / "published")
    (tmp_path / "published" / "tokenizer.json").write_text("{}")
    (tmp_path / "published" / "raven_modeling_minimal.py").write_text("raise SystemExit('this code must not run')")
    running = Hub(tmp_path / "published")
    reach(monkeypatch, running.address)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    yield running
    running.server.shutdown()
    running.server.server_close()


def reach(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", address)
    template = f"{address}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr(huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)


def quiet(line: str) -> None:
    pass


def test_what_is_needed_is_loaded_once(hub: Hub) -> None:
    lines: list[str] = []
    folder = download(progress=lines.append)
    assert folder.name == f"huginn-0125-{REVISION[:12]}" and folder.parent.name == "implicit_lib"
    needed = [INDEX, "tokenizer.json", *(FIRST.replace("1-", f"{i}-") for i in (1, 2, 3))]
    assert hub.asked == needed and [line.partition(":")[0] for line in lines] == needed
    assert sorted(path.name for path in folder.iterdir() if path.is_file()) == sorted([*needed, "checksums.json"])
    record = json.loads((folder / "checksums.json").read_text())
    assert REVISION in record["origin"]
    for name in needed:
        assert record["files"][name]["sha256"] == hashlib.sha256((hub.files / name).read_bytes()).hexdigest()
    assert download(progress=lines.append) == folder and hub.asked == needed
    model = load(folder, config=TINY, dtype=torch.float32, progress=quiet)
    assert torch.equal(model.transformer.adapter.weight, lively().float().transformer.adapter.weight)


def test_a_changed_tokenizer_is_found_by_load(hub: Hub) -> None:
    folder = download(progress=quiet)
    (folder / "tokenizer.json").write_text("{ }")
    with pytest.raises(WeightsError, match="tokenizer.json was changed"):
        load(folder, config=TINY, progress=quiet)


def test_an_interrupted_download_goes_on(hub: Hub, tmp_path: Path) -> None:
    second = (hub.files / FIRST.replace("1-", "2-")).rename(tmp_path / "away")
    with pytest.raises(WeightsError, match="has no file"):
        download(progress=quiet)
    second.rename(hub.files / FIRST.replace("1-", "2-"))
    hub.asked.clear()
    download(progress=quiet)
    assert hub.asked == [FIRST.replace("1-", "2-"), FIRST.replace("1-", "3-")]


@pytest.mark.parametrize(
    ("name", "told"),
    [(FIRST, {"lfs": {"sha256": "0" * 64, "size": 1, "pointerSize": 1}}), (INDEX, {"blobId": "0" * 40})],
)
def test_other_files_than_the_hub_tells_of(hub: Hub, name: str, told: dict) -> None:
    hub.told[name] = told
    with pytest.raises(WeightsError, match=rf"{name} .*Delete it") as raised:
        download(progress=quiet)
    assert not isinstance(raised.value, UnreachableError)
    with pytest.raises(WeightsError):
        download(progress=quiet)


def test_no_network_is_told_in_one_line(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    reach(monkeypatch, "http://127.0.0.1:9")
    with pytest.raises(UnreachableError, match="cannot be loaded from the Hugging Face hub .*connect to the") as raised:
        download(progress=quiet)
    assert "\n" not in str(raised.value)


def test_a_revision_that_is_gone(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("implicit_lib.cases.looped_transformers.huginn._hub.REVISION", "f" * 40)
    with pytest.raises(UnreachableError, match="cannot be loaded"):
        download(progress=quiet)


def test_no_room(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*parts: object, **options: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", full)
    with pytest.raises(WeightsError, match="has no room .*free 15 GB"):
        download(progress=quiet)


def test_a_missing_package_is_named(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingPackageError, match=r"pip install 'implicit_lib\[huginn\]'"):
        download(progress=quiet)
