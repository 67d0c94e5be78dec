"""The examples in the docstrings run, and print what they say."""

import doctest
from importlib import import_module

import pytest


@pytest.mark.parametrize("name", ["implicit_lib.solvers._solve", "implicit_lib.model", "implicit_lib.lipschitz"])
def test_the_examples_of_a_module(name: str) -> None:
    failed, tried = doctest.testmod(import_module(name))
    assert tried > 0 and failed == 0
