"""The kernel engine: ipywidgets controls over one plotly FigureWidget."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

import ipywidgets as widgets
import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ._controls import Choice, Iterations

if TYPE_CHECKING:
    from ._controls import Control
    from ._explorer import Explorer

_STYLE = {"description_width": "initial"}
_INK = "#757575"  # readable on JupyterLab's white and on its black


class ExplorerWidget:
    """Controls, figure and readouts of one explorer; moving a control redraws what changed."""

    def __init__(self, explorer: Explorer) -> None:
        self._explorer = explorer
        self.controls = {name: _control_widget(control) for name, control in explorer.controls.items()}
        self.figure = _one_figure(explorer)
        self.readouts = widgets.HTML()
        layout = widgets.Layout(flex_flow="row wrap", grid_gap="0 1.5em")
        self.box = widgets.VBox([widgets.HBox(list(self.controls.values()), layout=layout), self.readouts, self.figure])
        for control in self.controls.values():
            control.observe(self._redraw, names="value")
        self._redraw()

    @property
    def settings(self) -> dict[str, Any]:
        """What the controls are set to."""
        return {name: control.value for name, control in self.controls.items()}

    def _redraw(self, change: Any = None) -> None:
        arrays, numbers = self._explorer.frame(**self.settings)
        traces = iter(self.figure.data)
        with self.figure.batch_update():
            for panel in self._explorer.panels:
                for drawn, trace in zip(panel.figure.data, traces, strict=False):
                    for axis, values in arrays[panel.title].get(drawn.name, {}).items():
                        if not np.array_equal(trace[axis], values, equal_nan=True):
                            trace[axis] = values
        items = (f"{html.escape(r.label)}: <b>{r.text(numbers[r.name])}</b>" for r in self._explorer.readouts)
        self.readouts.value = " &nbsp;·&nbsp; ".join(items)


def _control_widget(control: Control) -> Any:
    """The ipywidget of a control. Sliders show the value and take the keyboard."""
    if isinstance(control, Choice):
        return widgets.Dropdown(
            options=list(control.options), value=control.value, description=control.label, style=_STYLE
        )
    if isinstance(control, Iterations):
        return widgets.IntSlider(control.value, 0, control.maximum, 1, description=control.label, style=_STYLE)
    return widgets.FloatSlider(
        control.value, min=control.minimum, max=control.maximum, step=control.step, description=control.label,
        readout_format=control.format, style=_STYLE,
    )  # fmt: skip


def _one_figure(explorer: Explorer) -> go.FigureWidget:
    """All panels side by side in one figure: every FigureWidget costs the front end megabytes."""
    columns = len(explorer.panels)
    figure = make_subplots(rows=1, cols=columns, subplot_titles=[p.title for p in explorer.panels])
    for column, panel in enumerate(explorer.panels, start=1):
        for trace in panel.figure.data:
            figure.add_trace(trace, row=1, col=column)
        figure.update_xaxes(panel.figure.layout.xaxis.to_plotly_json(), row=1, col=column)
        figure.update_yaxes(panel.figure.layout.yaxis.to_plotly_json(), row=1, col=column)
    figure.update_layout(
        title=explorer.title, autosize=True, height=420, margin={"l": 50, "r": 20, "t": 90, "b": 40}, font_color=_INK,
        paper_bgcolor="rgba(0,0,0,0)", plot_bgcolor="rgba(0,0,0,0)", legend={"orientation": "h", "y": -0.15},
    )  # fmt: skip
    # Automatic margins draw everything twice, and hiding labels that hang over measures each: at every move.
    fast = {"automargin": False, "ticklabeloverflow": "allow"}
    lines = {"gridcolor": "rgba(128,128,128,.25)", "zerolinecolor": "rgba(128,128,128,.5)"}
    figure.update_xaxes(**fast, **lines)
    figure.update_yaxes(**fast, **lines)
    return go.FigureWidget(figure)
