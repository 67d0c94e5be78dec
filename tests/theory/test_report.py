"""The regularity report on operators whose constants are known, and on the trained operators of chapter 2."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from implicit_lib.cases import toy
from implicit_lib.theory import Domain, Figure, regularity_report


def uniform(count: int, low: float, high: float, seed: int = 0) -> Tensor:
    """Samples (count, 1) between low and high, both ends among them."""
    inner = low + (high - low) * torch.rand(
        count - 2, 1, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    )
    return torch.cat([torch.tensor([[low], [high]], dtype=torch.float64), inner])


STATES, INPUTS = uniform(24, -10, 10, seed=1).flip(0), uniform(24, 1e-3, 1, seed=2)


def regular(y: Tensor, x: Tensor) -> Tensor:
    """The operator of 1/x: |∂G/∂y| = 1 − x/2 and |∂G/∂x| = |y|/2."""
    return y - 0.5 * (x * y - 1)


def naive(y: Tensor, x: Tensor) -> Tensor:
    return 0.5 * y + 0.5 / x


def two_sided(y: Tensor, x: Tensor) -> Tensor:
    return y - 0.5 * x * (x * y - 1)


def quadratic(y: Tensor, x: Tensor) -> Tensor:
    """|∂G/∂x| = 0.03 |cos x| (1 + y²): not bounded by any multiple of 1 + |y|."""
    return 0.5 * torch.tanh(y) + 0.03 * torch.sin(x) * (1 + y**2)


off_the_hole = Domain.parse("[-1, 1] \\ {0}").contains


def slopes(G: Callable[[Tensor, Tensor], Tensor], found: Figure) -> tuple[float, float]:
    """|∂G/∂y| and |∂G/∂x| / (1 + |y|) at the figure's point, by reverse-mode differentiation."""
    y, x = found.y[None].requires_grad_(), found.x[None].requires_grad_()
    by_state, by_input = torch.autograd.grad(G(y, x).sum(), (y, x))
    return abs(float(by_state)), abs(float(by_input)) / (1 + abs(float(found.y)))


@given(seed=st.integers(0, 10_000), n=st.integers(1, 6), d=st.integers(1, 6))
@settings(max_examples=8, deadline=None)
def test_affine_maps_have_the_norms_of_their_matrices(seed: int, n: int, d: int) -> None:
    draw = torch.Generator().manual_seed(seed)
    A, B, y, x = (torch.randn(*s, generator=draw, dtype=torch.float64) for s in ((n, n), (n, d), (4, n), (4, d)))
    report = regularity_report(lambda y, x: y @ A.T + x @ B.T + 1, y, x)
    in_y, in_x = float(torch.linalg.matrix_norm(A, 2)), float(torch.linalg.matrix_norm(B, 2))
    assert report.modulus.value == pytest.approx(in_y, rel=1e-12)
    assert report.constant.value == pytest.approx(in_x, rel=1e-12) and float(report.constant.y.norm()) == 0
    assert report.modulus.label == ("refuted" if in_y > 1 else "sampled")
    assert [figure.value for figure in report.growth] == pytest.approx(
        [in_x / (1 + r * float(y.norm(dim=1).max())) for r in (0, 0.25, 0.5, 0.75, 1)], rel=1e-12
    )


def test_the_operator_of_one_over_x_keeps_its_constants() -> None:
    report = regularity_report(regular, STATES, INPUTS, constant=0.5)
    assert not report.refuted
    assert {figure.label for figure in report.figures} == {"sampled"}
    assert report.modulus.value == pytest.approx(1 - 0.5e-3, rel=1e-12)
    assert report.constant.value == pytest.approx(0.5 * 10 / 11, rel=1e-9) and abs(float(report.constant.y)) == 10


def test_the_naive_operator_is_refuted_where_it_is_steepest() -> None:
    report = regularity_report(naive, STATES, INPUTS, constant=100.0)
    assert report.modulus.label == "sampled" and report.constant.label == "refuted" and report.refuted
    assert float(report.constant.x) == pytest.approx(1e-3) and report.constant.value == pytest.approx(0.5e6, rel=1e-9)


def test_a_hole_of_the_domain_is_not_held_against_the_operator() -> None:
    """At 0 the modulus is 1; as near to it as floating point goes it is 1 up to rounding, which refutes nothing."""
    report = regularity_report(two_sided, STATES, uniform(24, -1, 1), constant=1.0, domain=off_the_hole)
    assert not report.refuted and report.modulus.value > 0.999 and float(report.modulus.x) != 0


def test_a_pole_between_the_samples_is_approached_and_not_counted_as_infinite() -> None:
    found = regularity_report(naive, STATES, uniform(24, -1, 1), constant=1e3).constant
    assert found.label == "refuted" and 1e3 < found.value < math.inf
    assert slopes(naive, found)[1] == pytest.approx(found.value, rel=1e-9)


@pytest.mark.parametrize(
    ("G", "x", "modulus"),
    [
        (lambda y, x: y - 2.5 * (x * y - 1), INPUTS, 1.5),
        (lambda y, x: y - 0.5 * (x * y - 1), uniform(24, -1, 1), 1.5),
        (lambda y, x: -1.001 * y + x, INPUTS, 1.001),
    ],
)
def test_an_operator_that_does_not_contract_is_refuted_with_the_point(G: Any, x: Tensor, modulus: float) -> None:
    found = regularity_report(G, STATES, x).modulus
    assert found.label == "refuted" and found.value == pytest.approx(modulus, rel=1e-9)
    assert slopes(G, found)[0] == pytest.approx(found.value, rel=1e-12)


def test_growth_like_the_square_of_the_state_is_refuted_with_the_point() -> None:
    states = 100 * STATES
    report = regularity_report(quadratic, states, INPUTS, modulus=100, constant=1.0)
    assert report.constant.label == "refuted" and abs(float(report.constant.y)) == pytest.approx(1000)
    assert report.constant.value == pytest.approx(0.03 * math.cos(1e-3) * (1 + 1e6) / 1001, rel=1e-4)
    assert slopes(quadratic, report.constant)[1] == pytest.approx(report.constant.value, rel=1e-12)
    rising = [figure.value for figure in report.growth]
    assert rising == sorted(rising) and rising[-1] / rising[1] == pytest.approx(4, rel=0.05)
    unclaimed = regularity_report(quadratic, states, INPUTS, modulus=100)
    assert unclaimed.constant.label == "sampled" and unclaimed.constant.value == report.constant.value


def test_the_ascent_finds_what_the_samples_miss() -> None:
    """A modulus of 1.1 in one corner of a square of inputs, 0.5 at every sample."""
    corner = torch.tensor([0.7, -0.4], dtype=torch.float64)

    def G(y: Tensor, x: Tensor) -> Tensor:
        return y * (0.5 + 0.6 * torch.exp(-20 * (x - corner).square().sum(1, keepdim=True)))

    x = torch.tensor([[-1, -1], [1, 1], [-1, 1], [1, -1], [0.2, -0.6]], dtype=torch.float64)
    found = regularity_report(G, torch.ones(5, 1, dtype=torch.float64), x).modulus
    assert found.label == "refuted" and found.value == pytest.approx(1.1, abs=1e-6)
    torch.testing.assert_close(found.x, corner, atol=1e-3, rtol=0)


def test_what_is_found_never_exceeds_the_truth() -> None:
    for seed in range(5):
        x, y = uniform(8, -2, 2, seed), uniform(8, -3, 3, seed + 9)
        report = regularity_report(lambda y, x: torch.sin(0.9 * y) + torch.cos(3 * x), y, x)
        assert report.modulus.value <= 0.9 * (1 + 1e-12) and report.constant.value <= 3 * (1 + 1e-12)
        assert report.modulus.value >= 0.9 * (1 - 1e-6) and report.constant.value >= 3 * (1 - 1e-6)


@pytest.mark.parametrize("K", toy.TARGETS)
def test_the_trained_operators_of_chapter_2(K: int) -> None:
    operator = toy.load("implicit", K).operator.double()
    assert toy.certify(operator).holds
    y, x = uniform(12, -toy.STATE_RANGE, toy.STATE_RANGE), uniform(12, -1, 1, seed=3)

    def report(modulus: float) -> Any:
        return regularity_report(
            operator, y, x, modulus=modulus, constant=toy.INPUT_SLOPE, certified_by="interval arithmetic"
        )

    held = report(toy.STATE_SLOPE)
    assert {figure.label for figure in held.figures} == {"certified"}
    assert str(held).endswith("Certified by interval arithmetic.")
    wrong = report(0.99 * held.modulus.value)
    assert wrong.modulus.label == "refuted" and wrong.constant.label == "certified"
    assert slopes(operator, wrong.modulus)[0] == pytest.approx(wrong.modulus.value, rel=1e-9) and wrong.refuted


def test_float32_refutes_nothing_by_rounding() -> None:
    y, x = STATES.float(), INPUTS.float()
    assert not regularity_report(lambda y, x: 0.1 * y + x * 0.7, y, x, modulus=0.1, constant=0.7).refuted
    assert regularity_report(lambda y, x: 0.1 * y + x * 0.7, y, x, modulus=0.099).refuted


def test_operators_without_slope_and_samples_of_one_entry() -> None:
    report = regularity_report(lambda y, x: torch.zeros_like(y), torch.zeros(3), torch.ones(3))
    assert report.modulus.value == report.constant.value == 0 and not report.refuted


def test_reads_as_a_table() -> None:
    one = torch.ones(1, 1, dtype=torch.float64)
    report = regularity_report(lambda y, x: -2 * y + x, one, one, constant=3)
    assert str(report).splitlines()[:3] == [
        "quantity             largest found  claimed  verdict  at",
        "‖∂G/∂y‖              2              ≤ 1      refuted  y = 1, x = 1",
        "‖∂G/∂x‖ / (1 + ‖y‖)  1              ≤ 3      sampled  y = 0, x = 1",
    ]
    large = regularity_report(lambda y, x: y + x, one.expand(1, 4), one.expand(1, 4))
    assert "‖y‖ = 2, ‖x‖ = 2" in str(large) and "Certified" not in str(large)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: regularity_report(regular, torch.ones(2, 1, dtype=torch.int64), INPUTS), TypeError, "y must be"),
        (lambda: regularity_report(regular, STATES, None), TypeError, "x must be"),  # type: ignore[arg-type]
        (lambda: regularity_report(regular, STATES[:3], INPUTS), ValueError, "hold 3 and 24"),
        (lambda: regularity_report(regular, STATES[:0], INPUTS[:0]), ValueError, "at least one"),
        (lambda: regularity_report(naive, STATES, 0 * INPUTS), ValueError, "not finite at the sample"),
        (
            lambda: regularity_report(two_sided, STATES, 0 * INPUTS, domain=off_the_hole),
            ValueError,
            "must be of the domain",
        ),
    ],
)
def test_says_what_is_wrong(call: Callable[[], Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        call()
