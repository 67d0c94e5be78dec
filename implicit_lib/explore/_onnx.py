"""Export of torch modules to ONNX files for the page's ONNX Runtime Web."""

from __future__ import annotations

import hashlib
import logging
import math
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.fx import GraphModule, Node
from torch.fx.experimental.proxy_tensor import make_fx


def _zero_tangent(primal: Tensor, like: Tensor, *, self_num_batch_dims: int = 0) -> Tensor:
    return torch.zeros_like(like)


_NO_ONNX_FORM = {torch.ops.aten._new_zeros_with_same_feature_meta.default: _zero_tangent}
"""Operations that forward-mode derivatives leave behind and that the exporter lacks, in terms of those it has."""


_aten = torch.ops.aten

_FOR_TENSORS = {
    _aten.add.Tensor: _aten.add.Tensor,
    _aten.sub.Tensor: _aten.sub.Tensor,
    _aten.mul.Tensor: _aten.mul.Tensor,
    _aten.div.Tensor: _aten.div.Tensor,
    _aten.add_.Tensor: _aten.add_.Tensor,
    _aten.sub_.Tensor: _aten.sub_.Tensor,
    _aten.mul_.Tensor: _aten.mul_.Tensor,
    _aten.div_.Tensor: _aten.div_.Tensor,
    _aten.clamp.default: _aten.clamp.Tensor,
    _aten.pow.Scalar: _aten.pow.Tensor_Tensor,
    _aten.masked_fill.Scalar: _aten.masked_fill.Tensor,
}
"""Operations that may be given numbers, and the same operations for tensors only."""

_FILLED = {_aten.full.default, _aten.full_like.default, _aten.scalar_tensor.default}
"""Operations that make a tensor of one number, their last argument."""


def _keep_digits(plain: GraphModule) -> None:
    """Numbers in float64 arithmetic become tensors: the exporter rounds Python's floats to float32.

    Those of the operations above, that is; of others, such as `remainder` or `lerp`, they stay rounded.
    """
    for node in list(plain.graph.nodes):
        made = node.meta.get("val")
        if not (isinstance(made, Tensor) and made.dtype == torch.float64 and any(map(_is_rounded, node.args))):
            continue
        if node.target is _aten.rsub.Scalar:  # (x, number) for number − x
            node.target, node.args = _aten.sub.Tensor, (node.args[1], node.args[0], *node.args[2:])
        with plain.graph.inserting_before(node):
            if node.target in _FILLED:
                number = _constant(plain, f"{node.name}_number", node.args[-1])
                node.replace_all_uses_with(plain.graph.call_function(_aten.expand.default, (number, list(made.shape))))
                plain.graph.erase_node(node)
            elif node.target in _FOR_TENSORS:
                node.target = _FOR_TENSORS[node.target]
                for place, argument in enumerate(node.args):
                    if isinstance(argument, int | float):
                        node.update_arg(place, _constant(plain, f"{node.name}_number_{place}", argument))
    plain.recompile()


def _is_rounded(argument: object) -> bool:
    """Whether it is a number that float32 has not."""
    return isinstance(argument, float) and math.isfinite(argument) and torch.tensor(argument).item() != argument


def _constant(plain: GraphModule, name: str, value: float) -> Node:
    plain.register_buffer(name, torch.tensor(value, dtype=torch.float64))
    return plain.graph.get_attr(name)


class Exports:
    """The ONNX files of one explorer. A module that several of its systems share is exported once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._written: dict[tuple[object, ...], str] = {}

    def add(
        self,
        module: nn.Module,
        call: Callable[..., tuple[Tensor, ...]],
        arguments: Sequence[Tensor],
        inputs: Sequence[str],
        outputs: Sequence[str],
        stem: str,
    ) -> str:
        """Write `call`, which runs `module` on tensors, and return the file's name, which carries the content's hash.

        Shapes are fixed to those of `arguments`; weights are stored inside the file.
        """
        kinds = tuple((tuple(argument.shape), argument.dtype) for argument in arguments)
        key = (module, kinds, tuple(inputs), tuple(outputs))
        if key not in self._written:
            self._written[key] = self._export(_Flat(module, call), arguments, inputs, outputs, stem)
        return self._written[key]

    def _export(
        self, flat: nn.Module, arguments: Sequence[Tensor], inputs: Sequence[str], outputs: Sequence[str], stem: str
    ) -> str:
        path = self.folder / f"{stem}.onnx"
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # the exporter's deprecation notes are not the reader's
            for exporter in ("torch.onnx", "onnxscript"):
                logging.getLogger(exporter).setLevel(logging.ERROR)
            # Cloned: the exporter takes one tensor given twice for one input, and would drop the other.
            own = tuple(argument.clone() for argument in arguments)
            # Traced first: the exporter knows no torch.func, which Newton's method differentiates with.
            trace = make_fx(flat.eval(), _NO_ONNX_FORM, tracing_mode="fake", _allow_non_fake_inputs=True)
            plain = trace(*own)
            _keep_digits(plain)
            program = torch.onnx.export(
                plain,
                own,
                dynamo=True,
                input_names=list(inputs),
                output_names=list(outputs),
                external_data=False,
                verbose=False,
            )
        if program is None:
            raise RuntimeError(f"torch.onnx.export returned no program for {stem!r}.")
        for node in program.model.graph:
            node.metadata_props.clear()  # stack traces: most of a small file
        program.save(path, external_data=False)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
        return path.rename(self.folder / f"{stem}-{digest}.onnx").name


class _Flat(nn.Module):
    """ONNX graphs take and return tensors only: `call` gives the module what it expects instead."""

    def __init__(self, module: nn.Module, call: Callable[..., tuple[Tensor, ...]]) -> None:
        super().__init__()
        self.module = module  # registered, so that its weights are stored
        self._call = call

    def forward(self, *arguments: Tensor) -> tuple[Tensor, ...]:
        return self._call(*arguments)
