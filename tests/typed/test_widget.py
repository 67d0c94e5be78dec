"""The widget of typed functions in a session, without a browser."""

from __future__ import annotations

import threading

import pytest

from implicit_lib.typed import PRESETS, TypedFunction, answer
from implicit_lib.typed._typed import HINT
from implicit_lib.typed._widget import OWN, TypedWidget

IN_THE_PLANE = next(preset for preset in PRESETS if preset.formula == "x/y")


@pytest.fixture(scope="module")
def typed() -> TypedFunction:
    return TypedFunction(presets=[PRESETS[0], PRESETS[2], IN_THE_PLANE, PRESETS[-1]])


@pytest.fixture
def widget(typed: TypedFunction) -> TypedWidget:
    return TypedWidget(typed.name, typed.presets, typed._first, HINT)


def test_starts_with_the_first_preset(widget: TypedWidget) -> None:
    assert widget.formula.value == PRESETS[0].formula
    assert "<strong>certified</strong>" in widget.verdict.value


def test_a_typed_formula_is_certified_and_drawn(widget: TypedWidget) -> None:
    before = widget.box.children[-1]
    widget.formula.value = "1/(x + 1)"
    widget.wait()
    assert "<strong>certified</strong>" in widget.verdict.value and widget.preset.value == OWN
    assert widget.box.children[-1] is not before
    assert widget.cancel.disabled


def test_a_preset_fills_both_fields(widget: TypedWidget) -> None:
    widget.preset.value = PRESETS[2].label
    widget.wait()
    assert (widget.formula.value, widget.domain.value) == (PRESETS[2].formula, PRESETS[2].domain)
    assert PRESETS[2].formula in widget.box.children[-1].description["title"]


def test_a_function_of_two_variables_brings_a_slider_for_each(widget: TypedWidget) -> None:
    widget.preset.value = IN_THE_PLANE.label
    widget.wait()
    in_the_plane = widget.box.children[-1]
    assert [control["name"] for control in in_the_plane.description["controls"]] == ["t", "x0", "section"]
    widget.domain.value, widget.formula.value = "[-1, 1] x [-1, 1]", "x*y"
    widget.wait()
    assert "<strong>certified</strong>" in widget.verdict.value
    assert widget.box.children[-1].description["title"] == "F(x, y) = x*y on [-1, 1] x [-1, 1]"
    widget.domain.value = "[-1, 1]"
    widget.wait()
    assert "give it an interval too" in widget.verdict.value


def test_typing_a_preset_selects_it(widget: TypedWidget) -> None:
    widget.formula.value = "x + 1"
    widget.formula.value = PRESETS[0].formula
    widget.wait()
    assert widget.preset.value == PRESETS[0].label


@pytest.mark.parametrize(
    ("formula", "said"), [("2x", "write * for times"), ("<b>", "value is expected"), ("", "nothing")]
)
def test_what_cannot_be_read_leaves_the_figure(widget: TypedWidget, formula: str, said: str) -> None:
    before = widget.box.children[-1]
    widget.formula.value = formula
    widget.wait()
    assert said in widget.verdict.value and "^</pre>" in widget.verdict.value
    assert "<b>" not in widget.verdict.value
    assert widget.box.children[-1] is before


def test_a_refuted_function_leaves_the_figure(widget: TypedWidget) -> None:
    before = widget.box.children[-1]
    widget.preset.value = PRESETS[-1].label
    widget.wait()
    assert "<strong>refuted</strong>" in widget.verdict.value and "x = 1, y = 1" in widget.verdict.value
    assert widget.box.children[-1] is before


def test_a_cancelled_formula_is_left_aside(widget: TypedWidget, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow(*arguments: str, name: str) -> object:
        begun.set()
        go_on.wait(10)
        return answer(*arguments, name=name)

    monkeypatch.setattr("implicit_lib.typed._widget.answer", slow)
    before = widget.box.children[-1]
    widget.formula.value = "x + 2"
    assert begun.wait(10) and not widget.cancel.disabled
    assert "Looking for a certificate" in widget.verdict.value
    widget.cancel.click()
    go_on.set()
    widget.wait()
    assert "Cancelled" in widget.verdict.value and widget.box.children[-1] is before


def test_no_control_is_dead(typed: TypedFunction) -> None:
    typed.drive()


def test_the_first_preset_is_one_that_is_reached() -> None:
    with pytest.raises(ValueError, match="must be reached"):
        TypedFunction(presets=[PRESETS[-1]])
