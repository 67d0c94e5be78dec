"""Run the notebooks side by side, one a core, before the pages are read; each page then finds its own outputs.

MyST-NB runs them one after the other. Here they pass through its cache, which is emptied first: a page shows what its
notebook and the library compute now.
"""

from __future__ import annotations

import os
import shutil
from logging import CRITICAL, getLogger
from pathlib import Path

from jupyter_cache import get_cache
from jupyter_cache.executors import load_executor
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError


def setup(app: Sphinx) -> dict[str, bool]:
    # After MyST-NB has read its configuration, and after the kernels' environment is set.
    app.connect("builder-inited", run_notebooks, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def run_notebooks(app: Sphinx) -> None:
    config = app.env.mystnb_config
    shutil.rmtree(config.execution_cache_path, ignore_errors=True)
    cache = get_cache(config.execution_cache_path)
    for document in reversed(list(app.config.external_site_map)):  # the later chapters take longer: they begin
        if (path := Path(app.srcdir, f"{document}.ipynb")).exists():
            cache.add_nb_to_project(str(path))
    # Kernels that each want every core hold each other up.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    quiet = getLogger(__name__)
    quiet.setLevel(CRITICAL)  # what a notebook raised is told once, below
    result = load_executor("local-parallel", cache, quiet).run_and_cache(timeout=config.execution_timeout)
    if failed := sorted(result.excepted + result.errored):
        traceback = (cache.get_project_record(failed[0]).traceback or "not a notebook that can be read").strip()
        raise ExtensionError(f"ERROR: {failed[0]}: {traceback.splitlines()[-1]}\n{traceback}")
