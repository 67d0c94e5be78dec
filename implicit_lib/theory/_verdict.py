"""What a check of the theory answers: how sure it is, of what, and where it fails."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["proved", "certified", "not refuted", "refuted", "undecided"]


@dataclass(frozen=True)
class Verdict:
    """The answer of a check. It counts as true only if it is proved or certified.

    Attributes:
        kind: "proved" by theorem or exact algebra, "certified" by enclosures in ball arithmetic, "not refuted" by the
            samples taken, "refuted" by a counterexample or a proof, or "undecided".
        statement: what holds, or what fails and why.
        at: the point of the counterexample, or of the difficulty; None if there is none.
        lines: the certificate, or the evidence, line by line.
    """

    kind: Kind
    statement: str
    at: tuple[float, ...] | None = None
    lines: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return self.kind in ("proved", "certified")

    def __str__(self) -> str:
        return f"{self.kind}: {self.statement}"
