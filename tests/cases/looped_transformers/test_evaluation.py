"""What is measured, on walks whose outcome is known."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from implicit_lib.cases.looped_transformers import (
    NAMES,
    VALUES,
    Chains,
    LoopedTransformer,
    Size,
    accuracy,
    contexts_of,
    flipped,
    halted,
    recipe,
    rests,
    separation,
    walks,
)


class Follows(LoopedTransformer):
    """Walks one statement further at every iteration, by a table instead of weights; at first it guesses 0."""

    def __init__(self) -> None:
        super().__init__(Size(width=1, heads=1, blocks=1, factor=1), nn.Identity(), VALUES)
        self.encoder, self.operator, self.decoder = _Given(), _Hop(), nn.Identity()


class _Given(nn.Module):
    """For every statement what it is set to, and which statement that is set by: (B, n, NAMES + VALUES + n)."""

    def forward(self, contexts: Chains) -> Tensor:
        given = one_hot(contexts.given, NAMES + VALUES).double()
        before = (contexts.given[:, :, None] == contexts.name[:, None, :]).double()
        return torch.cat([given, before], dim=2)


class _Hop(nn.Module):
    def forward(self, h: Tensor, e: Tensor) -> Tensor:
        given, before = e[..., NAMES : NAMES + VALUES], e[..., NAMES + VALUES :]
        if h.shape != given.shape:  # the zeros of a start have the form of e
            h = torch.zeros_like(given)
            h[..., 0] = 1e-3  # a guess
        return torch.where(given.sum(dim=2, keepdim=True) > 0, 50 * given, before @ h)


def test_accuracy_by_depth_is_that_of_a_walk_of_one_statement_an_iteration() -> None:
    contexts = contexts_of(5, 60)
    shares = accuracy(Follows(), contexts, (1, 3, 5))
    for row, t in enumerate((1, 3, 5)):
        assert (shares[row, :t] == 1).all()
        assert (shares[row, t:] < 0.3).all()


def test_answers_part_in_one_chain_alone() -> None:
    contexts = contexts_of(5, 20)
    found = separation(Follows(), contexts, flipped(contexts, 1), 1, 7)
    assert found.inside.tolist() == [1, 2, 3, 4, 5, 5, 5] and found.outside.tolist() == [0] * 7
    wrong = separation(Follows(), contexts, flipped(contexts, 1), 0, 7)
    assert wrong.inside.tolist() == [0] * 7 and wrong.outside.tolist() == [1, 2, 3, 4, 5, 5, 5]
    assert found.slope[-1] == pytest.approx((5 * 2) ** 0.5 / 2**0.5, rel=1e-6)


def test_a_context_halts_when_nothing_moves() -> None:
    found = halted(Follows(), contexts_of(5, 10), 1e-6, 20)
    assert found.iterations.tolist() == [6] * 10 and bool(found.arrived.all()) and found.right.tolist() == [1.0] * 10
    early = halted(Follows(), contexts_of(5, 10), 1e-6, 3)
    assert early.iterations.tolist() == [3] * 10 and not bool(early.arrived.any()) and (early.right < 1).all()
    with pytest.raises(ValueError, match="most must be at least 2"):
        halted(Follows(), contexts_of(5, 1), 1e-6, 1)


def test_rest_is_the_last_step() -> None:
    assert rests(Follows(), contexts_of(5, 4), 7).tolist() == [0] * 4
    assert (rests(Follows(), contexts_of(5, 4), 4) > 0.1).all()


@torch.no_grad()
def test_the_walks_of_the_page_are_those_of_the_model() -> None:
    torch.manual_seed(0)
    model, contexts = recipe("small", "looped").build(), contexts_of(4, 3, chains=3)
    parts = walks(model, contexts)
    q = parts.encode(torch.tensor(1.0), torch.tensor(7.0))
    z = last = parts.start
    for _ in range(3):
        last, z = z, parts.step(z, *q)
    seen = parts.view(z, last, *q)
    row = contexts.take(slice(1, 2))
    head = row.answer[(row.chain == 0) & (row.depth == 0)].item()
    other = flipped(row, 0, by=(7 - head) % VALUES)
    scores = model(other, iterations=3)[0]
    p = scores.softmax(dim=-1).gather(1, other.answer[0][:, None])[:, 0]
    for chain in range(3):
        for depth in range(4):
            at = (row.chain[0] == chain) & (row.depth[0] == depth)
            torch.testing.assert_close(seen[f"chain {chain + 1}"][depth], p[at][0])
    assert float(seen["right"]) == pytest.approx(float((scores.argmax(-1) == other.answer[0]).float().mean()))
    parted = separation(model, row, other, 0, 3)
    assert float(seen["inside"]) == parted.inside[-1] and float(seen["outside"]) == parted.outside[-1]
    before = model(other, iterations=2)[0].softmax(dim=-1)
    moved = 0.5 * (scores.softmax(dim=-1) - before).abs().sum(dim=-1).max()
    torch.testing.assert_close(seen["moved"], moved)
    entropy = torch.distributions.Categorical(logits=scores).entropy().mean() / torch.log(torch.tensor(2.0))
    torch.testing.assert_close(seen["entropy"], entropy)
