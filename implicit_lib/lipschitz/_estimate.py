"""What a measurement returns."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, eq=False)
class Estimate:
    """A measured number and how far to trust it.

    Attributes:
        value: the estimate, float64 (float32 on devices without it).
        error: of the shape of value; what it bounds stands with the function that made the estimate.
    """

    value: Tensor
    error: Tensor


@dataclass(frozen=True, eq=False)
class EigenvalueEstimate(Estimate):
    """An estimate of an eigenvalue's modulus.

    Attributes:
        backward_error: of the shape of value: the norm of a change of the matrix that makes the estimate exact.
    """

    backward_error: Tensor
