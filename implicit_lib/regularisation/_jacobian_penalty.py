"""The penalty on the Jacobian of an operator at its equilibrium."""

import math
from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor

from implicit_lib.solvers._checks import check_count
from implicit_lib.solvers._state import Leaves, Operator, flatten_state

Distribution = Literal["rademacher", "normal"]


def jacobian_penalty(
    G: Callable[[Any], Any],
    y: Any,
    *,
    probes: int = 1,
    distribution: Distribution = "rademacher",
    generator: torch.Generator | None = None,
) -> Tensor:
    """An unbiased estimate of ‖∂G/∂y‖_F² / N at y, for every sample: add its mean, times a weight, to the loss.

    Hutchinson's estimate, the mean of ‖Jᵀε‖² / N over random probes ε with E εεᵀ = I, one vector-Jacobian product each.
    It is differentiable in whatever G depends on, and in y where y requires gradients, by double backward. ‖J‖_F² / N
    is the mean square of the singular values: keeping it small makes iterations converge sooner, without making G a
    contraction, and without forcing one Lipschitz bound on all inputs.

    Where gradients are disabled, the result is a plain number a sample. A G that ignores y has penalty 0.

    Source: Bai, Koltun, Kolter, Stabilizing Equilibrium Models by Jacobian Regularization, ICML 2021, Section 4.1.

    Args:
        G: maps a state to a state, sample by sample, as for `solve`.
        y: the points, of N entries a sample: a floating-point tensor (B, …), or nested dicts, lists and tuples of such
            tensors. To penalise G alone, and not where its equilibrium lies, detach it.
        probes: how many; the variance of the estimate shrinks as 1 / probes.
        distribution: "rademacher" (±1, the smaller variance) or "normal".
        generator: of the probes; None: PyTorch's own, of the device.

    Returns:
        (B,), in the dtype of y, at least float32.

    Raises:
        TypeError, ValueError: y is not a batch of tensors, G does not fit it, probes is not a positive integer, or
            distribution is neither of the two.

    Example:
        >>> jacobian_penalty(lambda y: 0.5 * y, torch.ones(2, 3))
        tensor([0.2500, 0.2500])
    """
    if check_count(probes, "probes") == 0:
        raise ValueError("probes must be at least 1, but is 0")
    if distribution not in ("rademacher", "normal"):
        raise ValueError(f'distribution must be "rademacher" or "normal", but is {distribution!r}')
    leaves, spec = flatten_state(y, "y")
    differentiable = torch.is_grad_enabled()
    points = tuple(leaf if differentiable and leaf.requires_grad else _fresh(leaf) for leaf in leaves)
    with torch.enable_grad():
        images = Operator(G, spec)(points)
        squares = [
            _squared_norm(
                _pulled(images, points, [_probe(image, distribution, generator) for image in images], differentiable)
            )
            for _ in range(probes)
        ]
    size = sum(math.prod(leaf.shape[1:]) for leaf in leaves)
    penalty = torch.stack(squares).mean(dim=0) / max(size, 1)
    return penalty if differentiable else penalty.detach()


def _fresh(leaf: Tensor) -> Tensor:
    """The leaf as one that autograd can differentiate to."""
    return (leaf.clone() if leaf.is_inference() else leaf.detach()).requires_grad_()


def _probe(image: Tensor, distribution: Distribution, generator: torch.Generator | None) -> Tensor:
    device = image.device if generator is None else generator.device
    if distribution == "normal":
        return torch.randn(image.shape, generator=generator, device=device).to(image)
    return (2 * torch.randint(0, 2, image.shape, generator=generator, device=device) - 1).to(image)


def _pulled(images: Leaves, points: Leaves, probes: list[Tensor], differentiable: bool) -> Leaves:
    """Jᵀε, zero where the images do not depend on the points."""
    pairs = [(image, probe) for image, probe in zip(images, probes, strict=True) if image.requires_grad]
    if not pairs:
        return tuple(torch.zeros_like(point) for point in points)
    return torch.autograd.grad(
        [image for image, _ in pairs],
        points,
        [probe for _, probe in pairs],
        create_graph=differentiable,
        retain_graph=True,
        materialize_grads=True,
    )


def _squared_norm(leaves: Leaves) -> Tensor:
    """(B,), in at least float32, so that half precision does not overflow."""
    rows = [leaf.to(torch.promote_types(leaf.dtype, torch.float32)).square() for leaf in leaves]
    return torch.stack(
        [row.reshape(len(row), -1).sum(dim=1) if row.numel() else row.new_zeros(len(row)) for row in rows]
    ).sum(dim=0)
