"""What the widget says of a typed function: the figure where it is reached, and the verdict in any case."""

from __future__ import annotations

from dataclasses import dataclass, replace

from implicit_lib.explore import Explorer
from implicit_lib.theory import Domain, NotReached, RegularOperator, Verdict, parse
from implicit_lib.theory._tree import variables_of

from ._figure import figure_of

VARIABLES = ("x", "y")
CONCLUSION = "so y ← y + ε (F − y) with ε = r̂/(1 + |F|) is regular with constant 2, and reaches F where r̂ > 0"


@dataclass(frozen=True)
class Answer:
    """The verdict, and the figure of the operator; None where F is not reached."""

    verdict: Verdict
    figure: Explorer | None


def answer(formula: str, domain: str, *, name: str = "typed") -> Answer:
    """Certify a typed function of one variable or two, and draw its iteration.

    Args:
        formula: F in x, or in x and y, as it was typed.
        domain: where, as it was typed; its intervals are one for each variable.
        name: of the figure; an identifier.

    Raises:
        FormulaError: a text is no formula, or no domain.
        ValueError: the domain has fewer intervals than the formula has variables, or more than two.
    """
    read, where = parse(formula, VARIABLES), Domain.parse(domain)
    if where.dimension > len(VARIABLES):
        raise ValueError(f"F has one variable or two, but {domain} is a domain for {where.dimension}")
    missing = variables_of(read.tree) - set(VARIABLES[: where.dimension])
    if missing:
        raise ValueError(f"F depends on y: give it an interval too, as in [0, 1] x (0, 2], where now is {domain}")
    read = parse(formula, VARIABLES[: where.dimension])
    try:
        operator = RegularOperator.reaching(read, where)
    except NotReached as refusal:
        return Answer(refusal.verdict, None)
    verdict = replace(operator.verdict, lines=(*operator.verdict.lines, CONCLUSION))
    return Answer(verdict, figure_of(read, where, operator, name=name))
