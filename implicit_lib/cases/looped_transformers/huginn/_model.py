"""The recurrent-depth transformer of Geiping et al., "Scaling up Test-Time Compute with Latent Reasoning" (2025).

Tokens are embedded and pass a prelude, which gives e. The core is applied t times to a state s, which begins as noise
s_0: s ← core(adapter([s; e])). A coda reads the probabilities of the next token off s_t. In the terms of this book e is
the input x, s the iterate y, and one step the operator G(s, e), with one exception: a step lets positions attend to
each other, so that the operator is that of the whole sequence.

Names of modules are those of the published tensors.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ._cache import Cache, Layer
from ._config import HuginnConfig


class Matrix(nn.Module):
    """x (…, inputs) ↦ W x (…, outputs), not yet filled."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, inputs))

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight)


class Attention(nn.Module):
    """Causal attention with rotated queries and keys."""

    def __init__(self, config: HuginnConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.Wqkv = Matrix(config.width, 3 * config.width)
        self.qk_bias = nn.Parameter(torch.empty(2, 1, config.heads, config.head_width))
        self.proj = Matrix(config.width, config.width)

    def forward(self, x: Tensor, turns: Tensor, mask: Tensor | None, layer: Layer | None) -> Tensor:
        mixed = self.Wqkv(x).unflatten(-1, (3, self.heads, -1))  # (B, S, 3, heads, head width)
        qk, v = mixed.split([2, 1], dim=2)
        q, k = _turned(qk + self.qk_bias.squeeze(1), turns).permute(2, 0, 3, 1, 4).unbind()
        v = v.squeeze(2).transpose(1, 2)
        if layer is not None:
            k, v = layer.extend(k, v)
        whole = q.shape[2] > 1 and mask is None
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=whole)
        out: Tensor = self.proj(y.transpose(1, 2).flatten(2))
        return out


def _turned(x: Tensor, turns: Tensor) -> Tensor:
    """Neighbouring entries (2j, 2j + 1) of x (B, S, 2, heads, head width) as complex numbers, times `turns`."""
    exact = torch.promote_types(x.dtype, torch.float32)
    plane = torch.view_as_complex(x.to(exact).reshape(*x.shape[:-1], -1, 2))
    return torch.view_as_real(plane * turns).flatten(-2).to(x.dtype)


class GatedMLP(nn.Module):
    """x ↦ proj(silu(a) b), with a and b the halves of fc x."""

    def __init__(self, config: HuginnConfig) -> None:
        super().__init__()
        self.fc = Matrix(config.width, 2 * config.feed_forward)
        self.proj = Matrix(config.feed_forward, config.width)

    def forward(self, x: Tensor) -> Tensor:
        gate, value = self.fc(x).chunk(2, dim=-1)
        out: Tensor = self.proj(F.silu(gate) * value)
        return out


class SandwichBlock(nn.Module):
    """A layer with a norm before and after each of its two parts, the latter over the sum with what passes by."""

    def __init__(self, config: HuginnConfig) -> None:
        super().__init__()
        self.norm_1, self.norm_2, self.norm_3, self.norm_4 = (
            nn.RMSNorm(config.width, config.norm_eps) for _ in range(4)
        )
        self.attn, self.mlp = Attention(config), GatedMLP(config)

    def forward(self, x: Tensor, turns: Tensor, mask: Tensor | None, layer: Layer | None) -> Tensor:
        x = self.norm_2(self.attn(self.norm_1(x), turns, mask, layer) + x)
        out: Tensor = self.norm_4(self.mlp(self.norm_3(x)) + x)
        return out


class Transformer(nn.Module):
    """What the published names have under `transformer`."""

    def __init__(self, config: HuginnConfig) -> None:
        super().__init__()
        self.wte = Matrix(config.width, config.vocabulary)
        self.prelude = nn.ModuleList(SandwichBlock(config) for _ in range(config.prelude))
        self.adapter = Matrix(2 * config.width, config.width)
        self.core_block = nn.ModuleList(SandwichBlock(config) for _ in range(config.core))
        self.coda = nn.ModuleList(SandwichBlock(config) for _ in range(config.coda))
        self.ln_f = nn.RMSNorm(config.width, config.norm_eps)


class Place:
    """Where in a sequence some tokens are: what turns their queries and keys, what they see, what was before them."""

    def __init__(self, table: Tensor, count: int, cache: Cache | None) -> None:
        seen = 0 if cache is None else cache.seen
        exact = table.to(torch.promote_types(table.dtype, torch.float32))
        self.turns = torch.view_as_complex(exact.narrow(1, seen, count)).unsqueeze(2)  # (1, S, 1, 1, head width / 2)
        self.mask: Tensor | None = None
        if seen and count > 1:
            self.mask = torch.ones(count, seen + count, dtype=torch.bool, device=table.device).tril(seen)
        self._layers = None if cache is None else iter(cache.layers)

    def through(self, blocks: nn.ModuleList, x: Tensor) -> Tensor:
        """x (B, S, d) after the blocks, which are the next ones on the way through the model."""
        for block in blocks:
            x = block(x, self.turns, self.mask, None if self._layers is None else next(self._layers))
        return x


class Huginn(nn.Module):
    """A recurrent-depth transformer. Its parameters are not filled: see `random_model` and `load`.

    A start is s_0: a tensor (B, S, d) or (S, d), or a seed, which gives that of `initial_state`. With a cache, S counts
    the tokens given now, and a seed stands for those positions of the whole sequence.

    Args:
        config: its size.
    """

    freqs_cis: Tensor

    def __init__(self, config: HuginnConfig) -> None:
        super().__init__()
        self.config = config
        self.transformer = Transformer(config)
        self.lm_head = self.transformer.wte  # tied: one module with two names
        self.register_buffer("freqs_cis", rotation_table(config))

    def forward(
        self,
        tokens: Tensor,
        *,
        num_steps: int = 32,
        start: Tensor | int = 0,
        cache: Cache | None = None,
        last: bool = False,
    ) -> Tensor:
        """The logits of the token after each one.

        Args:
            tokens: (B, S), integers below the vocabulary. That is checked on the CPU only, for elsewhere it would wait.
            num_steps: t.
            start: s_0.
            cache: holds what came before these tokens, and takes them up; of as many steps.
            last: only for the last token.

        Returns:
            (B, S, vocabulary), or (B, 1, vocabulary) if `last`; float32, or float64 of a model in float64.

        Raises:
            ValueError: no tokens, too many, an unknown one; no step; a start or a cache that does not fit.
        """
        self._check(tokens, num_steps, cache)
        place = Place(self.freqs_cis, tokens.shape[1], cache)
        e = self._embedded(tokens, place)
        s = self._start(start, e, cache)
        for _ in range(num_steps):
            s = self._stepped(s, e, place)
        logits = self._decoded(s, place, last)
        if cache is not None:
            cache.seen += tokens.shape[1]
        return logits

    def trajectory(self, tokens: Tensor, *, num_steps: int = 32, start: Tensor | int = 0) -> Iterator[Tensor]:
        """The logits (B, S, vocabulary) after 1, 2, … num_steps steps of the same walk; see `forward`."""
        self._check(tokens, num_steps, None)
        place = Place(self.freqs_cis, tokens.shape[1], None)
        e = self._embedded(tokens, place)
        s = self._start(start, e, None)
        for _ in range(num_steps):
            s = self._stepped(s, e, place)
            yield self._decoded(s, place, last=False)

    def _embedded(self, tokens: Tensor, place: Place) -> Tensor:
        """e (B, S, d)."""
        scaled = F.embedding(tokens, self.transformer.wte.weight) * math.sqrt(self.config.width)
        return place.through(self.transformer.prelude, scaled)

    def _stepped(self, s: Tensor, e: Tensor, place: Place) -> Tensor:
        """The next s (B, S, d)."""
        return place.through(self.transformer.core_block, self.transformer.adapter(torch.cat([s, e], dim=-1)))

    def _decoded(self, s: Tensor, place: Place, last: bool) -> Tensor:
        """The logits; the final norm acts before the coda, too."""
        x = place.through(self.transformer.coda, self.transformer.ln_f(s))
        logits: Tensor = self.lm_head(self.transformer.ln_f(x.narrow(1, x.shape[1] - 1, 1) if last else x))
        return logits.to(torch.promote_types(logits.dtype, torch.float32))

    def _start(self, start: Tensor | int, e: Tensor, cache: Cache | None) -> Tensor:
        """s_0 (B, S, d), as e is."""
        seen = 0 if cache is None else cache.seen
        count = e.shape[1]
        if isinstance(start, int):
            start = initial_state(self.config, seen + count, start).narrow(0, seen, count)
        if start.shape not in (e.shape, e.shape[1:]):
            raise ValueError(
                f"start must be of shape {tuple(e.shape)} or {tuple(e.shape[1:])}, but is {tuple(start.shape)}"
            )
        return start.to(e).expand_as(e)

    def _check(self, tokens: Tensor, num_steps: int, cache: Cache | None) -> None:
        check_steps(num_steps)
        if tokens.ndim != 2 or tokens.is_floating_point() or tokens.numel() == 0:
            raise ValueError(
                f"tokens must be integers of shape (B, S), at least one of them, but are {tokens.dtype} of shape "
                f"{tuple(tokens.shape)}"
            )
        total = tokens.shape[1] + (0 if cache is None else cache.seen)
        if total > self.config.context:
            raise ValueError(
                f"the model reads at most {self.config.context} tokens, but {total} are given; shorten them"
            )
        if tokens.device.type == "cpu":
            check_tokens(tokens, self.config.vocabulary)
        if cache is not None:
            cache.check(num_steps, *tokens.shape)


def check_steps(num_steps: int) -> None:
    """Raise ValueError unless it is 1 or more."""
    if num_steps < 1:
        raise ValueError(f"num_steps must be 1 or more, but is {num_steps}")


def check_tokens(tokens: Tensor, vocabulary: int) -> None:
    """Raise ValueError unless all of them are from 0 to vocabulary − 1."""
    unknown = tokens[(tokens < 0) | (tokens >= vocabulary)]
    if unknown.numel():
        raise ValueError(
            f"tokens must be from 0 to {vocabulary - 1}, but one is {int(unknown[0])}; is it another tokenizer's?"
        )


def rotation_table(config: HuginnConfig) -> Tensor:
    """cos and sin (1, context, 1, head width / 2, 2) of the angles p base^(−2j / head width) at position p, float32."""
    j = torch.arange(0, config.head_width, 2, dtype=torch.float32)
    angles = torch.outer(
        torch.arange(config.context, dtype=torch.float32), config.rope_base ** (-j / config.head_width)
    )
    return torch.stack([angles.cos(), angles.sin()], dim=-1).unsqueeze(0).unsqueeze(2)


def initial_state(config: HuginnConfig, length: int, generator: torch.Generator | int) -> Tensor:
    """s_0 (S, d) for positions 0, 1, … S − 1, float32, on the CPU.

    Each entry is √d times a normal number of variance 2 / (5d), cut off at three standard deviations. A seed gives the
    same numbers on every device, and position by position: those of a longer sequence begin with those of a shorter.

    Args:
        config: of the model.
        length: S.
        generator: or its seed.
    """
    if isinstance(generator, int):
        generator = torch.Generator().manual_seed(generator)
    return math.sqrt(config.width) * _cut_normal((length, config.width), _scale(config), generator)


def random_model(config: HuginnConfig, seed: int, dtype: torch.dtype = torch.float32) -> Huginn:
    """An untrained model on the CPU, in evaluation mode, with random weights as training begins with."""
    model = Huginn(config)
    generator = torch.Generator().manual_seed(seed)
    shrink = math.sqrt(2 * config.layers(config.mean_steps))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" in name or "ln_f" in name:
                parameter.fill_(1)
            elif "bias" in name:
                parameter.zero_()
            else:
                scale = _scale(config) / (shrink if name.endswith("proj.weight") else 1)
                parameter.copy_(_cut_normal(tuple(parameter.shape), scale, generator))
                if name.endswith("fc.weight"):  # the half that the gate multiplies
                    parameter[config.feed_forward :] /= shrink
            parameter.data = parameter.data.to(dtype)
    return model.eval().requires_grad_(False)


def _scale(config: HuginnConfig) -> float:
    return math.sqrt(2 / (5 * config.width))


def _cut_normal(shape: tuple[int, ...], scale: float, generator: torch.Generator) -> Tensor:
    """Normal numbers of this standard deviation, those beyond three of it left out; float32, drawn in order."""
    edge = math.erf(3 / math.sqrt(2))
    uniform = torch.rand(shape, generator=generator, dtype=torch.float64) * (2 * edge) - edge
    return (torch.erfinv(uniform) * (math.sqrt(2) * scale)).float()
