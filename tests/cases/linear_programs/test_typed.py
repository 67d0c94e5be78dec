"""A linear program as text is the one that was meant; anything else is refused, and the message shows the line."""

import time

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from implicit_lib.cases.linear_programs import LinearProgram, LinearProgramError, optimum, parse
from implicit_lib.cases.linear_programs._typed import LONGEST, LONGEST_NAME, MOST

INFINITY = float("inf")


def fields(text: str) -> dict[str, object]:
    program, names = parse(text)
    return {"names": names} | {name: value[0].tolist() for name, value in program._asdict().items()}


def test_a_text_is_scipys_arrays() -> None:
    program, names = parse(
        """
        max: -x + 2y - 2z + w
        x + y + z = 0.5
        x - y + w >= -1
        2y - w <= 3
        -5 <= x <= 5
        6 >= y >= -4
        -3 <= z
        z <= 5
        -8 <= w
        2 w <= 4
        """
    )
    expected = linprog(
        [1, -2, 2, -1],
        A_ub=[[-1, 1, 0, -1], [0, 2, 0, -1]],
        b_ub=[1, 3],
        A_eq=[[1, 1, 1, 0]],
        b_eq=[0.5],
        bounds=[(-5, 5), (-4, 6), (-3, 5), (-8, 2)],
    )
    assert names == ("x", "y", "z", "w")
    torch.testing.assert_close(optimum(program)[0], torch.from_numpy(expected.x))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("min: x\nx >= 1", {"names": ("x",), "c": [1], "lower": [1], "upper": [INFINITY], "A": []}),
        ("max: x\nx <= 1", {"c": [-1], "lower": [-INFINITY], "upper": [1]}),
        ("min: 0\nx + y = 1", {"names": ("x", "y"), "c": [0, 0], "A": [[1, 1]], "b": [1], "equality": [1]}),
        ("min: x + 7\n3 <= x", {"c": [1], "lower": [3]}),  # a constant moves no optimum
        ("min: x + x - 3x + y - y\nx = 2\ny = 1", {"c": [-1, 0], "lower": [2, 1], "upper": [2, 1]}),  # the same twice
        ("min: y - x\nx + 2y >= 3x - 1 + y", {"names": ("y", "x"), "A": [[-1, 2]], "b": [1], "equality": [0]}),
        ("min: x\nx + 1 <= 4 - 2x", {"upper": [1]}),
        ("min: x\n-2x <= 4\n-3 >= 3x", {"lower": [-2], "upper": [-1]}),
        ("min: x\n1 <= 2x + 1 <= 5", {"lower": [0], "upper": [2]}),
        ("min: x\nx >= 0\nx >= 1\nx <= 9\nx <= 7", {"lower": [1], "upper": [7]}),  # the tighter ones
        ("min: x\nx >= 1\nx >= 0\nx <= 7\nx <= 9\n2x >= 1", {"lower": [1], "upper": [7]}),
        ("min: x\nx + y <= y + 2", {"names": ("x", "y"), "upper": [2, INFINITY], "A": []}),  # y cancels
        ("min: 2e3x + 2e - 3x + .5E1z + 2.y\nx=0", {"names": ("x", "e", "z", "y"), "c": [1997, 2, 5, 2]}),
        ("min: 2 e1 + 3*e2 + 4 * e3\ne1=0", {"names": ("e1", "e2", "e3"), "c": [2, 3, 4]}),
        ("min:\t2\u00a0x\r\n\r\n  x  >=  0  \r", {"c": [2], "lower": [0]}),  # tabs, no-break spaces, any line's end
        ("min: 3x − 2y\n1 ≤ x ≤ 2\ny ≥ −1", {"c": [3, -2], "lower": [1, -1], "upper": [2, INFINITY]}),
        ("min: X + x + x_1\nx >= 0", {"names": ("X", "x", "x_1")}),
        ("min: constructor\n0 <= toString", {"names": ("constructor", "toString")}),
        ("min: nan\n0 <= inf\nx + inf <= 1", {"names": ("nan", "inf", "x")}),  # names like any others
    ],
)
def test_what_a_text_means(text: str, expected: dict[str, object]) -> None:
    found = fields(text)
    assert {name: found[name] for name in expected} == expected


def test_zero_has_no_sign() -> None:
    program, _ = parse("max: 0x + y\nx <= 0\n0 <= y\nx + y = 0\nx - y <= 0")
    for field in program:
        assert not (torch.signbit(field) & (field == 0)).any()


def number(value: float, digits: np.random.Generator) -> str:
    """The value as text, exactly, in one of several ways."""
    return [repr(float(value)), f"{value:.17e}", f"{value:.20f}" if abs(value) > 1e-2 else repr(float(value))][
        int(digits.integers(3))
    ]


def as_sum(row: np.ndarray, rng: np.random.Generator) -> str:
    terms = []
    for j in rng.permutation(np.flatnonzero(row)):
        sign, gap = "-" if row[j] < 0 else "+", " " * int(rng.integers(3))
        times = ["", " ", "*", " * "][int(rng.integers(4))]
        terms.append(f"{sign}{gap}{number(abs(row[j]), rng)}{times}v{j}")
    return " ".join(terms) or "0"


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10**9), st.integers(1, 6), st.integers(0, 4), st.integers(0, 3))
def test_printed_and_parsed_is_the_same(seed: int, n: int, k: int, same: int) -> None:
    rng = np.random.default_rng(seed)
    c = rng.standard_normal(n) * rng.integers(0, 2, n)
    A = rng.standard_normal((k + same, n)) * 10.0 ** rng.integers(-9, 9, (k + same, n))
    A *= rng.random((k + same, n)) < 0.8
    assume(((A != 0).sum(axis=1) >= 2).all())  # a row of one variable is a bound
    b = rng.standard_normal(k + same)
    limits = np.sort(rng.standard_normal((n, 2)), axis=1)
    limits[rng.random((n, 2)) < 0.3] = np.nan  # no bound
    lines = [f"{'min' if seed % 2 else 'max'}: {as_sum(c if seed % 2 else -c, rng)}"]
    lines[0] += "".join(f" + 0 v{j}" for j in range(n))  # in the order of the columns
    lines[0] = lines[0] if c.any() else lines[0].replace(": 0 + ", ": ")
    for row, right in zip(A[:k], b[:k], strict=True):
        left, value = as_sum(row, rng), number(right, rng)
        lines.append(f"{left} <= {value}" if rng.integers(2) else f"{value} >= {left}")
    lines += [f"{as_sum(row, rng)} = {number(right, rng)}" for row, right in zip(A[k:], b[k:], strict=True)]
    for j, (low, high) in enumerate(limits):
        if np.isfinite([low, high]).all() and rng.integers(2):
            lines.append(f"{number(low, rng)} <= v{j} <= {number(high, rng)}")
        else:
            lines += [f"v{j} >= {number(low, rng)}"] * int(np.isfinite(low))
            lines += [f"{number(high, rng)} >= v{j}"] * int(np.isfinite(high))
    program, names = parse("\n".join(lines))
    at = [names.index(f"v{j}") for j in range(n)]
    bounds = [(None if np.isnan(low) else low, None if np.isnan(high) else high) for low, high in limits]
    expected = LinearProgram.from_scipy(c, A[:k], b[:k], A[k:], b[k:], bounds)
    for name, found, wanted in zip(LinearProgram._fields, program, expected, strict=True):
        mine = found if name in ("b", "equality") else found[..., at]
        assert torch.equal(mine, wanted), name


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the first line must begin with 'min:' or 'max:'; write, for example"),
        ("x >= 0", "the first line must begin"),
        ("minimise x", "the first line must begin"),
        ("min:\nx >= 0", "a side of the line 'min:' is empty"),
        ("min: 3\n", "there is no variable in it"),
        ("min: x\nx", "the line 'x' does not compare two sides"),
        ("min: x\nx < 3", "the line 'x < 3' does not compare"),
        ("min: x\nx == 3", "a side of the line 'x == 3' is empty"),
        ("min: x\n>= 3", "a side of the line '>= 3' is empty"),
        ("min: x\nx =< 3", "the line 'x =< 3' cannot be read at '< 3'"),
        ("min: x\n1 <= x <= 2 <= 3", "does not compare two sides"),
        ("min: x\nx <= y <= 3", "the line 'x <= y <= 3' has two comparisons, which only the bounds"),
        ("min: x\n0 <= x + y <= 3", "has two comparisons"),
        ("min: x y\nx >= 0", "the line 'min: x y' cannot be read at 'y'"),
        ("min: x\nx <= 1 2", "the line 'x <= 1 2' cannot be read at '2'"),
        ("min: x2 3\nx2 >= 0", "cannot be read at '3'"),
        ("min: x\nx 2 <= 1", "cannot be read at '2'"),
        ("min: 2*\nx >= 0", r"the line 'min: 2\*' cannot be read at '\*'"),
        ("min: *x\nx >= 0", r"cannot be read at '\*x'"),
        ("min: x*y\nx >= 0", r"cannot be read at '\*y'"),
        ("min: 2*3x\nx >= 0", r"cannot be read at '\*3x'"),
        ("min: x**2\nx >= 0", r"cannot be read at '\*\*2'"),
        ("min: x^2\nx >= 0", r"cannot be read at '\^2'"),
        ("min: x/2\nx >= 0", "cannot be read at '/2'"),
        ("min: 2(x + y)\nx >= 0", r"cannot be read at '\(x \+ y\)'"),
        ("min: x +\nx >= 0", r"cannot be read at '\+'"),
        ("min: x + -y\nx >= 0", r"cannot be read at '\+ -y'"),
        ("min: --x\nx >= 0", "cannot be read at '--x'"),
        ("min: 1.2.3x\nx >= 0", "cannot be read at '.3x'"),
        ("min: 1,5x\nx >= 0", "cannot be read at ',5x'"),
        ("min: .x\nx >= 0", "cannot be read at '.x'"),
        ("min: _x\nx >= 0", "cannot be read at '_x'"),
        ("min: x_é\nx >= 0", "cannot be read at 'é'"),
        ("min: \N{ARABIC-INDIC DIGIT THREE}x\nx >= 0", "cannot be read at"),
        ("min: x\n3 <= 2", "the line '3 <= 2' compares no variable"),
        ("min: x\n2 <= 3", "the line '2 <= 3' compares no variable"),
        ("min: x\n0x <= 1", "the line '0x <= 1' compares no variable"),
        ("min: x\nx - x <= 1", "the line 'x - x <= 1' compares no variable, or only such as cancel"),
        ("min: x\nx >= 2\nx <= 1", "the line 'x <= 1' leaves no value for x, .* at least 2 and at most 1"),
        ("min: x\n2 <= x <= 1", "the line '2 <= x <= 1' leaves no value for x"),
        ("min: x\nx = 1\n2x = 3", "the line '2x = 3' leaves no value for x, .* at least 1.5 and at most 1"),
        ("min: 1e999x\nx >= 0", "the line 'min: 1e999x' leads to numbers that are too large"),
        ("min: x\nx <= 1e308 + 1e308", "the line 'x <= 1e308 .* too large"),
        ("min: x\nx + y + 1e308 <= -1e308", "too large"),
        ("min: x\n1e-300x <= 1e300", "too large"),
        ("min: x\nx >= 0; import os", "cannot be read at '; import os'"),
        ("min: __import__('os').system('true')", 'cannot be read at "__import__'),
        ("min: x.__class__\nx >= 0", "cannot be read at '.__class__'"),
        ("min: {x}\nx >= 0", r"cannot be read at '\{x\}'"),
        ("min: x\nx >= 0\0", r"cannot be read at"),
        ("min: x" + "y" * LONGEST_NAME, "the name .* is longer than 40 characters"),
    ],
)
def test_what_cannot_be_read_is_refused(text: str, message: str) -> None:
    with pytest.raises(LinearProgramError, match=message) as refusal:
        parse(text)
    assert len(str(refusal.value)) < 400


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="min:ax \t0123456789.eE+-*<=>_\n()é−≤", max_size=60))
def test_any_text_is_a_program_or_is_refused(text: str) -> None:
    for whole in (text, f"min: x\n{text}"):
        try:
            program, names = parse(whole)
        except LinearProgramError as refusal:
            assert len(str(refusal)) < 400
        else:
            assert program.c.shape == (1, len(names)) and len(set(names)) == len(names) > 0
            assert all(torch.isfinite(field).all() for field in program[:4])
            assert (program.lower <= program.upper).all()


def test_sizes_are_limited() -> None:
    def text(variables: int, constraints: int) -> str:
        sums = " + ".join(f"v{j}" for j in range(variables))
        return "\n".join([f"min: {sums}"] + ["v0 + v1 <= 1"] * constraints)

    program, names = parse(text(MOST, MOST))
    assert program.A.shape == (1, MOST, MOST) and len(names) == MOST
    with pytest.raises(LinearProgramError, match=f"the text has {MOST + 1} variables; at most {MOST} are read"):
        parse(text(MOST + 1, 1))
    with pytest.raises(LinearProgramError, match=f"the text has {MOST + 1} constraints; at most {MOST} are read"):
        parse(text(2, MOST + 1))
    with pytest.raises(LinearProgramError, match=r"the text has 50,001 characters; at most 50,000 are read"):
        parse("min: x".ljust(LONGEST + 1))


@pytest.mark.parametrize(
    "text",
    [
        "min: 2" + " " * 49_000 + "!",
        "min: " + "1" * 49_000 + "!",
        "min: " + "2e+" * 16_000,
        "min: " + "+x" * 24_000 + "!",
        "min: x\n" + "<=" * 24_000,
        "min: x\n" + "x\n" * 24_000,
        "min: " + "".join(f"+a{j}" for j in range(7_000)),
    ],
)
def test_a_hostile_text_takes_no_time(text: str) -> None:
    start = time.perf_counter()
    with pytest.raises(LinearProgramError) as refusal:
        parse(text)
    assert time.perf_counter() - start < 1 and len(str(refusal.value)) < 400
