"""Trained transformers on disk, for chains and for boards: weights as safetensors, and a model card beside them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import torch

from implicit_lib.cases import _files
from implicit_lib.cases._files import load_weights, parameter_count
from implicit_lib.cases._running import Trained, train_once, write_trained

from ._networks import Size, Transformer
from ._recipe import ModelName, name_of


class _Recipe(Protocol):
    @property
    def model(self) -> ModelName: ...

    @property
    def seed(self) -> int: ...

    @property
    def name(self) -> str: ...

    def build(self) -> Transformer: ...


R = TypeVar("R", bound=_Recipe)


@dataclass(frozen=True)
class Store(Generic[R]):
    """How the models of one task are written and read.

    Attributes:
        package: whose command trains them.
        kind: the class of their recipes; what a card tells of one are its arguments.
    """

    package: str
    kind: Callable[..., R]

    def train_and_write(
        self,
        recipe: R,
        folder: Path,
        train: Callable[[Path], Trained[Transformer]],
        metrics: Callable[[Transformer], dict[str, Any]],
    ) -> dict[str, Any]:
        """What `train`, given a checkpoint, returns into the folder, unless that has been done; returns the card."""

        def make(checkpoint: Path) -> dict[str, Any]:
            trained = train(checkpoint)

            def judge() -> dict[str, Any]:
                model = trained.model.cpu()
                return {"parameters": parameter_count(model), "metrics": metrics(model)}

            return write_trained(recipe, trained, folder, judge)

        def read() -> dict[str, Any]:
            return self.read_card(recipe.model, recipe.seed, folder)

        return train_once(recipe, folder, read=read, recipe_of=self.recipe_of, make=make)

    def recipe_of(self, card: dict[str, Any]) -> R:
        """The recipe that a card tells of."""
        fields = dict(card["recipe"])
        return self.kind(**fields | {"size": Size(**fields["size"])})

    def read_card(self, model: ModelName, seed: int, folder: Path) -> dict[str, Any]:
        """The card of a trained model; raises WeightsError if it is missing or damaged."""
        path = folder / f"{name_of(model, seed)}.json"
        return _files.read_card(path, self.recipe_of, remedy=self._remedy(model, seed, folder))

    def load(self, model: ModelName, seed: int, folder: Path, device: torch.device | str) -> Transformer:
        """A trained model in evaluation mode; raises WeightsError if card or weights are missing or damaged."""
        recipe = self.recipe_of(self.read_card(model, seed, folder))
        module = recipe.build()
        load_weights(module, folder / f"{recipe.name}.safetensors", remedy=self._remedy(model, seed, folder))
        return module.to(device).eval()

    def _remedy(self, model: ModelName, seed: int, folder: Path) -> str:
        return f"python -m {self.package} train --model {model} --seed {seed} --output {folder}"
