"""The behaviour of a function beside a point, in words."""

from __future__ import annotations

from fractions import Fraction

from flint import arb, fmpq

from implicit_lib.theory._interval import Real
from implicit_lib.theory._series import FINITE, FLAT, Growth, Huge, Rank

SHOWN = 2  # terms
SHORT = 10  # bits of a fraction that is shown as one


def monomial_text(rank: Rank, h: str = "h") -> str:
    """For instance `|x|^(1/2) log(1/|x|)`."""
    powers = zip((h, f"log(1/{h})", f"log(log(1/{h}))"), (rank[0], -rank[1], -rank[2]), strict=True)
    return " ".join(_power(base, exponent) for base, exponent in powers if exponent) or "1"


def _power(base: str, exponent: Fraction) -> str:
    if exponent == 1:
        return base
    return f"{base}^{exponent}" if exponent.denominator == 1 and exponent > 0 else f"{base}^({exponent})"


def term_text(rank: Rank, number: Real, h: str = "h") -> str:
    """A number times a monomial."""
    size = _number(abs(number))
    if rank != FINITE:
        size = f"{'' if size == '1' else size + ' '}{monomial_text(rank, h)}"
    return f"−{size}" if number < 0 else size


def _number(number: Real) -> str:
    """As a decimal number; as a fraction, if that is short and the decimals do not end soon."""
    decimal = f"{float(arb(number).mid()):.4g}"
    if isinstance(number, fmpq) and number.height_bits() <= SHORT and Fraction(decimal) != Fraction(str(number)):
        return str(number)
    return decimal


def series_text(growth: Growth) -> str:
    """The first terms, the wave, and the order of what is left."""
    if isinstance(growth, Huge):
        return f"{'−' if growth.sign < 0 else ''}∞, faster than any power of 1/h"
    parts, phase = [term_text(*term) for term in growth.terms[:SHOWN]], ""
    if growth.wave:
        size = term_text(growth.wave.rank, growth.wave.amplitude)
        parts.append("sin(v)" if size == "1" else f"{size} sin(v)")
        phase = f", |v| like {monomial_text(growth.wave.phase)}"
    left = growth.terms[SHOWN][0] if len(growth.terms) > SHOWN else growth.rest
    if left is not None:
        parts.append(f"O({monomial_text(left)})" if left[0] < FLAT[0] / 2 else "what is smaller than every power of h")
    return (" + ".join(parts).replace("+ −", "− ") or "0") + phase
