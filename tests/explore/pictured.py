"""A small figure of a photograph, which its iterates come closer to by halves."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go
import torch
from torch import Tensor, nn

from implicit_lib.explore import (
    Explorer,
    History,
    Iterations,
    Now,
    Panel,
    Photograph,
    Pictures,
    Readout,
    Slider,
    TorchSystem,
)

SIDE = 16


def examples() -> dict[str, npt.NDArray[np.float64]]:
    """A ramp from left to right, its red the strongest; and noise."""
    ramp = np.array([1.0, 0.6, 0.2])[:, None, None] * np.linspace(0, 1, SIDE) * np.ones((SIDE, 1))
    return {"ramp": ramp, "noise": np.random.default_rng(0).random((3, SIDE, SIDE))}


class Scaled(nn.Module):
    def forward(self, picture: Tensor, gain: Tensor) -> tuple[Tensor, ...]:
        return gain * picture, picture


class Halfway(nn.Module):
    def forward(self, z: Tensor, q: Tensor, picture: Tensor) -> Tensor:
        return (z + q) / 2


class Beside(nn.Module):
    def forward(self, z: Tensor, previous: Tensor, q: Tensor, picture: Tensor) -> dict[str, Tensor]:
        return {"given": picture.flatten(), "now": z.flatten(), "mean": z.mean()}


def explorer() -> Explorer:
    system = TorchSystem(
        encode=Scaled(),
        step=Halfway(),
        view=Beside(),
        start=torch.zeros(3, SIDE, SIDE),
        controls=("picture", "gain"),
    )
    return Explorer(
        name="pictured",
        title="A photograph, by halves",
        system=system,
        controls=[
            Iterations(maximum=8, value=2),
            Photograph(name="picture", label="Photograph", examples=examples(), side=SIDE),
            Slider(name="gain", label="Gain", minimum=0.5, maximum=1.0, step=0.25, value=1.0),
        ],
        panels=[
            Pictures(
                title="Pictures",
                show={"given": Now("given"), "now": Now("now")},
                side=SIDE,
                alt="The photograph, and the present iterate.",
            ),
            Panel(
                title="Mean",
                figure=go.Figure(
                    [go.Scatter(name="mean", mode="lines")], {"xaxis": {"range": [0, 8]}, "yaxis": {"range": [0, 1]}}
                ),
                bind={"mean": {"x": History("t"), "y": History("mean")}},
                alt="The mean of the iterate.",
            ),
        ],
        readouts=[Readout(label="mean", name="mean", format=".4f")],
    )
