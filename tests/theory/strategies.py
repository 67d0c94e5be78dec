"""Random formulas of the whole grammar, for hypothesis."""

from collections.abc import Sequence
from fractions import Fraction

from hypothesis import strategies as st

from implicit_lib.theory import Formula, FormulaError, parse
from implicit_lib.theory._tree import FUNCTIONS, Apply, Compare, Constant, Node, Number, Piecewise, Variable
from implicit_lib.theory._written import written

_SINGLE = tuple(name for name in FUNCTIONS if name not in ("min", "max"))
_EXPONENTS = tuple(Fraction(*pair) for pair in ((2, 1), (3, 1), (-1, 1), (-2, 1), (0, 1), (1, 2), (1, 3), (-3, 4)))


def trees(variables: Sequence[str] = ("x",), leaves: int = 10) -> st.SearchStrategy[Node]:
    """Trees as the parser builds them, of about so many leaves at most. Constants in them may be undefined."""
    numbers = st.sampled_from([Number(Fraction(n, 10)) for n in (0, 1, 5, 10, 15, 20, 30, 75)])
    names = st.sampled_from([Variable(name) for name in variables])
    constants = st.sampled_from([Constant("pi"), Constant("e")])
    return st.recursive(names | names | numbers | constants, _grown, max_leaves=leaves)


def formulas(variables: Sequence[str] = ("x",), leaves: int = 10) -> st.SearchStrategy[Formula]:
    """Formulas that the parser accepts."""
    return trees(variables, leaves).map(lambda tree: _read(tree, variables)).filter(bool)


def _grown(part: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    """Every way to put trees together."""
    single = st.builds(lambda name, a: Apply(name, (a,)), st.sampled_from(("neg", *_SINGLE)), part)
    double = st.builds(
        lambda name, a, b: Apply(name, (a, b)), st.sampled_from(("add", "sub", "mul", "div")), part, part
    )
    several = st.builds(Apply, st.sampled_from(("min", "max")), st.lists(part, min_size=2, max_size=3).map(tuple))
    powers = st.builds(lambda a, p: Apply("pow", (a, Number(p))), part, st.sampled_from(_EXPONENTS))
    # The exponent is a function's value: never a rational number, which the parser would have worked out.
    varying = st.builds(lambda a, name, b: Apply("pow", (a, Apply(name, (b,)))), part, st.sampled_from(_SINGLE), part)
    tests = st.builds(Compare, part, st.sampled_from(("<", "<=", ">", ">=", "==")), part)
    branches = st.lists(st.tuples(tests, part), min_size=1, max_size=2).map(tuple)
    return single | double | double | several | powers | varying | st.builds(Piecewise, branches, part)


def _read(tree: Node, variables: Sequence[str]) -> Formula | None:
    try:
        return parse(written(tree), variables)
    except FormulaError:
        return None
