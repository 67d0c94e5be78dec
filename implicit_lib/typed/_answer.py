"""What the widget says of a typed function: the figure where it is reached, and the verdict in any case."""

from __future__ import annotations

from dataclasses import dataclass, replace

from implicit_lib.explore import Explorer
from implicit_lib.theory import Domain, NotReached, RegularOperator, Verdict, parse

from ._figure import figure_of

CONCLUSION = "so y ← y + ε (F − y) with ε = r̂/(1 + |F|) is regular with constant 2, and reaches F where r̂ > 0"


@dataclass(frozen=True)
class Answer:
    """The verdict, and the figure of the operator; None where F is not reached."""

    verdict: Verdict
    figure: Explorer | None


def answer(formula: str, domain: str, *, name: str = "typed") -> Answer:
    """Certify a typed function of one variable, and draw its iteration.

    Args:
        formula: F(x), as it was typed.
        domain: where, as it was typed.
        name: of the figure; an identifier.

    Raises:
        FormulaError: a text is no formula, or no domain.
        ValueError: the domain has more than one variable.
    """
    read, where = parse(formula), Domain.parse(domain)
    if where.dimension != 1:
        raise ValueError(f"this figure draws functions of one variable, and {domain} is a domain for {where.dimension}")
    try:
        operator = RegularOperator.reaching(read, where)
    except NotReached as refusal:
        return Answer(refusal.verdict, None)
    verdict = replace(operator.verdict, lines=(*operator.verdict.lines, CONCLUSION))
    return Answer(verdict, figure_of(read, where, operator, name=name))
