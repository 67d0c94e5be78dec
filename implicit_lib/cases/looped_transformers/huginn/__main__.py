"""Command line: the distance between the answers to prompts that differ by one word, against the number of steps.

python -m implicit_lib.cases.looped_transformers.huginn --output huginn-runs

It loads Huginn-0125 (14.3 GB, once), and wants a GPU of 16 GB. Where it cannot be had, the command rehearses on a tiny
random model, and says so.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import torch

from implicit_lib.cases._running import MissingPackageError, RecipeError, run_command, tell

from ._config import HuginnConfig
from ._experiment import Settings, measure
from ._hub import ORIGIN, UnreachableError, download
from ._manifest import recorded
from ._model import Huginn, random_model
from ._pairs import contrast_pairs
from ._text import ByteTokenizer, PublishedTokenizer, Tokenizer
from ._weights import TOKENIZER, default_dtype, load

_TINY = HuginnConfig(
    width=32, heads=2, feed_forward=64, vocabulary=ByteTokenizer.vocabulary, context=512, prelude=1, core=1, coda=1
)
_REHEARSED = 2
"""Pairs that are enough to see that the command runs through."""

_PAPER = "the paper's, over its own 200 pairs: 29 at t = 2 to 53 at t = 16"

DTYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16, "float32": torch.float32}


def main(arguments: list[str] | None = None) -> int:
    """Run the experiment; returns the exit status."""
    return run_command(_parser(), arguments, _run)


def _run(options: argparse.Namespace) -> None:
    settings = Settings(steps=options.steps, max_length=options.max_length, seed=options.seed)
    pairs = contrast_pairs()[: options.pairs]
    if not pairs or options.batch < 1:
        raise RecipeError("--pairs and --batch must be 1 or more")
    found = None if options.rehearse else _published(options)
    if found is None:
        pairs = pairs[:_REHEARSED]
        tell(f"REHEARSAL with a tiny random model, on {len(pairs)} pairs: its answers are noise, its numbers no result")
        found = random_model(_TINY, seed=0).to(options.device), ByteTokenizer(), {"model": "REHEARSAL: tiny, random"}
        path = options.output / "rehearsal.json"
    else:
        path = options.output / "huginn-0125.json"
    model, tokenizer, about = found
    results = measure(model, tokenizer, pairs, settings, path, about=about, batch=options.batch, progress=tell)
    _report(results, path)


def _published(options: argparse.Namespace) -> tuple[Huginn, Tokenizer, dict[str, str]] | None:
    """The model, its tokenizer, and what the results depend on; None if it cannot be had from the hub."""
    folder = options.weights
    if folder is None:
        try:
            folder = download(progress=tell)
        except (UnreachableError, MissingPackageError) as reason:
            tell(str(reason))
            return None
    dtype = DTYPES[options.dtype] if options.dtype else default_dtype(options.device)
    tokenizer = PublishedTokenizer(folder / TOKENIZER)
    model = load(folder, dtype=dtype, device=options.device, progress=tell)
    return model, tokenizer, {"model": recorded(folder)["origin"], "dtype": str(dtype).removeprefix("torch.")}


def _report(results: dict[str, Any], path: Path) -> None:
    """Print the means, and the answers to the first pair."""
    for t, texts in results["answers"].items():
        tell("\n".join([f"t = {t}", *(f"  {texts[prompt]!r}" for prompt in results["pairs"][0])]))
    for t, row in results["summary"].items():
        told = f"{row['mean']:.1f} words, standard deviation {row['standard_deviation']:.1f}"
        tell(f"t = {t}: distance {told}")
    rehearsed = results["settings"]["model"].startswith("REHEARSAL")
    tell("REHEARSAL: of a tiny random model, these numbers are no result" if rehearsed else f"compare {_PAPER}")
    tell(f"written to {path}")


def _steps(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


def _parser() -> argparse.ArgumentParser:
    description = __doc__.splitlines()[0]
    parser = argparse.ArgumentParser(
        prog="python -m implicit_lib.cases.looped_transformers.huginn", description=description
    )
    default = Settings()
    steps = ",".join(map(str, default.steps))
    parser.add_argument(
        "--weights", type=Path, metavar="FOLDER", help=f"of the files of {ORIGIN}; else they are loaded"
    )
    parser.add_argument("--output", type=Path, default=Path("huginn-runs"), help="folder (default: %(default)s)")
    parser.add_argument("--steps", type=_steps, default=default.steps, help=f"numbers of steps (default: {steps})")
    parser.add_argument("--pairs", type=int, default=200, help="how many, the first ones (default: %(default)s)")
    parser.add_argument(
        "--max-length", type=int, default=default.max_length, help="tokens with the prompt (default: %(default)s)"
    )
    parser.add_argument("--batch", type=int, default=8, help="prompts at once (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=default.seed, help="of the noise s_0")
    parser.add_argument("--dtype", choices=DTYPES, help="default: bfloat16, or float16 on a GPU without it")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="CPU threads")
    parser.add_argument("--rehearse", action="store_true", help="only try the command, with a tiny random model")
    return parser


if __name__ == "__main__":
    sys.exit(main())
