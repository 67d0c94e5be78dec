"""Whether a short history suffices: what Anderson acceleration asks before it leaves Picard's path.

Off that path, a step is a bet: what Picard's next steps would have found, nobody finds. On a nilpotent operator they
end all of a sudden. A history of all steps could work out where they lead. A short one serves as well if one of two
things holds, as far as the plain steps so far can tell.

1. A = ∂G/∂y is symmetric, or skew. Then truncated histories do the work of unlimited ones, and among all iterates that
are made of the steps so far, Picard's among them, theirs have the smallest residual. From plain steps come residuals f,
Af, A²f, and so ⟨f, A²f⟩ = ±‖Af‖². Asked for is half of it, on average. For a normal A, ⟨f, A²f⟩ / ‖Af‖² is the mean of
cos 2θ over the eigenvalues r exp(iθ) that f is made of, weighted by their shares of ‖Af‖². So these are assumed to lie
within 30 degrees of the real axis (a mean of at least ½) or of the imaginary one (at most −½), up to a few that lie
elsewhere. Damped steps have (1 − β) I + β A for A. Where A is far from normal, this may mislead: of a shift of random
numbers the ratio is 0 ± 1/√N, but numbers that vary smoothly are hardly changed by a shift, which passes for symmetric.

2. The history explains the residuals. What is left of them, f − Q Qᵀ f, is next to nothing; or it is little in several
windows of plain steps in a row. One such window may be the last of an operator that is nilpotent there; then Picard is
done before the next one is full. Counted is what k + 1 residuals tell that have something to do with each other: else,
if equal in size, their mean would have 1/√(k + 1) of it.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

_HALF = 0.5

_RECENT = 32  # plain steps that the average is taken over, about: the walk may have come to where A is another

_NOTHING = 2e-3**2  # as a square; rounding in float32 leaves 1e-3


class Evidence(NamedTuple):
    """What one sample's plain steps tell: (B, 1, 1) each, but for `change`."""

    change: Tensor  # (B, 1, m), the last change of the residual, as a combination of the remembered ones
    lengths: tuple[Tensor, Tensor]  # of the last residual and the one before
    plain: Tensor  # how many plain steps in a row led to the last iterate
    seen: Tensor  # how often there were two of them, up to _RECENT
    line: Tensor  # the average of ⟨f, A²f⟩ / ‖Af‖² over these
    left: Tensor  # the product over windows of the share of the residual that they do not explain, squared


class Seen(NamedTuple):
    """The newest change of the residual, next to those that are remembered."""

    along: Tensor  # (B, 1, m), its scalar products with the changes that were remembered till now
    change: Tensor  # (B, 1, m), the combination of those remembered from now on that it is
    known: Tensor  # (B, 1, 1), whether it is indeed


def no_evidence(length: Tensor, used: Tensor) -> Evidence:
    """After the first evaluation with this length of the residual (B, 1, 1), and after one plain step."""
    zero, one = torch.zeros_like(length), torch.ones_like(length)
    return Evidence(torch.zeros_like(used), (length, zero), one, zero, zero, one)


def weigh(
    evidence: Evidence, seen: Seen, length: Tensor, explained: Tensor, pairs: Tensor, accelerates: Tensor
) -> tuple[Evidence, Tensor]:
    """The evidence with that of a new residual, and whether it suffices (B, 1, 1).

    Args:
        explained: Qᵀf (B, 1, m).
        pairs: the number of pairs of changes in Q.
        accelerates: whether an accelerated step led here; what is left then is no evidence.
    """
    evidence = _straight(evidence, seen, length)
    share = (1 - _product(explained, explained) / length.square()) * (1 + pairs)
    left = torch.where(accelerates, evidence.left, (evidence.left * share).clamp(max=1))
    enough = (evidence.line.abs() >= _HALF) | (left <= _NOTHING)
    closed = (pairs == explained.shape[2]) | (left <= _NOTHING)
    return evidence._replace(left=torch.where(closed, left, evidence.left)), enough


def stepped(evidence: Evidence, good: Tensor, accelerated: Tensor, undone: Tensor) -> Evidence:
    """The evidence after a step. Where the residual has grown, what windows explained before is void."""
    plain = torch.where(accelerated | undone, 0, evidence.plain + 1)
    return evidence._replace(plain=plain, left=torch.where(good, evidence.left, 1))


def _straight(evidence: Evidence, seen: Seen, length: Tensor) -> Evidence:
    """With the scalar product of three residuals f, Af, A²f in a row, from ‖A²f − f‖², where the steps were plain."""
    before, older = evidence.lengths
    # With a = A²f − Af and b = Af − f: ‖a + b‖², in orthonormal changes.
    across = _product(seen.change, seen.change) + _product(evidence.change, evidence.change + 2 * seen.along)
    new = (length.square() + older.square() - across) / (2 * before.square())
    valid = evidence.plain >= 2
    count = torch.where(valid, evidence.seen + 1, evidence.seen).clamp(max=_RECENT)
    line = torch.where(valid, evidence.line + (new - evidence.line) / count, evidence.line)
    plain = torch.where(seen.known, evidence.plain, 0)
    return evidence._replace(change=seen.change, lengths=(length, before), plain=plain, seen=count, line=line)


def _product(a: Tensor, b: Tensor) -> Tensor:
    """⟨a, b⟩ of rows (B, 1, m), as numbers (B, 1, 1)."""
    return torch.bmm(a, b.mT)
