"""Solvers against the peers': `.venv/bin/python -m benchmarks.solvers [table …]`, see `benchmarks.peers`."""

from benchmarks import peers
from benchmarks.report import measure


def main() -> None:
    peers.enter()
    from benchmarks import batches, calls, overhead

    tables = {
        "picard": overhead.picard,
        "anderson": overhead.anderson,
        "calls": calls.calls,
        "excess": calls.excess,
        "symmetric": calls.symmetric,
        "independence": batches.independence,
        "useful": batches.useful,
    }
    measure("solvers", tables)


if __name__ == "__main__":
    main()
