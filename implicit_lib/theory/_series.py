"""How a function of h behaves as h → 0+: a few leading terms, an oscillation, and the order of what is left.

The scale consists of the monomials h^a L^b M^d with L = log(1/h) and M = log(L), and rational a, b, d. A monomial is
stored by its rank (a, −b, −d): products add ranks, and of two monomials the one with the smaller rank, compared as
tuples, is infinitely larger. A `Series` stands for a function f that is defined and continuous on some (0, δ), with

    f(h) = Σ c_i m_i(h) + A(h) sin v(h) + O(m(h)).

The c_i are real numbers: rational ones are exact, others lie in balls. The second part, the wave, need not be there: A
and v are continuous, A is asymptotic to a known monomial times a number that is not 0, and |v| to a monomial that grows
without bound. The last part may be missing, too: then the others are all of f. Sums, products and compositions
with analytic functions keep this form; what cannot be decided raises `Undecided`, and nothing is ever guessed.

Source: expansions in a scale of functions closed under these operations, after Hardy, Orders of Infinity (1910).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from flint import arb, fmpq

from implicit_lib.theory._interval import Real

Rank = tuple[Fraction, ...]

DEPTH = 3  # h, L and M
FINITE: Rank = (Fraction(0),) * DEPTH
LINEAR: Rank = (Fraction(1), *FINITE[1:])
# Of what is smaller than every power of h, this much is used.
FLAT: Rank = (Fraction(10**6), *FINITE[1:])
# How far functions are developed, and how many terms are kept.
ORDER = 8
TERMS = 12
# A rational number of more bits becomes a ball.
LONGEST = 2000


class Undecided(Exception):
    """The leading behaviour does not follow from what is known."""


@dataclass(frozen=True)
class Wave:
    """A(h) sin v(h).

    Attributes:
        rank: of the monomial to which A is asymptotic.
        amplitude: the number before it, certainly not 0.
        phase: the rank of |v|, below `FINITE`.
    """

    rank: Rank
    amplitude: Real
    phase: Rank


@dataclass(frozen=True)
class Series:
    """What is known of a function, as the module says.

    Attributes:
        terms: ranks and numbers, the largest monomial first; all of them larger than `rest`.
        rest: the order of what is left; None if nothing is.
        wave: the oscillation, larger than `rest`, or None.
    """

    terms: tuple[tuple[Rank, Real], ...]
    rest: Rank | None = None
    wave: Wave | None = None

    @property
    def is_zero(self) -> bool:
        return not self.terms and self.rest is None and self.wave is None

    @property
    def order(self) -> Rank:
        """The rank of a monomial m with f = O(m); that of a flat function if f is 0."""
        ranks = [rank for rank, _ in self.terms[:1]] + ([self.wave.rank] if self.wave else [])
        return min([*ranks, *([] if self.rest is None else [self.rest])], default=FLAT)

    @property
    def leading(self) -> tuple[Rank, Real] | None:
        """The rank and the number, not 0, of the term to which f is asymptotic; None if that is not known."""
        if not self.terms or sign(self.terms[0][1]) is None:
            return None
        return None if self.wave and self.wave.rank <= self.terms[0][0] else self.terms[0]

    @property
    def limit(self) -> Real | None:
        """The limit; None if it is infinite or unknown, or if there is none."""
        unsteady = [] if self.wave is None else [self.wave.rank]
        if self.order < FINITE or any(rank <= FINITE for rank in unsteady) or self.rest == FINITE:
            return None
        return self.terms[0][1] if self.terms and self.terms[0][0] == FINITE else fmpq(0)

    def exceeds(self, rank: Rank) -> bool:
        """Whether f/m is certainly unbounded, m the monomial of a rank.

        Proof. Let n be the largest monomial in f with a number c ≠ 0, or an amplitude a ≠ 0, or both. Then f/n is
        c + a sin v + o(1). Where sin v is 1 or −1, infinitely near to 0, one of |c + a| and |c − a| is at least
        max(|c|, |a|). So f/n does not tend to 0; and n/m grows without bound if even a smaller monomial of f does.
        """
        known = [each for each, number in self.terms if sign(number) is not None]
        return any(each < rank for each in [*known, *([self.wave.rank] if self.wave else [])])

    def oscillates_steeply(self) -> bool:
        """Whether the wave of an f that tends to 0 certainly makes slopes that grow without bound.

        Proof. Write m_A and m_v for the monomials of A and v, let m_v have a negative power of h, and take a small δ.
        |v| grows by at least k m_v(δ) from h = δ to δ/2, so there are k' m_v(δ) points h_1 > h_2 > … in between at
        which sin v is 1 and −1 by turns. Two neighbours are at most C δ/m_v(δ) apart; on the way A sin v changes by at
        least k'' m_A(δ). What is left changes by no more than C' m(δ), m its order; and a term c_i m_i by C'' m_i(δ)/δ
        times the distance, since h m_i' = O(m_i). If m and m_i/m_v are infinitely smaller than m_A, then f changes by
        at least k''' m_A(δ), and its slope is at least k'''' m_A m_v/δ, which grows without bound if its rank says so.
        """
        if self.wave is None or not self.wave.phase[0] < 0:
            return False
        steepest = plus(self.wave.rank, self.wave.phase)
        return steepest < LINEAR and all(rank > steepest for rank, _ in self.terms)


@dataclass(frozen=True)
class Huge:
    """A continuous function that tends to sign · ∞ faster than any power of 1/h."""

    sign: int


Growth = Series | Huge


def series(terms: Iterable[tuple[Rank, Real]], rest: Rank | None = None, waves: Sequence[Wave] = ()) -> Series:
    """A sum of terms, waves and a rest, brought into the form of a series.

    Of several waves only one that is larger than all others is kept. The others are bounded by their amplitudes.

    Raises:
        Undecided: a number is not finite.
    """
    sure = sorted((wave for wave in waves if sign(wave.amplitude)), key=lambda wave: wave.rank)
    largest = sure[0] if sure else None
    for wave in waves:
        rest = rest if wave is largest else smaller(rest, wave.rank)
    sums: dict[Rank, Real] = {}
    for rank, number in terms:
        if rest is None or rank < rest:
            sums[rank] = sums[rank] + number if rank in sums else number
    kept = [(rank, _manageable(sums[rank])) for rank in sorted(sums) if not equals(sums[rank], 0)]
    if len(kept) > TERMS:
        rest = kept[TERMS][0]
        kept = kept[:TERMS]
    if largest is not None and rest is not None and largest.rank >= rest:
        largest = None
    return Series(tuple(kept), rest, largest)


def _manageable(number: Real) -> Real:
    if isinstance(number, fmpq):
        return number if number.height_bits() <= LONGEST else arb(number)
    if not number.is_finite():
        raise Undecided
    if not number.is_exact() or number.bits() > LONGEST or not abs(abs(number).log()) < LONGEST:
        return number
    return rational(number)


def rational(number: Real) -> Real:
    """A ball without error, as a fraction."""
    mantissa, exponent = map(int, number.man_exp())
    return fmpq(mantissa << exponent, 1) if exponent >= 0 else fmpq(mantissa, 1 << -exponent)


def constant(number: Real) -> Series:
    return series([(FINITE, number)])


def monomial(rank: Rank, number: Real | None = None) -> Series:
    return series([(rank, fmpq(1) if number is None else number)])


def of_order(rank: Rank) -> Series:
    return Series((), rank)


def sign(number: Real) -> int | None:
    """Of a number that is not 0; None for 0, and for a ball that contains it."""
    return 1 if number > 0 else -1 if number < 0 else None


def equals(number: Real, value: int) -> bool:
    """Certainly: a ball that merely contains the value is not enough."""
    return bool(number == value)


def plus(a: Rank, b: Rank) -> Rank:
    return tuple(p + q for p, q in zip(a, b, strict=True))


def times(a: Rank, factor: Fraction) -> Rank:
    return tuple(factor * p for p in a)


def smaller(a: Rank | None, b: Rank | None) -> Rank | None:
    """The rank of the larger rest."""
    return b if a is None else a if b is None else min(a, b)


def add(a: Growth, b: Growth) -> Growth:
    if isinstance(a, Huge) or isinstance(b, Huge):
        signs = {each.sign for each in (a, b) if isinstance(each, Huge)}
        if len(signs) > 1:
            raise Undecided
        return Huge(signs.pop())
    waves = [each.wave for each in (a, b) if each.wave]
    return series([*a.terms, *b.terms], smaller(a.rest, b.rest), waves)


def negative(a: Growth) -> Growth:
    return multiply(a, constant(fmpq(-1)))


def multiply(a: Growth, b: Growth) -> Growth:
    if isinstance(a, Huge) or isinstance(b, Huge):
        return _multiply_huge(a, b)
    if a.is_zero or b.is_zero:
        return series(())
    terms = [(plus(r, s), c * d) for r, c in a.terms for s, d in b.terms]
    waves, rest = list[Wave](), None
    for one, other in ((a, b), (b, a)):
        still = Series(other.terms, other.rest)
        if one.wave and still.leading:
            rank, number = still.leading
            waves.append(Wave(plus(one.wave.rank, rank), one.wave.amplitude * number, one.wave.phase))
        elif one.wave and not still.is_zero:
            rest = smaller(rest, plus(one.wave.rank, still.order))
        if one.rest:
            rest = smaller(rest, plus(one.rest, still.order))
    if a.wave and b.wave:
        rest = smaller(rest, plus(a.wave.rank, b.wave.rank))
    return series(terms, rest, waves)


def _multiply_huge(a: Growth, b: Growth) -> Growth:
    product = 1
    for each in (a, b):
        if isinstance(each, Huge):
            product *= each.sign
        elif each.is_zero:
            return each
        elif each.leading is None:
            raise Undecided
        else:
            product *= sign(each.leading[1]) or 0
    return Huge(product)


def split(a: Series) -> tuple[tuple[tuple[Rank, Real], ...], Real, Series]:
    """The infinite terms, the constant, and the rest, which tends to 0.

    Raises:
        Undecided: what is left besides the infinite terms need not have a limit.
    """
    infinite = tuple(term for term in a.terms if term[0] < FINITE)
    finite = Series(a.terms[len(infinite) :], a.rest, a.wave)
    number = finite.limit
    if number is None:
        raise Undecided
    return infinite, number, Series(tuple(term for term in finite.terms if term[0] > FINITE), a.rest, a.wave)


def develop(coefficients: Sequence[Real], small: Series) -> Series:
    """g(u) for a u that tends to 0 and an analytic g, of which these are the first Taylor coefficients.

    What g has beyond its Taylor polynomial of degree n is O(u^(n+1)).
    """
    total: Growth = constant(coefficients[-1])
    for number in reversed(coefficients[:-1]):
        total = add(multiply(total, small), constant(number))
    if not small.is_zero:
        total = add(total, of_order(times(small.order, Fraction(len(coefficients)))))
    assert isinstance(total, Series)
    return total


def normalised(a: Series) -> tuple[Rank, Real, Series]:
    """The rank r and the number c of the leading term, and u → 0 such that f = c m_r (1 + u).

    Raises:
        Undecided: the leading term is not known.
    """
    if a.leading is None:
        raise Undecided
    rank, number = a.leading
    ratio = multiply(Series(a.terms[1:], a.rest, a.wave), monomial(times(rank, Fraction(-1)), 1 / number))
    assert isinstance(ratio, Series)
    return rank, number, ratio


def power(a: Growth, exponent: Fraction) -> Growth:
    """f^q, of an f that is positive, or not 0 and q an integer, or q a positive integer."""
    if isinstance(a, Huge):
        even = exponent.numerator % 2 == 0
        return Huge(1 if even else a.sign) if exponent > 0 else of_order(FLAT)
    if a.is_zero and exponent > 0:
        return a
    if exponent.denominator == 1 and exponent >= 0 and (a.leading is None or exponent <= ORDER):
        return _repeated(a, int(exponent))
    rank, number, small = normalised(a)
    coefficients = [fmpq(1)]
    for k in range(ORDER):
        factor = (exponent - k) / (k + 1)
        coefficients.append(coefficients[-1] * fmpq(factor.numerator, factor.denominator))
    leading = monomial(times(rank, exponent), _number_power(number, exponent))
    return multiply(leading, develop(coefficients, small))


def _repeated(a: Series, exponent: int) -> Growth:
    result: Growth = constant(fmpq(1))
    for digit in f"{exponent:b}":
        result = multiply(result, result)
        result = multiply(result, a) if digit == "1" else result
    return result


def _number_power(number: Real, exponent: Fraction) -> Real:
    if equals(number, 1):
        return fmpq(1)
    if exponent.denominator == 1 and (not isinstance(number, fmpq) or number.height_bits() * exponent <= LONGEST):
        return number ** int(exponent)
    if exponent.denominator == 1:
        return arb(number) ** int(exponent)
    return arb(number) ** arb(fmpq(exponent.numerator, exponent.denominator))
