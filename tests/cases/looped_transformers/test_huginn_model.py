"""The recurrent-depth transformer against its evaluation written down once more."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from implicit_lib.cases._files import parameter_count
from implicit_lib.cases.looped_transformers.huginn import Cache, Huginn, HuginnConfig, initial_state, random_model
from implicit_lib.cases.looped_transformers.huginn._model import rotation_table
from tests.cases.looped_transformers.tiny_huginn import SLIPS, TINY, evaluate, lively

PUBLISHED_BYTES = 4_771_970_936 + 4_744_780_096 + 4_744_737_616 + 1_384_120_448
"""The four files of the published weights together, as the hub lists them."""


@pytest.fixture(scope="module")
def model() -> Huginn:
    return lively()


def tokens(rows: int = 2, length: int = 9) -> Tensor:
    return torch.randint(TINY.vocabulary, (rows, length), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("steps", [1, 2, 8, 32])
def test_the_logits_are_those_of_the_description(model: Huginn, steps: int) -> None:
    given, start = tokens(), initial_state(TINY, 9, 5).double()
    logits = model(given, num_steps=steps, start=start)
    expected = torch.stack([evaluate(model.state_dict(), row, start, steps) for row in given])
    torch.testing.assert_close(logits, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("slip", SLIPS)
def test_that_comparison_finds_a_slip(model: Huginn, slip: str) -> None:
    given, start = tokens(rows=1), initial_state(TINY, 9, 5).double()
    logits = model(given, num_steps=3, start=start)[0]
    wrong = evaluate(model.state_dict(), given[0], start, 3, slip=slip)
    assert (logits - wrong).abs().max() > 1e-2


def test_float32_is_near() -> None:
    exact, single = lively(), lively().float()
    for steps in (1, 32):
        close = single(tokens(), num_steps=steps) - exact(tokens(), num_steps=steps)
        assert close.abs().max() < 1e-4


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_two_bytes_are_coarser_but_right(dtype: torch.dtype) -> None:
    exact = lively()(tokens(), num_steps=4)
    logits = lively().to(dtype)(tokens(), num_steps=4)
    assert logits.dtype is torch.float32
    assert (logits - exact).square().mean().sqrt() < 0.1 * exact.std()


def test_norms_do_not_overflow_in_float16() -> None:
    norm = random_model(TINY, 0, torch.float16).transformer.ln_f
    torch.testing.assert_close(norm(torch.full((1, 24), 3e4, dtype=torch.float16)), torch.ones(1, 24).half())


def test_the_walk_passes_the_logits_of_each_number_of_steps(model: Huginn) -> None:
    walk = list(model.trajectory(tokens(), num_steps=5, start=3))
    for t, logits in enumerate(walk, start=1):
        torch.testing.assert_close(logits, model(tokens(), num_steps=t, start=3))


def test_the_last_token_alone(model: Huginn) -> None:
    torch.testing.assert_close(model(tokens(), num_steps=2, last=True), model(tokens(), num_steps=2)[:, -1:])


def test_the_published_tensors() -> None:
    """Names and shapes; and that 77 tensors of four bytes are all that the published files hold, but for heads."""
    config = HuginnConfig()
    with torch.device("meta"):
        model = Huginn(config)
    state = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    assert state == config.published() and len(state) == 77
    assert parameter_count(model) == 3_564_976_800
    bytes_held = 4 * sum(tensor.numel() for tensor in model.state_dict().values())
    assert 0 < PUBLISHED_BYTES - bytes_held < 10_000
    assert state["transformer.core_block.3.attn.qk_bias"] == (2, 1, 55, 96)
    assert state["transformer.prelude.0.mlp.fc.weight"] == (35_840, 5_280)


def test_the_head_is_the_embedding(model: Huginn) -> None:
    assert model.lm_head.weight is model.transformer.wte.weight


def test_the_table_of_rotations() -> None:
    config = dataclasses.replace(TINY, context=4_096, width=288)
    table = rotation_table(config).double()
    for position, j in ((0, 0), (1, 0), (1, 47), (100, 3), (4_095, 20)):
        angle = torch.tensor(position * 50_000.0 ** (-2 * j / 96), dtype=torch.float64)
        found = table[0, position, 0, j]
        assert (found - torch.stack([angle.cos(), angle.sin()])).abs().max() < 5e-4


def test_the_noise_begins_alike_and_is_cut() -> None:
    long = initial_state(TINY, 4_000, 7)
    assert torch.equal(initial_state(TINY, 9, 7), long[:9])
    assert not torch.equal(initial_state(TINY, 9, 8), long[:9])
    assert torch.equal(initial_state(TINY, 9, torch.Generator().manual_seed(7)), long[:9])
    normal = long / (2 / 5) ** 0.5
    assert normal.abs().max() <= 3 and normal.abs().max() > 2.9
    assert abs(float(normal.mean())) < 0.01 and abs(float(normal.var()) - 0.9733) < 0.01


def test_a_seed_stands_for_its_noise(model: Huginn) -> None:
    torch.testing.assert_close(model(tokens(), start=4), model(tokens(), start=initial_state(TINY, 9, 4)))
    assert not torch.allclose(model(tokens(), num_steps=1, start=4), model(tokens(), num_steps=1, start=5))


def test_the_same_seed_gives_the_same_weights_and_no_other_randomness() -> None:
    torch.manual_seed(0)
    before = torch.rand(1)
    torch.manual_seed(0)
    first, second, other = random_model(TINY, 3), random_model(TINY, 3), random_model(TINY, 4)
    assert torch.equal(torch.rand(1), before)
    weights = [model.transformer.adapter.weight for model in (first, second, other)]
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])


def test_random_weights_are_of_the_scale_of_training() -> None:
    config = HuginnConfig(width=240, heads=6, feed_forward=400, vocabulary=300)
    model, scale = random_model(config, 0), (2 / (5 * 240)) ** 0.5 * 0.9733**0.5
    shrunk = scale / (2 * (4 + 4 * 32)) ** 0.5
    block = model.transformer.core_block[0]
    for weight, expected in (
        (model.transformer.wte.weight, scale),
        (block.attn.Wqkv.weight, scale),
        (block.attn.proj.weight, shrunk),
        (block.mlp.fc.weight[:400], scale),
        (block.mlp.fc.weight[400:], shrunk),
        (block.mlp.proj.weight, shrunk),
    ):
        assert float(weight.std()) == pytest.approx(expected, rel=0.03)


def test_pieces_with_a_cache_are_the_whole(model: Huginn) -> None:
    given, cache = tokens(length=12), Cache(TINY, 3, 12, batch=2, dtype=torch.float64)
    pieces = [model(given[:, a:b], num_steps=3, cache=cache) for a, b in ((0, 5), (5, 6), (6, 11), (11, 12))]
    torch.testing.assert_close(torch.cat(pieces, dim=1), model(given, num_steps=3))


def test_nothing_leaves_a_gpu() -> None:
    with FakeTensorMode(), torch.no_grad(), torch.device("cuda", 0):
        read, start = torch.zeros(2, 5, dtype=torch.long), torch.empty(5, 24)
        model = Huginn(TINY)
        found = [model(read, num_steps=2, start=start), model(read, num_steps=2, start=start, last=True)]
        found += model.trajectory(read, num_steps=2, start=start)
    assert [tuple(logits.shape) for logits in found] == [(2, 5, 50), (2, 1, 50), (2, 5, 50), (2, 5, 50)]
    assert {logits.device.type for logits in found} == {"cuda"}


def test_a_cache_stays_on_its_device() -> None:
    """On the meta device, for fake tensors cannot be written into."""
    with torch.no_grad(), torch.device("meta"):
        read, start = torch.zeros(2, 9, dtype=torch.long), torch.empty(9, 24)
        model, cache = Huginn(TINY), Cache(TINY, 2, 12, batch=2, device="meta")
        for a, b in ((0, 5), (5, 8), (8, 9)):
            logits = model(read[:, a:b], num_steps=2, start=start[a:b], cache=cache)
            assert logits.shape == (2, b - a, 50) and logits.is_meta


def test_the_full_size_runs_without_memory() -> None:
    with torch.device("meta"):
        model = Huginn(HuginnConfig()).bfloat16()
        logits = model(torch.zeros(1, 7, dtype=torch.long), num_steps=3, start=torch.empty(7, 5_280))
    assert logits.shape == (1, 7, 65_536) and logits.dtype is torch.float32


@pytest.mark.parametrize(
    ("given", "options", "message"),
    [
        (torch.zeros(1, 3, dtype=torch.long), {"num_steps": 0}, "num_steps must be 1 or more, but is 0"),
        (torch.zeros(1, 3, dtype=torch.long), {"num_steps": -2}, "num_steps must be 1 or more, but is -2"),
        (torch.zeros(1, 0, dtype=torch.long), {}, r"at least one of them.*\(1, 0\)"),
        (torch.zeros(3, dtype=torch.long), {}, r"shape \(B, S\).*\(3,\)"),
        (torch.zeros(1, 3), {}, "integers.*float32"),
        (torch.zeros(1, 65, dtype=torch.long), {}, "at most 64 tokens, but 65"),
        (torch.tensor([[3, 50]]), {}, "from 0 to 49, but one is 50"),
        (torch.tensor([[-1]]), {}, "from 0 to 49, but one is -1"),
        (torch.zeros(1, 3, dtype=torch.long), {"start": torch.zeros(2, 24)}, r"\(1, 3, 24\) or \(3, 24\).*\(2, 24\)"),
        (torch.zeros(1, 3, dtype=torch.long), {"cache": Cache(TINY, 4, 9)}, "for 4 steps.*but 32 steps"),
        (torch.zeros(2, 3, dtype=torch.long), {"cache": Cache(TINY, 32, 9)}, "batch of 1.*batch of 2"),
        (torch.zeros(1, 3, dtype=torch.long), {"cache": Cache(TINY, 32, 2)}, r"room for 2 tokens, but 0 \+ 3"),
    ],
)
def test_bad_input_is_named(model: Huginn, given: Tensor, options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        model(given, **options)
    if "cache" not in options:
        with pytest.raises(ValueError, match=message):
            next(model.trajectory(given, **options))


@pytest.mark.parametrize("options", [{"width": 25}, {"heads": 0}, {"core": -1}, {"width": 21, "heads": 3}])
def test_a_size_that_is_none(options: dict) -> None:
    with pytest.raises(ValueError, match="must"):
        HuginnConfig(**{"width": 24, "heads": 3} | options)
