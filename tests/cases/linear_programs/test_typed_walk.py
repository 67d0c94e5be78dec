"""A linear program that the reader types: what the figure shows of it in the kernel."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from implicit_lib.cases import linear_programs as lp
from implicit_lib.explore import ControlError, Explorer, Text
from implicit_lib.explore._widget import ExplorerWidget
from tests.cases.linear_programs.typed import CHANGES, INFEASIBLE, SOLVED, UNBOUNDED, explorer, networks

REFUSED = {
    "min: x +\nx >= 1": "the line 'min: x +' cannot be read at '+'",
    "x + y": "the first line must begin with 'min:' or 'max:'",
    "min: x\nx >= 1\nx * y <= 3": "the line 'x * y <= 3' cannot be read at '* y'",
    "min: x\n__import__('os') <= 3": "cannot be read at \"__import__('os')\"",
    "min: x\nx = 2\nx = 3": "leaves no value for x",
    "min: 1e999x\nx >= 0": "numbers that are too large",
    "min: " + " + ".join("abcdefghi"): "it has 9 variables and 0 constraints",
    INFEASIBLE: "it is infeasible: no values satisfy all lines together",
    UNBOUNDED: "it is unbounded",
}


@pytest.fixture(scope="module")
def typed() -> Explorer:
    return explorer()


@pytest.mark.parametrize("label", SOLVED)
@torch.no_grad()
def test_padding_changes_nothing(typed: Explorer, label: str) -> None:
    """Against the network on the program as it is, with its own number of variables and constraints."""
    program, names = lp.parse(SOLVED[label])
    model, rival = (network.double() for network in networks())
    n, change = len(names), 0.004
    c = 0.01 * program.c / program.c.abs().max()
    c[0, 0] += change
    program = program._replace(c=c)
    y = torch.stack(model.trajectory(program, 8))[-1, 0].numpy()
    arrays, numbers = typed.frame(program=SOLVED[label], t=8, change=change)
    unit = typed.readings(typed.settings(program=SOLVED[label]))["program"].arrays["unit"]
    drawn, marks = arrays["Graph"]["y"], arrays["Graph"]["constraint"]["x"]
    np.testing.assert_allclose(unit * drawn["y"][:n], y, rtol=1e-11, atol=1e-13)
    assert np.isfinite(drawn["x"][:n]).all() and np.isnan(drawn["x"][n:]).all()
    assert np.isfinite(marks).sum() == program.b.shape[1]
    edges = arrays["Graph"]["edges"]["x"].reshape(-1, 3)
    assert np.isfinite(edges[:, :2]).all(axis=1).sum() == (program.A != 0).sum()
    assert numbers["objective"] == pytest.approx(float(c[0] @ torch.tensor(y)), rel=1e-11)
    try:
        best = lp.optimum(program)
    except lp.LinearProgramError:
        assert np.isnan([numbers["error"], numbers["optimal objective"]]).all()
        return
    assert numbers["error"] == pytest.approx(float(lp.relative_error(torch.tensor(y)[None], best)), rel=1e-9)
    assert numbers["rival error"] == pytest.approx(float(lp.relative_error(rival(program), best)), rel=1e-9)
    np.testing.assert_allclose(unit * arrays["Graph"]["optimum"]["y"][:n], best[0], atol=1e-8)


def test_padding_is_held_at_zero(typed: Explorer) -> None:
    """A node without edges would iterate by itself: once it overflows, all is NaN, 0 times ∞."""
    system = typed.systems[""]
    state = system.start(typed.numbers(typed.settings(program=SOLVED["without rows"])))
    for _ in range(3):
        state = system.step(state)
    assert (state.z[:, :1] != 0).all() and (state.z[:, 1:] == 0).all()


def test_missing_bounds_end_at_the_shelf(typed: Explorer) -> None:
    bounds = typed.arrays(program="min: x + y\nx + y >= 1\nx >= 0")["Graph"]["bounds"]["y"].reshape(-1, 3)
    np.testing.assert_array_equal(bounds[:2, :2], [[0, 12], [-12, 12]])


@pytest.mark.parametrize(("largest", "unit"), [(0.1, 1), (10, 1), (10.5, 2), (20, 2), (21, 5), (450, 50), (1e6, 1e5)])
def test_large_values_are_drawn_in_a_unit_that_the_ticks_know(typed: Explorer, largest: float, unit: float) -> None:
    text = f"max: x\nx <= {largest}"
    assert typed.arrays(program=text)["Graph"]["optimum"]["y"][0] == pytest.approx(largest / unit)
    ticks = typed.readings(typed.settings(program=text))["program"].ticks["y"]
    assert [float(label.replace("−", "-")) for _, label in ticks] == [unit * value for value, _ in ticks]


@pytest.mark.parametrize(("text", "reason"), REFUSED.items())
def test_a_refused_text_leaves_the_figure(typed: Explorer, text: str, reason: str) -> None:
    """And what else is moved still moves it."""
    with pytest.raises(ControlError):
        typed.frame(program=text)
    widget = ExplorerWidget(typed)
    widget.settings = {**widget.settings, "program": SOLVED["without bounds"]}
    before = widget.frame
    assert before["readings"]["program"]["refused"] == ""
    widget.settings = {**widget.settings, "program": text}
    assert reason in widget.frame["readings"]["program"]["refused"]
    assert widget.frame["arrays"] == before["arrays"]
    widget.settings = {**widget.settings, "t": 5}
    expected = typed.arrays(program=SOLVED["without bounds"], t=5)["Error"]["error"]["y"]
    np.testing.assert_array_equal(np.frombuffer(widget.frame["arrays"]["Error"]["error"]["y"]), expected)
    assert reason in widget.frame["readings"]["program"]["refused"]
    widget.settings = {**widget.settings, "program": SOLVED["four variables"]}
    assert widget.frame["readings"]["program"]["refused"] == ""
    assert [label for _, label in widget.frame["readings"]["program"]["ticks"]["x"]] == ["x", "y", "z", "w"]


def test_a_move_of_another_control_reads_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    typed, read = explorer(), []
    monkeypatch.setattr("implicit_lib.cases.linear_programs._typed_walk.parse", lambda text: read.append(text))
    typed.frame(t=7)
    typed.frame(change=0.002)
    assert read == []


def test_the_first_example_can_be_read() -> None:
    with pytest.raises(ControlError, match="infeasible"):
        lp.program_text({"infeasible": INFEASIBLE}, CHANGES)


def test_a_text_has_an_end(typed: Explorer) -> None:
    with pytest.raises(ControlError, match="at most 2000 characters"):
        typed.settings(program="min: x" + " " * 2000)


def test_no_control_is_dead(typed: Explorer) -> None:
    typed.drive()


def test_the_description_is_json(typed: Explorer) -> None:
    control = next(control for control in typed.controls.values() if isinstance(control, Text))
    json.dumps(control.describe())
