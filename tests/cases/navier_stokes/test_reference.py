"""The reference's flows: the curl, the waves that are kept, and one clear line for everything that can be wrong."""

from __future__ import annotations

import hashlib
import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from implicit_lib.cases.navier_stokes import Flow, ReferenceDataError, _reference, reference_flows
from implicit_lib.cases.navier_stokes._pickled import SavedArray, saved_object
from tests.cases.navier_stokes.reference_folder import axis, example, flow, save, write


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_reference, "_TRAINING", 3)
    monkeypatch.setattr(_reference, "_TEST", 2)


def silent(line: str) -> None:
    pass


def refused(folder: Path, match: str, side: int = 16) -> None:
    """One line that says so."""
    with pytest.raises(ReferenceDataError, match=match) as found:
        reference_flows(folder, side, silent)
    assert "\n" not in str(found.value)


def known(number: int, points: int, side: int) -> tuple[torch.Tensor, torch.Tensor]:
    """g and ω on N × N points, y first, of which the first is where that of the R × R points is."""
    at = axis(points)[0] + np.arange(side) * 2 * np.pi / side
    x, y = np.meshgrid(at, at, indexing="xy")
    _, curl, vorticity = flow(number, x, y)
    return torch.from_numpy(curl), torch.from_numpy(vorticity)


@pytest.mark.parametrize("x_first", [True, False])
@pytest.mark.parametrize("points", [16, 17, 21, 32])
def test_the_forcing_is_the_curl_of_the_force(tmp_path: Path, points: int, x_first: bool) -> None:
    """By a formula, for an even and an odd number of points, whichever axis comes first."""
    found = reference_flows(write(tmp_path / "flows", 6, points, x_first=x_first), 16, silent)
    assert (len(found.training.forcing), len(found.test.forcing)) == (3, 2)
    for pairs, numbers in ((found.training, (0, 1, 2)), (found.test, (4, 5))):
        for g, w, number in zip(pairs.forcing, pairs.vorticity, numbers, strict=True):
            curl, vorticity = known(number, points, 16)
            torch.testing.assert_close(g, curl, rtol=0, atol=1e-12)
            torch.testing.assert_close(w, vorticity, rtol=0, atol=1e-12)


def test_a_steady_flow_stays_steady(tmp_path: Path) -> None:
    """By the equation, which knows where x is and which way vorticity turns; the force is one of zero divergence."""
    folder, fine = write(tmp_path / "flows", 5, 48), Flow(48, _reference.VISCOSITY)
    x, y = (torch.from_numpy(each) for each in np.meshgrid(axis(48), axis(48), indexing="xy"))
    vorticity = torch.sin(2 * x + y) + 0.5 * torch.cos(3 * y)
    force = fine.torus.velocity(fine.forcing_of(vorticity))
    frames = [each.mT.expand(5, *each.shape).numpy() for each in (force, vorticity)]
    save(folder, 0, dict(zip("fw", frames, strict=True)))
    found = reference_flows(folder, 32, silent).training
    missed = Flow(32, _reference.VISCOSITY).relative_residual(found.vorticity, found.forcing)
    assert missed[0] < 1e-12 and missed[1:].min() > 0.1


def test_waves_beyond_the_points_are_dropped_and_not_mistaken(tmp_path: Path) -> None:
    folder = write(tmp_path / "flows", 5, 32)
    content = example(0, 32)
    ripples = np.sin(13 * axis(32))[:, None] + np.cos(8 * axis(32))
    save(folder, 0, {name: field + ripples for name, field in content.items()})
    found = reference_flows(folder, 16, silent).training
    curl, vorticity = known(0, 32, 16)
    torch.testing.assert_close(found.forcing[0], curl, rtol=0, atol=1e-12)
    torch.testing.assert_close(found.vorticity[0], vorticity, rtol=0, atol=1e-12)


def test_single_precision_is_read_and_other_content_ignored(tmp_path: Path) -> None:
    """As an array library saves it: float32, arrays in the order of columns, and things that are of no use here."""
    folder = write(tmp_path / "flows", 5, 16)
    whole = reference_flows(folder, 16, silent)
    content = {name: np.asfortranarray(field.astype(">f4")) for name, field in example(0, 16).items()}
    save(folder, 0, content | {"seed": np.int64(3), "f_curl": np.zeros((2, 16, 16)), "note": ["a", None, 1.5]})
    found = reference_flows(folder, 16, silent)
    torch.testing.assert_close(found.training.forcing, whole.training.forcing, rtol=0, atol=1e-5)


def test_the_checksum_is_that_of_what_was_read(tmp_path: Path) -> None:
    folder = write(tmp_path / "flows", 6, 16)
    names = ["grid.npy", *(f"example_{number:05}.npy" for number in (0, 1, 2, 4, 5))]
    digests = [hashlib.sha256((folder / name).read_bytes()).digest() for name in names]
    assert reference_flows(folder, 16, silent).sha256 == hashlib.sha256(b"".join(digests)).hexdigest()


def test_progress_tells_the_time_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_reference, "_QUIET", -1.0)
    lines: list[str] = []
    reference_flows(write(tmp_path / "flows", 5, 16), 16, lines.append)
    assert len(lines) == 5 and lines[-1] == "reference flows: 5 of 5 files, 0 s left"


class Evil:
    """Pickled as a call that writes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("wrap", [lambda evil: evil, lambda evil: {"f": evil}, lambda evil: np.array([evil, 1])])
def test_a_pickle_that_would_run_something_is_refused(tmp_path: Path, wrap: Any) -> None:
    folder = write(tmp_path / "flows", 5, 16)
    save(folder, 1, wrap(Evil(tmp_path / "written")))
    refused(folder, r"example_00001.npy cannot be read \(UnpicklingError: it calls .*, and is refused")
    assert not (tmp_path / "written").exists()
    np.load(folder / "example_00001.npy", allow_pickle=True)
    assert (tmp_path / "written").exists()


def test_a_name_of_another_module_is_refused() -> None:
    file = io.BytesIO()
    np.save(file, {}, allow_pickle=True)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="it calls copy._reconstruct, and is refused"):
        saved_object(file.getvalue()[:128] + b"ccopy\n_reconstruct\n.")


class Forged:
    """Pickled as an array of objects whose pointer is a number of the file: NumPy's own functions would build it."""

    def __reduce__(self) -> tuple[Any, ...]:
        reconstruct = np.empty(0).__reduce__()[0]
        return reconstruct, (np.ndarray, (0,), b"b"), (1, (1,), ForgedKind(), False, b"A" * 8)


class ForgedKind:
    def __reduce__(self) -> tuple[Any, ...]:
        return np.dtype, ("O8", False, True), (3, "|", None, None, None, -1, -1, 0)


def test_bytes_do_not_become_pointers(tmp_path: Path) -> None:
    folder = write(tmp_path / "flows", 5, 16)
    save(folder, 1, {"f": Forged()})
    refused(folder, r"example_00001.npy cannot be read \(ValueError: .*OBJECT array")


@pytest.mark.parametrize("module", ["numpy.core.multiarray", "numpy._core.multiarray"])
def test_files_of_older_and_newer_versions_of_numpy(module: str) -> None:
    """Version 1 names its functions otherwise, and writes the older protocol, in which names are lines."""
    content, whole, file = {"f": np.arange(6.0).reshape(2, 3)}, np.empty((), dtype=object), io.BytesIO()
    whole[()] = content
    np.save(file, whole, allow_pickle=True)
    ours = np.empty(0).__reduce__()[0].__module__
    body = pickle.dumps(whole, protocol=3).replace(f"c{ours}\n".encode(), f"c{module}\n".encode())
    found = saved_object(file.getvalue()[:128] + body)
    assert module.encode() in body and isinstance(found, dict) and isinstance(found["f"], SavedArray)
    assert np.array_equal(found["f"].data, content["f"])


def with_nan(content: dict[str, Any]) -> dict[str, Any]:
    content["f"][3, 1, 2, 2] = np.nan
    return content


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (lambda: with_nan(example(1, 16)), "'f' has entries that are not finite"),
        (lambda: example(1, 16) | {"w": np.full((5, 16, 16), np.inf)}, "'w' has entries that are not finite"),
        (lambda: {name: field[:3] for name, field in example(1, 16).items()}, "'f' has 3 frames, but number 3"),
        (lambda: example(1, 20), r"'f' must have the shape \('frames', 2, 16, 16\), but is \(5, 2, 20, 20\), float64"),
        (lambda: example(1, 16) | {"w": np.zeros((5, 2, 16, 16))}, r"'w' must have the shape .*\(5, 2, 16, 16\)"),
        (lambda: example(1, 16) | {"w": np.zeros((5, 16, 16), dtype=int)}, "but is .*int64"),
        (lambda: {"f": example(1, 16)["f"]}, "'w' must have the shape .* but is missing"),
        (lambda: {"f": "text", "w": "text"}, "'f' must have the shape .* but is missing"),
        (lambda: [1, 2], r"cannot be read"),
        (lambda: np.zeros((5, 2, 16, 16)), "cannot be read"),
    ],
)
def test_what_is_wrong_with_a_file_is_named(tmp_path: Path, content: Any, match: str) -> None:
    folder = write(tmp_path / "flows", 5, 16)
    save(folder, 1, content())
    refused(folder, f"example_00001.npy.*{match}")


def test_what_is_cut_off_or_no_array_is_named(tmp_path: Path) -> None:
    folder = write(tmp_path / "flows", 5, 16)
    path = folder / "example_00001.npy"
    whole = path.read_bytes()
    for content in (
        b"",
        whole[:50],
        whole[:200],
        whole[:-1],
        b"<html>Please log in</html>",
        whole[:128] + b"\xff" * 99,
    ):
        path.write_bytes(content)
        refused(folder, r"example_00001.npy cannot be read \(")
    path.unlink()
    path.mkdir()
    refused(folder, "cannot be read .*Is a directory")


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    refused(tmp_path / "nowhere", "nowhere is no folder")
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", "empty holds 0 files named example_00000.npy and so on, but there are 5")
    folder = write(tmp_path / "flows", 6, 16)
    (folder / "grid.npy").rename(tmp_path / "grid.npy")
    refused(folder, "cannot be read .*grid.npy")
    (tmp_path / "grid.npy").rename(folder / "grid.npy")
    refused(folder, "has flows on 16 points a side, but 64 are wanted", side=64)
    (folder / "example_00002.npy").unlink()
    refused(folder, "holds example_00003.npy where example_00002.npy should follow")


def test_a_grid_that_is_no_whole_period_is_refused(tmp_path: Path) -> None:
    folder = write(tmp_path / "flows", 5, 16)

    def square(line: np.ndarray) -> np.ndarray:
        return np.stack(np.meshgrid(line, line, indexing="ij"))

    for grid, match in (
        (square(np.linspace(0, 2 * np.pi, 16)), "0.39270 apart along both axes .* but they are up to 0.41888"),
        (square(np.linspace(0, 1, 16, endpoint=False)), "up to 0.06250 and 0.06250"),
        (square(np.sin(axis(16))), "apart"),
        (square(np.full(16, np.nan)), "apart"),
        (square(axis(16))[:1], r"must hold x and y, of shape \(2, R, R\), but is \(1, 16, 16\)"),
        (axis(16), r"but is \(16,\), float64"),
        (np.zeros((2, 16, 16), dtype="U3"), "but is .*<U3"),
        (np.array([None, 1]), "no array of numbers, or damaged"),
    ):
        np.save(folder / "grid.npy", grid, allow_pickle=True)
        refused(folder, f"grid.npy.*{match}")
    (folder / "grid.npy").write_bytes(b"")
    refused(folder, "grid.npy is no array of numbers, or damaged")
