"""A small figure into which a linear program is typed, and programs to type."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
import torch

from implicit_lib.cases import linear_programs as lp
from implicit_lib.explore import Explorer, History, Iterations, Now, Panel, Readout, Slider, TorchSystem

CHANGES = np.linspace(-0.6, 0.6, 7)

SOLVED = {
    "four variables": """
        min: x - 2y + z - w
        x + y + z = 0.5
        x - y + w >= -1
        2y - w <= 3
        -5 <= x <= 5
        -4 <= y <= 6
        -3 <= z <= 5
        -8 <= w <= 2""",
    "without bounds": "max: 2u + 3v\nu + v <= 40\nu - v = 1\nu >= 0",
    "of least norm": "min: x + y\nx + y >= 3\nx <= 5\ny <= 5",
    "without rows": "max: x\n-1 <= x <= 0.25",
    "no optimum for some changes": "min: x + y\nx + y >= 1\nx - y <= 4",
    "full": "min: a + b + c + d + e + f + g + h\n"
    + "\n".join(f"{i}a + b - {7 - i}h >= {i - 3}" for i in range(1, 7))
    + "\n"
    + "\n".join(f"-9 <= {name} <= 7" for name in "abcdefgh"),
}
INFEASIBLE = "min: x\nx + y >= 3\nx + y <= 2"
UNBOUNDED = "min: x - y\nx + y >= 3"


def networks() -> tuple[lp.ImplicitGNN, lp.ExplicitGNN]:
    """Untrained, but with biases everywhere, as trained ones have: a node of zeros then does not stay one."""
    torch.manual_seed(0)
    implicit, explicit = lp.ImplicitGNN(4), lp.ExplicitGNN(4)
    for network in (implicit, explicit):
        for parameter in network.parameters():
            parameter.data += 0.1 * torch.rand_like(parameter)
    return implicit, explicit


def explorer() -> Explorer:
    parts = lp.typed_walk(*networks(), CHANGES)  # type: ignore[arg-type]
    system = TorchSystem(
        encode=parts.encode,
        step=parts.step,
        view=parts.view,
        start=parts.start,
        controls=lp.ARRAYS,
        view_controls=("change",),
    )
    names = ("bounds", "edges", "constraint", "y", "optimum")
    bind = {name: {"x": Now(f"{name} x"), "y": Now(f"{name} y")} for name in names[:3]}
    bind |= {name: {"x": Now("variable"), "y": Now(name)} for name in names[3:]}
    scalars = ("error", "rival error", "objective", "optimal objective", "violation", "slope")
    graph = go.Figure([go.Scatter(name=name) for name in names], {"xaxis": {"range": [0, 1]}})
    return Explorer(
        name="typed",
        title="A typed program",
        system=system,
        controls=[
            Iterations(maximum=12, value=2),
            Slider(name="change", label="Change", minimum=-0.006, maximum=0.006, step=0.002, value=0.0, format=".3f"),
            lp.program_text({**SOLVED, "infeasible": INFEASIBLE}, CHANGES),
        ],
        panels=[
            Panel(title="Graph", figure=graph, bind=bind, alt="The graph.", ticks="program"),
            Panel(
                title="Error",
                figure=go.Figure([go.Scatter(name="error")]),
                bind={"error": {"x": History("t"), "y": History("error")}},
                alt="The error.",
            ),
        ],
        readouts=[Readout(label=name, name=name) for name in scalars],
    )
