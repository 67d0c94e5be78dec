"""Typed formulas are read as they are meant, or refused with the character and the reason; nothing ever runs."""

import ast
import pickle
import random
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from implicit_lib.theory import FormulaError, parse
from implicit_lib.theory._tree import Apply, Compare, Constant, Node, Number, Piecewise, Variable, variables_of
from implicit_lib.theory._written import written
from tests.theory.strategies import trees

THEORY = Path(__file__).resolve().parents[2] / "implicit_lib" / "theory"
X, Y = Variable("x"), Variable("y")


def number(value: str | int) -> Number:
    return Number(Fraction(value))


READ: dict[str, Node] = {
    "0.1": number("1/10"),
    "1.": number(1),
    ".5e-3": number("1/2000"),
    "2E2": number(200),
    "pi*e": Apply("mul", (Constant("pi"), Constant("e"))),
    "x - y - 1": Apply("sub", (Apply("sub", (X, Y)), number(1))),
    "x/y*2": Apply("mul", (Apply("div", (X, Y)), number(2))),
    "x + y*2": Apply("add", (X, Apply("mul", (Y, number(2))))),
    "-x**2": Apply("neg", (Apply("pow", (X, number(2))),)),
    "(-x)^2": Apply("pow", (Apply("neg", (X,)), number(2))),
    "x**-2": Apply("pow", (X, number(-2))),
    "x**-(1/3)": Apply("pow", (X, number("-1/3"))),
    "x**1/3": Apply("div", (Apply("pow", (X, number(1))), number(3))),
    "x**2**3": Apply("pow", (X, number(8))),
    "x**(2*3 - 9/2 + 0.5)": Apply("pow", (X, number(2))),
    "x**y**2": Apply("pow", (X, Apply("pow", (Y, number(2))))),
    "x**pi": Apply("pow", (X, Constant("pi"))),
    "x**2**0.5": Apply("pow", (X, Apply("pow", (number(2), number("1/2"))))),
    "2*-x": Apply("mul", (number(2), Apply("neg", (X,)))),
    "+x": X,
    "\t( x )\n": X,
    "max(x, y, 1)": Apply("max", (X, Y, number(1))),
    "piecewise(x < 0, -1, x == 0, 0, 1)": Piecewise(
        (
            (Compare(X, "<", number(0)), Apply("neg", (number(1),))),
            (Compare(X, "==", number(0)), number(0)),
        ),
        number(1),
    ),
}


@pytest.mark.parametrize("text", READ)
def test_reads(text: str) -> None:
    assert parse(text, ("x", "y")).tree == READ[text]


REFUSED = {
    "": (0, "nothing to read"),
    " \n": (0, "nothing to read"),
    "2x": (1, "write * for times"),
    "(x)(x)": (3, "write * for times"),
    "sin(x y)": (6, "write * for times"),
    "x(2)": (1, "write * for times"),
    "9**9**9": (4, "exponent is too large"),
    "x**101": (3, "exponent is too large"),
    "x**(1/1000001)": (5, "exponent is too large"),
    "((x**20)**20)**20": (15, "multiply to more than 1000"),
    "x.__class__": (1, "a dot belongs into a number"),
    "x__class__": (0, "'x__class__' is not known"),
    "__import__": (0, "names begin with a letter"),
    "eval(x)": (0, "'eval' is not known"),
    "x\u22121": (1, "'\u2212' (U+2212, MINUS SIGN) is not part of formulas: write - for minus"),
    "2\u00d7x": (1, "MULTIPLICATION SIGN"),
    "x\u00b2": (1, "write a power as x**2"),
    "x\uff0b1": (1, "write +"),
    "x\u00a0+ 1": (1, "write a plain space"),
    "\u0445": (0, "CYRILLIC SMALL LETTER HA"),
    "\u0661": (0, "ARABIC-INDIC DIGIT ONE"),
    "|x|": (0, "write abs(x)"),
    "x\0": (1, "U+0000"),
    "\ud800": (0, "U+D800"),
    "sin": (0, "write sin(...)"),
    "sin x": (0, "write sin(...)"),
    "sin()": (4, "a value is expected"),
    "sin(x, x)": (0, "takes 1 value, not 2"),
    "min(x)": (0, "takes 2 values or more"),
    "ln(x)": (0, "write log(x)"),
    "sign(x)": (0, "write piecewise(x < 0, -1, x == 0, 0, 1)"),
    "z": (0, "'z' is not known: names are x, pi, e"),
    "0,5": (1, "a decimal sign is a dot"),
    "x < 1": (2, "belongs into piecewise"),
    "(x < 1)": (3, "belongs into piecewise"),
    "piecewise(x, 1, 2)": (0, "begins with a condition"),
    "piecewise(x < 0, 1)": (18, "ends with the value that holds otherwise"),
    "piecewise(0 < x < 1, 1, 0)": (16, "after the condition"),
    "x = 1": (2, "equality is written =="),
    "x != 1": (2, "only < <= > >= =="),
    "(x": (2, "opened at character 1 is not closed"),
    "x)": (1, "not expected here"),
    "x +": (3, "ends where a value is expected"),
    "x*/2": (2, "a value is expected here, not '/'"),
    "[x]": (0, "a value is expected"),
    "1/0": (1, "1/0 is undefined"),
    "x + log(1 - 1)": (4, "log(1 - 1) is undefined"),
    "x*sqrt(-1)": (2, "undefined"),
    "gamma(-2)": (0, "undefined"),
    "exp(710)": (0, "beyond the range"),
    "1e309": (0, "beyond the range"),
    "1e-309": (0, "beyond the range"),
    "9" * 310: (0, "beyond the range"),
    "(" * 100: (64, "nested too deeply"),
    "-" * 200 + "x": (128, "nested too deeply"),
    "x+" * 70 + "x": (127, "nested deeper than 64"),
    "max(" + "x+x," * 90 + "x)": (346, "more than 256 parts"),
    "x" * 501: (500, "501 characters"),
}


@pytest.mark.parametrize("text", REFUSED)
def test_refuses(text: str) -> None:
    position, reason = REFUSED[text]
    with pytest.raises(FormulaError) as refusal:
        parse(text)
    assert (refusal.value.position, refusal.value.text) == (position, text)
    assert reason in refusal.value.reason


def test_a_refusal_points_at_the_character() -> None:
    with pytest.raises(FormulaError) as refusal:
        parse("1 + 2*\x07foo(x)")
    message = "character 7: a character (U+0007, a control character or an unassigned one) is not part of formulas"
    assert str(refusal.value) == f"{message}\n  1 + 2*\ufffdfoo(x)\n        ^"
    with pytest.raises(FormulaError) as far:
        parse("x" + " + x" * 50 + " + 2x")
    assert str(far.value).splitlines()[1:] == ["  " + " + x" * 9 + " + 2x", "  " + " " * 40 + "^"]
    assert str(pickle.loads(pickle.dumps(far.value))) == str(far.value)


def test_what_is_no_text_or_no_name() -> None:
    with pytest.raises(TypeError, match="a formula is a string, got bytes"):
        parse(b"x")  # type: ignore[arg-type]
    for names in (("sin",), ("e",), ("x", "x"), ("x y",), ("",), ("__x",), ("inf",), ("\u0445",)):
        with pytest.raises(ValueError, match="variable"):
            parse("1", names)


def test_limits_are_reached() -> None:
    parse("(" * 60 + "x" + ")" * 60)
    parse("x+" * 60 + "x")
    parse("((x**10)**10)**10 + x**100 + x**-100")
    parse("1e308 + " + "9" * 308 + "/x")
    parse("max(" + "x," * 240 + "x)")
    parse("x" + " " * 499)


@settings(max_examples=300, deadline=None)
@given(trees(("x", "y")))
def test_what_is_written_is_read_back(tree: Node) -> None:
    text = written(tree)
    try:
        formula = parse(text, ("x", "y"))
    except FormulaError as refusal:  # constants of a random tree may have no value; the grammar is never the reason
        assert refusal.reason.endswith(("is undefined", "is beyond the range of double precision"))
    else:
        assert formula.tree == tree
        assert variables_of(tree) == {name for name in ("x", "y") if name in text.replace("exp", "").replace("max", "")}


def test_brackets_are_written_where_they_are_needed() -> None:
    def above(parts: list[Node]) -> list[Node]:
        pairs = [(a, b) for a in parts for b in parts]
        operators = ("add", "sub", "mul", "div", "pow", "max")
        return [Apply(name, pair) for name in operators for pair in pairs] + [Apply("neg", (part,)) for part in parts]

    small: list[Node] = [X, number("2.5"), Apply("pow", (X, number(-2))), Apply("pow", (X, number("1/3")))]
    trees = above([X, *above(small[:1]), *small[2:]])
    for tree in trees:
        assert parse(written(tree)).tree == tree
    assert written(trees[0]) == "x + x" and len(trees) > 600


@settings(max_examples=200, deadline=None)
@given(st.fractions(min_value=0) | st.decimals(0, 10**9, places=12).map(Fraction))
def test_every_number_is_written(value: Fraction) -> None:
    assert Fraction(written(Number(value))) == value
    assert written(Number(-value - 1)) in (f"-{written(Number(value + 1))}", f"-({written(Number(value + 1))})")


def no_code_ran(run: Callable[[], None]) -> None:
    """Run, and fail on every code that Python compiles, executes or imports, and every file or process it opens."""
    seen: list[str] = []
    watching = [True]
    watched = ("exec", "compile", "import", "open", "os.", "subprocess.", "socket.", "ctypes.", "marshal.")

    def hook(event: str, _: object) -> None:  # cannot be taken away again, so it is silenced
        if watching[0] and event.startswith(watched):
            seen.append(event)

    sys.addaudithook(hook)
    try:
        run()
    finally:
        watching[0] = False
    assert seen == []


def test_the_watch_sees_code_that_runs() -> None:
    for harm in ("1 + 1", "__import__('xml.dom.minidom')", "open('/dev/null')"):
        with pytest.raises(AssertionError):
            no_code_ran(lambda harm=harm: eval(harm))  # type: ignore[misc]


def test_ten_thousand_hostile_texts_are_refused() -> None:
    texts = [text for text, _ in zip(hostile(random.Random(4)), range(10_000), strict=False)]
    assert len(set(texts)) == 10_000
    slowest, accepted = 0.0, []

    def read_all() -> None:
        nonlocal slowest
        for text in texts:
            start = time.thread_time()
            try:
                accepted.append(parse(text, ("x", "y")).text)
            except FormulaError as refusal:
                assert 0 <= refusal.position <= len(text) and refusal.reason
                message = str(refusal)
                assert len(message) < 900 and message.startswith(f"character {refusal.position + 1}: ")
                assert message.isascii() or message.encode()  # no lone surrogates
            slowest = max(slowest, time.thread_time() - start)

    no_code_ran(read_all)
    assert accepted == []
    assert slowest < 0.1
    tracemalloc.start()
    for text in texts[::10]:
        with pytest.raises(FormulaError):
            parse(text, ("x", "y"))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2e6


def hostile(rng: random.Random) -> Iterator[str]:
    """Texts that are no formulas, without end."""
    yield from ("", " ", "\0", "\n\t", "x" * 1_000_000, "(" * 100_000, "9**" * 100_000 + "9", "\ud800" * 1000)
    known = set[str]()
    while True:
        text = rng.choice(KINDS)(rng)
        if text not in known:
            known.add(text)
            yield text


VALID = (
    "x",
    "x**2 - 1/3",
    "sin(x)/x",
    "piecewise(x < 0, -x, x*y)",
    "exp(-x**2)",
    "max(x, y, 0.5)*pi",
    "(x + y)*(x - y)",
)
HARM = (
    *("__import__('os').system('true')", "eval('1')", "exec('x=1')", "open('/etc/passwd').read()", "lambda x: x"),
    *("[x for x in range(10**9)]", "().__class__.__bases__[0].__subclasses__()", "globals()['x']", "x if x else y"),
    *(
        "'a'*10**9",
        'f"{x.__class__}"',
        "x; y",
        "x := 1",
        "{x: y}",
        "{{x}}",
        "%s" * 9,
        "<script>1</script>",
        "x' OR '1'='1",
    ),
    *(
        "breakpoint()",
        "getattr(x, 'real')",
        "x.real",
        "x.__init__.__globals__",
        "Symbol('x')",
        "S(1)",
        "oo",
        "zoo",
        "nan",
    ),
    *(
        "import os",
        "print(x)",
        "x and y",
        "not x",
        "~x",
        "x @ y",
        "x << 9",
        "0x10",
        "1_000",
        "1j",
        "b'x'",
        "...",
        "\\N{DIGIT ONE}",
    ),
)
ALIKE = "−–—×·∗÷∕²³⁻½√π∞≤≥≠｜（）［］＋－＊／＜＝хеоΑπ１２٣०\u00a0\u2003\u200b\u200e\u202e\ufeff\u0307"


def _power_tower(rng: random.Random) -> str:
    base = rng.choice(["x", "9", "(x + 1)", "2.5"])
    return rng.choice([f"{base}**", f"{base}^(1 + x)**", f"exp(x)**({base})**"]) + "**".join(
        str(rng.randint(9, 10 ** rng.randint(2, 30))) for _ in range(rng.randint(2, 8))
    )


def _growing(rng: random.Random) -> str:
    n = rng.randint(1000, 10 ** rng.randint(4, 200))
    return rng.choice(
        [f"gamma({n})", f"exp({n})", f"exp(exp(exp({n % 90 + 8})))", f"x**{n}", f"x*(pi**90)**{n}", f"1e{n}"]
    )


def _nested(rng: random.Random) -> str:
    n = rng.randint(66, 480)
    opening = rng.choice(["(", "sin(", "-(", "abs(-", "x+(", "x**(", "max(x,", "piecewise(x<", "[", "{", "x*("])
    return opening * n + "x" + ")" * (n if rng.random() < 0.5 else rng.randint(0, n))


def _inserted(what: str) -> Callable[[random.Random], str]:
    def insert(rng: random.Random) -> str:
        text = rng.choice(VALID)
        position = rng.randint(0, len(text))
        return text[:position] + rng.choice(what) + rng.choice(["", str(rng.random()), " "]) + text[position:]

    return insert


def _attribute(rng: random.Random) -> str:
    names = [f"__{rng.choice(['class', 'dict', 'globals', 'reduce', 'mro', 'code'])}__", "real", "func", "args"]
    return "".join([rng.choice(["x", "sin", "pi", "x**2", "(x)", "3.", f"{rng.random()}"]), ".", rng.choice(names)])


def _bytes(rng: random.Random) -> str:
    data = bytes([*rng.randbytes(rng.randint(0, 60)), rng.randint(0x80, 0xFF), *rng.randbytes(rng.randint(0, 60))])
    return data.decode(rng.choice(["latin-1", "utf-8"]), "surrogateescape")


def _broken(rng: random.Random) -> str:
    pieces = [
        "x",
        "y",
        "2",
        ".5",
        "pi",
        "sin(",
        "max(",
        ",",
        "(",
        ")",
        "+",
        "-",
        "*",
        "/",
        "**",
        "<",
        "==",
        "piecewise(",
        " ",
    ]
    return "".join(rng.choices(pieces, k=rng.randint(1, 40))) + rng.choice(["+", "*", ")/", "(", ",", "sin", "**"])


KINDS: list[Callable[[random.Random], str]] = [
    *(
        _power_tower,
        _growing,
        _nested,
        _inserted(ALIKE),
        _inserted("\0\x07\x1b\x7f\x85\u2028"),
        _inserted("_'\"`;:?@#$&~!%"),
        _bytes,
    ),
    *(_broken, _attribute),
    lambda rng: rng.choice(HARM) + rng.choice(["", " ", " + x", f"*{rng.random()}", f" - {rng.randint(0, 99)}"]),
    lambda rng: rng.choice(VALID) + rng.choice(" \t\n") * rng.randint(500, 10_000),
]


FORBIDDEN = {
    "eval",
    "exec",
    "compile",
    "__import__",
    "sympify",
    "parse_expr",
    "lambdify",
    "literal_eval",
    "S",
    "nsimplify",
}


def executes(source: str) -> set[str]:
    """The names in a source by which text could come to run. A module's `.eval()` and `re.compile` run none."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Name(id=name) | ast.alias(name=name):
                found.add(name.split(".")[-1])
            case ast.Attribute(value=ast.Name(id="builtins"), attr=name):
                found.add(name)
            case ast.Attribute(attr=name):
                found |= {name} - {"compile", "eval"}
    return found & FORBIDDEN


@pytest.mark.parametrize("path", sorted(THEORY.glob("*.py")), ids=lambda path: path.name)
def test_no_source_runs_text(path: Path) -> None:
    assert executes(path.read_text()) == set()


@pytest.mark.parametrize(
    "source",
    ["eval(t)", "sympy.sympify(t)", "from sympy import sympify as f", "builtins.exec(t)", "sympy.S(t)", "f = lambdify"],
)
def test_a_source_that_runs_text_is_seen(source: str) -> None:
    assert executes(source)
