"""Importing the library loads torch and nothing heavier, and offers the names it promises."""

import subprocess
import sys
from importlib import resources

import implicit_lib

HEAVY = (
    *("plotly", "ipywidgets", "anywidget", "sympy", "scipy", "onnx", "onnxscript", "onnxruntime", "flint", "IPython"),
    *("PIL", "skimage", "torchmetrics"),
)
PUBLIC = (
    *("solve", "Solution", "Report", "Status", "Solver", "Picard", "ConvergenceWarning", "SolveInterrupted"),
    *("ImplicitModel", "Gradient", "ImplicitGradient", "JacobianFreeGradient", "UnrolledGradient"),
    *("Estimate", "EigenvalueEstimate"),
    *("contraction_modulus", "effective_lipschitz", "local_lipschitz", "spectral_radius"),
    *("jacobian_norm", "jacobian_penalty", "bound_spectral_norm", "certified_norm", "MonotoneLinear"),
)


def loaded_by(statement: str) -> set[str]:
    """The heavy packages among sys.modules after a statement in a fresh interpreter."""
    program = f"{statement}\nimport sys\nprint(*(name for name in {HEAVY!r} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_loads_nothing_heavier_than_torch() -> None:
    assert loaded_by("import implicit_lib") - loaded_by("import torch") == set()


def test_the_public_names() -> None:
    for name in PUBLIC:
        assert getattr(implicit_lib, name).__doc__, name


def test_the_package_is_typed() -> None:
    assert resources.files(implicit_lib).joinpath("py.typed").is_file()
