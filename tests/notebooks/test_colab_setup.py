"""The set-up cell, run by IPython with and without a stand-in for Colab."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest
from IPython.core.interactiveshell import InteractiveShell

from tests.notebooks.hygiene import COLAB_SETUP


@pytest.fixture
def installed() -> list[str]:
    """Run the cell; what it would have installed."""
    seen: list[str] = []
    shell = InteractiveShell()
    shell.register_magic_function(seen.append, magic_name="pip")
    shell.run_cell(COLAB_SETUP).raise_error()
    return seen


@pytest.fixture
def colab(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Colab's module; the list fills with the functions of it that are called."""
    called: list[str] = []
    output = ModuleType("google.colab.output")
    output.enable_custom_widget_manager = lambda: called.append("enable_custom_widget_manager")  # type: ignore[attr-defined]
    package = ModuleType("google.colab")
    package.output = output  # type: ignore[attr-defined]
    for name, module in {
        "google": ModuleType("google"),
        "google.colab": package,
        "google.colab.output": output,
    }.items():
        monkeypatch.setitem(sys.modules, name, module)
    return called


def test_elsewhere_it_does_nothing(installed: list[str]) -> None:
    assert installed == []


def test_on_colab_it_installs_the_library_alone_and_enables_widgets(colab: list[str], installed: list[str]) -> None:
    (arguments,) = installed
    assert "--no-deps" in arguments
    assert "git+https://github.com/rich-equilibria/rich-equilibria" in arguments
    assert not {"torch", "numpy"} & set(arguments.split())
    assert colab == ["enable_custom_widget_manager"]
