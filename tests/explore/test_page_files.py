"""What an explorer leaves for the page."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from implicit_lib.explore import PAGE_FILES, PAGE_MIME
from tests.explore.conftest import of_torch, symbolic


def description(module: Path) -> dict[str, object]:
    """The JSON in the first line of the module."""
    line = module.read_text().splitlines()[0]
    return json.loads(line.removeprefix("export const description = ").removesuffix(";"))  # type: ignore[no-any-return]


def test_a_session_shows_widgets_and_writes_nothing() -> None:
    bundle = symbolic()._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert PAGE_MIME not in bundle


def test_the_build_shows_a_page_and_no_widgets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(PAGE_FILES, str(tmp_path))
    bundle = symbolic()._repr_mimebundle_()
    assert bundle[PAGE_MIME] == {"name": "reciprocal", "title": "1/x", "src": "reciprocal.js"}
    assert "application/vnd.jupyter.widget-view+json" not in bundle


def test_the_first_frame_is_in_the_page(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(PAGE_FILES, str(tmp_path))
    explorer = symbolic()
    first = description(tmp_path / "reciprocal.js")["first"]
    np.testing.assert_allclose(first["arrays"]["P"]["y"]["y"], explorer.arrays()["P"]["y"]["y"])  # type: ignore[index]


def test_onnx_files_agree_with_torch(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(PAGE_FILES, str(tmp_path))
    explorer = of_torch()
    parts = {part: next(tmp_path.glob(f"halving-0-{part}-*.onnx")) for part in ("encode", "step", "view")}
    sessions = {part: onnxruntime.InferenceSession(path) for part, path in parts.items()}
    (q,) = sessions["encode"].run(None, {"scale": np.array(3, np.float32)})
    z = np.zeros((5, 1), np.float32)
    for _ in range(6):
        (z,) = sessions["step"].run(None, {"z": z, "q0": q})
    np.testing.assert_allclose(z[:, 0], explorer.arrays(t=6, scale=3.0)["P"]["y"]["y"], rtol=1e-6)
    _, y, moved = sessions["view"].run(None, {"z": z + 2, "previous": z, "q0": q})
    np.testing.assert_array_equal(y, z[:, 0] + 2)
    assert moved == 2  # z and its predecessor are two inputs


def test_a_failure_fails_the_cell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Not the display, whose exceptions IPython swallows."""
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv(PAGE_FILES, str(blocked))
    with pytest.raises(FileExistsError):
        symbolic()
