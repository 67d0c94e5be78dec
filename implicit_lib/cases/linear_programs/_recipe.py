"""What is trained, and how: one typed recipe a model, in two presets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from ._instances import TRAINING
from ._networks import BOOK_UNITS, PAPER_UNITS, ExplicitGNN, ImplicitGNN

ModelName = Literal["explicit", "implicit", "contraction"]
MODELS: tuple[ModelName, ...] = get_args(ModelName)
"""The paper's two, and an implicit one that is also trained to contract."""

Preset = Literal["small", "paper"]
PRESETS: tuple[Preset, ...] = get_args(Preset)

EMBEDDINGS = (4, 8, 16, 32)
"""The embedding sizes d of the paper's Table 1."""


@dataclass(frozen=True, kw_only=True)
class Phase:
    """A part of the training.

    Attributes:
        epochs: passes over the training instances.
        iterations: of G that one step runs and differentiates; without meaning for an explicit model.
        learning_rate: of Adam at the start of the phase; it falls along a cosine to `last_learning_rate`.
        restart: the probability that a step takes an instance from z_0 = 0. Else it takes it on from the state where
            the last step left it, so that states of any age are trained on, 1/restart steps old on average, at the
            price of few iterations.
    """

    epochs: int
    iterations: int
    learning_rate: float
    last_learning_rate: float
    restart: float


@dataclass(frozen=True, kw_only=True)
class Contraction:
    """The penalty on ‖∂G/∂z‖, as far as it exceeds `modulus`, at the states that are trained on and between 0 and them.

    Attributes:
        weight: of the penalty, the mean of the squared excess.
        modulus: below the one that is wanted, since a few programs exceed what training reaches on average.
    """

    weight: float
    modulus: float


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything that decides a training run.

    Attributes:
        preset: "small" is what ships; "paper" follows the paper, as far as its code shows, but for its returns to
            earlier weights when the loss jumps.
        model, embedding: which network, and its size d.
        phases: one after the other.
        batch: instances a step.
        loss: "error", the paper's test error, or "square", the mean squared error, which the paper trains with. Of an
            implicit model the mean over the iterations of a step ("error") or that of the last one ("square").
        reflect: whether an instance is reflected when it restarts, which keeps its distribution: y_j ↦ −y_j for a
            random half of the variables, and the signs of a random half of the equalities.
        contraction: the penalty that makes the operator contract; None: there is none.
        clip: the largest norm of a gradient; None: none is too large.
        seed: of the initial weights and of everything random in training. The data have seeds of their own.
    """

    preset: Preset
    model: ModelName
    embedding: int
    phases: tuple[Phase, ...]
    batch: int
    loss: Literal["error", "square"]
    reflect: bool
    contraction: Contraction | None
    clip: float | None = 1.0
    seed: int = 0

    @property
    def name(self) -> str:
        """The name of its files."""
        return f"{self.model}-{self.embedding}-seed{self.seed}"

    @property
    def epochs(self) -> int:
        """Of all phases."""
        return sum(phase.epochs for phase in self.phases)

    def build(self) -> ExplicitGNN | ImplicitGNN:
        """The untrained model, its weights drawn from torch's current random state."""
        units = PAPER_UNITS if self.preset == "paper" else BOOK_UNITS
        if self.model == "explicit":
            return ExplicitGNN(self.embedding, units=units)
        return ImplicitGNN(self.embedding, units=units)


def recipe(preset: Preset, model: ModelName, embedding: int, seed: int = 0) -> Recipe:
    """The book's recipe.

    Raises:
        ValueError: there is no such preset or model, or the embedding is not a positive integer.
    """
    for value, known, kind in ((preset, PRESETS, "preset"), (model, MODELS, "model")):
        if value not in known:
            raise ValueError(f"there is no {kind} {value!r}; choose one of {', '.join(known)}")
    if embedding < 1:
        raise ValueError(f"embedding must be at least 1, but is {embedding}")
    return (_paper if preset == "paper" else _small)(model, embedding, seed)


_CONTRACTION = Contraction(weight=100.0, modulus=0.6)
"""With a modulus of 0.75 there are two among the 2,500 training programs that are not contracted."""


def _small(model: ModelName, embedding: int, seed: int) -> Recipe:
    """An explicit model has three times the epochs of an implicit one, whose steps run three iterations."""
    phases: tuple[Phase, ...]
    if model == "explicit":
        phases = (Phase(epochs=1_800, iterations=1, learning_rate=1e-2, last_learning_rate=0.0, restart=1.0),)
    else:
        phases = (
            Phase(epochs=100, iterations=3, learning_rate=1e-2, last_learning_rate=8e-3, restart=1.0),
            Phase(epochs=500, iterations=3, learning_rate=8e-3, last_learning_rate=0.0, restart=0.05),
        )
    return Recipe(
        preset="small",
        model=model,
        embedding=embedding,
        phases=phases,
        batch=250,
        loss="error",
        reflect=True,
        contraction=_CONTRACTION if model == "contraction" else None,
        seed=seed,
    )


def _paper(model: ModelName, embedding: int, seed: int) -> Recipe:
    steps = 1 if model == "explicit" else 3
    return Recipe(
        preset="paper",
        model=model,
        embedding=embedding,
        phases=(
            Phase(epochs=10_000, iterations=steps, learning_rate=1e-2, last_learning_rate=1e-2, restart=1.0),
            Phase(epochs=5_000, iterations=2 * steps, learning_rate=1e-4, last_learning_rate=1e-4, restart=1.0),
        ),
        batch=TRAINING,
        loss="square",
        reflect=False,
        contraction=_CONTRACTION if model == "contraction" else None,
        clip=None,
        seed=seed,
    )
