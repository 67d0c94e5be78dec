"""Huginn's time per token beside that of the reference code, at an equal small size, on the CPU with one thread.

    python -m benchmarks.huginn FOLDER

FOLDER holds raven_modeling_minimal.py and raven_config_minimal.py, from the folder recpre of
https://github.com/seal-rg/recurrent-pretraining (Apache-2.0), which this repository does not copy. Python must be that
of an environment with this library's dependencies and transformers 4.57. First the logits of both are compared, on the
same random weights; then their times, turn by turn: of reading a prompt, and of generating an answer with a cache.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks.measuring import ratios
from implicit_lib.cases.looped_transformers.huginn import Huginn, HuginnConfig, generate, initial_state

SIZES = ((64, 4, 160), (256, 8, 768), (528, 11, 1_792))
"""Width, heads, feed-forward; the last one is a tenth of Huginn-0125."""

VOCABULARY, PROMPT, LENGTH, STEPS = 1_024, 16, 48, 8

WORST = 1e-4
"""How far logits may be apart; they are of the order of 3."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.huginn", description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="with raven_modeling_minimal.py")
    parser.add_argument("--repetitions", type=int, default=7)
    options = parser.parse_args()
    torch.set_num_threads(1)
    raven = reference(options.folder)
    for size in SIZES:
        theirs, ours = both(raven, *size)
        entries = timed(theirs, ours)
        pairs = {name: (f"ours, {name}", f"theirs, {name}") for name in ("prompt", "answer")}
        found = ratios(entries, pairs, repetitions=options.repetitions)
        told = ", ".join(f"{name} {ratio:.2f}" for name, ratio in found.items())
        print(
            f"width {size[0]}: logits {difference(theirs, ours):.1e} apart; time over the reference's: {told}",
            flush=True,
        )


def reference(folder: Path) -> Any:
    """The module of the reference."""
    package = types.ModuleType("raven_reference")
    package.__path__ = [str(folder)]
    sys.modules[package.__name__] = package
    return importlib.import_module("raven_reference.raven_modeling_minimal")


def both(raven: Any, width: int, heads: int, feed_forward: int) -> tuple[Any, Huginn]:
    """The reference's model and ours, with the same weights: random ones, the biases and norms as well."""
    size = {"n_embd": width, "n_heads": heads, "intermediate_size": feed_forward}
    torch.manual_seed(0)
    theirs = raven.RavenForCausalLM(raven.RavenConfig(vocab_size=VOCABULARY, block_size=256, **size)).eval()
    for parameter in theirs.parameters():
        if parameter.ndim != 2:
            torch.nn.init.normal_(parameter, mean=float(parameter.ndim == 1), std=0.3)
    config = HuginnConfig(width=width, heads=heads, feed_forward=feed_forward, vocabulary=VOCABULARY, context=256)
    ours = Huginn(config)
    ours.load_state_dict(theirs.state_dict())
    return theirs.requires_grad_(False), ours.eval().requires_grad_(False)


def prompt() -> torch.Tensor:
    return torch.randint(VOCABULARY, (1, PROMPT), generator=torch.Generator().manual_seed(0))


def difference(theirs: Any, ours: Huginn) -> float:
    """The largest between the logits at 1, 2, 8 and 32 steps."""
    start, found = initial_state(ours.config, PROMPT, 0), []
    for t in (1, 2, 8, 32):
        expected = theirs(prompt(), num_steps=t, input_states=start[None]).logits
        found.append((ours(prompt(), num_steps=t, start=start) - expected).abs().max())
    worst = float(torch.stack(found).max())
    if not worst <= WORST:  # nor NaN
        sys.exit(f"the logits are {worst:.1e} apart, more than {WORST:.0e}: these are not the same model")
    return worst


def timed(theirs: Any, ours: Huginn) -> dict[str, Callable[[], object]]:
    """What is measured. Both begin with noise drawn before, for how it is drawn is not the question."""
    from transformers import GenerationConfig

    start = initial_state(ours.config, LENGTH, 0)
    theirs.initialize_state = lambda embedded, scale=1.0: start[: embedded.shape[1]].expand_as(embedded)
    greedy = GenerationConfig(do_sample=False, max_length=LENGTH, use_cache=True, eos_token_id=None, pad_token_id=0)
    read = prompt()
    return {
        "theirs, prompt": lambda: theirs(read, num_steps=STEPS, input_states=start[None, :PROMPT]),
        "ours, prompt": lambda: ours(read, num_steps=STEPS, start=start[:PROMPT]),
        "theirs, answer": lambda: theirs.generate(read, greedy, num_steps=STEPS),
        "ours, answer": lambda: generate(ours, read.tolist(), num_steps=STEPS, max_length=LENGTH, start=start),
    }


if __name__ == "__main__":
    main()
