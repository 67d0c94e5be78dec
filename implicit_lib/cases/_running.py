"""Training that can be stopped and resumed at any step, the same for every case: Ctrl-C and checkpoints."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

Progress = Callable[[str], None]
"""Is called with a line that tells how far something is, and the time left."""


class TrainingInterrupted(KeyboardInterrupt):
    """Ctrl-C during training. What was reached is in the checkpoint; the same command goes on from there."""


class CheckpointError(RuntimeError):
    """A checkpoint that does not fit; the message says why and what to do."""


def write_checkpoint(recipe: Mapping[str, Any], state: Mapping[str, Any], path: Path) -> None:
    """Write the recipe and the state of its run, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + ".part")
    torch.save({"recipe": dict(recipe), "state": dict(state)}, unfinished)
    unfinished.replace(path)


def read_checkpoint(recipe: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """The state that was written for this recipe, on the CPU.

    Raises:
        CheckpointError: the checkpoint is damaged, or of another recipe.
    """
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
        written, state = found["recipe"], found["state"]
    except Exception as error:  # torch.load raises many kinds
        raise CheckpointError(f"the checkpoint {path} cannot be read ({error}); delete it to start again") from None
    if written != dict(recipe):
        raise CheckpointError(f"the checkpoint {path} is of another recipe; delete it, or choose another folder")
    restored: dict[str, Any] = state
    return restored


@contextmanager
def stop_on_interrupt() -> Iterator[Callable[[], bool]]:
    """While open, Ctrl-C only takes note, so that no step is cut in two; a second Ctrl-C acts as usual."""
    noted = False

    def note(number: int, frame: Any) -> None:
        nonlocal noted
        noted = True
        signal.signal(signal.SIGINT, before)

    try:
        before = signal.signal(signal.SIGINT, note)
    except ValueError:  # not the main thread: there Ctrl-C does not arrive
        yield lambda: False
        return
    try:
        yield lambda: noted
    finally:
        signal.signal(signal.SIGINT, before)
