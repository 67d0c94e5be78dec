"""Command line: train one model on boards, or go on with it.

python -m implicit_lib.cases.looped_transformers.sudoku train --model looped --seed 0
"""

from __future__ import annotations

import argparse
import sys

from implicit_lib.cases._running import add_options, run_command, tell
from implicit_lib.cases.looped_transformers._recipe import MODELS

from ._recipe import recipe
from ._weights import train_and_write


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    return run_command(_parser(), arguments, _run)


def _run(options: argparse.Namespace) -> None:
    chosen = recipe(options.model, options.seed)
    card = train_and_write(chosen, options.output, device=options.device, progress=tell)
    print(f"{chosen.name}: solved {card['metrics']['solved']}")


def _parser() -> argparse.ArgumentParser:
    description = __doc__.splitlines()[0]
    program = "python -m implicit_lib.cases.looped_transformers.sudoku"
    parser = argparse.ArgumentParser(prog=program, description=description)
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("train", help="train one model, or go on with it")
    command.add_argument("--model", choices=MODELS, default="looped")
    command.add_argument("--seed", type=int, default=0)
    add_options(command, "sudoku-runs")
    return parser


if __name__ == "__main__":
    sys.exit(main())
