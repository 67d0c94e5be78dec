"""Small folders in the form of the reference's, by the formulas of their fields."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

FRAMES = 5


def axis(points: int) -> Array:
    """As the grids of the reference's simulator, whose points are the middles of cells."""
    return (np.arange(points) + 0.5) * 2 * np.pi / points


def flow(number: int, x: Array, y: Array) -> tuple[Array, Array, Array]:
    """f (2, …), its curl g, and a vorticity, at these points; all waves are below 8."""
    a, b = 1 + 0.1 * number, 0.5 - 0.2 * number
    force = np.stack([a * np.cos(x) * np.sin(2 * y) + b * np.cos(5 * y), b * np.sin(3 * x) * np.cos(y)])
    curl = 3 * b * np.cos(3 * x) * np.cos(y) - 2 * a * np.cos(x) * np.cos(2 * y) + 5 * b * np.sin(5 * y)
    return force, curl, a * np.sin(x + 2 * y) + b * np.cos(4 * x) * np.sin(6 * y)


def example(number: int, points: int, *, x_first: bool = True) -> dict[str, Array]:
    """What a file holds; the frame that is used is the only one that is right."""
    x, y = np.meshgrid(axis(points), axis(points), indexing="ij" if x_first else "xy")
    force, _, vorticity = flow(number, x, y)
    frames = np.where(np.arange(FRAMES) == 3, 1.0, 7.0)
    return {"f": frames[:, None, None, None] * force, "w": frames[:, None, None] * vorticity}


def write(folder: Path, count: int, points: int, *, x_first: bool = True) -> Path:
    """The folder, with its grid and as many files."""
    folder.mkdir()
    grid = np.meshgrid(axis(points), axis(points), indexing="ij" if x_first else "xy")
    np.save(folder / "grid.npy", np.stack(grid))
    for number in range(count):
        save(folder, number, example(number, points, x_first=x_first))
    return folder


def save(folder: Path, number: int, content: object) -> None:
    """As the reference's authors do."""
    np.save(folder / f"example_{number:05}.npy", content, allow_pickle=True)  # type: ignore[arg-type]
