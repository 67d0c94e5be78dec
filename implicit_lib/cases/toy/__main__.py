"""Command line: train one model, or all that the book compares.

python -m implicit_lib.cases.toy train --preset small --target 10 --model implicit
python -m implicit_lib.cases.toy compare
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch

from implicit_lib.cases._running import CheckpointError, TrainingInterrupted

from ._comparison import compare
from ._recipe import MODELS, TARGETS, recipe
from ._weights import train_and_write


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    options = _parser().parse_args(arguments)
    torch.set_num_threads(options.threads)
    try:
        if options.command == "compare":
            compare(options.output, device=options.device)
        else:
            chosen = recipe(options.preset, options.model, options.target)
            card = train_and_write(chosen, options.output, device=options.device)
            print(f"{chosen.name}: {card['metrics']}")
    except TrainingInterrupted as stopped:
        print(stopped, file=sys.stderr)
        return 130
    except CheckpointError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m implicit_lib.cases.toy", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    train = commands.add_parser("train", help="train one model, or go on with it")
    train.add_argument("--preset", choices=("small", "paper"), default="small")
    train.add_argument("--target", type=int, choices=TARGETS, default=20)
    train.add_argument("--model", choices=MODELS, default="implicit")
    every = commands.add_parser("compare", help="everything behind the chapter's table: half an hour of one core")
    for command in (train, every):
        command.add_argument("--output", type=Path, default=Path("toy-runs"), help="folder (default: %(default)s)")
        command.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
        command.add_argument("--threads", type=int, default=1, help="CPU threads; 1 reproduces the shipped weights")
    return parser


if __name__ == "__main__":
    sys.exit(main())
