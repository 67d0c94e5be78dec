"""A small explorer of each kind, with known answers."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
import pytest
import sympy
import torch
from torch import Tensor, nn

from implicit_lib.explore import (
    AtProbe,
    Choice,
    Explorer,
    History,
    Iterations,
    Maximum,
    Now,
    Panel,
    Readout,
    Slider,
    SymbolicSystem,
    TorchSystem,
    tangent,
)

X, Y, DY, ETA, X0 = sympy.symbols("x y dy eta x0")
POINTS = np.linspace(0.1, 1, 10)


def reciprocal(G: sympy.Expr = Y - ETA * (X * Y - 1)) -> SymbolicSystem:
    """y ← G from 0: by default y_t = (1 − (1 − ηx)^t)/x."""
    return SymbolicSystem(
        step={Y: G, DY: tangent(G, y=Y, x=X, dy=DY)},
        start={Y: 0, DY: 0},
        points=(X, POINTS),
        probe=X0,
        view={"x": X, "y": Y, "steepest": Maximum(sympy.Abs(DY)), "here": AtProbe(Y), "twice t": 2 * sympy.Symbol("t")},
    )


class Encode(nn.Module):
    """x scaled by the control."""

    x: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("x", torch.linspace(0, 1, 5)[:, None])

    def forward(self, scale: Tensor) -> tuple[Tensor]:
        return (scale * self.x,)


class Half(nn.Module):
    """z ← z/2 + q: its fixed point is 2q."""

    def forward(self, z: Tensor, q: Tensor) -> Tensor:
        return z / 2 + q


class Look(nn.Module):
    """The state, and how far the last step went."""

    def forward(self, z: Tensor, previous: Tensor, q: Tensor) -> dict[str, Tensor]:
        return {"x": q[:, 0], "y": z[:, 0], "moved": (z - previous).abs().max()}


def halving() -> TorchSystem:
    return TorchSystem(encode=Encode(), step=Half(), view=Look(), start=torch.zeros(5, 1), controls=("scale",))


def panel(**changes: object) -> Panel:
    parts: dict[str, object] = {
        "title": "P",
        "figure": go.Figure([go.Scatter(name="y"), go.Scatter(name="history")]),
        "bind": {"y": {"x": Now("x"), "y": Now("y")}, "history": {"x": History("t"), "y": History("steepest")}},
        "alt": "y against x",
    }
    return Panel(**(parts | changes))  # type: ignore[arg-type]


def sliders() -> list[Iterations | Slider | Choice]:
    return [
        Slider(name="eta", label="η", minimum=0.1, maximum=0.9, step=0.1, value=0.5),
        Iterations(maximum=12, value=3),
        Slider(name="x0", label="x₀", minimum=0, maximum=1, step=0.1, value=0.5),
    ]


def symbolic(**changes: object) -> Explorer:
    parts: dict[str, object] = {
        "name": "reciprocal",
        "title": "1/x",
        "system": reciprocal(),
        "controls": sliders(),
        "panels": [panel()],
        "readouts": [Readout(label="y at x₀", name="here", format=".3f", unit="m")],
    }
    return Explorer(**(parts | changes))  # type: ignore[arg-type]


def of_torch() -> Explorer:
    bind = {"y": {"x": Now("x"), "y": Now("y")}, "history": {"x": History("t"), "y": History("moved")}}
    return Explorer(
        name="halving",
        title="z ← z/2 + q",
        system=halving(),
        controls=[Iterations(maximum=8), Slider(name="scale", label="s", minimum=1, maximum=3, step=1, value=2)],
        panels=[panel(bind=bind)],
    )


class Direct(nn.Module):
    """x, up or down as the choice says."""

    x: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("x", torch.linspace(0, 1, 5))

    def forward(self, direction: Tensor) -> tuple[Tensor]:
        return ((1 - 2 * direction) * self.x,)


class HalfAndRemember(nn.Module):
    """y ← y/2 + q, how often, and the largest entries so far."""

    def forward(self, z: dict[str, Tensor], q: Tensor) -> dict[str, Tensor]:
        y = z["y"] / 2 + q
        return {
            "count": z["count"] + 1,
            "y": y,
            "largest": torch.cat([z["largest"][1:], y.abs().max().reshape(1)]),
        }


class LookBack(nn.Module):
    """The state, and the first iteration whose largest entry exceeded twice the threshold."""

    def forward(
        self, z: dict[str, Tensor], previous: dict[str, Tensor], q: Tensor, threshold: Tensor
    ) -> dict[str, Tensor]:
        exceeded = (z["largest"] > 2 * threshold).sum()
        first = torch.where(exceeded > 0, z["count"] - exceeded + 1, torch.full_like(z["count"], torch.inf))
        return {"x": q, "y": z["y"], "count": z["count"], "first": first, "new": z["count"] - previous["count"]}


def remembering() -> Explorer:
    """A state of several tensors, a choice that is read as a number, and a slider that only the view reads."""
    system = TorchSystem(
        encode=Direct(),
        step=HalfAndRemember(),
        view=LookBack(),
        start={"y": torch.zeros(5), "count": torch.zeros(()), "largest": torch.zeros(8)},
        controls=("direction",),
        view_controls=("threshold",),
    )
    bind = {"y": {"x": Now("x"), "y": Now("y")}, "history": {"x": History("t"), "y": History("count")}}
    return Explorer(
        name="remembering",
        title="y ← y/2 ± q",
        system=system,
        controls=[
            Iterations(maximum=8, value=4),
            Slider(name="threshold", label="h", minimum=0.1, maximum=0.9, step=0.1, value=0.5),
            Choice(name="direction", label="d", options=["up", "down"], value="up"),
        ],
        panels=[panel(bind=bind)],
        readouts=[Readout(label="first", name="first"), Readout(label="new", name="new")],
    )


@pytest.fixture
def explorer() -> Explorer:
    return symbolic()
