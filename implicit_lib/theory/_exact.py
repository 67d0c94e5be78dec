"""What balls cannot decide alone: that an expression is exactly zero, and what follows beside that point."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

from implicit_lib.theory._cells import Box
from implicit_lib.theory._enclosure import enclose
from implicit_lib.theory._formula import Formula
from implicit_lib.theory._interval import Interval
from implicit_lib.theory._jets import Jets, Singularity
from implicit_lib.theory._tree import Apply, Compare, Node, Number, Piecewise, Variable, variables_of


def vanishes(tree: Node, name: str, place: Node) -> bool:
    """Whether an expression in one variable is exactly 0 at a place, itself an expression without variables.

    By rational arithmetic where that is enough, and else by sympy. The expression must be continuous there, since sympy
    cancels what it can.
    """
    at_place = enclose(Formula("", (), substituted(tree, name, place)), ()).range
    if at_place.is_point() or at_place.is_nonzero():
        return bool(at_place.low.is_zero()) and at_place.is_point()
    import sympy

    from implicit_lib.theory._expression import expression

    try:
        value = expression(tree, (name,)).subs(sympy.Symbol(name, real=True), expression(place, ()))
    except ValueError:  # too large for sympy
        return False
    return bool(value == 0 or sympy.simplify(value) == 0)


def substituted(tree: Node, name: str, place: Node) -> Node:
    match tree:
        case Variable(other):
            return place if other == name else tree
        case Apply(operation, args):
            return Apply(operation, tuple(substituted(arg, name, place) for arg in args))
        case Piecewise(branches, otherwise):
            tests = (
                Compare(substituted(t.left, name, place), t.relation, substituted(t.right, name, place))
                for t, _ in branches
            )
            values = (substituted(value, name, place) for _, value in branches)
            return Piecewise(tuple(zip(tests, values, strict=True)), substituted(otherwise, name, place))
        case _:
            return tree


def is_regular_beside(obstacle: Singularity, name: str, side: Interval, end: Node) -> bool:
    """Whether an obstacle beside an open end lies at that end only.

    It does where its guard is zero at the end, exactly, and strictly monotone beside it: so it is not zero elsewhere.
    If the guard has to be positive, it must be so at the other end of the side.

    Args:
        obstacle: of an enclosure on `side`.
        name: of the variable.
        side: an interval with one open end.
        end: that end, exactly.
    """
    if obstacle.guard is None:
        return False
    guard = Formula("", (name,), obstacle.guard)
    enclosure = enclose(guard, (Interval(side.low, side.high),))
    (slope,) = enclosure.gradient
    if enclosure.obstacles or not slope.is_finite() or slope.contains(0) or not vanishes(obstacle.guard, name, end):
        return False
    other = side.high if side.low_open else side.low
    return not obstacle.positive or enclose(guard, ((other, other),)).range.is_positive()


def switches(tree: Node, names: Sequence[str]) -> list[tuple[str, Node]]:
    """The places at which conditions of the form `x < place` change: the variable, and the expression of the place."""
    match tree:
        case Apply(_, args):
            return [found for arg in args for found in switches(arg, names)]
        case Piecewise(branches, otherwise):
            parts = [part for test, value in branches for part in (test.left, test.right, value)]
            nested = [found for part in (*parts, otherwise) for found in switches(part, names)]
            return nested + [found for test, _ in branches for found in _switch(test)]
        case _:
            return []


def _switch(test: Compare) -> list[tuple[str, Node]]:
    for one, other in ((test.left, test.right), (test.right, test.left)):
        if isinstance(one, Variable) and not variables_of(other):
            return [(one.name, other)]
    return []


def resolved(tree: Node, names: Sequence[str], box: Box, places: Mapping[Node, int]) -> Node:
    """The same expression on a box, without the conditions that hold everywhere on it, or nowhere.

    Args:
        tree: the expression.
        names: of its variables.
        box: the box.
        places: in one variable, the exact ends of the box: 1 for the lower, −1 for the upper one, for an end that is
            open; or 0 for the coordinate of a box that is a point. Where they are not binary numbers, the box is
            a bit too large to decide conditions that change there.
    """
    match tree:
        case Apply(name, args):
            return Apply(name, tuple(resolved(arg, names, box, places) for arg in args))
        case Piecewise(branches, otherwise):
            live = []
            for test, value in branches:
                holds = _holds_beside(test, places)
                holds = Jets(box).decide_on(test, names) if holds is None else holds
                if holds:
                    otherwise = value
                    break
                if holds is None:
                    live.append((test, resolved(value, names, box, places)))
            last = resolved(otherwise, names, box, places)
            return Piecewise(tuple(live), last) if live else last
        case _:
            return tree


def _holds_beside(test: Compare, places: Mapping[Node, int]) -> bool | None:
    """Whether a condition of the form `x < place` holds, from the side of the place on which x is."""
    for one, other, flip in ((test.left, test.right, 1), (test.right, test.left, -1)):
        if isinstance(one, Variable) and other in places:
            sign = flip * places[other]
            signs = {"<": (-1,), "<=": (-1, 0), "==": (0,), ">=": (0, 1), ">": (1,)}
            return sign in signs[test.relation]
    return None


def is_joined(formula: Formula, place: Node, sides: Sequence[Interval], belongs: bool) -> bool:
    """Whether a formula in one variable is Lipschitz across a place where its conditions change, or that is a hole.

    Each side is continued to the place by its own case of the formula, which must be Lipschitz up to there. What is
    left to show is that the cases agree at the place: exactly, not up to a tolerance.

    Args:
        formula: in one variable.
        place: the exact coordinate.
        sides: the intervals on one or both sides, which end at the place.
        belongs: whether the place belongs to the domain, so that the value there counts.
    """
    (name,) = formula.variables
    trees = [resolved(formula.tree, (name,), (side,), {place: 1 if side.low_open else -1}) for side in sides]
    for tree, side in zip(trees, sides, strict=True):
        if not enclose(Formula("", (name,), tree), (Interval(side.low, side.high),)).slope.is_finite():
            return False
    if belongs:
        ball = enclose(Formula("", (), place), ()).range
        trees.append(resolved(formula.tree, (name,), (ball,), {place: 0}))
    return all(tree == trees[0] or vanishes(Apply("sub", (tree, trees[0])), name, place) for tree in trees[1:])


def vanishes_only_at(guard: Node, point: Mapping[str, Node | None]) -> bool:
    """Whether the form of an expression shows that it is at least 0, and 0 at one point only: `x**2 + abs(y - 1)`."""
    zeros = _zeros(guard)
    return zeros is not None and all(name in zeros and zeros[name] == point[name] for name in point)


def _zeros(node: Node) -> dict[str, Node] | None:
    """The coordinates that a point must have for a sum of non-negative terms to be 0 there; None for other forms."""
    match node:
        case Apply("pow", (base, Number(exponent))) if exponent > 0 and exponent.numerator % 2 == 0:
            return _coordinate(base)
        case Apply("mul", (left, right)) if left == right:
            return _coordinate(left)
        case Apply("abs", (base,)):
            return _coordinate(base)
        case Apply("sqrt", (base,)):
            return _zeros(base)
        case Apply("add", (left, right)):
            parts = _zeros(left), _zeros(right)
            return None if parts[0] is None or parts[1] is None else parts[0] | parts[1]
        case _:
            return None


def _coordinate(base: Node) -> dict[str, Node] | None:
    """Where a variable, or its difference to a constant, is 0."""
    match base:
        case Variable(name):
            return {name: Number(Fraction(0))}
        case Apply("sub", (Variable(name), place)) if not variables_of(place):
            return {name: place}
        case _:
            return _zeros(base)
