"""The book's colours: one meaning each, in a light and a dark variant.

The hues are colour-blind safe (chosen by the rules of Okabe and Ito, 2008) and keep a contrast of at least 3:1 against
the page in both themes. Figures are described with the light variants; the page swaps them by `DARK`.
"""

from __future__ import annotations

from typing import Final

TARGET: Final = "#c2410c"
"""The map F that the iteration climbs to."""
RESIDUAL: Final = "#047857"
"""Residuals and errors."""
LIPSCHITZ: Final = "#a21caf"
"""The effective Lipschitz constant L_t."""
ENVELOPE: Final = "#6b7280"
"""Bounds: speed-limit envelopes, thresholds, references."""
EXPLICIT: Final = "#92660a"
"""One-pass (explicit) networks."""
PROBE: Final = "#111827"
"""The point that the reader has chosen."""
ITERATES: Final = ("#8fb8e8", "#6a9fdd", "#4583cd", "#2767b5", "#134a8e")
"""The iterates y_t, from light to dark as t grows."""

DARK: Final = {
    TARGET: "#fb923c",
    RESIDUAL: "#34d399",
    LIPSCHITZ: "#e879f9",
    ENVELOPE: "#9ca3af",
    EXPLICIT: "#eab308",
    PROBE: "#f9fafb",
    ITERATES[0]: "#2c5180",
    ITERATES[1]: "#3a6ba8",
    ITERATES[2]: "#5089cc",
    ITERATES[3]: "#74a9e4",
    ITERATES[4]: "#a9cffa",
}
"""What the page draws instead of each light colour in dark mode."""
