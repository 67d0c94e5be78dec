"""Typed domains: what they contain, of which intervals they consist, and what is refused."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from implicit_lib.theory import Domain, FormulaError

INF = float("inf")


def test_ends_are_exact_and_open_or_closed() -> None:
    (axis,) = Domain.parse("(-pi/2, 0.1]").axes
    assert (axis.low_open, axis.high_open) == (True, False)
    assert (axis.low_value, axis.high_value) == (-np.pi / 2, 0.1)
    assert str(axis) == "(-pi/2, 0.1]"
    (axis,) = Domain.parse("(-inf,inf)").axes
    assert (axis.low, axis.high, axis.low_value, axis.high_value) == (None, None, -INF, INF)
    assert str(axis) == "(-inf, inf)"


@pytest.mark.parametrize(
    "text, components",
    [
        ("(0, 1]", ["(0, 1]"]),
        (r"[-1, 1] \ {0}", ["[-1, 0)", "(0, 1]"]),
        (r"[-2, 2] \ [-0.5, 0.5]", ["[-2, -0.5)", "(0.5, 2]"]),
        (r"(-inf, inf) \ {0, 1, -sqrt(2)}", ["(-inf, -sqrt(2))", "(-sqrt(2), 0)", "(0, 1)", "(1, inf)"]),
        (r"[-1, 1] \ {-1} \ {1}", ["(-1, 1)"]),
        (r"[0, 1] \ [0, 1/2]", ["(1/2, 1]"]),
        (r"[0, 3] \ [1, 2] \ [1.5, 2.5] \ {7}", ["[0, 1)", "(2.5, 3]"]),
        (r"(0, 1) \ [-5, 0] \ [1, 2]", ["(0, 1)"]),
        ("[exp(-10), 1e3]", ["[exp(-10), 1000]"]),
    ],
)
def test_the_intervals_of_a_domain(text: str, components: list[str]) -> None:
    domain = Domain.parse(text)
    assert [str(part) for part in domain.components] == components
    assert (str(domain), domain.dimension) == (text, 1)


quarters = st.integers(-8, 8).map(lambda n: n / 4)
intervals = st.tuples(quarters, quarters).map(sorted)


@settings(max_examples=200, deadline=None)
@given(intervals, st.booleans(), st.booleans(), st.lists(intervals, max_size=3), st.lists(quarters, max_size=2))
def test_the_intervals_contain_what_the_domain_contains(
    ends: list[float], low_open: bool, high_open: bool, holes: list[list[float]], points: list[float]
) -> None:
    text = f"{'[('[low_open]}{ends[0]}, {ends[1]}{'])'[high_open]}"
    text += "".join(rf" \ [{a}, {b}]" for a, b in holes) + (rf" \ {{{', '.join(map(str, points))}}}" if points else "")
    samples = np.arange(-20, 21) / 8
    truth = np.array(
        [
            (x > ends[0] or (x == ends[0] and not low_open))
            and (x < ends[1] or (x == ends[1] and not high_open))
            and not any(a <= x <= b for a, b in holes)
            and x not in points
            for x in samples
        ]
    )
    try:
        domain = Domain.parse(text)
    except FormulaError:
        assert not truth.any() or ends[0] == ends[1]
        return
    np.testing.assert_array_equal(domain.contains(samples[:, None]), truth)
    counts = np.sum([part.contains(samples) for part in domain.components], axis=0)
    np.testing.assert_array_equal(counts, truth)
    assert [part.low_value for part in domain.components] == sorted(part.low_value for part in domain.components)


def test_boxes_with_holes() -> None:
    domain = Domain.parse(r"[-1, 1] x (0, 2] \ {(0, 1), (0, 2)} \ [0.5, 1] x [1, 3]")
    assert (domain.dimension, len(domain.holes)) == (2, 3)
    points = [[-1, 2], [-1, 0], [0, 1], [0, 2], [0, 1.5], [0.5, 1], [0.5, 0.9], [0.4, 1], [1, 2], [2, 2], [np.nan, 1]]
    expected = [True, False, False, False, True, False, True, True, False, False, False]
    np.testing.assert_array_equal(domain.contains(points), expected)
    with pytest.raises(ValueError, match="one variable"):
        _ = domain.components
    for wrong in (np.zeros(2), np.zeros((3, 1)), np.zeros((1, 3, 2))):
        with pytest.raises(ValueError, match=r"shape \(n, 2\), got"):
            domain.contains(wrong)


REFUSED = {
    "": (0, "nothing to read"),
    "0, 1": (0, "an interval is expected"),
    "[0, 1": (5, "is not closed"),
    "[0, 1, 2]": (5, "is not closed"),
    "[0; 1]": (2, "';' is not part"),
    "[0 1]": (3, ", is expected here between the ends"),
    "[1, 0]": (0, "[1, 0] is empty"),
    "(0, 0]": (0, "is empty"),
    "[0, 0]": (0, "two different ends"),
    "[0, inf]": (7, "an infinite end is open"),
    "[-inf, 0]": (0, "an infinite end is open"),
    "(inf, 0)": (1, "-inf is a lower end"),
    "(0, -inf)": (4, "-inf is a lower end"),
    "(+inf, 0)": (1, "-inf is a lower end"),
    "(0, 2*inf)": (6, "'inf' is not known"),
    "(x, 1)": (1, "'x' is not known: names are pi, e and"),
    "(0, 1/0)": (5, "1/0 is undefined"),
    "[0, 1] x": (8, "an interval is expected"),
    "[0, 1] [2, 3]": (7, "only an x with another interval"),
    "[0, 1] \u222a [2, 3]": (7, "UNION"),
    "[0, 1] \u00d7 [2, 3]": (7, "x between intervals"),
    "[0, \u221e)": (4, "write inf"),
    "[0, 1] \\": (8, "an interval is expected"),
    r"[0, 1] \ (0, 0.5)": (9, "a hole is closed"),
    r"[0, 1] \ {0": (11, "} is expected"),
    r"[0, 1] \ {}": (10, "a value is expected"),
    r"[0, 1] \ {(0, 0)}": (12, "not expected inside the bracket"),
    r"[0, 1] x [0, 1] \ {0}": (19, "( is expected here before the 2 coordinates"),
    r"[0, 1] x [0, 1] \ {(0, 0, 0)}": (18, "needs 2 intervals"),
    r"[0, 1] x [0, 1] \ [0, 1]": (18, "needs 2 intervals"),
    r"[0, 1] x [0, 1] \ [0, 2] x [-1, 1]": (34, "leave nothing"),
    r"[0, 1] \ [0, 0.5] \ [0.5, 1]": (28, "leave nothing"),
}


@pytest.mark.parametrize("text", REFUSED)
def test_refuses(text: str) -> None:
    position, reason = REFUSED[text]
    with pytest.raises(FormulaError) as refusal:
        Domain.parse(text)
    assert refusal.value.position == position
    assert reason in refusal.value.reason


def test_text_that_is_no_domain_never_raises_anything_else() -> None:
    rng = random.Random(5)
    pieces = ["[", "]", "(", ")", "{", "}", "\\", ",", "0", "1", "-", "inf", "pi", "x", " ", "/", "y", "\0", "2", "e"]
    read = 0
    for _ in range(3000):
        text = "[0, 1]" * rng.randint(0, 1) + "".join(rng.choices(pieces, k=rng.randint(0, 25)))
        try:
            Domain.parse(text)
            read += 1
        except FormulaError as refusal:
            assert 0 <= refusal.position <= len(text)
    assert read < 300
    with pytest.raises(TypeError, match="string"):
        Domain.parse(None)  # type: ignore[arg-type]
