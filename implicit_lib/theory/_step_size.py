"""Does a step ε(x) make G(y, x) = y + ε(x) (F(x) − y) regular?"""

from __future__ import annotations

from fractions import Fraction

from implicit_lib.theory import _interval as iv
from implicit_lib.theory._algebraic import simplified
from implicit_lib.theory._cells import middle_of
from implicit_lib.theory._domain import Domain
from implicit_lib.theory._enclosure import PRECISION
from implicit_lib.theory._formula import Formula, parse
from implicit_lib.theory._places import LINE, at_typed
from implicit_lib.theory._positive import positive_on
from implicit_lib.theory._radius import rounded_down
from implicit_lib.theory._ranges import domain_boxes
from implicit_lib.theory._refutation import refutation
from implicit_lib.theory._survey import survey
from implicit_lib.theory._tree import Apply, Number
from implicit_lib.theory._verdict import Verdict


def check_step_size(F: Formula | str, epsilon: Formula | str, domain: Domain | str) -> Verdict:
    """Whether y + ε(x) (F(x) − y) is regular on a domain: exactly if 0 < ε < 2, and both ε and εF are Lipschitz.

    A hole is no barrier: the quotients |ε(x)F(x) − ε(x')F(x')| / |x − x'| count across it too.

    Args:
        F: a formula in one variable, or its text in x.
        epsilon: the step, in the same variable.
        domain: in one variable, or its text.

    Returns:
        "certified" with both Lipschitz constants; "refuted" with the point to which the quotients grow without bound,
        or at which ε is no step; or "undecided" with the part of the domain where no bound was found.

    Raises:
        FormulaError: a text is no formula or no domain.
        ValueError: the formulas and the domain are not in one and the same variable.
    """
    domain = Domain.parse(domain) if isinstance(domain, str) else domain
    F, epsilon = (parse(each) if isinstance(each, str) else each for each in (F, epsilon))
    if F.variables != epsilon.variables or len(F.variables) != 1 or domain.dimension != 1:
        raise ValueError(
            f"F, ε and the domain must be in one variable, but are in {F.variables}, {epsilon.variables} and "
            f"{domain.dimension} of them"
        )
    product = Formula(f"({epsilon.text})*({F.text})", F.variables, Apply("mul", (epsilon.tree, F.tree)))
    with iv.working_precision(PRECISION):
        step = _is_a_step(epsilon, domain)
        if step is not None:
            return step
        verdicts = [lipschitz_on(each, domain, name) for each, name in ((epsilon, "ε"), (product, "εF"))]
    failed = [verdict for verdict in verdicts if not verdict]
    worst = next((verdict for verdict in failed if verdict.kind == "refuted"), failed[0] if failed else None)
    if worst is not None:
        return worst
    lines = tuple(verdict.statement for verdict in verdicts)
    return Verdict("certified", f"regular on {domain.text}: {' and '.join(lines)}", None, lines)


def _is_a_step(epsilon: Formula, domain: Domain) -> Verdict | None:
    """A verdict if 0 < ε < 2 fails somewhere, or could not be shown."""
    room = Apply("sub", (Number(Fraction(2)), epsilon.tree))
    for tree, claim in ((epsilon.tree, "positive"), (room, "below 2")):
        failed = positive_on(Formula(epsilon.text, epsilon.variables, tree), domain_boxes(domain))
        if failed is not None:
            kind, at = failed
            where = f"{epsilon.variables[0]} = {at[0]:.12g}"
            reason = f"ε is not {claim} at {where}" if kind == "refuted" else f"no proof that ε is {claim} near {where}"
            return Verdict(kind, reason, at)
    return None


def lipschitz_on(formula: Formula, domain: Domain, name: str) -> Verdict:
    """Whether a formula in one variable is Lipschitz, with one constant, on all of a domain with its holes."""
    parts = domain.components
    for node in dict.fromkeys(end for part in parts for end in (part.low, part.high) if end is not None):
        # two intervals may end at one point that is left out: differences across it count
        begins, ends = (
            any(end == node for end in each) for each in zip(*((p.low, p.high) for p in parts), strict=True)
        )
        directions = tuple(way for way, goes_on in zip(LINE, (begins, ends), strict=True) if goes_on)
        found = refutation(formula, at_typed(formula.variables[0], node, directions, belongs=False), name)
        if found is not None:
            return Verdict("refuted", f"{found.statement}; no Lipschitz constant holds there", found.at, found.lines)
    survey_of = [survey(formula, domain, name)]
    if survey_of[0].failure is None and survey_of[0].unbounded and (simpler := simplified(formula)) is not None:
        survey_of.append(survey(simpler, domain, name))
    best = survey_of[-1] if survey_of[-1].failure is None else survey_of[0]
    if best.failure is not None:
        return best.verdict(formula, domain)
    constant = max((slope for _, slope in best.bounded), key=lambda slope: slope.mid())
    if best.unbounded:
        at = tuple(float(middle_of(side)) for side in best.unbounded[0])
        where = f"{formula.variables[0]} = {at[0]:.6g}"
        reason = f"{name} has slopes up to {float(constant):.6g}, but no bound was found near {where}"
        return Verdict("undecided", reason, at, tuple(best.lines))
    bound = abs(rounded_down(-constant))
    return Verdict("certified", f"{name} is Lipschitz with constant {bound:.6g}", None, tuple(best.lines))
