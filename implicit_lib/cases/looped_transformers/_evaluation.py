"""What an iteration is worth: answers that are right, that part, and that no longer change."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ._chains import Chains, draw
from ._networks import LoopedTransformer, Transformer


def contexts_of(length: int, batch: int, *, chains: int = 4, seed: int = 1) -> Chains:
    """Contexts for evaluation, of chains of that length; the same at every call."""
    return draw(batch, chains, length, torch.Generator().manual_seed(seed))


@torch.no_grad()
def walked(model: Transformer, x: Chains | Tensor, iterations: int) -> Iterator[tuple[Tensor, Tensor]]:
    """The states h_1 … h_T (B, n, d) and their scores (B, n, O); of an explicit model the one that it has, twice.

    Raises:
        ValueError: iterations is below 1.
    """
    if iterations < 1:
        raise ValueError(f"iterations must be at least 1, but is {iterations}")
    if not isinstance(model, LoopedTransformer):
        scores = model(x)
        yield scores, scores
        return
    e = model.encoder(x)
    h = torch.zeros_like(e)
    for _ in range(iterations):
        h = model.operator(h, e)
        yield h, model.decoder(h)


def accuracy(model: Transformer, contexts: Chains, at: Sequence[int]) -> Tensor:
    """The share of right answers (len(at), D) after the iterations `at`, for each of D depths from 0 on, float64."""
    depths = int(contexts.depth.max()) + 1
    counts = torch.bincount(contexts.depth.flatten(), minlength=depths)
    found = []
    for t, (_, scores) in enumerate(walked(model, contexts, max(at)), 1):
        if t in at:
            right = (scores.argmax(dim=-1) == contexts.answer).double().flatten()
            found.append(torch.bincount(contexts.depth.flatten(), weights=right, minlength=depths) / counts)
    return torch.stack(found)


class Separation(NamedTuple):
    """How the answers to two contexts that differ by one token part, a number an iteration (T,), float64.

    Attributes:
        inside: answers of the chain of that token that differ; all should.
        outside: other answers that differ; none should.
        slope: ‖p_t − p_t′‖ / ‖e − e′‖, p the probabilities of all answers and e what the encoder makes of the contexts;
            the largest.
    """

    inside: Tensor
    outside: Tensor
    slope: Tensor


def separation(model: Transformer, contexts: Chains, others: Chains, chain: int, iterations: int) -> Separation:
    """Of contexts and those of `flipped`, the mean over contexts."""
    of_it = contexts.chain == chain
    apart = (model.encoder(contexts) - model.encoder(others)).detach().flatten(1).norm(dim=1)
    rows = []
    walks = (walked(model, each, iterations) for each in (contexts, others))
    for (_, scores), (_, theirs) in zip(*walks, strict=True):
        differ = scores.argmax(dim=-1) != theirs.argmax(dim=-1)
        slope = (scores.softmax(dim=-1) - theirs.softmax(dim=-1)).flatten(1).norm(dim=1) / apart
        inside, outside = ((differ & each).sum(dim=1).double().mean() for each in (of_it, ~of_it))
        rows.append(torch.stack([inside, outside, slope.max().double()]))
    return Separation(*torch.stack(rows).T)


class Halted(NamedTuple):
    """Where each context was stopped.

    Attributes:
        iterations: the first t at which it stood still (B,), else the most that were allowed.
        arrived: whether it stood still (B,).
        right: the share of its answers that were right then (B,), float64.
    """

    iterations: Tensor
    arrived: Tensor
    right: Tensor


def halted(model: LoopedTransformer, contexts: Chains, threshold: float, most: int) -> Halted:
    """Stop each context when no answer's distribution moves by more than `threshold`, in total variation.

    Raises:
        ValueError: most is below 2.
    """
    if most < 2:
        raise ValueError(f"most must be at least 2, since a distribution moves from one iteration to the next: {most}")
    stopped = torch.zeros_like(contexts.answer[:, 0], dtype=torch.bool)
    iterations, right = torch.full_like(contexts.answer[:, 0], most), torch.zeros_like(stopped, dtype=torch.float64)
    before: Tensor | None = None
    for t, (_, scores) in enumerate(walked(model, contexts, most), 1):
        p = scores.softmax(dim=-1)
        still = stopped.clone()
        if before is not None:
            still |= 0.5 * (p - before).abs().sum(dim=-1).amax(dim=1) <= threshold
        now = (still | (t == most)) & ~stopped
        iterations[now & still] = t
        right[now] = (p.argmax(dim=-1) == contexts.answer)[now].double().mean(dim=1)
        stopped, before = still, p
        if bool(stopped.all()):
            break
    return Halted(iterations, stopped, right)


def rests(model: LoopedTransformer, contexts: Chains, iterations: int) -> Tensor:
    """‖h_T − h_{T−1}‖ / ‖h_T‖ of each context (B,), T = iterations ≥ 2."""
    *_, (before, _), (after, _) = walked(model, contexts, iterations)
    rest: Tensor = (after - before).flatten(1).norm(dim=1) / after.flatten(1).norm(dim=1)
    return rest
