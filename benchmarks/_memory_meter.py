"""How much memory a computation takes, counted in the tensors that it makes, on any device.

peak, left = measure(step)
peak / state.nbytes  # in state tensors
"""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class Memory(NamedTuple):
    """Bytes of tensors made during a computation: the most alive at any moment, and those alive at its end."""

    peak: int
    left: int


def measure(run: Callable[[], object]) -> Memory:
    """The memory of `run()`, its result dropped, with Python's cycle collector off: tensors in cycles count as left.

    Forward and backward passes count, with what autograd keeps; scratch memory inside one kernel does not. Call `run`
    once before, for what is made once and kept (gradients of parameters, the state of an optimiser).
    """
    gc.collect()
    enabled = gc.isenabled()
    gc.disable()
    try:
        with _Meter() as meter:
            run()
        return Memory(meter.peak, meter.now)
    finally:
        if enabled:
            gc.enable()


class _Meter(TorchDispatchMode):
    """Sees every operation of PyTorch, autograd's too, and counts a storage from the first until it is freed."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self._known: weakref.WeakSet[Any] = weakref.WeakSet()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        self._known.update(_storages((args, kwargs)))
        result = func(*args, **kwargs)
        for storage in _storages(result):
            if storage in self._known:
                continue
            self._known.add(storage)
            self.now += storage.nbytes()
            self.peak = max(self.peak, self.now)
            weakref.finalize(storage, self._freed, storage.nbytes())
        return result

    def _freed(self, size: int) -> None:
        self.now -= size


def _storages(tree: object) -> set[Any]:
    return {leaf.untyped_storage() for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)}
