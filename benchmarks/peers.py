"""Every comparison with other libraries: `.venv/bin/python -m benchmarks.peers`, some ten minutes.

It runs `benchmarks.solvers`, `benchmarks.gradients` and `benchmarks.memory`, each of which can be run alone, and alone
with the names of some of its tables. They write `book/benchmarks/*.json` and from these the tables of
`book/benchmarks.md`; commit both. The peers live in an environment of their own, `_build/peers`, which the first run
creates (0.5 GB). It sees the book's `.venv` too, so that all run with the same torch and nothing is installed twice.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

from tools.console import fail, step

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / "_build" / "peers"
PINS = ROOT / "benchmarks" / "peers.txt"
SUBJECTS = ("solvers", "gradients", "memory")

ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "JAX_PLATFORMS": "cpu",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
}


def enter() -> None:
    """Go on in the peers' environment, with one thread: this process is replaced by the same command there."""
    if Path(sys.prefix) == HOME and ONE_THREAD.items() <= os.environ.items():
        return
    create()
    command = [str(HOME / "bin" / "python"), *sys.orig_argv[1:]]
    os.chdir(ROOT)
    os.execve(command[0], command, os.environ | ONE_THREAD)


def create() -> None:
    """Create the environment, if it is not there or its pins changed."""
    stamp = HOME / PINS.name
    if stamp.exists() and stamp.read_text() == PINS.read_text():
        return
    if importlib.util.find_spec("torch") is None:
        fail(f"{sys.executable} has no torch: run this with .venv/bin/python, which `make book` creates")
    with step("Installing the peers of benchmarks/peers.txt (0.5 GB)"):
        venv.create(HOME, clear=True, symlinks=True, with_pip=False)
        packages = HOME / "lib" / f"python3.{sys.version_info.minor}" / "site-packages"
        (packages / "book.pth").write_text(sysconfig.get_path("purelib") + "\n")
        pip = [HOME / "bin" / "python", "-m", "pip", "install", "--quiet", "--requirement", PINS]
        if subprocess.run([str(part) for part in pip]).returncode:
            fail("the peers could not be installed; pip's message is above")
    stamp.write_text(PINS.read_text())


def main() -> None:
    for subject in SUBJECTS:
        subprocess.run([sys.executable, "-m", f"benchmarks.{subject}"], cwd=ROOT, check=True)


if __name__ == "__main__":
    main()
