"""How regular an operator looks: contraction in y, Lipschitz growth in x, and the worst points that an ascent finds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, Protocol

import torch
from torch import Tensor

from implicit_lib.lipschitz import Estimate, contraction_modulus, local_lipschitz

from ._ascent import Membership, Region, ascend, random_directions, sizes, unit

Label = Literal["certified", "sampled", "refuted"]
Operator = Callable[[Tensor, Tensor], Tensor]

_SHELLS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""How large the states of the growth figures are, as fractions of the largest sample."""
_ROUNDINGS = 1000
"""A bound is refuted by a value that exceeds it, relatively, by this many unit roundoffs: not by rounding."""


@dataclass(frozen=True, eq=False)
class Figure:
    """The largest value of one quantity that was found, and what that says about the bound claimed for it.

    Attributes:
        name: the quantity.
        value: the largest value found: the quantity is at least that large at this point, up to rounding.
        error: of the value, as `contraction_modulus` gives it.
        bound: the upper bound that was claimed, None if none was.
        label: "refuted" if the value exceeds the bound; otherwise "certified" if the bound was proved elsewhere, and
            "sampled" if nothing is known beyond the points that were tried.
        y, x: the point, without a batch axis.
    """

    name: str
    value: float
    error: float
    bound: float | None
    label: Label
    y: Tensor
    x: Tensor


@dataclass(frozen=True, eq=False)
class RegularityReport:
    """What `regularity_report` found; as text, a line for each figure.

    Attributes:
        modulus: ‖∂G/∂y‖, the contraction in y.
        constant: ‖∂G/∂x‖ / (1 + ‖y‖), the growth in x.
        growth: the same for states of one size each, from ‖y‖ = 0 to the largest. Where these rise with ‖y‖, the slope
            in x grows faster than linearly, and no constant holds for all states.
        starts: from how many samples the ascents started.
        certified_by: what proved the bounds, empty if nothing did.
    """

    modulus: Figure
    constant: Figure
    growth: tuple[Figure, ...]
    starts: int
    certified_by: str

    @property
    def figures(self) -> tuple[Figure, ...]:
        """All of them, in the order of the text."""
        return (self.modulus, self.constant, *self.growth)

    @property
    def refuted(self) -> bool:
        """Whether a value exceeds a claimed bound."""
        return any(figure.label == "refuted" for figure in self.figures)

    def __str__(self) -> str:
        rows = [("quantity", "largest found", "claimed", "verdict", "at"), *map(_row, self.figures)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(f"{cell:{w}}" for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows]
        lines.append(f"Gradient ascent from {self.starts} samples: the true suprema are at least as large.")
        if any(figure.label == "certified" for figure in self.figures):
            lines.append(f"Certified by {self.certified_by}.")
        return "\n".join(lines)


def regularity_report(
    G: Operator,
    y: Tensor,
    x: Tensor,
    *,
    modulus: float = 1.0,
    constant: float | None = None,
    certified_by: str = "",
    domain: Membership | None = None,
) -> RegularityReport:
    """Look for the points where an operator is least regular, by gradient ascent from samples.

    The ascents stay where the samples are: ‖y‖ at most that of the largest sample, every entry of x between its least
    and its largest value. What they find is measured by `contraction_modulus` and `local_lipschitz`. Sampling can
    refute a bound and cannot prove it. A proof from elsewhere, such as interval arithmetic over the same states and
    inputs, is named in `certified_by`, and is refuted where it is wrong.

    Args:
        G: the operator, sample by sample. An ascent may stop at a kink of it.
        y: sample states (B, …), in float64 if G takes it.
        x: sample inputs (B, …) of the domain.
        modulus: the bound claimed for ‖∂G/∂y‖.
        constant: the L claimed in ‖∂G/∂x‖ ≤ L (1 + ‖y‖); None claims nothing.
        certified_by: what proved the claims.
        domain: tells which inputs (B, …) belong to the domain, as booleans (B,), where it has holes: for a typed one,
            `Domain.parse("[-1, 1] \\ {0}").contains`.

    Raises:
        TypeError: y or x is not a floating-point tensor.
        ValueError: y and x are not as many samples, at least one; a sample lies outside the domain; or a slope of G is
            not finite at a sample.
    """
    _check_samples(y, x, domain)
    y, x = (values.detach().clone(memory_format=torch.contiguous_format) for values in (y, x))
    within = Region(sizes(y).max().expand(len(y)), x.amin(dim=0), x.amax(dim=0), domain)
    (contraction,) = _largest(_InState(G), y, x, within, 1)
    (anywhere,) = _largest(_InInput(G), y, x, within, 1)
    radii = within.radius[0] * torch.tensor(_SHELLS, dtype=y.dtype, device=y.device)
    spheres = replace(within, radius=radii.repeat_interleave(len(y)), sphere=True)
    shells_y, shells_x = (values.repeat(len(_SHELLS), *[1] * (values.ndim - 1)) for values in (y, x))
    growth = _largest(_InInput(G), shells_y, shells_x, spheres, len(_SHELLS))

    def judged(name: str, found: _Found, bound: float | None) -> Figure:
        return Figure(name, found.value, found.error, bound, _label(found, bound, certified_by), found.y, found.x)

    return RegularityReport(
        judged("‖∂G/∂y‖", contraction, modulus),
        judged("‖∂G/∂x‖ / (1 + ‖y‖)", max(anywhere, *growth, key=lambda found: found.value), constant),
        tuple(
            judged(f"   where ‖y‖ = {float(radius):.4g}", found, constant)
            for radius, found in zip(radii, growth, strict=True)
        ),
        len(x),
        certified_by,
    )


class _Quantity(Protocol):
    """What is looked for: the slope of G in a direction, which an ascent climbs, and the largest one, to measure it."""

    def directions(self, y: Tensor, x: Tensor) -> Tensor:
        """Random directions of length 1."""

    def slope(self, y: Tensor, x: Tensor, v: Tensor) -> Tensor:
        """How much G stretches v at (y, x), (B,)."""

    def measure(self, y: Tensor, x: Tensor) -> Estimate:
        """The largest of these at (y, x), (B,)."""


class _InState:
    def __init__(self, G: Operator) -> None:
        self.G = G

    def directions(self, y: Tensor, x: Tensor) -> Tensor:
        return random_directions(y)

    def slope(self, y: Tensor, x: Tensor, v: Tensor) -> Tensor:
        image: Tensor = torch.func.jvp(lambda state: self.G(state, x), (y,), (v,))[1]
        return sizes(image) / sizes(v)

    def measure(self, y: Tensor, x: Tensor) -> Estimate:
        return contraction_modulus(lambda state: self.G(state, x), y)


class _InInput:
    def __init__(self, G: Operator) -> None:
        self.G = G

    def directions(self, y: Tensor, x: Tensor) -> Tensor:
        return random_directions(x)

    def slope(self, y: Tensor, x: Tensor, v: Tensor) -> Tensor:
        image: Tensor = torch.func.jvp(lambda inputs: self.G(y, inputs), (x,), (v,))[1]
        return sizes(image) / sizes(v) / (1 + sizes(y))

    def measure(self, y: Tensor, x: Tensor) -> Estimate:
        found, size = local_lipschitz(lambda inputs: [self.G(y, inputs)], x), 1 + sizes(y)
        return Estimate(found.value[0] / size, found.error[0] / size)


@dataclass(frozen=True, eq=False)
class _Found:
    """The largest value of a quantity among some points, its error, and where it is."""

    value: float
    error: float
    y: Tensor
    x: Tensor


def _largest(quantity: _Quantity, y: Tensor, x: Tensor, region: Region, groups: int) -> list[_Found]:
    """The largest value at the samples and where ascents from them end, for each of `groups` equal parts of the batch.

    Raises:
        ValueError: a value is not finite at a sample.
    """
    y = region.state(unit(y, random_directions(y)) if region.sphere else y)
    end = ascend(quantity.slope, y, x, quantity.directions(y, x), region)
    points = [torch.stack(pair) for pair in zip((y, x), end, strict=True)]  # (2, B, …) each
    measured = quantity.measure(*(point.flatten(0, 1) for point in points))
    values, errors = measured.value.reshape(2, -1), measured.error.reshape(2, -1)
    if not bool(values[0].isfinite().all()):
        bad = int((~values[0].isfinite()).nonzero()[0])
        raise ValueError(f"a slope of G is not finite at the sample {_place(y[bad], x[bad])}: is it of the domain?")
    found = []
    for part in torch.arange(len(x)).chunk(groups):
        i = int(values[:, part].nan_to_num(-1.0, -1.0, -1.0).argmax())
        at = i // len(part), int(part[i % len(part)])
        found.append(_Found(float(values[at]), float(errors[at]), points[0][at], points[1][at]))
    return found


def _label(found: _Found, bound: float | None, certified_by: str) -> Label:
    roundoff = torch.finfo(torch.promote_types(found.y.dtype, found.x.dtype)).eps / 2
    if bound is not None and found.value > bound * (1 + _ROUNDINGS * roundoff):
        return "refuted"
    return "certified" if certified_by and bound is not None else "sampled"


def _row(figure: Figure) -> tuple[str, ...]:
    claimed = "" if figure.bound is None else f"≤ {figure.bound:.6g}"
    return (figure.name, f"{figure.value:.6g}", claimed, figure.label, _place(figure.y, figure.x))


def _place(y: Tensor, x: Tensor) -> str:
    """The point, or how large it is if it has many entries."""
    return ", ".join(
        f"{name} = {', '.join(f'{entry + 0.0:.6g}' for entry in values.flatten().tolist())}"
        if values.numel() <= 3
        else f"‖{name}‖ = {float(values.norm()):.6g}"
        for name, values in (("y", y), ("x", x))
    )


def _check_samples(y: Tensor, x: Tensor, domain: Membership | None) -> None:
    for name, values in (("y", y), ("x", x)):
        if not isinstance(values, Tensor) or not values.is_floating_point() or values.ndim == 0:
            raise TypeError(f"{name} must be a floating-point tensor (B, …) of samples, but is {values!r}")
    if not 0 < len(y) == len(x):
        raise ValueError(f"y and x must hold as many samples, at least one, but hold {len(y)} and {len(x)}")
    if domain is not None and not bool(torch.as_tensor(domain(x)).all()):
        raise ValueError("every sample x must be of the domain, but some are not")
