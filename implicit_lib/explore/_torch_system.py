"""A system given by torch modules: run by torch here, and exported to ONNX for the page."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ._onnx import Exports
from ._system import Arrays, Settings

Z = Tensor | dict[str, Tensor]


@dataclass(frozen=True)
class _State:
    z: Z
    q: tuple[Tensor, ...]


class TorchSystem:
    """`z ← G(z, q)` from torch modules, with q computed once per setting of the controls.

    The state z is one tensor, or a dict of named tensors where the iteration remembers more than its iterate: a
    solver's history, a count. Modules are then given a dict, and `step` returns one with the same keys.

    Args:
        encode: `encode(*controls) -> tuple of tensors q`; the input x is a buffer inside. Controls arrive as 0-d
            tensors of the start's dtype; of a choice arrives which of its options is chosen, counted from 0.
        step: `step(z, *q) -> z`, the operator.
        view: `view(z, previous, *q, *view_controls) -> dict` of 1-D arrays and 0-d scalars, where `previous` is z_{t−1}
            (z_0 at t = 0).
        start: z_0, any shapes, of one floating-point dtype; its device is where everything runs.
        controls: the names of the controls that `encode` reads, in order.
        view_controls: the names of the controls that only `view` reads, in order: moving them keeps the iterates.

    Raises:
        ValueError: if `start` holds something other than floating-point tensors of one dtype, or if a step changes the
            names, a shape or a dtype of z.
        TypeError: if `encode` does not return a tuple of tensors, or `view` not a dict of tensors.
    """

    def __init__(
        self,
        *,
        encode: nn.Module,
        step: nn.Module,
        view: nn.Module,
        start: Tensor | Mapping[str, Tensor],
        controls: Sequence[str] = (),
        view_controls: Sequence[str] = (),
    ) -> None:
        self._encode, self._step, self._view = encode.eval(), step.eval(), view.eval()
        self._start: Z = start if isinstance(start, Tensor) else dict(start)
        dtypes = sorted({str(leaf.dtype) for leaf in self._leaves(self._start)})
        if len(dtypes) != 1 or not self._leaves(self._start)[0].is_floating_point():
            raise ValueError(f"start must hold floating-point tensors of one dtype; got dtype {', '.join(dtypes)}.")
        self._controls, self._view_controls = tuple(controls), tuple(view_controls)

    @property
    def step_controls(self) -> frozenset[str]:
        """The controls that `encode` reads."""
        return frozenset(self._controls)

    @property
    def view_controls(self) -> frozenset[str]:
        """The controls that only `view` reads; it sees the others through q."""
        return frozenset(self._view_controls)

    @staticmethod
    def _leaves(z: Z) -> list[Tensor]:
        return [z] if isinstance(z, Tensor) else list(z.values())

    def _of_leaves(self, leaves: Sequence[Tensor]) -> Z:
        return leaves[0] if isinstance(self._start, Tensor) else dict(zip(self._start, leaves, strict=True))

    def _in_order(self, z: Any) -> Any:
        """The state with its tensors in the order of the start's; anything else as it is."""
        same_names = isinstance(z, dict) and isinstance(self._start, dict) and z.keys() == self._start.keys()
        return {name: z[name] for name in self._start} if same_names else z

    def _tensors(self, names: Sequence[str], settings: Settings) -> tuple[Tensor, ...]:
        return tuple(self._leaves(self._start)[0].new_tensor(settings[name]) for name in names)

    @torch.no_grad()
    def start(self, settings: Settings) -> _State:
        """z_0 and the encoded input."""
        q = self._encode(*self._tensors(self._controls, settings))
        if not isinstance(q, tuple) or not all(isinstance(part, Tensor) for part in q):
            raise TypeError(f"encode must return a tuple of tensors; got {type(q).__name__}.")
        return _State(self._start, q)

    @torch.no_grad()
    def step(self, state: _State) -> _State:
        """One evaluation of the operator."""
        z = self._in_order(self._step(state.z, *state.q))
        given, returned = _kind(state.z), _kind(z)
        if given != returned:
            raise ValueError(f"step must keep names, shapes and dtypes: it was given {given} and returned {returned}.")
        return _State(z, state.q)

    @torch.no_grad()
    def view(self, state: _State, previous: _State, settings: Settings, t: int) -> Arrays:
        """The arrays and scalars of iteration t, as float64 NumPy arrays."""
        seen = self._view(state.z, previous.z, *state.q, *self._tensors(self._view_controls, settings))
        if not isinstance(seen, dict) or not all(isinstance(value, Tensor) for value in seen.values()):
            raise TypeError(f"view must return a dict of tensors; got {seen!r}.")
        if taken := sorted(seen.keys() & set(self._view_controls)):
            # In the exported graph an input and an output of one name are the same.
            raise ValueError(f"view returns {taken}, which are the names of controls it reads; give them others.")
        return {name: value.detach().cpu().numpy().astype(np.float64) for name, value in seen.items()}

    @torch.no_grad()
    def write_page(self, exports: Exports, name: str, settings: Settings) -> str:
        """Three ONNX files (encode, step, view) and the JavaScript object that names them.

        Raises:
            ValueError: the start is in another precision than the page's arithmetic knows.
        """
        start = self._leaves(self._start)
        if start[0].dtype not in (torch.float32, torch.float64):
            raise ValueError(
                f"The page runs float32 and float64, but start is {start[0].dtype}; convert it and modules."
            )
        state = self.start(settings)
        seen = self.view(state, state, settings, 0)
        given, looked_at = self._tensors(self._controls, settings), self._tensors(self._view_controls, settings)
        z, after, before = (_numbered(prefix, start) for prefix in ("z", "next", "previous"))
        q = _numbered("q", state.q)
        n = len(start)

        def step(*tensors: Tensor) -> tuple[Tensor, ...]:
            return tuple(self._leaves(self._in_order(self._step(self._of_leaves(tensors[:n]), *tensors[n:]))))

        def view(*tensors: Tensor) -> tuple[Tensor, ...]:
            here, earlier = self._of_leaves(tensors[:n]), self._of_leaves(tensors[n : 2 * n])
            return tuple(self._view(here, earlier, *tensors[2 * n :]).values())

        files = {
            "encode": exports.add(self._encode, self._encode, given, self._controls, q, f"{name}-encode"),
            "step": exports.add(self._step, step, (*start, *state.q), [*z, *q], after, f"{name}-step"),
            "view": exports.add(
                self._view,
                view,
                (*start, *start, *state.q, *looked_at),
                [*z, *before, *q, *self._view_controls],
                list(seen),
                f"{name}-view",
            ),
        }
        description = {
            "kind": "onnx",
            "dtype": str(start[0].dtype).removeprefix("torch."),
            "files": files,
            "stepControls": list(self._controls),
            "viewControls": list(self._view_controls),
            "encoded": q,
            "fields": list(seen),
            "start": [{"shape": list(leaf.shape), "values": _constant_or_values(leaf)} for leaf in start],
        }
        return json.dumps(description)


def _kind(z: Any) -> str:
    """What a state is made of, in words."""
    if isinstance(z, Tensor):
        return f"{tuple(z.shape)}, {z.dtype}"
    if isinstance(z, dict) and all(isinstance(leaf, Tensor) for leaf in z.values()):
        return "; ".join(f"{name}: {_kind(leaf)}" for name, leaf in z.items())
    return f"a value of type {type(z).__name__}"


def _numbered(prefix: str, tensors: Sequence[Tensor]) -> list[str]:
    return [f"{prefix}{i}" for i in range(len(tensors))]


def _constant_or_values(start: Tensor) -> float | list[float]:
    """A start is nearly always zero; one number then stands for all."""
    flat = start.detach().cpu().double().flatten()
    return float(flat[0]) if flat.numel() and bool((flat == flat[0]).all()) else flat.tolist()
