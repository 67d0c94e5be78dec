"""The functions that the widget offers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Preset:
    """A formula, its domain, and how the choice names it."""

    label: str
    formula: str
    domain: str


PRESETS = (
    Preset("1/x on (0, 1]", "1/x", "(0, 1]"),
    Preset("1/x on both sides of 0", "1/x", "[-1, 1] \\ {0}"),
    Preset("log x", "log(x)", "(0, 4]"),
    Preset("tan x", "tan(x)", "(-pi/2, pi/2)"),
    Preset("√x", "sqrt(x)", "(0, 4]"),
    Preset("Γ(x)", "gamma(x)", "(0, 5]"),
    Preset("sin(1/x)", "sin(1/x)", "(0, 1]"),
    Preset("x sin(1/x)", "x*sin(1/x)", "(0, 1]"),
    Preset("exp(x²)", "exp(x**2)", "[-3, 3]"),
    Preset("|x|^(1/3): an infinite slope", "abs(x)**(1/3)", "[-1, 1]"),
    Preset("a step: a jump", "piecewise(x < 0, -1, 1)", "[-1, 1]"),
    Preset("x/y: an open edge", "x/y", "[-1, 1] x (0, 1]"),
    Preset("1/(x² + y²): a hole", "1/(x**2 + y**2)", "[-1, 1] x [-1, 1] \\ {(0, 0)}"),
    Preset("1/(xy): two open edges", "1/(x*y)", "(0, 1] x (0, 1]"),
    Preset("√(x² + y²): a kink", "sqrt(x**2 + y**2)", "[-1, 1] x [-1, 1]"),
    Preset("√|xy|: an infinite slope", "sqrt(abs(x*y))", "[-1, 1] x [-1, 1]"),
    Preset("a step in the plane: a jump", "piecewise(x < y, -1, 1)", "[-1, 1] x [-1, 1]"),
)
