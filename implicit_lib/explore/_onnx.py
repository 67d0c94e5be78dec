"""Export of torch modules to ONNX files for the page's ONNX Runtime Web."""

from __future__ import annotations

import hashlib
import logging
import warnings
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn


def export(
    module: nn.Module,
    arguments: Sequence[Tensor],
    inputs: Sequence[str],
    outputs: Sequence[str],
    folder: Path,
    stem: str,
) -> str:
    """Write `module` to `folder` and return the file's name, which carries the content's hash.

    Shapes are fixed to those of `arguments`; weights are stored inside the file.
    """
    path = folder / f"{stem}.onnx"
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # the exporter's deprecation notes are not the reader's
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        program = torch.onnx.export(
            module.eval(),
            # Cloned: the exporter takes one tensor given twice for one input, and would drop the other.
            tuple(argument.clone() for argument in arguments),
            dynamo=True,
            input_names=list(inputs),
            output_names=list(outputs),
            external_data=False,
            verbose=False,
        )
    if program is None:
        raise RuntimeError(f"torch.onnx.export returned no program for {stem!r}.")
    program.save(path, external_data=False)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
    return path.rename(folder / f"{stem}-{digest}.onnx").name
