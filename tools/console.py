"""What the tools say to the person at the terminal: a step, or the one line that ends a run."""

import sys
import time
from contextlib import contextmanager


def fail(message):
    """End the run with one line that says what is wrong and what to do."""
    raise SystemExit("error: " + message)


@contextmanager
def step(title):
    """Announce a step that takes a while, and say afterwards how long it took."""
    start = time.monotonic()
    print(title + " ...", file=sys.stderr, flush=True)
    yield
    print(f"    done in {time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)
