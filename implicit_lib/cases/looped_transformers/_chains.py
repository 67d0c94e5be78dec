"""Assignment chains: "a=b b=c c=7", in any order; what is every letter? How far a value is away is a number."""

from __future__ import annotations

import re
from typing import NamedTuple

import torch
from torch import Tensor

NAMES = 286
"""Names that a statement can define: a … z, then a0 … z9."""

VALUES = 10
"""Values: the digits."""

_STATEMENT = re.compile(r"([a-z][0-9]?)=([a-z][0-9]?|[0-9])")


class ChainError(ValueError):
    """A text that is no assignment chains; the message says where, and what is expected."""


class Chains(NamedTuple):
    """Statements that set names, n in each of B contexts; every name is set once, and leads to a value.

    Attributes:
        name: what each statement sets (B, n), int64, below NAMES.
        given: what it is set to (B, n): a name, or NAMES + value.
        answer: the value that the name has (B, n), below VALUES.
        chain: of which chain the statement is (B, n): those that meet the same value have one number.
        depth: how many statements lie between it and the value (B, n); 0: it gives the value itself.
    """

    name: Tensor
    given: Tensor
    answer: Tensor
    chain: Tensor
    depth: Tensor

    def to(self, device: torch.device | str) -> Chains:
        """The same elsewhere."""
        return Chains(*(each.to(device) for each in self))

    def take(self, rows: Tensor | slice) -> Chains:
        """Some of the contexts."""
        return Chains(*(each[rows] for each in self))


def draw(batch: int, chains: int, length: int, generator: torch.Generator) -> Chains:
    """Contexts of `chains` chains of `length` statements, with random names, values and order.

    Raises:
        ValueError: chains · length is 0, or more than there are names.
    """
    n = chains * length
    if not 1 <= n <= NAMES:
        raise ValueError(f"a context has 1 to {NAMES} statements, but {chains} chains of {length} make {n}")
    name = torch.rand(batch, NAMES, generator=generator).argsort(dim=1)[:, :n].view(batch, chains, length)
    value = torch.randint(VALUES, (batch, chains, 1), generator=generator)
    given = torch.cat([NAMES + value, name[:, :, :-1]], dim=2)
    chain, depth = torch.arange(chains)[:, None], torch.arange(length)
    order = torch.rand(batch, n, generator=generator).argsort(dim=1)
    parts = (name, given, value, chain, depth)
    return Chains(*(part.expand(batch, chains, length).reshape(batch, n).gather(1, order) for part in parts))


def flipped(contexts: Chains, chain: int, by: int = 1) -> Chains:
    """The same but for one token: the value of that chain in every context is another, larger by `by` modulo 10.

    Raises:
        ValueError: `by` leaves the value as it is.
    """
    if by % VALUES == 0:
        raise ValueError(f"by must not be a multiple of {VALUES}, but is {by}: the value would stay")
    of_it = contexts.chain == chain
    given = torch.where(of_it & (contexts.depth == 0), NAMES + (contexts.given - NAMES + by) % VALUES, contexts.given)
    return contexts._replace(given=given, answer=torch.where(of_it, (contexts.answer + by) % VALUES, contexts.answer))


def parse(text: str) -> Chains:
    """The statements of a text such as "a=b b=c c=7", divided by spaces, commas or semicolons, as one context.

    Raises:
        ChainError: there are none; one is no statement; a name is set twice, or never, or leads in a circle.
    """
    statements = [_statement(each) for each in re.split(r"[\s,;]+", text.strip()) if each]
    if not statements:
        raise ChainError("the text is empty; write statements such as a=b b=c c=7")
    given: dict[str, str] = {}
    for name, to in statements:
        if name in given:
            raise ChainError(f"{name} is set twice, to {given[name]} and to {to}; set every name once")
        given[name] = to
    followed = [_followed(name, given) for name, _ in statements]
    heads = list(dict.fromkeys(path[-2] for path in followed))
    rows = [
        (
            _number(path[0]),
            NAMES + int(path[1]) if path[1].isdigit() else _number(path[1]),
            int(path[-1]),
            heads.index(path[-2]),
            len(path) - 2,
        )
        for path in followed
    ]
    return Chains(*torch.tensor(rows).T[:, None])


def name_text(number: int) -> str:
    """The name of that number: a … z, a0 … z9."""
    if number < 26:
        return chr(ord("a") + number)
    letter, digit = divmod(number - 26, 10)
    return chr(ord("a") + letter) + str(digit)


def text(contexts: Chains, row: int = 0) -> str:
    """One of the contexts as `parse` reads it."""
    pairs = zip(contexts.name[row].tolist(), contexts.given[row].tolist(), strict=True)
    return " ".join(f"{name_text(name)}={name_text(to) if to < NAMES else to - NAMES}" for name, to in pairs)


def _statement(written: str) -> tuple[str, str]:
    found = _STATEMENT.fullmatch(written)
    if found is None:
        raise ChainError(
            f"{written[:20]!r} is no statement; write a name, = and a name or a digit, such as a=b or c=7 "
            "(a name is a letter from a to z, or a letter and a digit)"
        )
    return found[1], found[2]


def _followed(name: str, given: dict[str, str]) -> list[str]:
    """The name, what it is set to, what that is set to, and so on to a value."""
    path = [name]
    while not path[-1].isdigit():
        if path[-1] not in given:
            raise ChainError(f"{path[-1]} is used, but never set; add {path[-1]}=5, say")
        path.append(given[path[-1]])
        if path[-1] in path[:-1]:
            raise ChainError(f"{' = '.join(path)} leads in a circle; set one of them to a digit")
    return path


def _number(name: str) -> int:
    letter = ord(name[0]) - ord("a")
    return letter if len(name) == 1 else 26 + 10 * letter + int(name[1])
