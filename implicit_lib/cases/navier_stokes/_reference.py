"""The flows that the paper trains and tests on, read from a folder that the reader has downloaded.

They are those of Marwah et al. (NeurIPS 2023, arXiv:2312.00234), at viscosity 0.001, made with JAX-CFD. Their authors
share them as a folder of thousands of files, for which there is no address that a program could load from, and no
published checksum. So nothing is pinned here; what was read is told by its own checksum instead, which goes onto the
card, so that two runs can be compared.
"""

from __future__ import annotations

import hashlib
import math
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from implicit_lib.cases._running import Progress

from ._flows import Pairs
from ._pickled import SavedArray, saved_object
from ._torus import Torus

URL = "https://drive.google.com/drive/folders/1790NVbM6IPaQNKQNQQG93LcF3YxJCTOk"
NAME = "full_kolmogorov_wavenum_1_mv_5"

VISCOSITY = 0.001
"""By the names of the authors' runs; no file tells it."""

_TRAINING, _TEST = 4_500, 500
"""How many files are trained on, from the first one on; and how many are tested on, the last ones."""

_FRAME = 3
"""Of each file, the one that the authors and the paper use, counted from 0."""

_QUIET = 5.0
"""Seconds between two lines of progress."""


class ReferenceDataError(RuntimeError):
    """The reference's flows cannot be had; the message says why."""


class Reference(NamedTuple):
    """The reference's flows; and the SHA-256 of the SHA-256 digests of grid.npy and the files read, in their order."""

    training: Pairs
    test: Pairs
    sha256: str


def reference_flows(folder: Path, side: int = 64, progress: Progress = print) -> Reference:
    """The flows of the folder NAME of URL, on N × N points.

    A file holds the force f, of two components, and the vorticity ω on R × R points, R some 256. The forcing is the
    curl g = ∂_x f_y − ∂_y f_x. Both are put on fewer points by their waves: those with |k| < N/2 are kept, for any R,
    even or odd. The reference takes every second or fourth point instead, by which higher waves are mistaken for lower
    ones, and neither the curl nor the equation survives. Which axis is x is told by grid.npy.

    The frames are states of a simulation, and need not solve the steady equation: `Flow.relative_residual` tells by how
    much they miss it. The layout is the one that the authors' own loader expects.

    Args:
        folder: grid.npy, and example_00000.npy, example_00001.npy, … without a gap.
        side: N, an even number.
        progress: called with a line that tells how many files are read, and the time left.

    Raises:
        ReferenceDataError: the folder or a file of it is missing, damaged or other than that.
    """
    try:
        pairs, sha256 = _read(folder, side, progress)
    except OSError as error:
        raise ReferenceDataError(f"{folder} cannot be read ({error})") from None
    forcing, vorticity = (torch.stack(fields) for fields in zip(*pairs, strict=True))
    training, test = (Pairs(forcing[part], vorticity[part]) for part in (slice(_TRAINING), slice(_TRAINING, None)))
    return Reference(training, test, sha256)


def _read(folder: Path, side: int, progress: Progress) -> tuple[list[tuple[Tensor, Tensor]], str]:
    """g and ω (N, N) of every file, and the checksum of all."""
    paths, grid = _paths(folder), folder / "grid.npy"
    whole = hashlib.sha256(hashlib.sha256(grid.read_bytes()).digest())
    points, x_first = _grid(grid)
    if points < side:
        raise ReferenceDataError(f"{folder} has flows on {points} points a side, but {side} are wanted, or more")
    torus, pairs = Torus(side), []
    begun = spoken = time.monotonic()
    for number, path in enumerate(paths, start=1):
        content = path.read_bytes()
        whole.update(hashlib.sha256(content).digest())
        pairs.append(_pair(content, path, points, x_first, torus))
        if (now := time.monotonic()) - spoken > _QUIET:
            spoken, left = now, (now - begun) / number * (len(paths) - number)
            progress(f"reference flows: {number} of {len(paths)} files, {left:.0f} s left")
    return pairs, whole.hexdigest()


def _paths(folder: Path) -> list[Path]:
    """The files to train on, and then those to test on."""
    if not folder.is_dir():
        raise ReferenceDataError(f"{folder} is no folder")
    found = sorted(folder.glob("example_*.npy"))
    for number, path in enumerate(found):
        if path.name != f"example_{number:05}.npy":
            raise ReferenceDataError(f"{folder} holds {path.name} where example_{number:05}.npy should follow")
    if len(found) < _TRAINING + _TEST:
        raise ReferenceDataError(
            f"{folder} holds {len(found)} files named example_00000.npy and so on, but there are {_TRAINING + _TEST}"
        )
    return found[:_TRAINING] + found[-_TEST:]


def _grid(path: Path) -> tuple[int, bool]:
    """R, and whether the first axis of the fields is x, of the coordinates x and y (2, R, R).

    They may begin anywhere: on a torus no point is the first. But the last ones must be next to the first ones.
    """
    try:
        grid = np.load(path, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise ReferenceDataError(f"{path} is no array of numbers, or damaged ({error})") from None
    points = grid.shape[-1] if grid.ndim == 3 else 0
    if grid.dtype.kind != "f" or points < 2 or grid.shape != (2, points, points):
        raise ReferenceDataError(f"{path} must hold x and y, of shape (2, R, R), but is {grid.shape}, {grid.dtype}")
    gap = 2 * math.pi / points
    from_first = (grid - grid[:, :1, :1]) / gap
    up, across = np.indices((points, points))
    for x_first, expected in ((True, (up, across)), (False, (across, up))):
        if np.abs(from_first - expected).max() < 1e-2:
            return points, x_first
    steps = [float(np.abs(np.diff(grid, axis=axis)).max()) for axis in (1, 2)]
    raise ReferenceDataError(
        f"{path} must hold the {points} × {points} points of a square of side 2π, {gap:.5f} apart along both axes and "
        f"the last not a repetition of the first, but they are up to {steps[0]:.5f} and {steps[1]:.5f} apart"
    )


def _pair(content: bytes, path: Path, points: int, x_first: bool, torus: Torus) -> tuple[Tensor, Tensor]:
    """g and ω (N, N) of a file."""
    try:
        held = saved_object(content)
    except ValueError as error:
        raise ReferenceDataError(f"{path} cannot be read ({error})") from None
    force = _field(held, "f", (2, points, points), path)
    vorticity = _field(held, "w", (points, points), path)
    if x_first:
        force, vorticity = force.mT, vorticity.mT
    along_x, along_y = on_points(force, torus.side)
    curl = torus.divergence(torch.stack([along_y, -along_x]))
    return curl, on_points(vorticity, torus.side)


def _field(held: object, name: str, shape: tuple[int, ...], path: Path) -> Tensor:
    """The frame of a field, float64."""
    array = held.get(name) if isinstance(held, dict) else None
    data = array.data if isinstance(array, SavedArray) else None
    if not isinstance(data, np.ndarray) or data.dtype.kind != "f" or data.shape[1:] != shape:
        told = f"{data.shape}, {data.dtype}" if isinstance(data, np.ndarray) else "missing"
        raise ReferenceDataError(f"{path}: {name!r} must have the shape {('frames', *shape)}, but is {told}")
    if len(data) <= _FRAME:
        raise ReferenceDataError(f"{path}: {name!r} has {len(data)} frames, but number {_FRAME} is wanted, from 0 on")
    field = torch.from_numpy(data[_FRAME].astype(np.float64))
    if not torch.isfinite(field).all():
        raise ReferenceDataError(f"{path}: {name!r} has entries that are not finite")
    return field


def on_points(field: Tensor, side: int) -> Tensor:
    """Its waves with |k| < N/2 both ways, on N × N points; of a field (…, R, R), R ≥ N, N even."""
    k = torch.arange(1 - side // 2, side // 2)
    kept = torch.zeros(*field.shape[:-2], side, side, dtype=torch.complex128)
    kept[..., k[:, None], k] = torch.fft.fft2(field, norm="forward")[..., k[:, None], k]
    values: Tensor = torch.fft.ifft2(kept, norm="forward").real
    return values
