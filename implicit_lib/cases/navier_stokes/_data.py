"""The flows that ship: 2,000 to train on and 200 to test on, at ν = 0.1, as Fourier coefficients."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from implicit_lib.cases._files import data_hash, read_tensors, write_tensors
from implicit_lib.cases._running import Progress

from ._flow import Flow
from ._flows import WAVES, Flows, from_waves, generate

VISCOSITY = 0.1

FOLDER = Path(__file__).parent / "data"

_SEEDS = {"training": (1, 2_000), "held_out": (2, 200)}
"""Of the random numbers; and how many flows."""


def training_flows(side: int = 32) -> Flows:
    """What every network is trained on, on N × N points, N = side a multiple of 32."""
    return _shipped("training", side)


def held_out_flows(side: int = 32) -> Flows:
    """What every network is tested on, drawn in the same way."""
    return _shipped("held_out", side)


def shipped_hash() -> str:
    """SHA-256 of both, as they ship."""
    return data_hash(*(_read(name)[0] for name in _SEEDS))


def make(folder: Path, progress: Progress = print) -> None:
    """Make the shipped files anew, by `generate`: five minutes; interrupted, the same call goes on."""
    for name, (seed, count) in _SEEDS.items():
        part = folder / f"{name}.whole"
        flows = generate(count, seed=seed, viscosity=VISCOSITY, file=part, progress=progress)
        coefficients = Flow(32, VISCOSITY).torus.coefficients(flows.vorticity)[:, :WAVES, :WAVES]
        tally = torch.tensor([flows.drawn, flows.elsewhere, flows.unreached])
        write_tensors({"vorticity": coefficients.float(), "tally": tally}, folder / f"{name}.safetensors")
        part.unlink()


@cache
def _read(name: str) -> tuple[Tensor, Tensor]:
    coefficients, tally = read_tensors(FOLDER / f"{name}.safetensors", ("vorticity", "tally"))
    return coefficients.double(), tally


def _shipped(name: str, side: int) -> Flows:
    coefficients, tally = _read(name)
    flow = Flow(side, VISCOSITY)
    vorticity = from_waves(coefficients, flow)
    return Flows(flow.forcing_of(vorticity), vorticity, *(int(number) for number in tally))
