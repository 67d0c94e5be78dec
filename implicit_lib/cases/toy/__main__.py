"""Command line: train one model, or all that the book compares.

python -m implicit_lib.cases.toy train --preset small --target 10 --model implicit
python -m implicit_lib.cases.toy compare
"""

from __future__ import annotations

import argparse
import sys

from implicit_lib.cases._running import add_options, run_command

from ._comparison import compare
from ._recipe import MODELS, TARGETS, recipe
from ._weights import train_and_write


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    return run_command(_parser(), arguments, _run)


def _run(options: argparse.Namespace) -> None:
    if options.command == "compare":
        compare(options.output, device=options.device)
    else:
        chosen = recipe(options.preset, options.model, options.target)
        card = train_and_write(chosen, options.output, device=options.device)
        print(f"{chosen.name}: {card['metrics']}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m implicit_lib.cases.toy", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    train = commands.add_parser("train", help="train one model, or go on with it")
    train.add_argument("--preset", choices=("small", "paper"), default="small")
    train.add_argument("--target", type=int, choices=TARGETS, default=20)
    train.add_argument("--model", choices=MODELS, default="implicit")
    every = commands.add_parser("compare", help="everything behind the chapter's table: half an hour of one core")
    for command in (train, every):
        add_options(command, "toy-runs")
    return parser


if __name__ == "__main__":
    sys.exit(main())
