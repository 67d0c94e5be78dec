"""A system given by torch modules: run by torch here, and exported to ONNX for the page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ._onnx import export
from ._system import Arrays, Settings


@dataclass(frozen=True)
class _State:
    z: Tensor
    q: tuple[Tensor, ...]


class TorchSystem:
    """`z ← G(z, q)` from torch modules, with q computed once per setting of the controls.

    Args:
        encode: `encode(*controls) -> tuple of tensors q`; the input x is a buffer inside. Controls arrive as 0-d
            tensors of the start's dtype.
        step: `step(z, *q) -> z`, the operator.
        view: `view(z, previous, *q) -> dict` of 1-D arrays and 0-d scalars, where `previous` is z_{t−1} (z_0 at t = 0).
        start: z_0, any shape, floating point; its device is where everything runs.
        controls: the names of the sliders that `encode` reads, in order.

    Raises:
        ValueError: if `start` is not a floating-point tensor, or if a step changes the shape or dtype of z.
        TypeError: if `encode` does not return a tuple of tensors, or `view` not a dict of tensors.
    """

    def __init__(
        self, *, encode: nn.Module, step: nn.Module, view: nn.Module, start: Tensor, controls: Sequence[str] = ()
    ) -> None:
        if not start.is_floating_point():
            raise ValueError(f"start must be a floating-point tensor; got dtype {start.dtype}.")
        self._encode, self._step, self._view = encode.eval(), step.eval(), view.eval()
        self._start = start
        self._controls = tuple(controls)

    @property
    def step_controls(self) -> frozenset[str]:
        """The sliders that `encode` reads."""
        return frozenset(self._controls)

    @property
    def view_controls(self) -> frozenset[str]:
        """None: the view sees the controls through q."""
        return frozenset()

    def _control_tensors(self, settings: Settings) -> tuple[Tensor, ...]:
        return tuple(self._start.new_tensor(settings[name]) for name in self._controls)

    @torch.no_grad()
    def start(self, settings: Settings) -> _State:
        """z_0 and the encoded input."""
        q = self._encode(*self._control_tensors(settings))
        if not isinstance(q, tuple) or not all(isinstance(part, Tensor) for part in q):
            raise TypeError(f"encode must return a tuple of tensors; got {type(q).__name__}.")
        return _State(self._start, q)

    @torch.no_grad()
    def step(self, state: _State) -> _State:
        """One evaluation of the operator."""
        z = self._step(state.z, *state.q)
        if z.shape != state.z.shape or z.dtype != state.z.dtype:
            raise ValueError(
                f"step must keep shape and dtype: it was given {tuple(state.z.shape)}, {state.z.dtype} "
                f"and returned {tuple(z.shape)}, {z.dtype}."
            )
        return _State(z, state.q)

    @torch.no_grad()
    def view(self, state: _State, previous: _State, settings: Settings, t: int) -> Arrays:
        """The arrays and scalars of iteration t, as float64 NumPy arrays."""
        seen = self._view(state.z, previous.z, *state.q)
        if not isinstance(seen, dict) or not all(isinstance(value, Tensor) for value in seen.values()):
            raise TypeError(f"view must return a dict of tensors; got {seen!r}.")
        return {name: value.detach().cpu().numpy().astype(np.float64) for name, value in seen.items()}

    @torch.no_grad()
    def write_page(self, folder: Path, name: str, settings: Settings) -> str:
        """Three ONNX files (encode, step, view) and the JavaScript object that names them.

        Raises:
            ValueError: the start is not float32, which the page's arithmetic is.
        """
        if self._start.dtype != torch.float32:
            raise ValueError(
                f"The page runs float32, but start is {self._start.dtype}: use .float() on it and the modules."
            )
        state = self.start(settings)
        seen = self._view(state.z, state.z, *state.q)
        encoded = [f"q{i}" for i in range(len(state.q))]
        parts: dict[str, tuple[nn.Module, Sequence[Tensor], Sequence[str], Sequence[str]]] = {
            "encode": (self._encode, self._control_tensors(settings), self._controls, encoded),
            "step": (self._step, (state.z, *state.q), ["z", *encoded], ["z_next"]),
            "view": (_DictToTuple(self._view), (state.z, state.z, *state.q), ["z", "previous", *encoded], list(seen)),
        }
        files = {part: export(*graph, folder, f"{name}-{part}") for part, graph in parts.items()}
        description = {
            "kind": "onnx",
            "files": files,
            "stepControls": list(self._controls),
            "encoded": encoded,
            "fields": [
                {"name": key, "reduce": "scalar" if value.ndim == 0 else "curve"} for key, value in seen.items()
            ],
            "start": {"shape": list(self._start.shape), "values": _constant_or_values(self._start)},
        }
        return json.dumps(description)


class _DictToTuple(nn.Module):
    """ONNX graphs return tuples: the view's values, in the order of its keys."""

    def __init__(self, view: nn.Module) -> None:
        super().__init__()
        self.view = view

    def forward(self, *arguments: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.view(*arguments).values())


def _constant_or_values(start: Tensor) -> float | list[float]:
    """z_0 is nearly always zero; one number then stands for all."""
    flat = start.detach().cpu().double().flatten()
    return float(flat[0]) if bool((flat == flat[0]).all()) else flat.tolist()
