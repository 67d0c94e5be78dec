"""The regular operator that reaches a given function, or the reason why there is none."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from implicit_lib.theory._domain import Domain
from implicit_lib.theory._formula import Formula, parse
from implicit_lib.theory._radius import LipschitzRadius
from implicit_lib.theory._sampled import sampled_radius
from implicit_lib.theory._survey import survey
from implicit_lib.theory._verdict import Verdict

Values = TypeVar("Values", NDArray[np.float64], Tensor)
Target = Callable[[Tensor], Tensor]

VARIABLES = ("x", "y")


class NotReached(ValueError):
    """A function is not locally Lipschitz on the domain, or nobody could tell; `verdict` says why, and where."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(str(verdict))
        self.verdict = verdict


@dataclass(frozen=True)
class RegularOperator:
    """G(y, x) = y + ε(x) (F(x) − y) with ε = r̂ / (1 + ‖F‖): regular with constant 2, with F as its fixed points.

    Source: Theorem 2 of the book, after Theorem 2.4 of Liu, Ding, Osher, Yin (arXiv:2510.03638); r̂ instead of the
    Lipschitz radius itself is enough, since the proof uses only that it is 1-Lipschitz and a lower bound.

    For a formula in one variable the points x may have any shape, and y has the same. Otherwise the last axis of x
    holds the coordinates, and y has the shape of F(x). Arrays are NumPy's in double precision, or torch's. Outside of
    the domain everything is NaN. In the last cells beside an open end, a 2^-60th of the domain (a 2^-24th in two
    variables), r̂ is 0: no bound has been computed there.

    Attributes:
        target: F.
        domain: where.
        table: r̂.
        verdict: "certified", or "not refuted" if F is a torch function.
    """

    target: Formula | Target
    domain: Domain
    table: LipschitzRadius
    verdict: Verdict

    @staticmethod
    def reaching(F: Formula | str | Target, domain: Domain | str) -> RegularOperator:
        """The operator of Theorem 2 for F on a domain.

        Args:
            F: a formula, or its text, in x, or in x and y, as many as the domain has; or a torch function that maps
                points (B, d) to values (B, n), whose radius is estimated from Jacobians at samples.
            domain: the domain, or its text.

        Raises:
            NotReached: F is not locally Lipschitz on the domain, or this remains undecided.
            FormulaError: a text is no formula or no domain.
            ValueError: the formula and the domain do not have the same number of variables, or more than two.
        """
        domain = Domain.parse(domain) if isinstance(domain, str) else domain
        if isinstance(F, str):
            F = parse(F, VARIABLES[: domain.dimension])
        if not isinstance(F, Formula):
            table, verdict = sampled_radius(F, domain)
            if verdict.kind != "not refuted":
                raise NotReached(verdict)
            return RegularOperator(F, domain, table, verdict)
        if len(F.variables) != domain.dimension or domain.dimension > 2:
            raise ValueError(
                f"a formula in {len(F.variables)} variables needs a domain of as many, and at most two, "
                f"but {domain.text} has {domain.dimension}"
            )
        found = survey(F, domain)
        verdict = found.verdict(F, domain)
        if not verdict:
            raise NotReached(verdict)
        return RegularOperator(F, domain, LipschitzRadius.of_cells(found.bounded, found.unbounded), verdict)

    def F(self, x: Values) -> Values:
        """The target at points; NaN outside of the domain."""
        points = self._points(x)
        values: Values = self._inside(points, self._values(points))
        return values

    def radius(self, x: Values) -> Values:
        """r̂(x), between 0 and 1/2."""
        points = self._points(x)
        radius: Values = self._inside(points, self.table(points))
        return radius

    def epsilon(self, x: Values) -> Values:
        """ε(x) = r̂(x) / (1 + ‖F(x)‖), the step. The modulus of contraction is 1 − ε."""
        step: Values = self.radius(x) / (1 + self._size(x))
        return step

    def __call__(self, y: Values, x: Values) -> Values:
        """G(y, x)."""
        return self.at(x)(y)

    def at(self, x: Values) -> Callable[[Values], Values]:
        """y ↦ G(y, x), with ε(x) and F(x) computed once: for iterating."""
        step, values = self._step(x), self.F(x)
        return lambda y: y + step * (values - y)

    def steps_to(self, x: Values, accuracy: float) -> Values:
        """After how many iterations from y_0 = 0 the error is at most `accuracy`: ‖y_t − F‖ = (1 − ε)^t ‖F‖.

        Returns:
            Whole numbers in floating point; infinite where ε is 0.

        Raises:
            ValueError: accuracy is not positive.
        """
        if not accuracy > 0:
            raise ValueError(f"accuracy must be positive, but is {accuracy!r}")
        size, step = (torch.as_tensor(each) for each in (self._size(x), self.epsilon(x)))
        steps = torch.ceil((torch.log(size) - math.log(accuracy)) / -torch.log1p(-step))
        steps = torch.where(size <= accuracy, torch.zeros_like(steps), steps)
        return steps if isinstance(x, Tensor) else steps.numpy()

    def _points(self, x: Values) -> Values:
        """(…, d)"""
        points = x if isinstance(x, Tensor) else np.asarray(x, dtype=np.float64)
        if isinstance(self.target, Formula) and self.domain.dimension == 1:
            return points[..., None]
        if points.ndim == 0 or points.shape[-1] != self.domain.dimension:
            shape = tuple(points.shape)
            raise ValueError(
                f"the last axis of x must hold {self.domain.dimension} coordinates, but its shape is {shape}"
            )
        return points

    def _values(self, points: Values) -> Any:
        if isinstance(self.target, Formula):
            return self.target(*(points[..., i] for i in range(self.domain.dimension)))
        tensor = torch.as_tensor(points)
        values = self.target(tensor.reshape(-1, tensor.shape[-1])).reshape(*tensor.shape[:-1], -1)
        return values if isinstance(points, Tensor) else values.detach().numpy()

    def _step(self, x: Values) -> Any:
        """ε(x), of a shape that multiplies F(x)."""
        step = self.epsilon(x)
        return step if isinstance(self.target, Formula) else step[..., None]

    def _size(self, x: Values) -> Any:
        """‖F(x)‖"""
        values = self.F(x)
        if isinstance(self.target, Formula):
            return abs(values)
        return values.norm(dim=-1) if isinstance(values, Tensor) else np.linalg.norm(values, axis=-1)

    def _inside(self, points: Values, values: Any) -> Any:
        """The values, NaN where the points are outside of the domain."""
        plain = points.detach().cpu().numpy() if isinstance(points, Tensor) else points
        inside = self.domain.contains(plain.reshape(-1, plain.shape[-1])).reshape(plain.shape[:-1])
        inside = inside.reshape(inside.shape + (1,) * (values.ndim - inside.ndim))
        if isinstance(values, Tensor):
            return values.masked_fill(~torch.as_tensor(inside, device=values.device), math.nan)
        return np.where(inside, values, math.nan)
