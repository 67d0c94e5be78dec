"""Derivatives against the peers': `.venv/bin/python -m benchmarks.gradients [table …]`, see `benchmarks.peers`."""

from benchmarks import peers
from benchmarks.report import measure


def main() -> None:
    peers.enter()
    from benchmarks import gradient_errors, steepness

    measure("gradients", {"implicit": gradient_errors.implicit, "lipschitz": steepness.lipschitz})


if __name__ == "__main__":
    main()
