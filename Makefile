# The work is done by tools/; this file only names it. PYTHON=/path/to/python3.12 and CHROMIUM=/path/to/chromium choose another.
PYTHON ?= python3
export CHROMIUM

.PHONY: help book site lab test notebooks clean environment

help:
	@echo "make book       install what is missing, build the book, serve it and print the address"
	@echo "make site       build the book into _build/html, and do not serve it"
	@echo "make lab        open the notebooks in JupyterLab"
	@echo "make test       run every test: library, notebooks, built pages, JupyterLab"
	@echo "make notebooks  execute the notebooks in place, to commit them"
	@echo "make clean      remove the built book and caches (not .venv and node_modules)"

book: environment
	@.venv/bin/python -m tools.book

site: environment
	@.venv/bin/python -m tools.book build

lab: environment
	@.venv/bin/python -m jupyterlab notebooks $(if $(filter 0,$(shell id -u)),--allow-root)

# Two workers: most of the time goes into kernels and browsers, one file's tests share them.
test: environment
	@.venv/bin/python -m tools.browser
	@.venv/bin/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

notebooks: environment
	@.venv/bin/python -m tools.notebooks

clean:
	rm -rf _build .pytest_cache .mypy_cache .ruff_cache .hypothesis

environment:
	@$(PYTHON) -m tools.environment
