"""Command line: train one model, or go on with it.

python -m implicit_lib.cases.deblurring train --preset small --model hqs --seed 0
"""

from __future__ import annotations

import argparse
import sys

from implicit_lib.cases._running import add_options, run_command, tell

from ._recipe import MODELS, PAPER_MODELS, PRESETS, recipe
from ._weights import train_and_write


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    return run_command(_parser(), arguments, _run)


def _run(options: argparse.Namespace) -> None:
    chosen = recipe(options.preset, options.model, options.seed)
    card = train_and_write(chosen, options.output, device=options.device, progress=tell)
    print(f"{chosen.name}: PSNR {card['metrics']['psnr']}")


def _parser() -> argparse.ArgumentParser:
    description = __doc__.splitlines()[0]
    parser = argparse.ArgumentParser(prog="python -m implicit_lib.cases.deblurring", description=description)
    commands = parser.add_subparsers(dest="command", required=True)
    train = commands.add_parser("train", help="train one model, or go on with it")
    train.add_argument("--preset", choices=PRESETS, default="small", help="paper: for a GPU, with deepinv")
    train.add_argument("--model", choices=MODELS, default="hqs", help=f"of paper: {', '.join(PAPER_MODELS)}")
    train.add_argument("--seed", type=int, default=0)
    add_options(train, "deblurring-runs")
    return parser


if __name__ == "__main__":
    sys.exit(main())
