"""Published weights from a folder: by name, in any type, and never silently another file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from implicit_lib.cases.looped_transformers.huginn import Huginn, WeightsError, _weights, default_dtype, load
from tests.cases.looped_transformers.tiny_huginn import TINY, lively, write_shards

INDEX = "model.safetensors.index.json"
FIRST = "model-00001-of-00004.safetensors"


@pytest.fixture(scope="module")
def model() -> Huginn:
    return lively().float()


@pytest.fixture
def folder(model: Huginn, tmp_path: Path) -> Path:
    write_shards(model, tmp_path / "weights")
    return tmp_path / "weights"


def loaded(folder: Path, dtype: torch.dtype = torch.float32) -> Huginn:
    return load(folder, config=TINY, dtype=dtype, progress=lambda line: None)


def test_the_weights_arrive_by_name(model: Huginn, folder: Path) -> None:
    found = loaded(folder)
    assert not found.training and not any(parameter.requires_grad for parameter in found.parameters())
    for name, tensor in model.state_dict().items():
        assert torch.equal(found.state_dict()[name], tensor), name
    given = torch.tensor([[1, 2, 3]])
    torch.testing.assert_close(found(given, num_steps=3), model(given, num_steps=3), rtol=0, atol=0)


def test_the_copy_of_the_embedding_is_not_needed(model: Huginn, folder: Path) -> None:
    (folder / "model-00004-of-00004.safetensors").unlink()
    assert torch.equal(loaded(folder).lm_head.weight, model.lm_head.weight)


def test_one_file_without_an_index(model: Huginn, tmp_path: Path) -> None:
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    save_file(state, tmp_path / "model.safetensors")
    assert torch.equal(loaded(tmp_path).transformer.adapter.weight, model.transformer.adapter.weight)
    del state["lm_head.weight"]
    save_file(state, tmp_path / "model.safetensors")
    (tmp_path / "checksums.json").unlink()
    assert torch.equal(loaded(tmp_path).lm_head.weight, model.lm_head.weight)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_two_bytes_a_number_but_for_the_table(folder: Path, dtype: torch.dtype) -> None:
    found = loaded(folder, dtype)
    assert {parameter.dtype for parameter in found.parameters()} == {dtype}
    assert found.freqs_cis.dtype is torch.float32
    assert found(torch.tensor([[1, 2]]), num_steps=2).isfinite().all()


def test_no_second_copy_of_the_model_is_made(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whenever a tensor is read, all before it are in their type already; and nothing was allocated for it before."""
    seen: list[int] = []
    fill = _weights._fill

    def watch(model: Huginn, path: Path, device: torch.device, dtype: torch.dtype) -> None:
        seen.append(sum(not parameter.is_meta for parameter in model.parameters()))
        fill(model, path, device, dtype)
        assert all(p.is_meta or p.dtype is torch.bfloat16 for p in model.parameters())

    monkeypatch.setattr(_weights, "_fill", watch)
    loaded(folder, torch.bfloat16)
    assert seen[0] == 0 < seen[1] < seen[2]


def test_the_default_type_has_two_bytes() -> None:
    assert default_dtype("cpu") is torch.bfloat16


def test_the_files_outlive_their_folder(model: Huginn, folder: Path) -> None:
    """No parameter looks into a file that may be overwritten."""
    found = loaded(folder)
    for path in folder.glob("*.safetensors"):
        path.write_bytes(bytes(path.stat().st_size))
    assert torch.equal(found.transformer.adapter.weight, model.transformer.adapter.weight)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-8])


def change(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: cut(folder / FIRST), f"{FIRST} is cut off: it has .* bytes. Delete it .*download it again"),
        (lambda folder: change(folder / FIRST), f"{FIRST} was changed, .*SHA-256 .* instead of .*download it again"),
        (lambda folder: change(folder / INDEX), f"{INDEX} (was changed|is damaged)"),
        (lambda folder: (folder / FIRST).unlink(), f"{FIRST} is missing.*download it again"),
        (lambda folder: (folder / "checksums.json").write_text("{"), "checksums.json is damaged; delete it"),
        (
            lambda folder: (folder / "checksums.json").write_text('{"origin": "", "files": {}}'),
            "does not tell of model",
        ),
    ],
)
def test_what_was_downloaded_is_compared(folder: Path, damage: Callable[[Path], object], message: str) -> None:
    loaded(folder)
    loaded(folder)
    damage(folder)
    with pytest.raises(WeightsError, match=message):
        loaded(folder)


def without(name: str) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        rewrite(folder, lambda tensors: {key: value for key, value in tensors.items() if key != name})

    return edit


def rewrite(folder: Path, edit: Callable[[dict], dict]) -> None:
    for path in folder.glob("*.safetensors"):
        save_file(edit(load_file(path)), path)


def reshaped(tensors: dict) -> dict:
    return {name: value[..., :-1].clone() if "adapter" in name else value for name, value in tensors.items()}


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: cut(folder / FIRST), f"{FIRST} is damaged or cut off"),
        (lambda folder: (folder / FIRST).write_bytes(b""), f"{FIRST} is damaged or cut off"),
        (lambda folder: (folder / FIRST).unlink(), f"{FIRST} is missing"),
        (without("transformer.core_block.2.attn.qk_bias"), "lacks the tensor transformer.core_block.2.attn.qk_bias"),
        (without("freqs_cis"), "lacks the tensor freqs_cis"),
        (lambda folder: rewrite(folder, lambda t: t | {"extra": torch.zeros(1)}), "holds the tensor extra, which"),
        (lambda folder: rewrite(folder, reshaped), r"adapter.weight must have the shape \(24, 48\), but is \(24, 47\)"),
        (lambda folder: (folder / INDEX).unlink(), f"has no {INDEX} and no model.safetensors"),
        (lambda folder: (folder / INDEX).write_text("[]"), f"{INDEX} is damaged"),
        (
            lambda folder: (folder / INDEX).write_text('{"weight_map": {"a": "../b.safetensors"}}'),
            f"{INDEX} is damaged",
        ),
        (lambda folder: (folder / INDEX).write_text('{"weight_map": {"a": "b.bin"}}'), f"{INDEX} is damaged"),
    ],
)
def test_a_folder_that_was_never_right(folder: Path, damage: Callable[[Path], object], message: str) -> None:
    damage(folder)
    with pytest.raises(WeightsError, match=message):
        loaded(folder)
    assert not (folder / "checksums.json").exists()


def test_a_folder_of_another_model(folder: Path) -> None:
    with pytest.raises(WeightsError, match="are they of another model"):
        load(folder, progress=lambda line: None)


def test_the_first_use_is_told_and_recorded(folder: Path) -> None:
    lines: list[str] = []
    load(folder, config=TINY, progress=lines.append)
    assert "first time" in lines[0]
    files = json.loads((folder / "checksums.json").read_text())["files"]
    assert sorted(files) == [FIRST, FIRST.replace("1-", "2-"), FIRST.replace("1-", "3-"), INDEX]
