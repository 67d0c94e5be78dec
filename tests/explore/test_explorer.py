"""What an explorer draws, how often it computes, and what it refuses."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest
import sympy
import torch
from torch import nn

from implicit_lib.checks import CheckFailed
from implicit_lib.explore import (
    AtProbe,
    Choice,
    ControlError,
    Explorer,
    History,
    Iterations,
    Now,
    Readout,
    Slider,
    SymbolicSystem,
    TorchSystem,
)
from implicit_lib.explore._onnx import Exports
from tests.explore.conftest import (
    ETA,
    POINTS,
    X0,
    Encode,
    Half,
    Look,
    X,
    Y,
    of_torch,
    panel,
    reciprocal,
    remembering,
    sliders,
    symbolic,
)


def test_draws_the_closed_form(explorer: Explorer) -> None:
    for t in range(13):
        for eta in (0.1, 0.5, 0.9):
            drawn = explorer.arrays(t=t, eta=eta)["P"]
            np.testing.assert_allclose(drawn["y"]["y"], (1 - (1 - eta * POINTS) ** t) / POINTS, rtol=1e-12, atol=1e-12)
            np.testing.assert_array_equal(drawn["history"]["x"], np.arange(t + 1))


def test_slope_is_the_derivative(explorer: Explorer) -> None:
    symbol = sympy.Symbol("x")
    slope = sympy.lambdify(symbol, sympy.diff((1 - (1 - symbol / 2) ** 6) / symbol, symbol))
    assert explorer.arrays(t=6, eta=0.5)["P"]["history"]["y"][-1] == pytest.approx(
        np.abs(slope(POINTS)).max(), rel=1e-9
    )


def test_reads_out_at_the_probe_between_the_points(explorer: Explorer) -> None:
    _, numbers = explorer.frame(t=4, eta=0.3, x0=0.55)
    assert numbers["here"] == pytest.approx((1 - (1 - 0.3 * 0.55) ** 4) / 0.55, rel=1e-12)


def test_an_earlier_iterate_is_empty_before_it_exists() -> None:
    late = symbolic(panels=[panel(bind={"y": {"x": Now("x"), "y": Now("y", back=3)}})])
    assert late.arrays(t=2)["P"]["y"]["y"].size == 0
    np.testing.assert_array_equal(late.arrays(t=5)["P"]["y"]["y"], symbolic().arrays(t=2)["P"]["y"]["y"])


def test_moving_t_extends_and_never_recomputes(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = count_steps(monkeypatch, SymbolicSystem)
    explorer = symbolic()
    explorer.arrays(t=5)
    explorer.arrays(t=2)
    explorer.arrays(t=9)
    assert calls() == 9
    explorer.arrays(t=9, eta=0.6)
    assert calls() == 18


def test_moving_what_only_the_view_reads_keeps_the_iterates(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = count_steps(monkeypatch, SymbolicSystem)
    scaled = SymbolicSystem(
        step={Y: Y / 2 + X}, start={Y: 0}, points=(X, POINTS), view={"x": X, "y": X0 * Y, "steepest": ETA}
    )
    explorer = symbolic(system=scaled, readouts=[])
    before = explorer.arrays(t=5, x0=0.5)["P"]["y"]["y"]
    np.testing.assert_allclose(explorer.arrays(t=5, x0=1.0)["P"]["y"]["y"], 2 * before)
    assert calls() == 5


def count_steps(monkeypatch: pytest.MonkeyPatch, kind: type) -> Callable[[], int]:
    calls = []
    step = kind.step  # type: ignore[attr-defined]
    monkeypatch.setattr(kind, "step", lambda self, state: calls.append(1) or step(self, state))
    return lambda: len(calls)


def test_a_torch_system_reaches_its_fixed_point() -> None:
    drawn = of_torch().arrays(t=8, scale=3.0)["P"]
    expected = 2 * (1 - 0.5**8) * 3 * np.linspace(0, 1, 5)
    np.testing.assert_allclose(drawn["y"]["y"], expected, rtol=1e-6)
    assert drawn["history"]["y"][0] == 0


def test_choosing_changes_the_system() -> None:
    systems = {"slow": reciprocal(), "fast": reciprocal(Y - 2 * ETA * (X * Y - 1))}
    chosen = symbolic(system=systems, chosen_by="rule", controls=[*sliders(), rule()])
    slow, fast = (chosen.arrays(t=1, rule=rule)["P"]["y"]["y"] for rule in ("slow", "fast"))
    np.testing.assert_allclose(fast, 2 * slow)


def rule() -> Choice:
    return Choice(name="rule", label="Rule", options=["slow", "fast"], value="slow")


def test_a_system_reads_the_number_of_a_choice() -> None:
    read = symbolic(
        system=reciprocal(Y - (1 + sympy.Symbol("rule")) * ETA * (X * Y - 1)), controls=[*sliders(), rule()]
    )
    slow, fast = (read.arrays(t=1, rule=option)["P"]["y"]["y"] for option in ("slow", "fast"))
    np.testing.assert_allclose(fast, 2 * slow)


def test_a_torch_state_of_several_tensors() -> None:
    explorer = remembering()
    for direction, sign in (("up", 1), ("down", -1)):
        arrays, numbers = explorer.frame(t=6, direction=direction, threshold=0.7)
        np.testing.assert_allclose(arrays["P"]["y"]["y"], sign * np.linspace(0, 1, 5) * 2 * (1 - 0.5**6), rtol=1e-6)
        np.testing.assert_array_equal(arrays["P"]["history"]["y"], np.arange(7))
        assert numbers["first"] == 2  # the largest entry is 1, 1.5, …


def test_moving_what_only_a_torch_view_reads_keeps_the_iterates(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = count_steps(monkeypatch, TorchSystem)
    explorer = remembering()
    assert [explorer.frame(t=6, threshold=threshold)[1]["first"] for threshold in (0.1, 0.7, 0.9)] == [1, 2, 4]
    assert calls() == 6


def test_t_comes_first(explorer: Explorer) -> None:
    assert list(explorer.controls) == ["t", "eta", "x0"]


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"t": 13}, "whole numbers from 0 to 12; got 13"),
        ({"t": -1}, "whole numbers from 0 to 12; got -1"),
        ({"t": 2.5}, "whole numbers"),
        ({"t": True}, "whole numbers"),
        ({"eta": 0.95}, "from 0.1 to 0.9; got 0.95"),
        ({"eta": float("nan")}, "from 0.1 to 0.9; got nan"),
        ({"eta": "0.5"}, "from 0.1 to 0.9; got '0.5'"),
        ({"speed": 1}, "has the controls .* got \\['speed'\\]"),
    ],
)
def test_refuses_a_control_out_of_range(explorer: Explorer, changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ControlError, match=complaint):
        explorer.arrays(**changes)


@pytest.mark.parametrize(
    ("build", "complaint"),
    [
        (lambda: symbolic(name="two words"), "must be an identifier"),
        (lambda: symbolic(controls=sliders()[:1]), "exactly one Iterations"),
        (lambda: symbolic(controls=sliders()[:2]), "reads \\['x0'\\], which no control sets"),
        (lambda: symbolic(panels=[panel(bind={"y": {"y": Now("z")}})]), "draws \\['z'\\]"),
        (lambda: symbolic(chosen_by="rule"), "must name a Choice"),
        (lambda: symbolic(system={"slow": reciprocal()}), "one system for each option .* systems for \\['slow'\\]"),
        (lambda: symbolic(controls=[*sliders(), rule()]), "nothing reads the choice \\['rule'\\]"),
        (lambda: panel(bind={"z": {"y": Now("y")}}), "binds the trace 'z'"),
        (lambda: panel(bind={"y": {"z": Now("y")}}), "can bind 'x' and 'y'"),
        (lambda: panel(alt=" "), "needs an alt text"),
        (lambda: symbolic(panels=[panel(), panel()]), "title of its own"),
        (lambda: symbolic(panels=[panel(bind={"y": {"y": History("y")}})]), "show scalars, but \\['y'\\] are arrays"),
        (lambda: symbolic(readouts=[Readout(label="y", name="y")]), "show scalars, but \\['y'\\] are arrays"),
        (lambda: reciprocal(Y + sympy.Symbol("t")), "cannot read t"),
        (lambda: SymbolicSystem(step={Y: "y + 1"}, start={Y: 0}, points=(X, POINTS), view={}), "SympifyError"),
        (lambda: SymbolicSystem(step={Y: Y}, start={Y: 0}, points=(X, POINTS), view={"a": "y"}), "SympifyError"),
        (lambda: Slider(name="a", label="a", minimum=0, maximum=1, step=0.3, value=0), "its maximum 1 must be"),
        (lambda: Slider(name="a", label="a", minimum=0, maximum=1, step=0.1, value=0.07), "its value 0.07 must be"),
        (
            lambda: torch_system(start=torch.zeros(5, 1).bfloat16()).write_page(Exports(Path()), "x", {"scale": 1}),
            "page runs float32 and float64, but start is torch.bfloat16",
        ),
        (lambda: panel(figure=go.Figure([go.Scatter(), go.Scatter()])), "needs a name of its own"),
        (lambda: Readout(label="r", name="y", format="%s"), "takes a format like"),
        (lambda: Iterations(maximum=0), "at least 1"),
        (lambda: Iterations(maximum=5, value=6), "from 0 to 5; got 6"),
        (lambda: Slider(name="a", label="a", minimum=1, maximum=0, step=1, value=0), "minimum < maximum"),
        (lambda: Choice(name="a", label="a", options=["b", "b"], value="b"), "two different options"),
        (lambda: Choice(name="a", label="a", options=["b", "c"], value="d"), "one of \\['b', 'c'\\]; got 'd'"),
        (lambda: SymbolicSystem(step={Y: Y}, start={}, points=(X, POINTS), view={}), "start defines \\[\\]"),
        (lambda: SymbolicSystem(step={Y: Y}, start={Y: 0}, points=(X, []), view={}), "non-empty 1-D array"),
        (lambda: SymbolicSystem(step={Y: Y}, start={Y: 0}, points=(X, [np.nan]), view={}), "finite numbers"),
        (lambda: SymbolicSystem(step={Y: Y}, start={Y: 0}, points=(X, POINTS), view={"a": AtProbe(Y)}), "needs probe="),
        (lambda: torch_system(start=torch.zeros(5, dtype=torch.int64)), "floating-point tensors .* dtype torch.int64"),
        (
            lambda: torch_system(start={"y": torch.zeros(5), "n": torch.zeros(5).double()}),
            "of one dtype; got dtype torch.float32, torch.float64",
        ),
    ],
)
def test_refuses_parts_that_do_not_fit(build: Callable[[], object], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        build()


def torch_system(**changes: Any) -> TorchSystem:
    parts = {
        "encode": Encode(),
        "step": nn.Identity(),
        "view": Look(),
        "start": torch.zeros(5, 1),
        "controls": ("scale",),
    }
    return TorchSystem(**(parts | changes))


class Widen(nn.Module):
    def forward(self, z: Any, q: torch.Tensor) -> Any:
        return torch.cat([z, q]) if isinstance(z, torch.Tensor) else {"n": torch.zeros(10)}


def test_a_torch_step_keeps_its_shape() -> None:
    system = torch_system(step=Widen())
    with pytest.raises(ValueError, match=r"given \(5, 1\), torch.float32 and returned \(10, 1\)"):
        system.step(system.start({"scale": 1.0}))
    system = torch_system(step=Widen(), start={"y": torch.zeros(5, 1), "n": torch.zeros(1)})
    with pytest.raises(ValueError, match=r"given y: \(5, 1\), .*; n: \(1,\), .* and returned n: \(10,\), "):
        system.step(system.start({"scale": 1.0}))


class Echo(Look):
    def forward(self, z: Any, previous: Any, q: torch.Tensor, zoom: torch.Tensor | None = None) -> Any:
        return super().forward(z, previous, q) | {"zoom": zoom}


def test_a_view_may_not_return_the_name_of_a_control() -> None:
    system = torch_system(view=Echo(), view_controls=("zoom",))
    settings = {"scale": 1.0, "zoom": 2.0}
    state = system.start(settings)
    with pytest.raises(ValueError, match=r"view returns \['zoom'\], which are the names of controls"):
        system.view(state, state, settings, 0)


def test_no_slider_is_dead(explorer: Explorer, capsys: pytest.CaptureFixture[str]) -> None:
    explorer.drive()
    assert capsys.readouterr().out.startswith("PASS every control of 'reciprocal' moves its figure")
    assert explorer.widget.settings == explorer.settings()


def test_a_dead_slider_is_found() -> None:
    numb = Slider(name="numb", label="n", minimum=0, maximum=1, step=0.5, value=0)
    with pytest.raises(CheckFailed, match="Dead: numb"):
        symbolic(controls=[*sliders(), numb]).drive()


def test_a_slider_that_changes_only_the_last_bit_is_dead() -> None:
    wobble = reciprocal(Y - ETA * (X * Y - 1) * (sympy.sin(sympy.Symbol("w")) ** 2 + sympy.cos(sympy.Symbol("w")) ** 2))
    slider = Slider(name="w", label="w", minimum=0, maximum=1, step=0.1, value=0)
    with pytest.raises(CheckFailed, match="Dead: w\\."):
        symbolic(system=wobble, controls=[*sliders(), slider]).drive()


def test_an_operator_that_stands_still_is_found() -> None:
    with pytest.raises(CheckFailed, match="Dead: t, eta, x0"):
        symbolic(system=reciprocal(Y + 0 * ETA)).drive()


def test_two_options_that_show_the_same_are_found() -> None:
    choice = Choice(name="rule", label="Rule", options=["one", "other"], value="one")
    same = {"one": reciprocal(), "other": reciprocal()}
    with pytest.raises(CheckFailed, match="Dead: rule"):
        symbolic(system=same, chosen_by="rule", controls=[*sliders(), choice]).drive()


def test_a_slider_that_is_dead_under_one_option_is_found() -> None:
    choice = Choice(name="rule", label="Rule", options=["free", "fixed"], value="free")
    systems = {"free": reciprocal(), "fixed": reciprocal(Y - (X * Y - 1) / 3)}
    with pytest.raises(CheckFailed, match="Dead: eta under fixed"):
        symbolic(system=systems, chosen_by="rule", controls=[*sliders(), choice]).drive()


def test_a_callback_that_raises_is_found(explorer: Explorer, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = explorer.frame
    monkeypatch.setattr(explorer, "frame", lambda **settings: 1 / (settings["eta"] - 0.9) and frame(**settings))
    with pytest.raises(ZeroDivisionError):
        explorer.drive()


def test_the_widget_sends_what_arrays_returns(explorer: Explorer) -> None:
    explorer.widget.settings = explorer.settings(t=7)
    sent = np.frombuffer(explorer.widget.frame["arrays"]["P"]["y"]["y"])
    np.testing.assert_array_equal(sent, explorer.arrays(t=7)["P"]["y"]["y"])
    assert np.frombuffer(explorer.widget.frame["readouts"]["here"]) == explorer.frame(t=7)[1]["here"]


def test_the_widget_sends_gaps_and_infinities() -> None:
    diverging = symbolic(system=reciprocal(1e200 * (Y + X)), readouts=[])
    sent = np.frombuffer(diverging.widget.frame["arrays"]["P"]["y"]["y"])
    np.testing.assert_array_equal(sent, diverging.arrays()["P"]["y"]["y"])


def test_a_torch_system_stays_on_its_device() -> None:
    with torch.device("meta"):  # as strict about devices as CUDA, and here without one
        system = torch_system(encode=Encode(), step=Half(), start=torch.zeros(5, 1))
    state = system.step(system.start({"scale": 2.0}))
    assert state.z.device.type == "meta"


@pytest.mark.parametrize("end", [1.5550883635269477, math.pi, 1 / 3])
def test_the_ends_of_a_sweep_are_the_sliders_own(end: float) -> None:
    slider = Slider(name="x0", label="x", minimum=-end, maximum=end, step=end / 100, value=0.0)
    assert slider.sweep()[0] == -end and slider.sweep()[-1] == end
    assert [slider.validate(value) for value in slider.sweep()] == slider.sweep()
