"""A tiny recurrent-depth transformer with lively weights, and its evaluation written down once more, from the paper."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path

import tokenizers
import torch
from safetensors.torch import save_file
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from tokenizers.processors import TemplateProcessing
from torch import Tensor

from implicit_lib.cases.looped_transformers.huginn import Huginn, HuginnConfig, random_model

TINY = HuginnConfig(width=24, heads=3, feed_forward=40, vocabulary=50, context=64)

Weights = dict[str, Tensor]

ENDS = ("<|begin_text|>", "<|end_text|>", "<|end_turn|>")

SLIPS = (
    *("one final norm", "halves of the gate swapped", "rotated by halves", "no bias", "embedding not scaled"),
    *(
        "embedding injected once",
        "norms only before",
        "keys not rotated",
        "not causal",
        "state before embedding swapped",
    ),
)
"""Ways to get the architecture wrong."""


def lively(config: HuginnConfig = TINY, seed: int = 0) -> Huginn:
    """A model in float64 whose biases and norms are random, too, and whose parts all matter to the logits."""
    model = random_model(config, seed).double()
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
        if "bias" in name:
            parameter.copy_(noise)
        elif parameter.ndim == 1:
            parameter.copy_(1 + 0.3 * noise)
        else:
            parameter.copy_(0.6 * noise / math.sqrt(parameter.shape[1]))  # more, and the loop doubles rounding errors
    return model


def evaluate(w: Weights, tokens: Tensor, s: Tensor, steps: int, config: HuginnConfig = TINY, slip: str = "") -> Tensor:
    """The logits (S, vocabulary) of one sequence (S,), from s_0 (S, d): every head and position on its own."""
    e = w["transformer.wte.weight"][tokens] * (1 if slip == "embedding not scaled" else math.sqrt(config.width))
    for i in range(config.prelude):
        e = _layer(w, f"transformer.prelude.{i}.", e, config, slip)
    for step in range(steps):
        injected = torch.zeros_like(e) if slip == "embedding injected once" and step else e
        both = [injected, s] if slip == "state before embedding swapped" else [s, injected]
        s = torch.cat(both, dim=1) @ w["transformer.adapter.weight"].T
        for i in range(config.core):
            s = _layer(w, f"transformer.core_block.{i}.", s, config, slip)
    x = s if slip == "one final norm" else _norm(s, w["transformer.ln_f.weight"])
    for i in range(config.coda):
        x = _layer(w, f"transformer.coda.{i}.", x, config, slip)
    return _norm(x, w["transformer.ln_f.weight"]) @ w["lm_head.weight"].T


def _layer(w: Weights, name: str, x: Tensor, config: HuginnConfig, slip: str) -> Tensor:
    g1, g2, g3, g4 = (w[f"{name}norm_{i}.weight"] for i in (1, 2, 3, 4))
    after = (lambda x, g: x) if slip == "norms only before" else _norm
    x = after(_attention(w, name + "attn.", _norm(x, g1), config, slip) + x, g2)
    hidden = _norm(x, g3) @ w[f"{name}mlp.fc.weight"].T
    gate, value = hidden[:, : config.feed_forward], hidden[:, config.feed_forward :]
    if slip == "halves of the gate swapped":
        gate, value = value, gate
    return after((gate / (1 + torch.exp(-gate)) * value) @ w[f"{name}mlp.proj.weight"].T + x, g4)


def _norm(x: Tensor, g: Tensor) -> Tensor:
    return g * x / torch.sqrt(torch.mean(x * x, dim=-1, keepdim=True) + 1e-6)


def _attention(w: Weights, name: str, x: Tensor, config: HuginnConfig, slip: str) -> Tensor:
    d, n = config.width, config.width // config.heads
    mixed = x @ w[f"{name}Wqkv.weight"].T
    heads = []
    for h in range(config.heads):
        q, k, v = (mixed[:, part * d + h * n : part * d + (h + 1) * n] for part in range(3))
        if slip != "no bias":
            q, k = q + w[f"{name}qk_bias"][0, 0, h], k + w[f"{name}qk_bias"][1, 0, h]
        q = _rotated(q, w["freqs_cis"], slip)
        k = k if slip == "keys not rotated" else _rotated(k, w["freqs_cis"], slip)
        rows = []
        for i in range(len(x)):
            end = len(x) if slip == "not causal" else i + 1
            scores = torch.stack([q[i] @ k[j] for j in range(end)]) / math.sqrt(n)
            rows.append(torch.softmax(scores, dim=0) @ v[:end])
        heads.append(torch.stack(rows))
    return torch.cat(heads, dim=1) @ w[f"{name}proj.weight"].T


def _rotated(x: Tensor, table: Tensor, slip: str) -> Tensor:
    """Each pair of neighbours turned by the angle of its position."""
    out = torch.empty_like(x)
    half = x.shape[1] // 2
    for j in range(half):
        a, b = (j, j + half) if slip == "rotated by halves" else (2 * j, 2 * j + 1)
        cos, sin = table[0, : len(x), 0, j, 0], table[0, : len(x), 0, j, 1]
        out[:, a], out[:, b] = x[:, a] * cos - x[:, b] * sin, x[:, b] * cos + x[:, a] * sin
    return out


def write_shards(model: Huginn, folder: Path, *, copy_apart: bool = True) -> dict[str, str]:
    """Write the model as the hub has it, float32 in three files and an index; returns which tensor is where.

    With `copy_apart` the tied copy of the embedding is a fourth file, as in the published ones.
    """
    state = {name: tensor.float().contiguous().clone() for name, tensor in model.state_dict().items()}
    names = sorted(state.keys() - {"lm_head.weight"})
    parts = [names[i::3] for i in range(3)]
    if copy_apart:
        parts.append(["lm_head.weight"])
    places = {}
    folder.mkdir(parents=True, exist_ok=True)
    for number, part in enumerate(parts, start=1):
        file = f"model-{number:05}-of-{len(parts):05}.safetensors"
        save_file({name: state[name] for name in part}, folder / file)
        places |= dict.fromkeys(part, file)
    content = {"metadata": {"total_size": 0}, "weight_map": places}
    (folder / "model.safetensors.index.json").write_text(json.dumps(content))
    return places


def write_tokenizer(path: Path, names: Sequence[str] = ENDS) -> Path:
    """A tokenizer of bytes, with "th" as one token more, which adds a beginning and an end by itself."""
    letters = sorted(ByteLevel.alphabet())
    model = BPE({letter: i for i, letter in enumerate([*letters, "th"])}, [("t", "h")])
    made = tokenizers.Tokenizer(model)
    made.pre_tokenizer, made.decoder = ByteLevel(add_prefix_space=False), ByteLevelDecoder()
    made.add_special_tokens(list(names))
    if len(names) == 3:
        numbers = [(name, made.token_to_id(name)) for name in names[:2]]
        made.post_processor = TemplateProcessing(single=f"{names[0]} $A {names[1]}", special_tokens=numbers)
    made.save(str(path))
    return path
