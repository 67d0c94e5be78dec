"""Memory of training against the peers': `.venv/bin/python -m benchmarks.memory [table …]`, see `benchmarks.peers`."""

from benchmarks import peers
from benchmarks.report import measure


def main() -> None:
    peers.enter()
    from benchmarks import footprint

    measure("memory", {"peak": footprint.peak, "left": footprint.left})


if __name__ == "__main__":
    main()
