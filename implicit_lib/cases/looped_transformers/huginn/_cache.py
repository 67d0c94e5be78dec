"""Keys and values of the tokens that were read, so that the next one need not read them again."""

from __future__ import annotations

import torch
from torch import Tensor

from ._config import HuginnConfig


class Layer:
    """The part of a cache that one layer at one step has, in the order in which a token passes them."""

    def __init__(self, cache: Cache, held: Tensor) -> None:
        self._cache, self._held = cache, held

    def extend(self, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """The keys and values of all tokens (B, heads, seen + S, head width), with those of new ones, of length S."""
        seen, count = self._cache.seen, k.shape[2]
        keys, values = self._held.unbind()
        keys.narrow(2, seen, count).copy_(k)
        values.narrow(2, seen, count).copy_(v)
        return keys.narrow(2, 0, seen + count), values.narrow(2, 0, seen + count)


class Cache:
    """Keys and values of up to `length` tokens at each layer and step; room for all of them is taken at once.

    That is 2 · layers · width numbers a token, 2.8 MB for Huginn-0125 at 32 steps in two bytes.

    Args:
        config: of the model.
        num_steps: of every call that it serves.
        length: the most tokens.
        batch: B.
        device: of the model.
        dtype: of the model.
    """

    def __init__(
        self,
        config: HuginnConfig,
        num_steps: int,
        length: int,
        *,
        batch: int = 1,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.num_steps, self.length, self.batch = num_steps, length, batch
        self.seen = 0
        shape = (config.layers(num_steps), 2, batch, config.heads, length, config.head_width)
        self.layers = [Layer(self, held) for held in torch.empty(shape, device=device, dtype=dtype).unbind()]

    def check(self, num_steps: int, batch: int, count: int) -> None:
        """Raise ValueError unless it can take up `count` tokens more of each sequence of the batch."""
        if (num_steps, batch) != (self.num_steps, self.batch):
            raise ValueError(
                f"the cache is for {self.num_steps} steps and a batch of {self.batch}, but {num_steps} steps and a "
                f"batch of {batch} are asked for; make another one"
            )
        if self.seen + count > self.length:
            raise ValueError(
                f"the cache has room for {self.length} tokens, but {self.seen} + {count} are given; make a longer one"
            )
