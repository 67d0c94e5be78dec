"""Pairs of prompts that differ by one word."""

from __future__ import annotations

import json
from pathlib import Path

PAIRS = Path(__file__).parent / "pairs.json"


def contrast_pairs() -> list[tuple[str, str]]:
    """200 pairs of questions and requests that differ by one word, and whose answers differ.

    The first is of the paper (Table 2); the others are this book's own.
    """
    return [(first, second) for first, second in json.loads(PAIRS.read_text(encoding="utf-8"))]
