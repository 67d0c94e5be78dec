"""What an explorer leaves for the page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import sympy
import torch
from torch import Tensor, nn

from implicit_lib.explore import (
    PAGE_FILES,
    PAGE_MIME,
    Choice,
    Explorer,
    Iterations,
    Maximum,
    Now,
    Readout,
    Slider,
    SymbolicSystem,
    TorchSystem,
)
from implicit_lib.explore._onnx import Exports
from tests.explore.conftest import ETA, Encode, Half, Look, X, Y, of_torch, panel, remembering, symbolic


def description(module: Path) -> dict[str, object]:
    """The JSON in the first line of the module."""
    line = module.read_text().splitlines()[0]
    return json.loads(line.removeprefix("export const description = ").removesuffix(";"))  # type: ignore[no-any-return]


def test_a_session_shows_widgets_and_writes_nothing() -> None:
    bundle = symbolic()._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert PAGE_MIME not in bundle


def test_the_build_shows_a_page_and_no_widgets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(PAGE_FILES, str(tmp_path))
    bundle = symbolic()._repr_mimebundle_()
    assert bundle[PAGE_MIME] == {"name": "reciprocal", "title": "1/x", "src": "reciprocal.js"}
    assert "application/vnd.jupyter.widget-view+json" not in bundle


def test_the_first_frame_is_in_the_page(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(PAGE_FILES, str(tmp_path))
    explorer = symbolic()
    first = description(tmp_path / "reciprocal.js")["first"]
    np.testing.assert_allclose(first["arrays"]["P"]["y"]["y"], explorer.arrays()["P"]["y"]["y"])  # type: ignore[index]


def test_an_infinite_readout_stays_infinite(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(PAGE_FILES, str(tmp_path))
    numbers = {"here": sympy.oo, "slope": sympy.nan}
    view = {"x": X, "y": Y, "steepest": Maximum(Y)} | {name: value + 0 * ETA for name, value in numbers.items()}
    system = SymbolicSystem(step={Y: Y / 2}, start={Y: 1}, points=(X, [0.0, 1.0]), view=view)
    readouts = [Readout(label=name, name=name) for name in numbers]
    symbolic(system=system, readouts=readouts, controls=[Iterations(maximum=4)])
    assert str(description(tmp_path / "reciprocal.js")["first"]["readouts"]) == "{'here': inf, 'slope': nan}"  # type: ignore[index]


def test_onnx_files_agree_with_torch(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(PAGE_FILES, str(tmp_path))
    explorer = of_torch()
    parts = {part: next(tmp_path.glob(f"halving-0-{part}-*.onnx")) for part in ("encode", "step", "view")}
    sessions = {part: onnxruntime.InferenceSession(path) for part, path in parts.items()}
    (q,) = sessions["encode"].run(None, {"scale": np.array(3, np.float32)})
    z = np.zeros((5, 1), np.float32)
    for _ in range(6):
        (z,) = sessions["step"].run(None, {"z0": z, "q0": q})
    np.testing.assert_allclose(z[:, 0], explorer.arrays(t=6, scale=3.0)["P"]["y"]["y"], rtol=1e-6)
    _, y, moved = sessions["view"].run(None, {"z0": z + 2, "previous0": z, "q0": q})
    np.testing.assert_array_equal(y, z[:, 0] + 2)
    assert moved == 2  # z and its predecessor are two inputs


def test_onnx_files_of_several_tensors_agree_with_torch(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(PAGE_FILES, str(tmp_path))
    explorer = remembering()
    parts = {part: next(tmp_path.glob(f"remembering-0-{part}-*.onnx")) for part in ("encode", "step", "view")}
    encode, step, view = (onnxruntime.InferenceSession(path) for path in parts.values())
    (q,) = encode.run(None, {"direction": np.array(1, np.float32)})
    z = [np.zeros(shape, np.float32) for shape in ((5,), (), (8,))]
    for _ in range(6):
        before, z = z, step.run(None, feeds(step, z0=z[0], z1=z[1], z2=z[2], q0=q))
    after = {f"z{i}": tensor for i, tensor in enumerate(z)} | {f"previous{i}": part for i, part in enumerate(before)}
    _, y, count, first, new = view.run(None, feeds(view, **after, q0=q, threshold=np.array(0.7, np.float32)))
    arrays, numbers = explorer.frame(t=6, direction="down", threshold=0.7)
    np.testing.assert_allclose(y, arrays["P"]["y"]["y"], rtol=1e-6)
    assert [count, first, new] == [6, numbers["first"], numbers["new"]]


def feeds(session: onnxruntime.InferenceSession, **tensors: np.ndarray[Any, Any]) -> dict[str, np.ndarray[Any, Any]]:
    """Those that the session reads: the exporter drops what a module does not."""
    return {node.name: tensors[node.name] for node in session.get_inputs()}


class Newton(nn.Module):
    """y ← y − f(y)/f'(y) for f(y) = y² − q, the derivative by torch.func."""

    def forward(self, y: Tensor, q: Tensor) -> Tensor:
        residual, slope = torch.func.jvp(lambda y: y * y - q, (y,), (torch.ones_like(y),))
        return y - residual / slope


def test_a_step_that_differentiates_is_exported_in_double_precision(tmp_path: Path) -> None:
    encode, start = Encode().double(), torch.ones(5, 1, dtype=torch.float64)
    system = TorchSystem(encode=encode, step=Newton(), view=Look(), start=start, controls=("scale",))
    files = json.loads(system.write_page(Exports(tmp_path), "root", {"scale": 2.0}))["files"]
    step = onnxruntime.InferenceSession(tmp_path / files["step"])
    state = system.start({"scale": 2.0})
    y, q = start.numpy(), state.q[0].numpy()
    for _ in range(6):
        state, (y,) = system.step(state), step.run(None, {"z0": y, "q0": q})
    np.testing.assert_allclose(y, state.z.numpy(), rtol=1e-14)
    np.testing.assert_allclose(y[1:], np.sqrt(q[1:]), rtol=1e-12)


def test_systems_share_the_files_of_the_modules_they_share(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(PAGE_FILES, str(tmp_path))
    of_torch()
    alone = {path.name for path in tmp_path.glob("*.onnx")}
    encode, step, view = Encode(), Half(), Look()
    systems = {
        option: TorchSystem(encode=encode, step=step, view=view, start=torch.full((5, 1), z), controls=("scale",))
        for option, z in (("from 0", 0.0), ("from 1", 1.0))
    }
    controls = [
        Iterations(maximum=8),
        Slider(name="scale", label="s", minimum=1, maximum=3, step=1, value=2),
        Choice(name="start", label="z", options=list(systems), value="from 0"),
    ]
    bind = {"y": {"x": Now("x"), "y": Now("y")}}
    Explorer(name="halving", title="z", system=systems, chosen_by="start", controls=controls, panels=[panel(bind=bind)])
    assert {path.name for path in tmp_path.glob("*.onnx")} == alone


def test_a_failure_fails_the_cell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Not the display, whose exceptions IPython swallows."""
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv(PAGE_FILES, str(blocked))
    with pytest.raises(FileExistsError):
        symbolic()


class Numbers(nn.Module):
    """Arithmetic with numbers that float32 has not."""

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        y = x.clone()
        y.mul_(0.1)
        return (
            *(0.1 * x, x + 0.1, x - 0.1, 0.1 - x, x / 0.1, 0.1 / x, 0.1**x, x**0.1, y),
            *(x.clamp(min=0.7), x.clamp(max=0.7), x.clamp(0.0, 0.7), x.masked_fill(x > 1, 0.1)),
            *(torch.where(x > 0.3, x, 0.1), x + torch.full((3,), 0.1, dtype=x.dtype), x + torch.full_like(x, 0.1)),
            torch.sin(2 * torch.pi * x),
        )


def exported(module: nn.Module, x: Tensor, folder: Path) -> list[Tensor]:
    """What the module's ONNX file gives."""
    outputs = [f"y{number}" for number in range(len(module(x)))]
    file = Exports(folder).add(module, module, [x], ["x"], outputs, "numbers")
    session = onnxruntime.InferenceSession(folder / file)
    return [torch.from_numpy(y) for y in session.run(outputs, {"x": x.numpy()})]


def test_float64_keeps_the_digits_of_numbers_in_onnx(tmp_path: Path) -> None:
    x = torch.tensor([0.3, 0.9, 1.7], dtype=torch.float64)
    for number, (found, expected) in enumerate(zip(exported(Numbers(), x, tmp_path), Numbers()(x), strict=True)):
        assert found.dtype is torch.float64
        torch.testing.assert_close(found, expected, rtol=1e-15, atol=1e-15, msg=lambda m, n=number: f"output {n}: {m}")


def test_float32_stays_float32_in_onnx(tmp_path: Path) -> None:
    x = torch.tensor([0.3, 0.9, 1.7])
    for found, expected in zip(exported(Numbers(), x, tmp_path), Numbers()(x), strict=True):
        assert found.dtype is torch.float32
        torch.testing.assert_close(found, expected)
