"""The transformers against a plain evaluation, one token at a time, and their symmetry."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from implicit_lib.cases.looped_transformers import (
    MODELS,
    Chains,
    ExplicitTransformer,
    LoopedTransformer,
    draw,
    parameter_count,
    recipe,
    walked,
)
from implicit_lib.cases.looped_transformers._networks import Block, Size

SIZE = Size(width=8, heads=2, blocks=2, factor=3)


def contexts(batch: int = 3) -> Chains:
    return draw(batch, 3, 4, torch.Generator().manual_seed(0))


def model(name: str = "looped") -> LoopedTransformer | ExplicitTransformer:
    torch.manual_seed(0)
    return recipe("small", name).build().double().eval()


def normed(x: Tensor, weight: Tensor) -> Tensor:
    return x / (x @ x / len(x) + 1e-6).sqrt() * weight


def by_hand(block: Block, h: Tensor, relation: Tensor | None = None) -> Tensor:
    """A block on one context (n, d), token by token and head by head."""
    n, d = h.shape
    size = d // block.heads
    parts = [block.read.weight @ normed(token, block.before_attention.weight) for token in h]
    written = []
    for i in range(n):
        seen = []
        for head in range(block.heads):
            cut = slice(head * size, (head + 1) * size)
            query = parts[i][:d][cut]
            scores = [math.log(n + 1) * float(query @ part[d : 2 * d][cut]) / math.sqrt(size) for part in parts]
            if relation is not None:
                scores = [s + float(block.towards[head, relation[i, j]]) for j, s in enumerate(scores)]
            shares = [math.exp(score) for score in scores]
            seen.append(
                sum(share / sum(shares) * part[2 * d :][cut] for share, part in zip(shares, parts, strict=True))
            )
        written.append(h[i] + block.write.weight @ torch.cat(seen))
    found = []
    for token in written:
        hidden = block.feed.weight @ normed(token, block.before_feed.weight) + block.feed.bias
        bent = 0.5 * hidden * (1 + torch.erf(hidden / math.sqrt(2)))
        found.append(token + block.back.weight @ bent + block.back.bias)
    return torch.stack(found)


@torch.no_grad()
def test_a_block_is_what_its_formula_says() -> None:
    torch.manual_seed(0)
    block = Block(SIZE).double()
    block.before_attention.weight.uniform_(0.5, 1.5)
    h = torch.randn(5, 8).double()
    torch.testing.assert_close(block(h[None])[0], by_hand(block, h), rtol=1e-12, atol=1e-12)
    block.before_attention.weight *= 1.01
    assert not torch.allclose(block(h[None])[0], by_hand(Block(SIZE).double(), h))


@torch.no_grad()
def test_how_tokens_stand_to_each_other_counts() -> None:
    torch.manual_seed(0)
    block, relation = Block(SIZE, 3).double(), torch.randint(3, (5, 5))
    block.towards.normal_()
    h = torch.randn(5, 8).double()
    torch.testing.assert_close(block(h[None], relation)[0], by_hand(block, h, relation), rtol=1e-12, atol=1e-12)
    assert not torch.allclose(block(h[None], relation.T)[0], by_hand(block, h, relation))


@torch.no_grad()
@pytest.mark.parametrize("name", MODELS)
def test_another_order_gives_the_same_answers(name: str) -> None:
    one, some = model(name), contexts()
    order = torch.randperm(12, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(one(some.take((slice(None), order))), one(some)[:, order])


@torch.no_grad()
def test_the_walk_is_that_of_the_model() -> None:
    one = model()
    *_, (h, scores) = walked(one, contexts(), 5)
    torch.testing.assert_close(scores, one(contexts(), iterations=5))
    torch.testing.assert_close(h, one.solve(contexts(), 5).value)
    with pytest.raises(ValueError, match="iterations must be at least 1, but is 0"):
        next(walked(one, contexts(), 0))


@torch.no_grad()
def test_one_pass_is_one_iteration_of_the_same_weights() -> None:
    looped, explicit = model(), model("explicit")
    explicit.load_state_dict({k.replace("operator.", "core."): v for k, v in looped.state_dict().items()})
    torch.testing.assert_close(explicit(contexts()), looped(contexts(), iterations=1))


def test_the_deep_one_has_as_many_blocks_as_the_loop_runs() -> None:
    looped, explicit, deep = (model(name) for name in MODELS)
    assert parameter_count(looped) == parameter_count(explicit)
    assert len(deep.core.blocks) == 12 * len(looped.core.blocks)


@pytest.mark.parametrize("name", MODELS)
def test_it_stays_on_its_device(name: str) -> None:
    some = contexts()
    with FakeTensorMode(), torch.no_grad():
        one = recipe("small", name).build()
        for module in one.modules():
            for key, each in module.named_parameters(recurse=False):
                setattr(module, key, nn.Parameter(torch.empty_like(each, device="cuda")))
        there = Chains(*(torch.zeros(each.shape, dtype=each.dtype, device="cuda") for each in some))
        *_, (_, scores) = walked(one, there, 2)
        assert scores.device == torch.device("cuda", 0) and scores.shape == (3, 12, 10)


def test_the_walk_exports(tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    one = model().float()
    core = one.core
    h, e = torch.randn(2, 12, 64), torch.randn(2, 12, 64)
    torch.onnx.export(core, (h, e), tmp_path / "core.onnx", dynamo=True)
    session = onnxruntime.InferenceSession(tmp_path / "core.onnx")
    inputs = dict(zip((each.name for each in session.get_inputs()), (h.numpy(), e.numpy()), strict=True))
    found = torch.from_numpy(session.run(None, inputs)[0])
    torch.testing.assert_close(found, core(h, e).detach(), rtol=1e-5, atol=1e-5)
