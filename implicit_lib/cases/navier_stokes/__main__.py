"""Command line: train one network, or go on with it; or make the shipped flows anew.

python -m implicit_lib.cases.navier_stokes train --preset small --model implicit --seed 0
python -m implicit_lib.cases.navier_stokes flows --output flows
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from implicit_lib.cases._running import add_options, run_command, tell

from ._data import make
from ._recipe import MODELS, PAPER_MODELS, PRESETS, recipe
from ._weights import train_and_write


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    return run_command(_parser(), arguments, _run)


def _run(options: argparse.Namespace) -> None:
    if options.command == "flows":
        make(options.output, tell)
        return
    chosen = recipe(options.preset, options.model, options.seed)
    card = train_and_write(chosen, options.output, reference=options.reference, device=options.device, progress=tell)
    print(f"{chosen.name}: relative error {card['metrics']['error']}")


def _parser() -> argparse.ArgumentParser:
    description = __doc__.splitlines()[0]
    parser = argparse.ArgumentParser(prog="python -m implicit_lib.cases.navier_stokes", description=description)
    commands = parser.add_subparsers(dest="command", required=True)
    train = commands.add_parser("train", help="train one network, or go on with it")
    train.add_argument("--preset", choices=PRESETS, default="small", help="paper: for a GPU, on the reference's flows")
    train.add_argument("--model", choices=MODELS, default="implicit", help=f"of paper: {', '.join(PAPER_MODELS)}")
    train.add_argument("--seed", type=int, default=0)
    train.add_argument("--reference", type=Path, metavar="FOLDER", help="of the reference's flows, for paper")
    add_options(train, "navier-stokes-runs")
    flows = commands.add_parser("flows", help="make the shipped flows anew, in some minutes")
    flows.add_argument("--output", type=Path, default=Path("navier-stokes-flows"), help="folder (default: %(default)s)")
    flows.add_argument("--threads", type=int, default=1, help="CPU threads; 1 reproduces the shipped flows")
    return parser


if __name__ == "__main__":
    sys.exit(main())
