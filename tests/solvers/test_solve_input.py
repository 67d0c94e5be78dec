"""Every misuse of `solve` is an error that says what was given and what to do, at the latest in the first call of G."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch

from implicit_lib import Picard, solve


def halve(y: torch.Tensor) -> torch.Tensor:
    return 0.5 * y


def never(y: object) -> object:
    raise AssertionError("G was called")


@pytest.mark.parametrize(
    ("y0", "error", "message"),
    [
        (3.0, TypeError, "type float"),
        (None, TypeError, "type NoneType"),
        ([torch.zeros(2), "text"], TypeError, "type str"),
        ({}, ValueError, "holds no tensors"),
        (torch.zeros(2, dtype=torch.int64), TypeError, r"torch.int64.*\.float\(\)"),
        (torch.zeros(2, dtype=torch.bool), TypeError, "torch.bool"),
        (torch.zeros(2, dtype=torch.complex64), TypeError, "torch.complex64"),
        (torch.tensor(1.0), ValueError, r"0-d.*reshape\(1\)"),
        ((torch.zeros(2, 3), torch.zeros(3, 2)), ValueError, r"batch size.*\(2, 3\), \(3, 2\)"),
        ((torch.zeros(2), torch.zeros(2, device="meta")), ValueError, "cpu and meta"),
    ],
)
def test_a_start_that_is_no_batch_of_tensors(y0: object, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        solve(never, y0)


@pytest.mark.parametrize(
    ("G", "error", "message"),
    [
        (lambda y: y[:, :1], ValueError, r"shape.*\(2, 3\).*\(2, 1\)"),
        (lambda y: y.double(), ValueError, "dtype.*float32.*float64"),
        (lambda y: y.to("meta"), ValueError, "device.*cpu.*meta"),
        (lambda y: (y, y), TypeError, "type tuple"),
        (lambda y: None, TypeError, "type NoneType"),
        (lambda y: y.mul_(0.5), ValueError, "in place"),
    ],
)
def test_an_operator_that_returns_something_else(
    G: Callable[[torch.Tensor], object], error: type[Exception], message: str
) -> None:
    calls = 0

    def counted(y: torch.Tensor) -> object:
        nonlocal calls
        calls += 1
        return G(y)

    with pytest.raises(error, match=message):
        solve(counted, torch.ones(2, 3))
    assert calls == 1


def test_an_operator_that_returns_another_structure() -> None:
    with pytest.raises(ValueError, match="structure"):
        solve(lambda y: {"b": y["a"]}, {"a": torch.zeros(2)})
    with pytest.raises(ValueError, match="structure"):
        solve(lambda y: y["a"], {"a": torch.zeros(2)})


def test_an_operator_that_fills_one_buffer_again_and_again() -> None:
    buffer = torch.empty(2)
    with pytest.raises(ValueError, match="in place"):
        solve(lambda y: torch.add(0.5 * y, 1, out=buffer), torch.zeros(2))


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"max_iter": -1}, ValueError, "max_iter must be at least 0, but is -1"),
        ({"max_iter": 2.0}, TypeError, "max_iter must be an integer, but is 2.0"),
        ({"max_iter": True}, TypeError, "max_iter must be an integer"),
        ({"tol": -1e-3}, ValueError, "tol must be .* at least 0, but is -0.001"),
        ({"tol": math.nan}, ValueError, "tol must be .* but is nan"),
        ({"tol": math.inf}, ValueError, "tol must be a finite number"),
        ({"solver": Picard}, TypeError, r"such as Picard\(\)"),
        ({"solver": "picard"}, TypeError, "'picard'"),
        ({"tol": "small"}, TypeError, "tol must be a number, but is 'small'"),
        ({"relative_to": torch.ones(3)}, ValueError, r"shape \(2,\), but has shape \(3,\)"),
        ({"relative_to": 1.0}, TypeError, "one number per sample, but is 1.0"),
        ({"relative_to": torch.tensor([1.0, math.nan])}, ValueError, "at least 0 for every sample"),
        ({"relative_to": torch.tensor([1.0, -1.0])}, ValueError, "at least 0 for every sample"),
        ({"relative_to": torch.ones(2, dtype=torch.int64)}, TypeError, "torch.int64"),
        ({"maxiter": 5}, TypeError, "maxiter"),
    ],
)
def test_settings_out_of_range(settings: dict[str, object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        solve(never, torch.zeros(2), **settings)


def test_an_operator_that_is_not_callable() -> None:
    with pytest.raises(TypeError, match="G must be callable, but is a Tensor"):
        solve(torch.zeros(2), torch.zeros(2))


@pytest.mark.parametrize("damping", [0.0, -0.5, 1.0001, math.nan, math.inf, "1"])
def test_damping_out_of_range(damping: object) -> None:
    with pytest.raises(ValueError, match=r"damping must be in \(0, 1\]"):
        Picard(damping=damping)


def test_solver_settings_are_keyword_only_and_frozen() -> None:
    with pytest.raises(TypeError):
        Picard(0.5)
    with pytest.raises(AttributeError):
        Picard().damping = 0.5
    with pytest.raises(TypeError, match="dampening"):
        Picard(dampening=0.5)


def test_any_kind_of_integer_counts() -> None:
    assert len(solve(halve, torch.ones(2), max_iter=np.int64(3), tol=np.float32(0)).residuals) == 3
