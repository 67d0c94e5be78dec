"""Typed operators and step sizes: each broken hypothesis turns a verdict red, with the reason and the point."""

import math

import pytest

from implicit_lib.theory import Regularity, Verdict, check_regular, check_step_size

HOLE = r"[-1, 1] \ {0}"


@pytest.mark.parametrize(
    ("operator", "domain", "constant"),
    [
        ("y - 0.5*(x*y - 1)", "(0, 1]", 0.5),  # the book's first example: L = η
        ("y - 0.5*x*(x*y - 1)", HOLE, 1),  # and across the hole: L = 2η
        ("y/2 + sin(3*x)", "[-1, 1]", 3),
    ],
)
def test_regular(operator: str, domain: str, constant: float) -> None:
    found = check_regular(operator, domain)
    assert found and found.contraction.kind == found.growth.kind == "certified"
    assert found.constant == pytest.approx(constant, rel=1e-6)
    assert found.constant is not None and found.constant >= constant


def test_a_modulus_is_certified() -> None:
    assert check_regular("y/2 + x", "[0, 1]").modulus == pytest.approx(0.5)
    assert check_regular("sin(y)/3 + x", "[0, 1]").modulus == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("operator", "domain"),
    [("y - 3*(x*y - 1)", "(0, 1]"), ("y - 0.5*(x*y - 1)", "[0, 1]"), ("sin(2*y)*x", "[0, 1]"), ("y + x", "[0, 1]")],
)
def test_an_operator_that_does_not_contract_is_refuted(operator: str, domain: str) -> None:
    verdict = check_regular(operator, domain, (-5, 5)).contraction
    assert verdict.kind == "refuted" and "not contractive" in verdict.statement and verdict.at is not None
    y, x = verdict.at
    slopes = {
        "y - 3*(x*y - 1)": 1 - 3 * x,
        "y - 0.5*(x*y - 1)": 1 - x / 2,
        "sin(2*y)*x": 2 * x * math.cos(2 * y),
        "y + x": 1,
    }
    assert abs(slopes[operator]) >= 1 - 1e-12


def test_growth_like_the_square_of_the_state_is_refuted() -> None:
    verdict = check_regular("y - 0.1*(x*y**2 - 1)", "(0, 1]").growth
    assert verdict.kind == "refuted" and "grows faster than 1 + |y|" in verdict.statement and verdict.at is not None
    y, x = verdict.at
    assert 0 < x <= 1 and 0.1 * y**2 / (1 + abs(y)) > 1000


def test_a_constant_that_is_too_small_is_refuted_and_one_that_is_not_certified() -> None:
    verdict = check_regular("y - 0.5*(x*y - 1)", "(0, 1]", constant=0.3).growth
    assert verdict.kind == "refuted" and verdict.at is not None and "more than 0.3 (1 + |y|)" in verdict.statement
    assert 0.5 * abs(verdict.at[0]) > 0.3 * (1 + abs(verdict.at[0]))
    assert check_regular("y - 0.5*(x*y - 1)", "(0, 1]", constant=0.6).growth


def test_the_naive_operator_inherits_the_singularity() -> None:
    found = check_regular("0.5*y + 0.5/x", "(0, 1]")
    assert found.contraction and found.growth.kind == "refuted" and found.growth.at == (0, 0)
    assert "pole" in found.growth.statement and not found


def test_a_jump_in_f_is_refuted() -> None:
    found = check_regular("y - 0.5*(y - piecewise(x < 0.25, -1, 1))", "[-1, 1]")
    assert found.growth.kind == "refuted" and "jumps at x = 0.25" in found.growth.statement
    assert found.growth.at == (0, 0.25)


def test_a_jump_across_a_hole_is_not_certified() -> None:
    assert check_regular("y/2 + atan(1/x)/4", HOLE).growth.kind == "refuted"
    assert not check_regular("y/2 + y*atan(1/x)/4", HOLE).growth


def test_kinks_are_undecided() -> None:
    assert check_regular("y/2 + abs(x)", "[-1, 1]").growth.kind == "undecided"


def test_bad_input_of_check_regular() -> None:
    with pytest.raises(ValueError, match="y_range must run from low to high"):
        check_regular("y/2", "[0, 1]", (1, 0))
    with pytest.raises(ValueError, match="x one dimension"):
        check_regular("y/2", "[0, 1] x [0, 1]")


@pytest.mark.parametrize(
    ("F", "step", "domain"),
    [
        ("1/x", "x/2", "(0, 1]"),
        ("1/x", "x**2/4", HOLE),
        ("sqrt(x)", "x/8", "(0, 4]"),
        ("sin(x)", "1/2", "[-5, 5]"),
        ("1/x", "1/2", "[1, 2]"),
    ],
)
def test_steps_that_shrink_fast_enough(F: str, step: str, domain: str) -> None:
    verdict = check_step_size(F, step, domain)
    assert (
        verdict.kind == "certified" and "ε is Lipschitz" in verdict.statement and "εF is Lipschitz" in verdict.statement
    )


@pytest.mark.parametrize(
    ("F", "step", "domain", "reason"),
    [
        ("1/x", "abs(x)", HOLE, "εF jumps at x = 0: by 2"),
        ("sqrt(x)", "sqrt(x)/4", "(0, 4]", "ε has an infinite slope at x = 0"),
        ("1/x", "1/2", "(0, 1]", "εF has a pole at x = 0"),
        ("sqrt(x)", "1/2", "(0, 4]", "εF has an infinite slope at x = 0"),
        ("log(x)", "x/8", "(0, 4]", "εF has an infinite slope at x = 0"),
        ("piecewise(x < 0, -1, 1)", "1/2", "[-1, 1]", "εF jumps at x = 0"),
        ("piecewise(x < 0, -1, 1)", "abs(x)/2", "[-1, 1]", "ε is not positive at x = 0"),
        ("1/x", "3*x", "(0, 1]", "ε is not below 2 at x = 1"),
    ],
)
def test_steps_that_do_not(F: str, step: str, domain: str, reason: str) -> None:
    verdict = check_step_size(F, step, domain)
    assert verdict.kind == "refuted" and verdict.statement.startswith(reason)
    assert verdict.at == ((1,) if "x = 1" in reason else (0,))


def test_a_step_without_proof_is_undecided() -> None:
    verdict = check_step_size("log(x)", "x**2/32", "(0, 4]")
    assert verdict.kind == "undecided" and "no bound was found near x" in verdict.statement and not verdict


def test_bad_input_of_check_step_size() -> None:
    with pytest.raises(ValueError, match="must be in one variable"):
        check_step_size("x", "x", "[0, 1] x [0, 1]")


def test_what_counts_as_true() -> None:
    assert [bool(Verdict(kind, "")) for kind in ("proved", "certified", "not refuted", "refuted", "undecided")] == [
        *(True, True, False, False, False)
    ]
    good, bad = Verdict("certified", "a"), Verdict("not refuted", "b")
    assert str(Regularity(good, bad, 0.5, None)) == "certified: a\nnot refuted: b"
    assert not Regularity(good, bad, 0.5, None) and Regularity(good, good, None, None)
