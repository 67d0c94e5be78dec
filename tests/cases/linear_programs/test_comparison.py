"""What the chapter compares is counted, measured and stored right; an interruption loses nothing that was done."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from implicit_lib.cases.linear_programs import (
    FIELDS,
    ExplicitGNN,
    ImplicitGNN,
    Instances,
    LinearProgram,
    Size,
    WeightsError,
    compare,
    errors,
    load,
    optimum,
    pass_flops,
    primal_dual,
    read_results,
    relative_error,
    shipped,
    train_and_write,
    true_sensitivity,
)
from implicit_lib.cases.linear_programs import _comparison as comparison
from implicit_lib.cases.linear_programs.__main__ import main
from implicit_lib.cases.linear_programs._networks import Convolution, Passes, Perceptron
from tests.cases.linear_programs.problems import instances, short, silent

# FLOPs, against torch's count of the layers one after the other


def perceptron(layer: Perceptron, h: Tensor) -> Tensor:
    """Nodes (nodes, features) through both linear layers."""
    return nn.functional.linear(nn.functional.linear(h, layer.first.weight).relu(), layer.last.weight)


def convolution(layer: Convolution, edges: Tensor, sending: Tensor, receiving: Tensor) -> Tensor:
    message = edges @ perceptron(layer.source, sending)
    return perceptron(layer.output, torch.cat([message, perceptron(layer.target, receiving)], dim=1)).relu()


def passes(layer: Passes, A: Tensor, constraints: Tensor, variables: Tensor) -> Tensor:
    for there, back in zip(layer.to_constraints, layer.to_variables, strict=True):
        constraints = convolution(there, A, variables, constraints)
        variables = convolution(back, A.T, constraints, variables)
    return variables


def counted_by_torch(model: ExplicitGNN | ImplicitGNN, m: int, n: int) -> int:
    """Of one pass as the layers are written, with a full A."""
    d = model.encoder.constraints.out_features
    A, constraints, variables = torch.randn(m, n), torch.randn(m, d), torch.randn(n, d)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        if isinstance(model, ImplicitGNN):
            operator = model.equilibrium.operator
            joined = torch.cat([variables, torch.randn(n, 1)], dim=1)
            nn.functional.linear(passes(operator.passes, A, constraints, joined), operator.to_state.weight)
        else:
            constraints = nn.functional.linear(torch.randn(m, 2), model.encoder.constraints.weight)
            variables = nn.functional.linear(torch.randn(n, 3), model.encoder.variables.weight)
            perceptron(model.decoder, passes(model.passes, A, constraints, variables))
    return counter.get_total_flops()


@pytest.mark.parametrize("kind", [ExplicitGNN, ImplicitGNN])
@pytest.mark.parametrize("d", [1, 4, 32])
@pytest.mark.parametrize(("m", "n"), [(10, 50), (3, 2), (1, 1)])
def test_the_flops_of_a_pass(kind: type, d: int, m: int, n: int) -> None:
    full = Size(constraints=m, variables=n, nonzeros=m * n)
    assert pass_flops(kind(d), full) == counted_by_torch(kind(d), m, n)


def test_an_edge_costs_a_message_each_way_twice() -> None:
    """2 d for an edge from a constraint; from a variable 2 d, of an implicit model 2 (d + 1)."""
    few, more = (Size(constraints=4, variables=5, nonzeros=k) for k in (7, 8))
    assert pass_flops(ExplicitGNN(8), more) - pass_flops(ExplicitGNN(8), few) == 2 * (2 * 8 + 2 * 8)
    assert pass_flops(ImplicitGNN(8), more) - pass_flops(ImplicitGNN(8), few) == 2 * (2 * 8 + 2 * 9)
    assert pass_flops(ImplicitGNN(4), Size(constraints=0, variables=3, nonzeros=0)) > 0


# L of the true map


def test_the_true_sensitivity_in_closed_form() -> None:
    """max y subject to a y ≤ b: y* = b / a, which the costs and the bounds do not move."""
    program = LinearProgram.from_scipy([-1], [[0.5]], [2], bounds=(0, 100))
    expected = {"A": 2 / 0.5**2, "b": 1 / 0.5, "c": 0.0, "lower": 0.0, "upper": 0.0}
    for field in FIELDS:
        (found,) = true_sensitivity(program, optimum(program), field).tolist()
        assert found == pytest.approx(expected[field], rel=1e-3, abs=1e-6), field
    at_bound = LinearProgram.from_scipy([-1], bounds=(0, 3))  # no constraints
    assert true_sensitivity(at_bound, optimum(at_bound), "upper").tolist() == pytest.approx([1])
    assert true_sensitivity(at_bound, optimum(at_bound), "b").tolist() == [0]


# compare


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with three tiny models."""
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("training_instances", "held_out_instances"):
            patch.setattr(f"implicit_lib.cases.linear_programs._weights.{name}", lambda progress=None: instances())
        patch.setattr("implicit_lib.cases.linear_programs._weights.CARD_ITERATIONS", (1, 3))
        for model, seed in (("implicit", 0), ("implicit", 1), ("explicit", 0)):
            train_and_write(short(model, seed=seed), folder, progress=silent)
    (folder / "implicit-4-seedling.json").write_text("{}")  # no card of ours
    return folder


@pytest.fixture
def runs(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, and comparisons that take no time."""
    monkeypatch.setattr(comparison, "held_out_instances", instances)
    for name, value in {
        "SOME": 4,
        "TWICE": Size(constraints=4, variables=20, nonzeros=40),
        "CARD_ITERATIONS": (1, 3),
        "_LONG": (1, 5),
        "_PRIMAL_DUAL": (1, 10, 1000),
        "_TIMED": 2,
    }.items():
        monkeypatch.setattr(comparison, name, value)
    return Path(shutil.copytree(trained, tmp_path / "runs"))


def test_the_models_of_a_folder(runs: Path, tmp_path: Path) -> None:
    assert shipped(runs) == [("explicit", 4, 0), ("implicit", 4, 0), ("implicit", 4, 1)]
    assert shipped(tmp_path / "nothing") == []


def untimed(results: dict) -> dict:  # type: ignore[type-arg]
    """Without the seconds, which differ from run to run."""
    plain = json.loads(json.dumps(results))
    del plain["seconds"], plain["primal_dual"]["seconds"]
    return plain  # type: ignore[no-any-return]


def test_what_is_compared(runs: Path) -> None:
    lines: list[str] = []
    results = compare(runs, progress=lines.append)
    assert read_results(runs / "comparison.json") == json.loads(json.dumps(results))
    assert not (runs / "comparison.json.part").exists()
    assert [line.partition(" ")[0] for line in lines[1:]] == [
        *("explicit-4-seed0", "implicit-4-seed0", "implicit-4-seed1", "HiGHS", "primal–dual")
    ]
    assert all("s left)" in line and f"({number} of 5" in line for number, line in enumerate(lines[2:], 2))
    some = Instances(instances().programs.take(slice(0, 4)), instances().solutions[:4])
    for seed in (0, 1):
        model, stored = load("implicit", 4, seed=seed, folder=runs), results["long"][f"implicit-4-seed{seed}"]
        found = errors(model, some, 5)
        assert stored == {"1": pytest.approx(found[0].item(), 1e-3), "5": pytest.approx(found[4].item(), 1e-3)}
    assert set(results["long"]["explicit-4-seed0"]) == set(results["twice"]["explicit-4-seed0"]) == {"1"}
    assert set(results["twice"]["implicit-4-seed1"]) == {"1", "3"}
    assert set(results["seconds"]) == {"explicit-4-seed0", "implicit-4-seed0", "highs"}  # one seed is timed
    assert 0 < results["seconds"]["highs"] < 1 and results["seconds"]["implicit-4-seed0"].keys() == {"alone", "batch"}
    dual = results["primal_dual"]
    assert dual["tuning"][f"{dual['weight']:g}"]["1000"] == min(each["1000"] for each in dual["tuning"].values())
    (y,) = primal_dual(some.programs, [10], weight=dual["weight"])
    assert dual["error"]["10"] == pytest.approx(relative_error(y, some.solutions).mean().item(), rel=1e-3)
    truth = true_sensitivity(some.programs, some.solutions, "b").mean().item()
    assert results["sensitivity"]["b"] == pytest.approx(truth, rel=1e-3) and results["sensitivity"].keys() == {*FIELDS}


def test_an_interruption_loses_nothing(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, calls = compare(runs, progress=silent), []
    evaluate = comparison._of_model

    def counted(model: nn.Module, *others: object) -> object:
        calls.append(model)
        return evaluate(model, *others)  # type: ignore[arg-type]

    def interrupted(some: Instances) -> object:
        raise KeyboardInterrupt

    monkeypatch.setattr(comparison, "_of_model", counted)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(comparison, "_of_highs", interrupted)
        compare(runs, progress=silent)
    assert len(calls) == 3 and read_results(runs / "comparison.json") == json.loads(json.dumps(whole))  # the old one
    lines: list[str] = []
    resumed = compare(runs, progress=lines.append)
    assert len(calls) == 3 and "3 of 5 parts are done already" in lines
    assert untimed(resumed) == untimed(whole)


@pytest.mark.parametrize(
    ("damage", "again"),
    [
        (lambda text: text, 0),
        (lambda text: text[:-10], 3),
        (lambda text: "[]", 3),
        (lambda text: text.replace("torch", "other"), 3),  # another machine
        (lambda text: text.replace("implicit-4-seed0 ", "implicit-4-seed0 0"), 1),  # other weights
    ],
)
def test_only_what_fits_is_taken_over(
    damage: Callable[[str], str], again: int, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[object] = []

    def quick(*arguments: object) -> dict[str, object]:
        calls.append(arguments[0])
        return {"twice": {}, "long": {}}

    def interrupted(some: Instances) -> object:
        raise KeyboardInterrupt

    monkeypatch.setattr(comparison, "_of_model", quick)
    monkeypatch.setattr(comparison, "_primal_dual_results", lambda some: {})
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(comparison, "_of_highs", interrupted)
        compare(runs, progress=silent)
    calls.clear()
    part = runs / "comparison.json.part"
    part.write_text(damage(part.read_text()))
    compare(runs, progress=silent)
    assert len(calls) == again


def test_the_command_line_names_what_is_wrong(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    threads = torch.get_num_threads()
    try:
        assert main(["compare", "--folder", str(tmp_path / "nowhere")]) == 1
        assert f"{tmp_path / 'nowhere'} has no models; give the folder" in capsys.readouterr().err
        (runs / "implicit-4-seed1.safetensors").write_bytes(b"damage")
        assert main(["compare", "--folder", str(runs)]) == 1
        message = capsys.readouterr().err
        assert "implicit-4-seed1.safetensors is damaged" in message and "--seed 1" in message
        (runs / "implicit-4-seed1.safetensors").unlink()
        monkeypatch.setattr(comparison, "_of_highs", lambda some: (_ for _ in ()).throw(KeyboardInterrupt))
        assert main(["compare", "--folder", str(runs)]) == 130
        seen = capsys.readouterr()
        assert "run the same command again to go on" in seen.err
        assert "implicit-4-seed0" in seen.out and "seed1" not in seen.out  # whose card is there, its weights are not
    finally:
        torch.set_num_threads(threads)
    with pytest.raises(WeightsError, match=r"comparison\.json cannot be read.*linear_programs compare"):
        read_results(tmp_path / "comparison.json")
