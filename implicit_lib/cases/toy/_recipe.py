"""What is trained, and how: one typed recipe a model, in two presets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import nn

from implicit_lib.model import ImplicitModel

from ._networks import DeepExplicit, Explicit, Operator

ModelName = Literal[
    "implicit", "unrolled", "explicit", "explicit-long", "explicit-large", "explicit-deep", "explicit-gentle"
]
Preset = Literal["small", "paper"]

TARGETS = (5, 10, 15, 20)
"""The Lipschitz constants K of the targets, as in the paper's Figure 1."""

INPUT_SLOPE = 2.0
"""The bound on |∂G/∂x|: how steep one pass may be."""
STATE_SLOPE = 0.95
"""The bound on ∂G/∂y, which is also at least 0: the modulus of contraction."""
STATE_RANGE = 1.2
"""The states that the bounds are for: |y| ≤ STATE_RANGE. The targets stay within 1."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything that decides a training run.

    Attributes:
        preset: "small" is what ships; "paper" has the sizes of the paper's Figure 1.
        model: which of the models.
        target: the Lipschitz constant K of the target.
        width, depth: of the network; depth counts hidden layers, or the blocks of the deep one.
        learning_rate: the peak of a one-cycle schedule, for Adam.
        steps, batch: gradient steps, and inputs a step.
        seed: of the initial weights and of the batches.
        iterations: the model is iterated that often in a training step; 1 for a model without a state.
        gentle: the weight of the penalty on slopes beyond the bounds.
        margin: the penalty starts that far, relatively, inside the bounds, so that the bounds themselves hold.
        clip: the largest norm of a gradient.
    """

    preset: Preset
    model: ModelName
    target: int
    width: int
    depth: int
    learning_rate: float
    steps: int
    batch: int
    seed: int = 1
    iterations: int = 1
    gentle: float = 0.0
    margin: float = 0.1
    clip: float = 1.0

    @property
    def name(self) -> str:
        """The name of its files."""
        return f"{self.model}-{self.target}"

    @property
    def has_state(self) -> bool:
        """Whether the model is iterated."""
        return self.model in ("implicit", "unrolled")

    def build(self) -> nn.Module:
        """The untrained model, its weights drawn from torch's current random state."""
        if self.has_state:
            return ImplicitModel(Operator(self.width, self.depth), max_iter=1000)
        return (DeepExplicit if self.model == "explicit-deep" else Explicit)(self.width, self.depth)


@dataclass(frozen=True, kw_only=True)
class _Model:
    """What tells the models of a preset apart; the other numbers are the preset's own.

    `learning_rate` is the best of LEARNING_RATES at K = 20 for the small preset (weights/comparison.json).
    """

    learning_rate: float
    wider: int = 1
    blocks: int = 0
    longer: int = 1
    iterations: int = 1
    gentle: float = 0.0


LEARNING_RATES = (1e-3, 3e-3, 1e-2, 3e-2, 1e-1)

_MODELS: dict[ModelName, _Model] = {
    "implicit": _Model(learning_rate=1e-2, iterations=20, gentle=10.0),
    "unrolled": _Model(learning_rate=3e-2, iterations=5),
    "explicit": _Model(learning_rate=3e-2),
    "explicit-long": _Model(learning_rate=3e-2, longer=4),
    "explicit-large": _Model(learning_rate=1e-2, wider=4),
    "explicit-deep": _Model(learning_rate=1e-2, blocks=8),
    "explicit-gentle": _Model(learning_rate=3e-2, gentle=10.0),
}
MODELS: tuple[ModelName, ...] = tuple(_MODELS)

_SIZES: dict[Preset, tuple[int, int, int]] = {"small": (64, 3_000, 256), "paper": (256, 20_000, 1_024)}


def recipe(preset: Preset, model: ModelName, target: int) -> Recipe:
    """The book's recipe.

    Raises:
        ValueError: there is no such preset, model or target.
    """
    for value, known, kind in ((preset, _SIZES, "preset"), (model, _MODELS, "model"), (target, TARGETS, "target")):
        if value not in known:
            raise ValueError(f"there is no {kind} {value!r}; choose one of {', '.join(map(str, known))}")
    width, steps, batch = _SIZES[preset]
    chosen = _MODELS[model]
    return Recipe(
        preset=preset,
        model=model,
        target=target,
        width=width * chosen.wider,
        depth=chosen.blocks or 2,
        learning_rate=chosen.learning_rate,
        steps=steps * chosen.longer,
        batch=batch,
        iterations=chosen.iterations,
        gentle=chosen.gentle,
    )
