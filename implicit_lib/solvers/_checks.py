"""Checks of the settings that solvers, gradients and models share."""

import math
from numbers import Real
from operator import index


def check_count(count: object, name: str) -> int:
    """The count, if it is an integer of at least 0.

    Raises:
        TypeError: it is not an integer.
        ValueError: it is negative.
    """
    if isinstance(count, bool) or not hasattr(count, "__index__"):
        raise TypeError(f"{name} must be an integer, but is {count!r}")
    number = index(count)
    if number < 0:
        raise ValueError(f"{name} must be at least 0, but is {number}")
    return number


def check_at_least_one(count: object, name: str, instead: str) -> None:
    """Nothing, if it is an integer of at least 1; else an error, which for 0 says what to use instead.

    Raises:
        TypeError, ValueError: it is no integer, or less than 1.
    """
    if check_count(count, name) == 0:
        raise ValueError(f"{name} must be at least 1, but is 0; {instead}")


def check_damping(damping: float, at_one: str) -> None:
    """Nothing, if it is a number in (0, 1]; else an error that says what damping 1 is.

    Raises:
        ValueError: it is not.
    """
    if not isinstance(damping, Real) or not 0 < damping <= 1:
        raise ValueError(f"damping must be in (0, 1], but is {damping!r}; 1 is {at_one}")


def check_settings(solver: object, max_iter: object, tol: object) -> None:
    """Nothing, if a solve can run with these settings.

    Raises:
        TypeError, ValueError: a setting has the wrong type or is out of range.
    """
    check_count(max_iter, "max_iter")
    if isinstance(solver, type) or not all(hasattr(solver, part) for part in ("init", "step", "patience")):
        raise TypeError(f"solver must be a solver object such as Picard(), but is {solver!r}")
    if not hasattr(tol, "__float__"):
        raise TypeError(f"tol must be a number, but is {tol!r}")
    if not 0 <= float(tol) < math.inf:
        raise ValueError(f"tol must be a finite number of at least 0, but is {tol!r}")
