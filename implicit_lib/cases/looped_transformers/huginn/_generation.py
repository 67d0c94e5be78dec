"""Answers, one token after the other, each the most probable one."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ._cache import Cache
from ._model import Huginn, check_steps, check_tokens, initial_state


@torch.no_grad()
def generate(
    model: Huginn,
    prompts: Sequence[Sequence[int]],
    *,
    num_steps: int = 32,
    max_length: int = 128,
    stop: Sequence[int] = (),
    start: Tensor | int = 0,
    use_cache: bool = True,
) -> list[list[int]]:
    """The completions of prompts of equal length.

    Args:
        model: in whichever type and place.
        prompts: B of them, each the same number of tokens.
        num_steps: t for every token.
        max_length: the most tokens of a prompt and its completion.
        stop: tokens at which a completion ends; they are left off.
        start: s_0 (max_length, d), the same for all prompts, or its seed.
        use_cache: False reads all again for each token, for comparison.

    Returns:
        The tokens that come after each prompt, without the prompt.

    Raises:
        ValueError: a prompt that is empty, too long, longer than another one or has unknown tokens; no step.
    """
    check_steps(num_steps)
    tokens = _table(prompts, model, max_length)
    parameter = model.lm_head.weight
    device, dtype = parameter.device, parameter.dtype
    if isinstance(start, int):
        start = initial_state(model.config, max_length, start)
    start = start.to(device, dtype)
    cache = None
    if use_cache:
        cache = Cache(model.config, num_steps, max_length, batch=len(tokens), device=device, dtype=dtype)
    tokens = tokens.to(device)
    ended = [False] * len(tokens)
    completions: list[list[int]] = [[] for _ in ended]
    for length in range(tokens.shape[1], max_length):
        seen = 0 if cache is None else cache.seen
        logits = model(tokens[:, seen:], num_steps=num_steps, start=start[seen:length], cache=cache, last=True)
        chosen = logits.argmax(-1)
        for row, token in enumerate(chosen[:, 0].tolist()):
            ended[row] = ended[row] or token in stop
            if not ended[row]:
                completions[row].append(token)
        if all(ended):
            break
        tokens = torch.cat([tokens, chosen], dim=1)
    return completions


def _table(prompts: Sequence[Sequence[int]], model: Huginn, max_length: int) -> Tensor:
    """(B, S) on the CPU, checked."""
    lengths = sorted({len(prompt) for prompt in prompts})
    if not lengths or lengths[0] == 0:
        raise ValueError(
            "a prompt must have at least one token, but one is empty; begin it with the token of beginnings"
        )
    if len(lengths) > 1:
        raise ValueError(f"prompts of one call must be equally long, but are of {lengths} tokens; call once for each")
    if not lengths[0] < max_length <= model.config.context:
        raise ValueError(
            f"max_length must be more than the {lengths[0]} tokens of the prompt, and at most the "
            f"{model.config.context} that the model reads, but is {max_length}"
        )
    tokens = torch.tensor([list(prompt) for prompt in prompts])
    check_tokens(tokens, model.config.vocabulary)
    return tokens
