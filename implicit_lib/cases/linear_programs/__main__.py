"""Command line: train one model, or go on with it; compare what is trained.

python -m implicit_lib.cases.linear_programs train --preset small --model implicit --embedding 8 --seed 0
python -m implicit_lib.cases.linear_programs compare --folder linear-program-runs
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from implicit_lib.cases._running import add_options, run_command, tell

from ._comparison import RESULTS, compare
from ._recipe import EMBEDDINGS, MODELS, PRESETS, recipe
from ._weights import WEIGHTS, train_and_write


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    return run_command(_parser(), arguments, _run)


def _run(options: argparse.Namespace) -> None:
    if options.command == "compare":
        compare(options.folder, progress=tell)
        print(f"written: {options.folder / RESULTS.name}")
    else:
        chosen = recipe(options.preset, options.model, options.embedding, options.seed)
        card = train_and_write(chosen, options.output, device=options.device, progress=tell)
        print(f"{chosen.name}: test error {card['metrics']['error']}")


def _parser() -> argparse.ArgumentParser:
    description = __doc__.splitlines()[0]
    parser = argparse.ArgumentParser(prog="python -m implicit_lib.cases.linear_programs", description=description)
    commands = parser.add_subparsers(dest="command", required=True)
    train = commands.add_parser("train", help="train one model, or go on with it")
    train.add_argument("--preset", choices=PRESETS, default="small")
    train.add_argument("--model", choices=MODELS, default="implicit")
    train.add_argument("--embedding", type=int, default=8, help=f"the book's: {', '.join(map(str, EMBEDDINGS))}")
    train.add_argument("--seed", type=int, default=0)
    add_options(train, "linear-program-runs")
    every = commands.add_parser("compare", help="evaluate all models of a folder, or go on with it")
    every.add_argument("--folder", type=Path, default=WEIGHTS, help="(default: %(default)s)")
    every.add_argument("--threads", type=int, default=1, help="CPU threads")
    return parser


if __name__ == "__main__":
    sys.exit(main())
