#!/usr/bin/env bash
# Runs every notebook as Colab does; meant for the inside of Colab's own image.
set -euo pipefail

torch_and_numpy() { pip freeze | grep -iE "^(torch|numpy)(==| @)"; }

echo "== A kernel that looks like Colab's"
ipython profile create
echo "import google.colab" > "$(ipython locate profile)/startup/00-colab.py"
before=$(torch_and_numpy)

echo "== The set-up cell, in at most 30 seconds"
cp tools/colab_setup.txt /tmp/setup.ipy
time timeout 30 ipython /tmp/setup.ipy
(cd /tmp && python3 -c "import implicit_lib")

echo "== Every notebook, its set-up cell included"
for notebook in notebooks/[0-9]*.ipynb; do
  jupyter nbconvert --to notebook --execute --output-dir /tmp/executed "$notebook"
done

echo "== torch and numpy are still Colab's own"
[ "$before" = "$(torch_and_numpy)" ]
