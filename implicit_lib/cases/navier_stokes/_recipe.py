"""What is trained, and how: one typed recipe a model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args

from torch import nn

from implicit_lib.cases._running import check_names

from ._data import VISCOSITY
from ._flow import Flow
from ._informed import ImplicitInformed, InformedSize
from ._networks import BOOK_UNITS, ExplicitFNO, FNOSize, ImplicitFNO, Units

ModelName = Literal["explicit", "implicit", "informed", "explicit-1", "explicit-6", "explicit-12", "explicit-wide"]
MODELS: tuple[ModelName, ...] = get_args(ModelName)

PAPER_MODELS: tuple[ModelName, ...] = ("explicit", "implicit")
"""Those that the preset "paper" has."""

Preset = Literal["small", "paper"]
PRESETS: tuple[Preset, ...] = get_args(Preset)

SMALL = FNOSize(width=24, modes=8, blocks=3)

PROPOSAL = FNOSize(width=16, modes=8, blocks=3)
"""Of the network within an informed operator."""

PAPER = FNOSize(width=32, modes=12, blocks=3)

REFERENCE_UNITS = Units(forcing=0.078, vorticity=0.334)
"""About the root mean squares of the reference's flows, by the variances that its authors divide by.

Those are 0.1116 of the vorticity, and 0.00304 of either component of the force; its curl is as large as the force
itself where, as there, the waves of number 1 are the largest.
"""

SWEEP: dict[ModelName, tuple[FNOSize, int]] = {
    "explicit-1": (replace(SMALL, blocks=1), 14_000),
    "explicit-6": (replace(SMALL, blocks=6), 7_000),
    "explicit-12": (replace(SMALL, blocks=12), 3_500),
    "explicit-wide": (replace(SMALL, width=48), 5_200),
}
"""Explicit networks of other depths and widths, and for how many steps: the deeper ones for fewer."""


@dataclass(frozen=True, kw_only=True)
class Replay:
    """The states that an implicit model is trained at: kept from step to step, so that few iterations reach old ones.

    Attributes:
        states: how many flows walk at once.
        iterations: of G in one step, all of them differentiated and judged.
        restart: the probability that a step takes another flow, from h_0 = 0, instead of the walking one.
        damping: the share of G(h, q) in the next state; the rest is h.
    """

    states: int
    iterations: int
    restart: float
    damping: float


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything that decides a training run.

    Attributes:
        preset: "small" is what ships; "paper" has the flows and the sizes of the paper.
        model: which of the models.
        size: of its network.
        side: N, points along a side of the flows.
        replay: the states it is trained at, of an implicit model; None of an explicit one.
        krylov: directions of a correction, of an informed operator; None of other models.
        data: "shipped", or the flows of `reference_flows`, "reference".
        units: of those flows.
        steps, batch: gradient steps, and flows a step.
        learning_rate: of Adam at the start; it falls along a cosine to 0.
        clip: the largest norm of a gradient.
        seed: of the initial weights and of everything random in training.
    """

    preset: Preset
    model: ModelName
    size: FNOSize
    steps: int
    replay: Replay | None = None
    krylov: int | None = None
    data: Literal["shipped", "reference"] = "shipped"
    units: Units = BOOK_UNITS
    side: int = 32
    batch: int = 16
    learning_rate: float = 2e-3
    clip: float = 1.0
    seed: int = 0

    @property
    def name(self) -> str:
        """The name of its files."""
        return f"{self.model}-seed{self.seed}"

    def build(self) -> nn.Module:
        """The model before training."""
        if self.krylov is not None:
            size = InformedSize(network=self.size, krylov=self.krylov)
            return ImplicitInformed(size, Flow(self.side, VISCOSITY), units=self.units)
        return (ImplicitFNO if self.replay else ExplicitFNO)(self.size, self.side, units=self.units)


def recipe(preset: Preset, model: ModelName, seed: int = 0) -> Recipe:
    """The book's recipe.

    Raises:
        RecipeError: there is no such preset or model, or not that model in that preset.
    """
    models = PAPER_MODELS if preset == "paper" else MODELS
    check_names(preset, PRESETS, model, models)
    return replace((_paper if preset == "paper" else _small)(model), seed=seed)


_REPLAY = Replay(states=256, iterations=3, restart=0.06, damping=0.5)
"""States are 50 iterations old on average, as many as the paper walks."""


def _small(model: ModelName) -> Recipe:
    """No model takes more than 1.6 times as long as the implicit one."""
    if model in SWEEP:
        size, steps = SWEEP[model]
        return Recipe(preset="small", model=model, size=size, steps=steps)
    if model == "explicit":
        return Recipe(preset="small", model=model, size=SMALL, steps=14_000)
    if model == "informed":
        replay = Replay(states=256, iterations=1, restart=0.1, damping=1.0)
        return Recipe(preset="small", model=model, size=PROPOSAL, steps=6_000, replay=replay, krylov=10)
    return Recipe(preset="small", model=model, size=SMALL, steps=4_500, replay=_REPLAY)


def _paper(model: ModelName) -> Recipe:
    """The reference's flows, width, modes and batch, on the paper's points; the rest is this book's.

    An explicit network sees every flow some 200 times. The reference walks 500 epochs, at a constant learning rate of
    0.005, and differentiates 3 damped steps at the end of 24 of Anderson's.
    """
    base = Recipe(
        preset="paper", model=model, size=PAPER, steps=60_000, data="reference", units=REFERENCE_UNITS, side=64
    )
    return replace(base, steps=20_000, replay=_REPLAY) if model == "implicit" else base
