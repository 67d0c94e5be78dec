"""Command line: train one model, or go on with it; compare what is trained.

python -m implicit_lib.cases.linear_programs train --preset small --model implicit --embedding 8 --seed 0
python -m implicit_lib.cases.linear_programs compare --folder linear-program-runs
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch

from implicit_lib.cases._running import CheckpointError, TrainingInterrupted

from ._comparison import compare
from ._recipe import EMBEDDINGS, MODELS, PRESETS, recipe
from ._weights import WEIGHTS, train_and_write


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    options = _parser().parse_args(arguments)
    torch.set_num_threads(options.threads)
    if options.command == "compare":
        compare(options.folder, progress=_tell)
        return 0
    chosen = recipe(options.preset, options.model, options.embedding, options.seed)
    try:
        card = train_and_write(chosen, options.output, device=options.device, progress=_tell)
    except TrainingInterrupted as stopped:
        print(stopped, file=sys.stderr)
        return 130
    except CheckpointError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{chosen.name}: test error {card['metrics']['error']}")
    return 0


def _tell(line: str) -> None:
    print(line, flush=True)


def _parser() -> argparse.ArgumentParser:
    description = __doc__.splitlines()[0]
    parser = argparse.ArgumentParser(prog="python -m implicit_lib.cases.linear_programs", description=description)
    commands = parser.add_subparsers(dest="command", required=True)
    train = commands.add_parser("train", help="train one model, or go on with it")
    train.add_argument("--preset", choices=PRESETS, default="small")
    train.add_argument("--model", choices=MODELS, default="implicit")
    train.add_argument("--embedding", type=int, default=8, help=f"the book's: {', '.join(map(str, EMBEDDINGS))}")
    train.add_argument("--seed", type=int, default=0)
    train.add_argument("--output", type=Path, default=Path("linear-program-runs"), help="folder (default: %(default)s)")
    train.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    train.add_argument("--threads", type=int, default=1, help="CPU threads; 1 reproduces the shipped weights")
    every = commands.add_parser("compare", help="evaluate all models of a folder, beside HiGHS and a plain iteration")
    every.add_argument("--folder", type=Path, default=WEIGHTS, help="(default: %(default)s)")
    every.add_argument("--threads", type=int, default=1, help="CPU threads")
    return parser


if __name__ == "__main__":
    sys.exit(main())
