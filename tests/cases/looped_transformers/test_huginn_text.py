"""Text to tokens and back."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from implicit_lib.cases.looped_transformers.huginn import (
    ByteTokenizer,
    MissingPackageError,
    PublishedTokenizer,
    WeightsError,
)
from tests.cases.looped_transformers.tiny_huginn import ENDS, write_tokenizer


def test_a_prompt_begins_and_does_not_end(tmp_path: Path) -> None:
    text = "the thé 日"
    tokenizer = PublishedTokenizer(write_tokenizer(tmp_path / "tokenizer.json"))
    tokens = tokenizer.encode(text)
    assert tokens[0] == 257 and tokenizer.stop == (258, 259) and not set(tokens) & {258, 259}
    assert tokens.count(256) == 2 and len(tokens) == 1 + len(text.encode()) - 2
    assert tokenizer.decode([*tokens, 258]) == text


@pytest.mark.parametrize("content", [None, "", "{}", '{"model": 3}'])
def test_a_file_that_is_no_tokenizer(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "tokenizer.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(WeightsError, match="tokenizer.json is missing or damaged .*download it again"):
        PublishedTokenizer(path)


def test_a_tokenizer_of_another_model(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"no token <\|end_turn\|>"):
        PublishedTokenizer(write_tokenizer(tmp_path / "tokenizer.json", ENDS[:2]))


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(MissingPackageError, match=r"pip install 'implicit_lib\[huginn\]'"):
        PublishedTokenizer(tmp_path / "tokenizer.json")


def test_bytes() -> None:
    tokenizer = ByteTokenizer()
    assert tokenizer.encode("é") == [256, 195, 169]
    assert tokenizer.decode([256, 195, 169, 257]) == "é" and tokenizer.decode([195]) == "�"
