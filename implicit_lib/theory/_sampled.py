"""The Lipschitz radius of a torch function, estimated from samples: nothing is proved so, but for a missing value."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from implicit_lib.theory._domain import Domain
from implicit_lib.theory._radius import LipschitzRadius
from implicit_lib.theory._verdict import Kind, Verdict

SAMPLES = 4096
# Of an unbounded axis, samples are taken within this distance of its finite end, or of 0.
REACH = 16.0
# How far a jump is followed, by halving a segment. Differences of rounded values mean nothing much further.
HALVINGS = 36


def sampled_radius(F: Callable[[Tensor], Tensor], domain: Domain) -> tuple[LipschitzRadius, Verdict]:
    """The radius r̂ for the slopes ‖∂F/∂x‖ at some thousand points, and a verdict on F.

    The points are random, half of them close to the ends of the domain. The verdict is "refuted" at a value that is not
    finite; "undecided" at a difference that stays when the segment between two samples is halved again and again, since
    a steep function does the same; and "not refuted" otherwise.

    Args:
        F: maps points (B, d) in double precision to values (B, n), sample by sample, differentiably.
        domain: its points.

    Raises:
        ValueError: F does not return one row per point, or no samples lie in the domain.
    """
    points = _samples(domain)
    values = F(points).detach()
    if values.ndim != 2 or len(values) != len(points):
        raise ValueError(
            f"F must map points {tuple(points.shape)} to (B, n) values, but returned {tuple(values.shape)}"
        )
    bad = ~values.isfinite().all(dim=1)
    if bad.any():
        at = points[bad][0]
        return _table(points[:0], points[:0, 0]), _verdict("refuted", "F is not finite", at)
    jump = _jump(F, domain, points, values)
    if jump is not None:
        return _table(points[:0], points[:0, 0]), jump
    jacobians = torch.func.vmap(torch.func.jacrev(lambda point: F(point[None])[0]))(points).detach()
    slopes = torch.linalg.matrix_norm(jacobians, ord=2)
    statement = (
        f"no point of {domain.text} was found at which F is not locally Lipschitz, in {len(points)} samples "
        f"with slopes up to {float(slopes.max()):.6g}; the radius is an estimate"
    )
    return _table(points, slopes), Verdict("not refuted", statement)


def _samples(domain: Domain) -> Tensor:
    """Points of the domain, (N, d): uniform, and geometrically close to both ends and to the holes."""
    generator = torch.Generator().manual_seed(0)
    shape = (SAMPLES, domain.dimension)
    share = torch.rand(shape, generator=generator, dtype=torch.float64)
    close = 2.0 ** (-40 * torch.rand(shape, generator=generator, dtype=torch.float64))
    columns = []
    for i, axis in enumerate(domain.axes):
        low = axis.low_value if math.isfinite(axis.low_value) else min(0.0, axis.high_value) - REACH
        high = axis.high_value if math.isfinite(axis.high_value) else max(0.0, axis.low_value) + REACH
        ends = [low, high] + [end for hole in domain.holes for end in (hole[i].low_value, hole[i].high_value)]
        which = torch.randint(len(ends), (SAMPLES,), generator=generator)
        sign = torch.randint(2, (SAMPLES,), generator=generator).double() * 2 - 1
        beside = torch.tensor(ends, dtype=torch.float64)[which] + sign * (high - low) * close[:, i]
        columns.append(torch.where(torch.arange(SAMPLES) % 2 == 0, low + (high - low) * share[:, i], beside))
    points = torch.stack(columns, dim=1)
    points = points[torch.as_tensor(domain.contains(points.numpy()))]
    if not len(points):
        raise ValueError(f"no samples lie in the domain {domain.text}")
    return points


def _table(points: Tensor, slopes: Tensor) -> LipschitzRadius:
    return LipschitzRadius(points.numpy(), points.numpy(), (1 / slopes.clamp(min=1e-300)).numpy())


def _jump(F: Callable[[Tensor], Tensor], domain: Domain, points: Tensor, values: Tensor) -> Verdict | None:
    """Follow the steepest segment between neighbouring samples; a verdict if the difference of its ends stays."""
    order = points[:, 0].argsort()
    a, b, f, g = points[order][:-1], points[order][1:], values[order][:-1], values[order][1:]
    slopes = (g - f).norm(dim=1) / (b - a).norm(dim=1).clamp(min=1e-300)
    steepest = int(slopes.argmax())
    a, b, f, g = (each[steepest : steepest + 1] for each in (a, b, f, g))
    first, length = (g - f).norm(), (b - a).norm()
    for _ in range(HALVINGS):
        middle = (a + b) / 2
        value = F(middle).detach()
        if not domain.contains(middle.numpy())[0] or (b - a).norm() <= 1e-15 * middle.norm():
            return None
        if not value.isfinite().all():
            return _verdict("refuted", "F is not finite", middle[0])
        if (value - f).norm() > (g - value).norm():
            b, g = middle, value
        else:
            a, f = middle, value
    if (g - f).norm() < first / 2 or length == 0:
        return None
    reason = f"F changes by {float((g - f).norm()):.3g} within {float((b - a).norm()):.1e}, which looks like a jump,"
    return _verdict("undecided", reason, middle[0])


def _verdict(kind: Kind, reason: str, at: Tensor) -> Verdict:
    where = tuple(at.tolist())
    return Verdict(kind, f"{reason} at {', '.join(f'{coordinate:.12g}' for coordinate in where)}", where)
