"""What is trained, and how: one typed recipe a model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args

from torch import nn

from implicit_lib.cases._running import check_names

from ._blur import Blur
from ._kernels import camera_shake
from ._networks import LONGEST_STEP, Deblurring, Explicit, Scheme, Size, Unfolded, new_denoiser, operator

ModelName = Literal[
    "denoiser",
    "explicit",
    "pgd",
    "hqs",
    "pgd-implicit",
    "hqs-implicit",
    "pgd-loose",
    "pgd-contraction",
    "hqs-contraction",
    "unfolded-1",
    "unfolded-2",
    "unfolded-4",
    "unfolded-8",
    "unfolded-16",
]
MODELS: tuple[ModelName, ...] = get_args(ModelName)
"""The denoiser that all others begin with, and those; "-loose" is what goes wrong, "-contraction" what mends it."""

PAPER_MODELS: tuple[ModelName, ...] = ("denoiser", "explicit", "pgd", "hqs")
"""Those that the preset "paper" has."""

Preset = Literal["small", "paper"]
PRESETS: tuple[Preset, ...] = get_args(Preset)

SMALL = Size(widths=(24, 48, 64), blocks=1)

PAPER = Size(kind="drunet", widths=(64, 128, 256, 512), blocks=4)
"""32.64 million parameters."""


@dataclass(frozen=True, kw_only=True)
class Replay:
    """The states that an implicit model is trained at: kept from step to step, so that few iterations reach old ones.

    Attributes:
        pictures: how many blurred pictures walk at once.
        iterations: of G in one step; the last one is differentiated.
        restart: the probability that a step takes another picture instead of the walking one, from y_0 = 0 or y_0 = x.
            States are iterations/restart old on average.
        first: iterations that a new picture walks before its first step.
    """

    pictures: int
    iterations: int
    restart: float
    first: int


@dataclass(frozen=True, kw_only=True)
class Contraction:
    """The penalty on ‖∂G/∂y‖, as far as it exceeds `modulus`, at the states that are trained at.

    Attributes:
        weight: of the penalty, the mean of the squared excess.
        modulus: below the one that is wanted, since a few pictures exceed what training reaches on average.
    """

    weight: float
    modulus: float


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything that decides a training run.

    Attributes:
        preset: "small" is what ships; "paper" has the denoiser, the photographs and the sizes of the paper.
        model: which of the models.
        size: of every denoiser in it.
        scheme: of its data steps; None for a model without.
        blocks: denoisers in a row, each with weights of its own; 1 but for an unfolded model.
        gradient: through the equilibrium, of an implicit model.
        adjoint_steps: of the gradient "implicit", each a vector-Jacobian product.
        replay: the states it is trained at, of an implicit model.
        longest_step: the bound on γ of proximal gradient descent.
        contraction: the penalty that makes the operator contract; None: there is none.
        photographs: "shipped", or the `berkeley` ones, "bsds500".
        steps, batch: gradient steps, and pictures a step.
        side: pixels along a side of the pictures.
        learning_rate: of Adam at the start; it falls along a cosine to 0.
        clip: the largest norm of a gradient.
        seed: of the initial weights and of everything random in training.
    """

    preset: Preset
    model: ModelName
    size: Size
    steps: int
    learning_rate: float
    scheme: Scheme | None = None
    blocks: int = 1
    gradient: Literal["jacobian-free", "implicit"] | None = None
    adjoint_steps: int = 10
    replay: Replay | None = None
    longest_step: float = LONGEST_STEP
    contraction: Contraction | None = None
    photographs: Literal["shipped", "bsds500"] = "shipped"
    batch: int = 8
    side: int = 64
    clip: float = 0.5
    seed: int = 0

    @property
    def name(self) -> str:
        """The name of its files."""
        return f"{self.model}-seed{self.seed}"

    def build(self) -> nn.Module:
        """The model before training, its blur the case's kernel."""
        if self.scheme is None:
            denoiser = new_denoiser(self.size)
            return denoiser if self.model == "denoiser" else Explicit(denoiser)
        blur = Blur(camera_shake(), self.side)
        if self.replay is None:
            return Unfolded(self.scheme, self.size, blur, self.blocks)
        return Deblurring(operator(self.scheme, self.size, blur, longest_step=self.longest_step))


def recipe(preset: Preset, model: ModelName, seed: int = 0) -> Recipe:
    """The book's recipe.

    Raises:
        RecipeError: there is no such preset or model, or not that model in that preset.
    """
    models = PAPER_MODELS if preset == "paper" else MODELS
    check_names(preset, PRESETS, model, models)
    return replace((_paper if preset == "paper" else _small)(model), seed=seed)


_REPLAY = Replay(pictures=256, iterations=3, restart=0.05, first=6)
_LOOSE = Replay(pictures=256, iterations=1, restart=1.0, first=19)
"""Always twenty iterations from the start, no older state is ever seen."""


def _small(model: ModelName) -> Recipe:
    """Steps are such that all models but the denoiser cost about the same time."""
    kind, _, rest = model.partition("-")
    if model == "denoiser":
        return Recipe(preset="small", model=model, size=SMALL, steps=4_000, batch=16, learning_rate=1e-3)
    base = Recipe(preset="small", model=model, size=SMALL, steps=10_000, learning_rate=2e-4)
    if kind == "explicit":
        return base
    if kind == "unfolded":
        return replace(base, scheme="hqs", blocks=int(rest), steps=10_000 // int(rest))
    scheme: Scheme = "pgd" if kind == "pgd" else "hqs"
    implicit = replace(base, scheme=scheme, gradient="jacobian-free", replay=_REPLAY, steps=5_000)
    if rest == "implicit":
        return replace(implicit, gradient="implicit", steps=2_000)
    if rest == "loose":
        return replace(implicit, replay=_LOOSE, longest_step=2 * LONGEST_STEP, steps=1_500)
    if rest == "contraction":
        return replace(implicit, contraction=Contraction(weight=1.0, modulus=0.95), steps=2_200)
    return implicit


_PAPER_REPLAY = Replay(pictures=256, iterations=5, restart=0.05, first=10)
"""States are 100 iterations old on average, as many as the paper walks, at a twentieth of its cost."""


def _paper(model: ModelName) -> Recipe:
    """The paper's network, photographs, noise, learning rate and backward iterations; the rest is this book's.

    The kernel is `camera_shake`, in the place of the paper's, the first one of Levin et al., which no package may pass
    on. The paper tells no batch and no number of steps. This batch needs some 3 GB of a GPU: 138 MB a picture for the
    gradient, .5 GB for the weights and Adam. All is float32, which cuDNN convolves as TF32 where the GPU has it.
    """
    base = Recipe(
        preset="paper",
        model=model,
        size=PAPER,
        photographs="bsds500",
        side=128,
        steps=40_000,
        batch=16,
        learning_rate=1e-4,
    )
    if model not in ("pgd", "hqs"):
        return base
    return replace(base, scheme=model, gradient="implicit", adjoint_steps=20, replay=_PAPER_REPLAY, steps=20_000)
