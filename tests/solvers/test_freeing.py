"""With `inputs`, G sees only the samples that still walk, and nothing else changes."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from implicit_lib import Picard, Status, solve


class Counted:
    """G(y, (rate, shift)) = rate y + shift, per sample; counts the sample updates."""

    def __init__(self) -> None:
        self.updates = 0
        self.batches: list[int] = []

    def __call__(self, y: Tensor, inputs: tuple[Tensor, Tensor]) -> Tensor:
        rate, shift = inputs
        assert len(y) == len(rate) == len(shift)
        self.updates += len(y)
        self.batches.append(len(y))
        return rate.unsqueeze(1) * y + shift


def problem(rates: list[float], n: int = 3) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(0)
    shift = torch.randn(len(rates), n, generator=generator, dtype=torch.float64)
    return torch.zeros_like(shift), (torch.tensor(rates, dtype=torch.float64), shift)


@given(
    rates=st.lists(st.sampled_from([0.0, 0.3, 0.5, 0.9, 0.99, 1.5, 1e200, math.nan]), min_size=1, max_size=12),
    max_iter=st.integers(0, 60),
    keep=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_freeing_changes_nothing(rates: list[float], max_iter: int, keep: bool) -> None:
    start, inputs = problem(rates)
    G = Counted()
    freed = solve(G, start, inputs=inputs, max_iter=max_iter, tol=1e-8, keep_iterates=keep)
    whole = solve(lambda y: G(y, inputs), start, max_iter=max_iter, tol=1e-8, keep_iterates=keep)
    assert torch.equal(freed.value, whole.value) and torch.equal(freed.residuals, whole.residuals)
    assert freed.status == whole.status and torch.equal(freed.iterations, whole.iterations)
    if keep:
        assert all(torch.equal(a, b) for a, b in zip(freed.iterates, whole.iterates, strict=True))


@given(k=st.integers(0, 20), more=st.integers(0, 60))
@settings(max_examples=30, deadline=None)
def test_a_solve_with_freed_samples_extends(k: int, more: int) -> None:
    start, inputs = problem([0.1, 0.2, 0.5, 0.9, 0.95])
    whole = solve(Counted(), start, inputs=inputs, max_iter=k + more, tol=1e-6)
    for _ in range(2):
        part = solve(Counted(), start, inputs=inputs, max_iter=k, tol=1e-6).extend(more)
        assert torch.equal(part.value, whole.value) and torch.equal(part.residuals, whole.residuals)


def test_one_slow_sample_among_256_wastes_little() -> None:
    start, inputs = problem([0.99] + [0.5 + 0.001 * i for i in range(255)])
    G = Counted()
    solution = solve(G, start, inputs=inputs, max_iter=5000, tol=1e-6)
    assert solution.converged.all()
    assert int(solution.iterations.sum()) >= 0.9 * G.updates
    assert G.batches[-1] == 1 and sorted(G.batches, reverse=True) == G.batches


def test_without_inputs_nothing_is_freed() -> None:
    start, inputs = problem([0.1, 0.9])
    G = Counted()
    solve(lambda y: G(y, inputs), start)
    assert set(G.batches) == {2}


def test_an_exact_solve_frees_nothing() -> None:
    start, inputs = problem([0.0, 0.9])
    G = Counted()
    solve(G, start, inputs=inputs, max_iter=9, tol=0)
    assert G.batches == [2] * 9


def test_relative_to_follows_the_samples() -> None:
    start, inputs = problem([0.1, 0.5, 0.9])
    relative_to = torch.tensor([1.0, 10.0, 0.1])
    freed = solve(Counted(), start, inputs=inputs, relative_to=relative_to, tol=1e-6)
    for i in range(3):
        own = tuple(each[i : i + 1] for each in inputs)
        alone = solve(Counted(), start[i : i + 1], inputs=own, relative_to=relative_to[i : i + 1], tol=1e-6)
        assert torch.equal(freed.value[i], alone.value[0]) and freed.iterations[i] == alone.iterations[0]


def test_gradients_pass_through_freed_samples() -> None:
    start, (rate, shift) = problem([0.1, 0.5, 0.8])
    rate.requires_grad_()
    value = solve(Counted(), start, inputs=(rate, shift), max_iter=2000, tol=1e-13).value
    (slope,) = torch.autograd.grad(value.sum(), rate)
    torch.testing.assert_close(slope, (shift / (1 - rate.detach().unsqueeze(1)) ** 2).sum(dim=1))


def test_a_sample_that_became_nonfinite_spoils_no_gradient() -> None:
    """Unrolled: the other samples' gradients pass through iterations that the spoilt one is no part of."""
    start, (rate, shift) = problem([0.5, 1e200, 0.8])
    shift.requires_grad_()
    solution = solve(Counted(), start, inputs=(rate, shift), solver=Picard(), tol=1e-12, max_iter=300)
    assert solution.status[1] in (Status.NONFINITE, Status.DIVERGED)
    (slope,) = torch.autograd.grad(solution.value[[0, 2]].sum(), shift)
    torch.testing.assert_close(slope[[0, 2]], (1 / (1 - rate[[0, 2]])).unsqueeze(1).expand(2, 3))


def test_inputs_may_be_empty() -> None:
    seen = []

    def G(y: Tensor, inputs: tuple[()]) -> Tensor:
        seen.append((len(y), inputs))
        return torch.cos(y)

    start = torch.tensor([[0.739], [100.0], [0.7390851]], dtype=torch.float64)
    assert solve(G, start, inputs=(), tol=1e-9).converged.all()
    assert seen[0] == (3, ()) and seen[-1][0] < 3


@pytest.mark.parametrize(
    ("inputs", "error", "message"),
    [
        ((torch.zeros(2), "text"), TypeError, "type str"),
        (torch.zeros(3), ValueError, r"2 samples as in y0, but one has shape \(3,\)"),
        (torch.tensor(1.0), ValueError, r"shape \(\)"),
    ],
)
def test_inputs_that_are_no_batch(inputs: object, error: type[Exception], message: str) -> None:
    def never(y: object, inputs: object) -> object:
        raise AssertionError("G was called")

    with pytest.raises(error, match=message):
        solve(never, torch.zeros(2, 4), inputs=inputs)
