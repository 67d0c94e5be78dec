"""A photograph as a control: what systems are given of it in the kernel, and what is refused."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from implicit_lib.explore import PAGE_FILES, ControlError, Explorer, Photograph
from implicit_lib.explore._widget import ExplorerWidget
from tests.explore.pictured import SIDE, examples, explorer


def control(**changes: Any) -> Photograph:
    parts: dict[str, Any] = {"name": "picture", "label": "Photograph", "examples": examples(), "side": SIDE}
    return Photograph(**(parts | changes))


def given(value: str, figure: Photograph | None = None) -> np.ndarray[Any, Any]:
    array: np.ndarray[Any, Any] = (figure or control()).reading(value).arrays["picture"]
    assert array.shape == (3, SIDE, SIDE) and array.dtype == np.float64
    return array


def test_an_example_is_given_in_eight_bits() -> None:
    for name, pixels in examples().items():
        np.testing.assert_array_equal(given(name), np.round(255 * pixels) / 255)
    assert control().value == "ramp" and control().sweep() == ["ramp", "noise"]


def test_a_picture_of_ones_own_keeps_its_channels_and_rows() -> None:
    """The bytes are counted here by hand: all reds row by row, then all greens, then all blues."""
    pixels = torch.zeros(3, SIDE, SIDE)
    pixels[1, 2, 5] = 1.0
    value = control().own(pixels)
    data = base64.b64decode(value)
    assert len(data) == 3 * SIDE**2 and data.index(255) == SIDE**2 + 2 * SIDE + 5 and sum(data) == 255
    np.testing.assert_array_equal(given(value), pixels)
    assert control().validate(value) == value


@pytest.mark.parametrize(
    "value",
    [
        "", "cat", "ramp ", None, 3, b"ramp", ["ramp"], "A" * (4 * SIDE**2 - 4), "A" * (4 * SIDE**2 + 4),
        "A" * (4 * SIDE**2 - 1) + "\n", "A" * (4 * SIDE**2 - 2) + "==", "é" * 4 * SIDE**2, "-" * 4 * SIDE**2,
    ],
)  # fmt: skip
def test_other_values_are_refused_in_one_line(value: Any) -> None:
    with pytest.raises(ControlError, match="takes one of \\['ramp', 'noise'\\]") as refused:
        control().validate(value)
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 250


@pytest.mark.parametrize(
    "pixels",
    [np.zeros((SIDE, SIDE, 3)), np.zeros((3, SIDE, SIDE + 1)), np.full((3, SIDE, SIDE), np.nan)]
    + [np.full((3, SIDE, SIDE), level) for level in (-0.01, 1.01, 255)],
)
def test_pictures_that_are_none_are_refused(pixels: np.ndarray[Any, Any]) -> None:
    with pytest.raises(ControlError, match=f"pictures of shape \\(3, {SIDE}, {SIDE}\\) with numbers in \\[0, 1\\]"):
        control().own(pixels)
    with pytest.raises(ControlError):
        control(examples=examples() | {"third": pixels})


def test_examples_that_do_not_fit_are_refused() -> None:
    only = {"ramp": examples()["ramp"]}
    for changes in ({"examples": only}, {"examples": examples() | {"your own": only["ramp"]}}, {"side": 0}):
        with pytest.raises(ControlError, match="needs a side of at least 1 pixel and at least two examples"):
            control(**changes)


def test_a_refused_value_leaves_the_figure() -> None:
    figure = explorer()
    widget = ExplorerWidget(figure)
    photograph = figure.controls["picture"]
    assert isinstance(photograph, Photograph)
    own = photograph.own(np.full((3, SIDE, SIDE), 0.2))
    widget.settings = figure.settings(picture=own, t=1)
    before = widget.frame
    assert np.frombuffer(before["readouts"]["mean"])[0] == pytest.approx(0.1, rel=1e-6)
    widget.settings = {**widget.settings, "picture": "nonsense"}
    assert "got 'nonsense'" in widget.frame["readings"]["picture"]["refused"]
    assert widget.frame["arrays"] == before["arrays"]
    widget.settings = {**widget.settings, "t": 2}
    assert np.frombuffer(widget.frame["readouts"]["mean"])[0] == pytest.approx(0.15, rel=1e-6)
    widget.settings = figure.settings(picture="noise")
    assert widget.frame["readings"]["picture"]["refused"] == ""


def test_every_control_moves_the_figure(capsys: pytest.CaptureFixture[str]) -> None:
    explorer().drive()
    assert "PASS every control of 'pictured' moves its figure" in capsys.readouterr().out


def test_an_example_that_shows_nothing_of_its_own_is_noticed() -> None:
    figure = explorer()
    same = {name: examples()["ramp"] for name in ("ramp", "once more")}
    figure.controls["picture"] = control(examples=same | {"noise": examples()["noise"]})
    with pytest.raises(AssertionError, match="Dead: picture"):
        figure.drive()


def test_the_page_has_each_example_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(PAGE_FILES, str(tmp_path))
    figure: Explorer = explorer()
    text = (tmp_path / "pictured.js").read_text()
    line = text.splitlines()[0].removeprefix("export const description = ").removesuffix(";")
    (found,) = (each for each in json.loads(line)["controls"] if each["kind"] == "photograph")
    photograph = figure.controls["picture"]
    assert isinstance(photograph, Photograph)
    for name, value in found["parameters"]["examples"].items():
        np.testing.assert_array_equal(given(value), given(name))
        assert text.count(value) == 1
    assert json.loads(line)["first"]["readings"] == {"picture": {"ticks": {}, "said": ""}}
    assert max(len(path.read_bytes()) for path in tmp_path.glob("*.onnx")) < 4 * 3 * SIDE**2  # no picture inside
