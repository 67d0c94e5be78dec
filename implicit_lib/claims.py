"""The paper's claims: what the book has to state, test and report on.

Source: Liu, Ding, Osher, Yin, *Expressive Power of Implicit Models: Rich Equilibria and Test-Time Scaling*, ICLR 2026,
arXiv:2510.03638. `paper` quotes the paper's own figure or the place of the statement.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Claim:
    """One claim: `statement` in plain words and the paper's figure (or theorem, section)."""

    statement: str
    paper: str


CLAIMS: dict[str, Claim] = {
    "def-regular": Claim(
        "G is regular: x ↦ G(y, x) is Lipschitz with a constant that grows at most linearly in ‖y‖, and y ↦ G(y, x) is "
        "a contraction with a continuous modulus μ(x) < 1.",
        "Definition 2.3",
    ),
    "suff": Claim("Every locally Lipschitz F on any domain is the fixed-point map of a regular G.", "Theorem 2.4"),
    "nec": Claim("The fixed-point map of a regular G is locally Lipschitz.", "Theorem 2.5"),
    "reciprocal": Claim(
        "For F(x) = 1/x the averaging operator inherits the singularity; G(y, x) = y − η(xy − 1) does not, and its "
        "error is y_t − 1/x = (1 − ηx)^t (y_0 − 1/x).",
        "Section 1",
    ),
    "examples": Claim(
        "log x, tan x, √x, 1/x and Γ(x) are locally, not globally, Lipschitz and are all reached.", "Section 2"
    ),
    "growth": Claim(
        "y_1 is simple; the effective Lipschitz constant L_t of y_t grows with t to that of F.", "Section 2.3"
    ),
    "limit": Claim("The Lipschitz quotients of y_t tend to those of F.", "Section 2.3"),
    "memory": Claim("An implicit model trains with memory that is constant in depth.", "Abstract"),
    "toy": Claim(
        "On 1-D targets of Lipschitz constant 5, 10, 15, 20 a small unrolled operator sharpens with iterations; one "
        "pass of a larger explicit network does not reach it.",
        "Figure 1 (embedding 256, 2 layers, 1/5/25 iterations; explicit embedding 1024)",
    ),
    "img-map": Claim("The deblurring solution map is locally Lipschitz.", "Section 3.1"),
    "img-growth": Claim(
        "For deblurring, L_t grows and saturates while PSNR rises and stabilises.",
        "Figure 2: L_1 = 0.140 (PGD) / 0.436 (HQS), near 5.0 by t ≈ 100",
    ),
    "img-win": Claim(
        "With the same denoiser, implicit deblurring beats explicit.",
        "Figure 3: explicit 26.97 dB, PGD 28.20 dB, HQS 29.18 dB",
    ),
    "img-deep": Claim("Implicit deblurring beats unfolded explicit models of 1 to 32 blocks.", "Tables 3 and 4"),
    "ns-map": Claim(
        "The steady incompressible Navier–Stokes solution map is locally Lipschitz under suitable conditions.",
        "Section 3.2",
    ),
    "ns-growth": Claim("For the flow, L_t grows while the error falls.", "Figure 4: L_t 23.1 → 367, error 1.1 → 0.078"),
    "ns-win": Claim("The implicit operator beats an explicit FNO of the same size.", "Figure 5: 0.179 against 0.078"),
    "ns-scale": Claim("The implicit operator beats deeper and wider explicit FNOs.", "Appendix H"),
    "lp-map": Claim("The solution map of linear programs is locally Lipschitz on a dense subset.", "Section 3.3"),
    "lp-table": Claim(
        "On linear programs the implicit GNN beats the explicit GNN at every size.",
        "Table 1: explicit .397/.273/.283/.318, implicit .218/.177/.152/.156",
    ),
    "lp-small": Claim("A smaller implicit GNN beats a larger explicit one.", "Table 1: implicit-4 below explicit-8"),
    "lp-growth": Claim("L_t grows with t for perturbations of each of A, b, c, l, u.", "Figure 7: error 0.575 → 0.146"),
    "llm-context": Claim("A looped transformer separates contexts as it iterates.", "Table 2: settled at t = 32"),
    "llm-growth": Claim(
        "Over 200 prompt pairs the distance between the answers grows with recurrent steps.", "Figure 9: 29 → 53 words"
    ),
    "guidance": Claim(
        "Do not force a global Lipschitz bound on the fixed-point map: it removes the expressive gain.", "Section 4"
    ),
}
