"""Text to tokens and back."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from implicit_lib.cases._files import WeightsError
from implicit_lib.cases._running import MissingPackageError


class Tokenizer(Protocol):
    """Turns text into tokens and back."""

    stop: tuple[int, ...]
    """Tokens that end an answer."""

    def encode(self, text: str) -> list[int]:
        """The tokens of a prompt, with the one that a text begins with."""

    def decode(self, tokens: list[int]) -> str:
        """The text, without the tokens that mark its ends."""


class PublishedTokenizer:
    """That of Huginn-0125, read from its tokenizer.json; no other file, and no code, is needed.

    Args:
        path: of tokenizer.json.

    Raises:
        MissingPackageError: tokenizers is not installed.
        WeightsError: the file is missing or damaged, or of another model.
    """

    begin, stop_names = "<|begin_text|>", ("<|end_text|>", "<|end_turn|>")

    def __init__(self, path: Path) -> None:
        try:
            import tokenizers
        except ImportError:
            raise MissingPackageError(
                "tokenizers is not installed, which reads the tokens; run pip install 'implicit_lib[huginn]'"
            ) from None
        try:
            self._held: Any = tokenizers.Tokenizer.from_file(str(path))
        except Exception as error:  # it raises nothing more precise
            raise WeightsError(f"{path} is missing or damaged ({error}). Delete it, and download it again") from None
        self._begin, *stop = (self._number(name, path) for name in (self.begin, *self.stop_names))
        self.stop = tuple(stop)

    def _number(self, name: str, path: Path) -> int:
        number: int | None = self._held.token_to_id(name)
        if number is None:
            raise WeightsError(f"{path} has no token {name}; is it of another model?")
        return number

    def encode(self, text: str) -> list[int]:
        """See `Tokenizer`; what the file would add at the ends of a text is left out, but for the beginning."""
        return [self._begin, *self._held.encode(text, add_special_tokens=False).ids]

    def decode(self, tokens: list[int]) -> str:
        """See `Tokenizer`."""
        text: str = self._held.decode(tokens, skip_special_tokens=True)
        return text


class ByteTokenizer:
    """The bytes of the text in UTF-8, 0 to 255, with 256 for its beginning and 257 for its end."""

    vocabulary = 258
    stop: tuple[int, ...] = (257,)

    def encode(self, text: str) -> list[int]:
        """See `Tokenizer`."""
        return [256, *text.encode()]

    def decode(self, tokens: list[int]) -> str:
        """See `Tokenizer`; bytes that are no UTF-8 become signs of replacement."""
        return bytes(token for token in tokens if token < 256).decode(errors="replace")
