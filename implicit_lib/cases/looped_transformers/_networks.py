"""A transformer that loops over a few blocks until its state rests, and explicit ones of the same blocks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, scaled_dot_product_attention

from implicit_lib.model import ImplicitModel

from ._chains import NAMES, VALUES, Chains

_SMALLEST = 1e-6
"""Is added to the mean square that a state is divided by."""


@dataclass(frozen=True, kw_only=True)
class Size:
    """How large a transformer is.

    Attributes:
        width: d, numbers that the state has for each token.
        heads: of attention; they divide the width.
        blocks: of attention and feed-forward layer, one after the other.
        factor: how many times wider the hidden layer of a feed-forward layer is.
    """

    width: int
    heads: int
    blocks: int
    factor: int


class Block(nn.Module):
    """Attention of every token to all, then a feed-forward layer, each added to the state (B, n, d).

    Scores are multiplied by log n: a sum over more tokens then is as sharp as over few ones, so that a model trained on
    short contexts reads long ones (scalable softmax, Nakanishi 2025, arXiv:2501.19399). There are no positions: tokens
    that come in another order give the same answers in that order. Where tokens do stand to each other in some way, as
    the cells of a board do, each of `kinds` ways has a number for each head that is added to the score.
    """

    def __init__(self, size: Size, kinds: int = 0) -> None:
        super().__init__()
        d = size.width
        self.heads = size.heads
        self.towards = nn.Parameter(torch.zeros(size.heads, kinds)) if kinds else None
        self.before_attention, self.before_feed = nn.RMSNorm(d, _SMALLEST), nn.RMSNorm(d, _SMALLEST)
        self.read = nn.Linear(d, 3 * d, bias=False)
        self.write = nn.Linear(d, d, bias=False)
        self.feed = nn.Linear(d, size.factor * d)
        self.back = nn.Linear(size.factor * d, d)

    def forward(self, h: Tensor, relation: Tensor | None = None) -> Tensor:
        """The next state (B, n, d); of pairs of tokens `relation` (n, n), int64, tells in which way they stand."""
        batch, n, d = h.shape
        read = self.read(self.before_attention(h)).view(batch, n, 3, self.heads, d // self.heads)
        query, key, value = read.permute(2, 0, 3, 1, 4)
        added = None
        if self.towards is not None and relation is not None:
            added = self.towards.index_select(1, relation.flatten()).view(self.heads, n, n)
        seen = scaled_dot_product_attention(math.log(n + 1) * query, key, value, attn_mask=added)
        h = h + self.write(seen.transpose(1, 2).reshape(batch, n, d))
        fed: Tensor = h + self.back(gelu(self.feed(self.before_feed(h))))
        return fed


class Core(nn.Module):
    """G_Θ(h, e): the state h and the input e (B, n, d) are mixed, go through the blocks, and get length √d a token."""

    relation: Tensor | None

    def __init__(self, size: Size, relation: Tensor | None = None) -> None:
        super().__init__()
        self.width = size.width
        self.register_buffer("relation", relation, persistent=False)
        self.mix = nn.Linear(2 * size.width, size.width, bias=False)
        kinds = 0 if relation is None else int(relation.max()) + 1
        self.blocks = nn.ModuleList(Block(size, kinds) for _ in range(size.blocks))
        self.after = nn.RMSNorm(size.width, _SMALLEST)

    def forward(self, h: Tensor, e: Tensor) -> Tensor:
        """The next state."""
        x = self.mix(torch.cat([h, e], dim=-1))
        for block in self.blocks:
            x = block(x, self.relation)
        after: Tensor = self.after(x)
        return after


class ChainEmbedding(nn.Module):
    """Q_Φ: of a statement the sum of two linear maps, of what it sets and of what it sets it to; e (B, n, d)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.token = nn.Embedding(NAMES + VALUES, width)
        self.left = nn.Linear(width, width, bias=False)
        self.right = nn.Linear(width, width, bias=False)

    def forward(self, contexts: Chains) -> Tensor:
        """Of contexts of n statements each."""
        embedded: Tensor = self.left(self.token(contexts.name)) + self.right(self.token(contexts.given))
        return embedded


class LoopedTransformer(ImplicitModel):
    """x ↦ Q_Ψ(h*) with h* = G_Θ(h*, Q_Φ(x)), from h_0 = 0: a transformer with a loop.

    What it returns are scores (B, n, O): their softmax is the distribution over O answers at every token.

    Source: Liu, Ding, Osher, Yin (arXiv:2510.03638), Section 3.4; the form with an input that is mixed in at every
    iteration is that of Geiping et al. 2025 (arXiv:2502.05171).

    Args:
        size: of G_Θ.
        encoder: Q_Φ, maps the input to e (B, n, d).
        outputs: O.
        relation: how every two tokens stand to each other (n, n), int64 from 0 on; None if they do not.
    """

    def __init__(self, size: Size, encoder: nn.Module, outputs: int, relation: Tensor | None = None) -> None:
        head = nn.Linear(size.width, outputs)
        super().__init__(Core(size, relation), encoder=encoder, decoder=head, max_iter=500, tol=1e-5)

    @property
    def core(self) -> Core:
        """G_Θ."""
        return cast("Core", self.operator)


class ExplicitTransformer(nn.Module):
    """x ↦ Q_Ψ(G(0, Q_Φ(x))), one pass through the blocks, each of which has weights of its own.

    Args:
        size, encoder, outputs, relation: as of `LoopedTransformer`.
    """

    def __init__(self, size: Size, encoder: nn.Module, outputs: int, relation: Tensor | None = None) -> None:
        super().__init__()
        self.core, self.encoder, self.decoder = Core(size, relation), encoder, nn.Linear(size.width, outputs)

    def forward(self, x: Chains | Tensor) -> Tensor:
        """Scores (B, n, O)."""
        e = self.encoder(x)
        scores: Tensor = self.decoder(self.core(torch.zeros_like(e), e))
        return scores


Transformer = LoopedTransformer | ExplicitTransformer
