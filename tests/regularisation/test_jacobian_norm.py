"""The norm that a training step estimates, against the singular values of a dense Jacobian."""

import pytest
import torch
from torch import Tensor, nn

from implicit_lib.regularisation import jacobian_norm

DOUBLE = torch.float64


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=DOUBLE)


def norms(G: nn.Module, y: Tensor) -> Tensor:
    """The largest singular value of ∂G/∂y, sample by sample."""
    rows = [torch.autograd.functional.jacobian(G, row[None]).reshape(row.numel(), -1) for row in y]
    return torch.stack([torch.linalg.matrix_norm(row, 2) for row in rows])


def curved() -> nn.Module:
    """tanh(W y) for pictures (B, 2, 3), with singular values 3, 1, 1, … of W: the power method is fast."""
    left, right = (torch.linalg.qr(random(6, 6, seed=k))[0] for k in (1, 2))
    layer = nn.Linear(6, 6, bias=False, dtype=DOUBLE)
    layer.weight.data = left @ torch.diag(torch.tensor([3.0, 1, 1, 0.5, 0.2, 0], dtype=DOUBLE)) @ right
    return nn.Sequential(nn.Flatten(), layer, nn.Tanh(), nn.Unflatten(1, (2, 3)))


def test_it_tends_to_the_norm_from_below() -> None:
    G, y, direction = curved(), 0.2 * random(4, 2, 3), random(4, 2, 3, seed=5)
    expected = norms(G, y)
    for _ in range(40):
        bound, direction = jacobian_norm(G, y, direction)
        assert (bound <= expected * (1 + 1e-12)).all()
    torch.testing.assert_close(bound.detach(), expected, rtol=1e-6, atol=0)
    torch.testing.assert_close(direction.flatten(1).norm(dim=1), torch.ones(4, dtype=DOUBLE))


def test_training_on_it_makes_the_norm_smaller_and_a_mean_need_not() -> None:
    G, y, direction = curved(), 0.2 * random(4, 2, 3), random(4, 2, 3, seed=5)
    optimiser = torch.optim.SGD(G.parameters(), lr=0.05)
    for _ in range(200):
        bound, direction = jacobian_norm(G, y, direction)
        optimiser.zero_grad()
        (bound - 0.8).relu().square().mean().backward()
        optimiser.step()
    assert norms(G, y).max() < 0.85


def test_its_gradient_is_that_of_the_norm() -> None:
    """At the top singular vector the derivative of ‖Jᵀu‖ with u held constant is that of ‖J‖: the envelope theorem."""
    G, y, direction = curved(), 0.2 * random(1, 2, 3), random(1, 2, 3, seed=5)
    for _ in range(60):
        bound, direction = jacobian_norm(G, y, direction)
    weight = G[1].weight
    (found,) = torch.autograd.grad(bound.sum(), weight)
    change = random(6, 6, seed=9)
    with torch.no_grad():
        weight += 1e-6 * change
        above = norms(G, y)
        weight -= 2e-6 * change
        below = norms(G, y)
    assert (found * change).sum().item() == pytest.approx(((above - below) / 2e-6).item(), rel=1e-4)


def test_samples_do_not_mix_and_an_operator_that_ignores_its_state_has_none() -> None:
    G, y, direction = curved(), 0.2 * random(3, 2, 3), random(3, 2, 3, seed=5)
    together, _ = jacobian_norm(G, y, direction)
    alone, _ = jacobian_norm(G, y[1:2], direction[1:2])
    torch.testing.assert_close(together[1:2], alone)
    nothing, next_direction = jacobian_norm(lambda y: 0 * y, y, direction)
    assert (nothing == 0).all() and next_direction.isfinite().all()
