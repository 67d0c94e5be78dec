"""Γ as arithmetic that NumPy and JavaScript share: sympy's printers know no gamma for either."""

from __future__ import annotations

import sympy

# Godfrey's coefficients of the Lanczos approximation with g = 607/128 (15 terms); relative error below 1e-13.
G = 607 / 128
COEFFICIENTS = (
    0.99999999999999709182,
    57.156235665862923517,
    -59.597960355475491248,
    14.136097974741747174,
    -0.49191381609762019978,
    0.33994649984811888699e-4,
    0.46523628927048575665e-4,
    -0.98374475304879564677e-4,
    0.15808870322491248884e-3,
    -0.21026444172410488319e-3,
    0.21743961811521264320e-3,
    -0.16431810653676389022e-3,
    0.84418223983852743293e-4,
    -0.26190838401581408670e-4,
    0.36899182659531622704e-5,
)


def without_gamma(expression: sympy.Expr) -> sympy.Expr:
    """The same function with every Γ written out.

    Left of 1/2 by the reflection Γ(x) = π / (sin(πx) Γ(1 − x)).
    """
    return expression.replace(sympy.gamma, _gamma)


def _gamma(x: sympy.Expr) -> sympy.Expr:
    reflected = sympy.pi / (sympy.sin(sympy.pi * x) * _lanczos(1 - x))
    return sympy.Piecewise((_lanczos(x), x >= sympy.Rational(1, 2)), (reflected, True))


def _lanczos(x: sympy.Expr) -> sympy.Expr:
    """Γ(x) for x ≥ 1/2. The power is taken in two halves, so that it overflows only where Γ does."""
    series = COEFFICIENTS[0] + sum(c / (x - 1 + k) for k, c in enumerate(COEFFICIENTS) if k)
    base = x - sympy.Rational(1, 2) + G
    half = sympy.Pow(base, x / 2 - sympy.Rational(1, 4))
    return sympy.sqrt(2 * sympy.pi) * series * half * sympy.exp(-base) * half
