"""How far two texts are apart, in words."""

from __future__ import annotations


def word_distance(first: str, second: str) -> int:
    """The Levenshtein distance of two texts, counted in words: how many to insert, delete or replace.

    Words are what blanks separate, with their punctuation.
    """
    a, b = first.split(), second.split()
    row = list(range(len(b) + 1))  # from the words of a read so far to each beginning of b
    for i, word in enumerate(a, start=1):
        diagonal, row[0] = row[0], i
        for j, other in enumerate(b, start=1):
            replaced = diagonal + (word != other)
            diagonal, row[j] = row[j], min(replaced, row[j] + 1, row[j - 1] + 1)
    return row[-1]
