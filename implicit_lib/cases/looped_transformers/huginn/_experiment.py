"""How far the answers to two prompts that differ by one word are apart, against the number of steps.

The paper's Figure 9 and Table 2: the most probable token each time, up to 128 with the prompt, and the distance between
the texts in words, prompts included. Here all prompts and all numbers of steps begin with the same noise s_0, position
by position. The authors draw it anew for each answer, which sets answers apart that differ in nothing else.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from implicit_lib.cases._files import whole
from implicit_lib.cases._running import CheckpointError, Progress, RecipeError, TrainingInterrupted, stop_on_interrupt

from ._distance import word_distance
from ._generation import generate
from ._model import Huginn
from ._text import Tokenizer

Pairs = Sequence[tuple[str, str]]
Answers = dict[int, dict[str, str]]
"""By the number of steps and the prompt: the prompt with its completion."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """What is asked; without arguments, as in the paper, and its Table 2's 32 steps beside.

    Raises:
        RecipeError: no number of steps, or one below 1.
    """

    steps: tuple[int, ...] = (2, 4, 6, 8, 10, 12, 14, 16, 32)
    max_length: int = 128
    """Tokens of a prompt and its completion, at most."""
    seed: int = 0
    """Of s_0."""

    def __post_init__(self) -> None:
        if not self.steps or min(self.steps) < 1:
            raise RecipeError(f"the numbers of steps must be 1 or more, but are {list(self.steps)}")


def measure(
    model: Huginn,
    tokenizer: Tokenizer,
    pairs: Pairs,
    settings: Settings,
    path: Path,
    *,
    about: Mapping[str, str],
    batch: int = 8,
    progress: Progress = print,
) -> dict[str, Any]:
    """Answer all prompts with each number of steps, and compare those of each pair.

    What was answered is written after every batch, and an interrupted run goes on from there.

    Args:
        model: to ask.
        tokenizer: of the model.
        pairs: of prompts.
        settings: how to ask.
        path: of the results, a JSON file.
        about: what else the results depend on, and a resumed run must agree with: the weights, the type of numbers.
        batch: how many prompts of equal length, in tokens, to answer at once.
        progress: called with a line that tells how far it is, and the time left.

    Returns:
        The content of the file: "settings", with `about`; "pairs"; "answers", which have the prompt in front, by number
        of steps and prompt; "distances", in words, by number of steps, in the order of the pairs; and "summary", by
        number of steps: mean, standard deviation, standard error and quartiles of the distances.

    Raises:
        TrainingInterrupted: by Ctrl-C, once the batch at hand is answered.
        CheckpointError: the file is damaged, or of other settings.
        RecipeError: a prompt is too long, or the memory does not suffice for the batch.
    """
    head = {
        "settings": {**dataclasses.asdict(settings), "steps": list(settings.steps), **about},
        "pairs": list(map(list, pairs)),
    }
    answers = _answered(path, head)
    pending = [batch_at for t in settings.steps for batch_at in _batches(t, pairs, tokenizer, answers, batch)]
    clock = _Clock([model.config.layers(t) for t, _ in pending])
    with stop_on_interrupt() as stopped:
        for t, prompts in pending:
            answers[t] |= _answer(model, tokenizer, prompts, t, settings)
            _write(path, {**head, "answers": _ordered(answers, pairs)})
            done = f"t = {t}: {len(answers[t])} of {len(_prompts(pairs))} prompts"
            progress(f"{done} answered, {clock.left():.0f} s left")
            if stopped():
                raise TrainingInterrupted(f"stopped at {done}; run the same command again to go on")
    results = {**head, "answers": _ordered(answers, pairs), **_compared(answers, pairs, settings)}
    _write(path, results)
    return results


def _prompts(pairs: Pairs) -> list[str]:
    return [prompt for pair in pairs for prompt in pair]


def _answered(path: Path, head: Mapping[str, Any]) -> Answers:
    """What the file holds, if it is of the same settings."""
    answers: Answers = {t: {} for t in head["settings"]["steps"]}
    if not path.exists():
        return answers
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        same = all(found[name] == value for name, value in head.items())
        if same:
            answers |= {int(t): dict(texts) for t, texts in found["answers"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(
            f"the results {path} cannot be read ({type(error).__name__}); delete the file to start again"
        ) from None
    if not same:
        raise CheckpointError(f"the results {path} are of other settings; delete the file, or choose another folder")
    return answers


def _batches(
    t: int, pairs: Pairs, tokenizer: Tokenizer, answers: Answers, size: int
) -> Iterator[tuple[int, list[str]]]:
    """Prompts that are not yet answered with t steps, each time of an equal number of tokens."""
    alike: dict[int, list[str]] = defaultdict(list)
    for prompt in _prompts(pairs):
        if prompt not in answers[t]:
            alike[len(tokenizer.encode(prompt))].append(prompt)
    for _, prompts in sorted(alike.items()):
        for i in range(0, len(prompts), size):
            yield t, prompts[i : i + size]


def _answer(model: Huginn, tokenizer: Tokenizer, prompts: list[str], t: int, settings: Settings) -> dict[str, str]:
    """The prompts with their completions, by prompt."""
    read = [tokenizer.encode(prompt) for prompt in prompts]
    try:
        completions = generate(
            model, read, num_steps=t, max_length=settings.max_length, stop=tokenizer.stop, start=settings.seed
        )
    except ValueError as error:  # of the settings, for the prompts are words
        raise RecipeError(str(error)) from None
    except torch.cuda.OutOfMemoryError:
        raise RecipeError(
            f"the GPU has no room for {len(prompts)} prompts at {t} steps; run again with a smaller --batch"
        ) from None
    return {
        prompt: tokenizer.decode(before + after)
        for prompt, before, after in zip(prompts, read, completions, strict=True)
    }


def _ordered(answers: Answers, pairs: Pairs) -> dict[str, dict[str, str]]:
    """As the file has them, in an order that does not depend on that of answering."""
    prompts = _prompts(pairs)
    return {str(t): {p: answers[t][p] for p in prompts if p in answers[t]} for t in sorted(answers)}


def _compared(answers: Answers, pairs: Pairs, settings: Settings) -> dict[str, Any]:
    """The distances, and what they come to."""
    distances = {
        str(t): [word_distance(answers[t][first], answers[t][second]) for first, second in pairs]
        for t in sorted(settings.steps)
    }
    return {"distances": distances, "summary": {t: _summary(found) for t, found in distances.items()}}


def _summary(distances: list[int]) -> dict[str, Any]:
    deviation = float(np.std(distances, ddof=1)) if len(distances) > 1 else 0.0
    return {
        "mean": round(float(np.mean(distances)), 4),
        "standard_deviation": round(deviation, 4),
        "standard_error": round(deviation / len(distances) ** 0.5, 4),
        "quartiles": [float(q) for q in np.percentile(distances, [25, 50, 75])],
    }


def _write(path: Path, content: Mapping[str, Any]) -> None:
    """Whole or not at all."""
    with whole(path) as unfinished:
        unfinished.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


class _Clock:
    """Tells the time left from the time that the parts done so far have taken, and the effort for each."""

    def __init__(self, efforts: list[int]) -> None:
        self._efforts, self._done, self._begun = efforts, 0, time.monotonic()

    def left(self) -> float:
        """Seconds, once another part is done."""
        self._done += 1
        spent, ahead = sum(self._efforts[: self._done]), sum(self._efforts[self._done :])
        return (time.monotonic() - self._begun) / spent * ahead
