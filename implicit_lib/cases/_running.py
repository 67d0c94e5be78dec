"""Training that can be stopped and resumed at any step, the same for every case: the loop, and its command line."""

from __future__ import annotations

import argparse
import dataclasses
import math
import signal
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

import torch
from torch import nn

from ._files import WeightsError, whole, write_card, write_tensors

Card = dict[str, Any]
M = TypeVar("M", bound=nn.Module)

Progress = Callable[[str], None]
"""Is called with a line that tells how far something is, and the time left."""


_LATE = 60.0
"""Seconds after which a checkpoint is written, and the time left told, even if fewer steps are over than was asked."""


class TrainingInterrupted(KeyboardInterrupt):
    """Ctrl-C during training. What was reached is in the checkpoint; the same command goes on from there."""


class CheckpointError(RuntimeError):
    """A checkpoint that does not fit; the message says why and what to do."""


class RecipeError(ValueError):
    """There is no such recipe; the message says which there are."""


def check_names(preset: str, presets: Sequence[str], model: str, models: Sequence[str]) -> None:
    """Raise `RecipeError` unless the preset is among the presets, and the model among those that it has."""
    if preset not in presets:
        raise RecipeError(f"there is no preset {preset!r}; choose one of {', '.join(presets)}")
    if model not in models:
        raise RecipeError(f"there is no model {model!r} in the preset {preset!r}; choose one of {', '.join(models)}")


class MissingPackageError(ImportError):
    """A package that only some recipes need; the message says how to install it."""


@dataclasses.dataclass(frozen=True)
class Trained(Generic[M]):
    """A trained model, and the seconds that it took over all runs, by the processor's clock and by the wall's."""

    model: M
    cpu_seconds: float
    wall_seconds: float


class Run(ABC, Generic[M]):
    """A training run: the state that a checkpoint holds, and one step, or one epoch. A subclass makes the optimiser."""

    unit: ClassVar[str]  # "step" or "epoch": `length` is how many there are, `done` how many are over
    digits: ClassVar[str]  # the format of a loss
    recipe: Any  # a dataclass with a name, a seed, and build()
    optimiser: torch.optim.Optimizer

    def __init__(self, recipe: Any, length: int, device: torch.device) -> None:
        self.recipe, self.length, self.device = recipe, length, device
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(recipe.seed)
            self.model: M = recipe.build().to(device)
        self.random = torch.Generator().manual_seed(recipe.seed)
        self.done, self.cpu_seconds, self.wall_seconds = 0, 0.0, 0.0

    @abstractmethod
    def _train(self) -> float:
        """One step or epoch; returns its loss."""

    @abstractmethod
    def _remedy(self) -> str:
        """For a loss that is not finite: when that was, and what to try."""

    def advance(self) -> float:
        """One step or epoch; returns its loss.

        Raises:
            FloatingPointError: the loss is not finite.
        """
        cpu, wall = time.process_time(), time.perf_counter()
        loss = self._train()
        self.cpu_seconds += time.process_time() - cpu
        self.wall_seconds += time.perf_counter() - wall
        if not math.isfinite(loss):
            raise FloatingPointError(f"{self.recipe.name}: the loss is {loss} {self._remedy()}")
        self.done += 1
        return loss

    def state(self) -> dict[str, Any]:
        """What a checkpoint holds; a subclass adds what is its own."""
        progress = (self.done, self.cpu_seconds, self.wall_seconds)
        parts = {"model": self.model.state_dict(), "optimiser": self.optimiser.state_dict(), "progress": progress}
        return parts | {"random": self.random.get_state()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` returned."""
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.done, self.cpu_seconds, self.wall_seconds = state["progress"]
        self.random.set_state(state["random"])

    def finish(self, checkpoint: Path, progress: Progress, every: int) -> Trained[M]:
        """Go on from the checkpoint, if there is one, to the end; raises what the `train` of every case does."""
        name, of = self.recipe.name, dataclasses.asdict(self.recipe)
        if checkpoint.exists():
            self.restore(read_checkpoint(of, checkpoint))
            progress(f"{name}: resuming at {self.unit} {self.done} of {self.length}")
        written = time.monotonic()
        with stop_on_interrupt() as stopped:
            while self.done < self.length:
                loss, stop = self.advance(), stopped()
                late = time.monotonic() - written > _LATE
                if self.done % every == 0 or self.done == self.length or stop or late:
                    write_checkpoint(of, self.state(), checkpoint)
                    written = time.monotonic()
                    left = self.wall_seconds / self.done * (self.length - self.done)
                    reached = f"{self.unit} {self.done}"
                    progress(f"{name}: {reached}/{self.length}, loss {loss:{self.digits}}, {left:.0f} s left")
                if stop:
                    raise TrainingInterrupted(f"stopped at {reached}; run the same command again to go on")
        return Trained(self.model.eval(), self.cpu_seconds, self.wall_seconds)


class StepRun(Run[M]):
    """Gradient steps, the learning rate falling along a cosine to 0; of the recipe: steps, learning_rate, clip."""

    unit = "step"

    @abstractmethod
    def _loss(self) -> torch.Tensor:
        """Of one batch."""

    def _train(self) -> float:
        """One gradient step; returns the loss before it."""
        share = self.done / self.recipe.steps
        for group in self.optimiser.param_groups:
            group["lr"] = self.recipe.learning_rate * (1 + math.cos(math.pi * share)) / 2
        loss = self._loss()
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.clip)
        self.optimiser.step()
        return loss.item()

    def _remedy(self) -> str:
        return f"at step {self.done + 1}; try a smaller learning_rate than {self.recipe.learning_rate}"


def found_card(recipe: Any, folder: Path, read: Callable[[], Card], recipe_of: Callable[[Card], Any]) -> Card | None:
    """The card that is in the folder, if there is one.

    Raises:
        CheckpointError: it is of another recipe, and would be lost.
    """
    path = folder / f"{recipe.name}.json"
    if not path.exists():
        return None
    if recipe_of(card := read()) != recipe:
        raise CheckpointError(f"the model {path} is of another recipe; delete it, or choose another folder")
    return card


def train_once(
    recipe: Any, folder: Path, read: Callable[[], Card], recipe_of: Callable[[Card], Any], make: Callable[[Path], Card]
) -> Card:
    """The card that is in the folder, else that of `make`, which is given a checkpoint; raises as `found_card` does."""
    if (card := found_card(recipe, folder, read, recipe_of)) is not None:
        return card
    checkpoint = folder / f"{recipe.name}.checkpoint"
    card = make(checkpoint)
    checkpoint.unlink()
    return card


def write_trained(recipe: Any, trained: Trained[M], folder: Path, judge: Callable[[], Mapping[str, Any]]) -> Card:
    """Write NAME.safetensors and its card NAME.json into the folder, the card last; returns the card.

    `judge` gives what the card tells beside the recipe, the time and the place; it may move the model.
    """
    device = next(trained.model.parameters()).device
    write_tensors(trained.model.state_dict(), folder / f"{recipe.name}.safetensors")
    card = {
        "recipe": dataclasses.asdict(recipe),
        **judge(),
        "cpu_seconds": round(trained.cpu_seconds, 1),
        "wall_seconds": round(trained.wall_seconds, 1),
        "device": str(device),
        "torch": torch.__version__,
    }
    write_card(card, folder / f"{recipe.name}.json")
    return card


def tell(line: str) -> None:
    """Print the line at once: the progress of a command."""
    print(line, flush=True)


def run_command(parser: argparse.ArgumentParser, arguments: list[str] | None, do: Callable[[Any], None]) -> int:
    """Do what the arguments ask for; returns the exit status, and says why where it is not 0."""
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    try:
        do(options)
    except KeyboardInterrupt as reason:
        told = isinstance(reason, TrainingInterrupted)
        print(reason if told else "stopped; run the same command again to go on", file=sys.stderr)
        return 130
    except (CheckpointError, WeightsError, RecipeError, MissingPackageError) as reason:
        print(reason, file=sys.stderr)
        return 1
    return 0


def add_options(command: argparse.ArgumentParser, folder: str) -> None:
    """What can be said of any training: where to, on what, and with how many threads."""
    command.add_argument("--output", type=Path, default=Path(folder), help="folder (default: %(default)s)")
    command.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    command.add_argument("--threads", type=int, default=1, help="CPU threads; 1 reproduces the shipped weights")


def write_checkpoint(recipe: Mapping[str, Any], state: Mapping[str, Any], path: Path) -> None:
    """Write the recipe and the state of its run, whole or not at all."""
    with whole(path) as unfinished:
        torch.save({"recipe": dict(recipe), "state": dict(state)}, unfinished)


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
