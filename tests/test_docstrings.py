"""The examples in the docstrings run, and print what they say."""

import doctest
from importlib import import_module

import pytest

MODULES = (
    *("solvers._solve", "model", "lipschitz._jacobian"),
    *("regularisation._jacobian_norm", "regularisation._jacobian_penalty"),
    *("regularisation._spectral", "regularisation._monotone"),
    *("theory._domain", "theory._formula"),
)


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module(name: str) -> None:
    failed, tried = doctest.testmod(import_module(f"implicit_lib.{name}"))
    assert tried > 0 and failed == 0
