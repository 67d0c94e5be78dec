"""The penalty against dense Frobenius norms, exactly over all probes, and in the mean over random ones."""

import copy
import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from implicit_lib import ImplicitModel, jacobian_penalty

float64 = torch.float64


class Tanh(nn.Module):
    """G(y) = tanh(W y), every sample by itself."""

    def __init__(self, n: int, seed: int = 0) -> None:
        super().__init__()
        self.W = nn.Parameter(torch.randn(n, n, generator=torch.Generator().manual_seed(seed), dtype=float64))

    def forward(self, y: Tensor) -> Tensor:
        return torch.tanh(y @ self.W.T)


def dense(G: nn.Module, y: Tensor) -> Tensor:
    """‖∂G/∂y‖_F² / N of every sample."""
    jacobians = torch.stack([torch.func.jacrev(lambda z: G(z[None])[0])(each) for each in y])
    return jacobians.square().mean(dim=2).sum(dim=1)


def points(n: int, seed: int = 1) -> Tensor:
    return torch.randn(3, n, generator=torch.Generator().manual_seed(seed), dtype=float64)


def test_the_expectation_over_all_rademacher_probes_is_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    G, y = Tanh(4), points(4)
    signs = [torch.tensor(each, dtype=torch.int64) for each in itertools.product((0, 1), repeat=4)]
    total = torch.zeros(3, dtype=float64)
    for each in signs:
        monkeypatch.setattr(torch, "randint", lambda *_, each=each, **__: each.expand(3, 4))
        total += jacobian_penalty(G, y)
    torch.testing.assert_close(total / 16, dense(G, y), rtol=1e-12, atol=0)


@given(seed=st.integers(0, 10_000), distribution=st.sampled_from(["rademacher", "normal"]))
@settings(max_examples=10, deadline=None)
def test_it_is_unbiased(seed: int, distribution: str) -> None:
    """Every sample's mean over 4,000 probes within 5 of its own standard errors."""
    G, y = Tanh(6, seed), points(6, seed + 1)
    copies = y.repeat_interleave(4000, dim=0)
    generator = torch.Generator().manual_seed(seed)
    draws = jacobian_penalty(G, copies, distribution=distribution, generator=generator).detach().reshape(3, 4000)
    error = draws.std(dim=1) / math.sqrt(4000)
    assert ((draws.mean(dim=1) - dense(G, y).detach()).abs() <= 5 * error).all()


def test_more_probes_are_the_mean_of_as_many() -> None:
    G, y = Tanh(6), points(6)
    generator = torch.Generator().manual_seed(3)
    singles = torch.stack([jacobian_penalty(G, y, generator=generator) for _ in range(5)])
    together = jacobian_penalty(G, y, probes=5, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(together, singles.mean(dim=0))


def test_it_is_reproducible_and_leaves_the_global_generator_alone() -> None:
    G, y = Tanh(6), points(6)
    state = torch.get_rng_state()
    first, second = (jacobian_penalty(G, y, generator=torch.Generator().manual_seed(5)) for _ in range(2))
    assert torch.equal(first, second) and torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(0)
    third = jacobian_penalty(G, y)
    torch.manual_seed(0)
    assert torch.equal(third, jacobian_penalty(G, y)) and not torch.equal(third, jacobian_penalty(G, y))


def test_its_gradient_is_that_of_the_frobenius_norm() -> None:
    """For a G whose Jacobian is diagonal each Rademacher probe is exact, and so is its gradient."""
    a = torch.linspace(0.5, 2, 5, dtype=float64, requires_grad=True)
    y = points(5).requires_grad_()
    penalty = jacobian_penalty(lambda y: torch.tanh(a * y), y).sum()
    exact = ((a * (1 - torch.tanh(a * y) ** 2)) ** 2).mean(dim=1).sum()
    for mine, true in zip(torch.autograd.grad(penalty, (a, y)), torch.autograd.grad(exact, (a, y)), strict=True):
        torch.testing.assert_close(mine, true, rtol=1e-12, atol=1e-15)


def test_its_gradient_by_finite_differences() -> None:
    G, y = Tanh(3), points(3)

    def penalty(W: Tensor) -> Tensor:
        return jacobian_penalty(lambda y: torch.tanh(y @ W.T), y, generator=torch.Generator().manual_seed(0))

    assert torch.autograd.gradcheck(penalty, G.W.detach().clone().requires_grad_())


def test_training_on_it_makes_the_jacobian_small() -> None:
    torch.manual_seed(0)
    G, y = Tanh(8), points(8)
    before = dense(G, y).mean()
    optimiser = torch.optim.Adam(G.parameters(), lr=0.05)
    for _ in range(100):
        optimiser.zero_grad()
        jacobian_penalty(G, y).mean().backward()
        optimiser.step()
    assert dense(G, y).mean() < before / 100


def test_at_the_equilibrium_of_a_model() -> None:
    torch.manual_seed(0)
    model = ImplicitModel(lambda y, q: torch.tanh(y @ W.T + q), tol=1e-8)
    W = (0.2 * torch.randn(4, 4)).requires_grad_()
    q = torch.randn(3, 4)
    solution = model.solve(q)
    penalty = jacobian_penalty(lambda y: model.operator(y, q), solution.value)
    (solution.value.square().mean() + penalty.mean()).backward()
    assert W.grad is not None and W.grad.isfinite().all() and penalty.shape == (3,)


def test_nested_states() -> None:
    """∂G/∂y = [[0, 3], [1, 0]]: ‖·‖_F² = 10 n over 2 n entries, by every Rademacher probe."""
    y = {"u": torch.ones(2, 4), "w": torch.ones(2, 2, 2)}
    penalty = jacobian_penalty(lambda y: {"u": 3 * y["w"].flatten(1), "w": y["u"].reshape(2, 2, 2)}, y)
    torch.testing.assert_close(penalty, torch.full((2,), 5.0))


def test_half_precision_does_not_overflow() -> None:
    """(Jᵀε)² = 160,000 is more than float16 holds."""
    penalty = jacobian_penalty(lambda y: 400 * y, torch.ones(2, 3, dtype=torch.float16))
    assert penalty.dtype == torch.float32 and penalty.tolist() == [160_000.0, 160_000.0]


def test_no_graph_where_none_is_asked_for() -> None:
    G, y = Tanh(4), points(4)
    with torch.no_grad():
        plain = jacobian_penalty(G, y, generator=torch.Generator().manual_seed(0))
    assert not plain.requires_grad
    assert torch.equal(plain, jacobian_penalty(G, y, generator=torch.Generator().manual_seed(0)).detach())
    assert not y.requires_grad and G.W.grad is None
    with torch.inference_mode():
        inference = torch.ones(2, 3)
    assert jacobian_penalty(lambda y: 2 * y, inference).tolist() == [4.0, 4.0]


def test_batch_normalisation_in_training_and_eval() -> None:
    """Modules that change their own buffers work, as they would not under torch.func."""
    G = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4))
    for module in (G, copy.deepcopy(G).eval()):
        jacobian_penalty(module, torch.randn(5, 4)).mean().backward()
        assert all(each.grad is not None for each in module[0].parameters() if each.dim() == 2)


def test_an_operator_that_ignores_the_state_has_no_penalty() -> None:
    w = torch.ones(3, requires_grad=True)
    assert jacobian_penalty(torch.ones_like, torch.ones(2, 3)).tolist() == [0.0, 0.0]
    assert jacobian_penalty(lambda y: w.expand_as(y), torch.ones(2, 3)).tolist() == [0.0, 0.0]


def test_empty_batches_and_empty_samples() -> None:
    assert jacobian_penalty(torch.tanh, torch.zeros(0, 3)).shape == (0,)
    assert jacobian_penalty(torch.tanh, torch.zeros(2, 0)).tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"probes": 0}, ValueError, "probes must be at least 1"),
        ({"probes": 1.5}, TypeError, "probes must be an integer"),
        ({"distribution": "uniform"}, ValueError, "uniform"),
    ],
)
def test_arguments_that_do_not_fit(options: dict[str, object], error: type[Exception], message: str) -> None:
    def never(y: Tensor) -> Tensor:
        raise AssertionError("G was called")

    with pytest.raises(error, match=message):
        jacobian_penalty(never, torch.ones(2, 3), **options)
    with pytest.raises(ValueError, match="shape"):
        jacobian_penalty(lambda y: y[:, :2], torch.ones(2, 3))
