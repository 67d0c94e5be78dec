"""The walk to the answers as torch modules: what an explorer encodes, steps and shows."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from implicit_lib.cases._walks import Walks, frozen, picked

from ._chains import NAMES, Chains
from ._networks import LoopedTransformer


def walks(model: LoopedTransformer, contexts: Chains) -> Walks:
    """The walk of a context whose first chain has a value that the reader sets, and beside it that of the context as it
    was drawn.

    The reader sets which of the contexts, and the value, 0 … 9. The view has the curves (D,) "chain 1" … "chain C", the
    probability of the right answer by depth in the context that the reader made; and of it the scalars right, the share
    of right answers; entropy, the mean over answers in bits; moved, the most that an answer's distribution moved in the
    last iteration, in total variation; and inside and outside, how many answers of the first chain and of the others
    differ between both contexts.

    Args:
        model: it is copied.
        contexts: to choose from, of C chains of D statements.
    """
    one = frozen(model)
    start = torch.zeros(2, contexts.name.shape[1], one.core.width)
    return Walks(_Encode(one, contexts), CoreStep(one), _View(one, contexts), {"h": start})


class _Encode(nn.Module):
    name: Tensor
    given: Tensor
    answer: Tensor
    first: Tensor
    head: Tensor
    order: Tensor

    def __init__(self, model: LoopedTransformer, contexts: Chains) -> None:
        super().__init__()
        self.embed = model.encoder
        first, depths = contexts.chain == 0, int(contexts.depth.max()) + 1
        self.register_buffer("name", contexts.name.float())
        self.register_buffer("given", contexts.given.float())
        self.register_buffer("answer", contexts.answer.float())
        self.register_buffer("first", first.float())
        self.register_buffer("head", (first & (contexts.depth == 0)).float())
        self.register_buffer("order", (contexts.chain * depths + contexts.depth).argsort(dim=1).float())

    def forward(self, which: Tensor, value: Tensor) -> tuple[Tensor, ...]:
        name, given, answer = (picked(each, which) for each in (self.name, self.given, self.answer))
        first, head, order = (picked(each, which) for each in (self.first, self.head, self.order))
        given = torch.stack([given, given + head * (NAMES + value - given)]).long()
        e = self.embed(Chains(name.long().expand_as(given), given, given, given, given))
        return e, answer + first * (value - answer), first, order


class CoreStep(nn.Module):
    """One iteration of a transformer's loop."""

    def __init__(self, model: LoopedTransformer) -> None:
        super().__init__()
        self.core = model.core

    def forward(self, z: dict[str, Tensor], e: Tensor, *seen: Tensor) -> dict[str, Tensor]:
        """The next state; what else the view reads does not count."""
        return {"h": self.core(z["h"], e)}


class _View(nn.Module):
    def __init__(self, model: LoopedTransformer, contexts: Chains) -> None:
        super().__init__()
        self.decoder = model.decoder
        self.chains, self.depths = int(contexts.chain.max()) + 1, int(contexts.depth.max()) + 1

    def forward(
        self,
        z: dict[str, Tensor],
        previous: dict[str, Tensor],
        e: Tensor,
        answer: Tensor,
        first: Tensor,
        order: Tensor,
    ) -> dict[str, Tensor]:
        scores = self.decoder(z["h"])
        p, before = scores.softmax(dim=-1), self.decoder(previous["h"]).softmax(dim=-1)
        of_right = (
            p[1].gather(1, answer.long()[:, None]).squeeze(1).gather(0, order.long()).view(self.chains, self.depths)
        )
        found = scores.argmax(dim=-1)
        differ = (found[0] != found[1]).to(first)
        moved = 0.5 * (p[1] - before[1]).abs().sum(dim=-1)
        return {
            **{f"chain {i + 1}": of_right[i] for i in range(self.chains)},
            "right": (found[1] == answer).to(first).mean(),
            "entropy": -(p[1] * p[1].clamp(min=1e-12).log2()).sum(dim=-1).mean(),
            "moved": moved.amax(dim=0),
            "inside": (differ * first).sum(),
            "outside": (differ * (1 - first)).sum(),
        }
