"""The state of a solve: a tensor, or nested dicts, lists and tuples of tensors, with one leading batch axis."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import TreeSpec, tree_flatten, tree_unflatten

Leaves = tuple[Tensor, ...]

# Numbers in a state up to which a call of PyTorch or NumPy costs more than what it computes.
SMALL = 2**13


def flatten_state(y: object, name: str) -> tuple[Leaves, TreeSpec]:
    """Split a state into its leaves and its structure, or say what is wrong with it.

    Raises:
        TypeError: a leaf is not a tensor, or its dtype is not a real floating-point one.
        ValueError: there are no tensors, a leaf has no batch axis, or the leaves disagree on batch size or device.
    """
    leaves, spec = tree_flatten(y)
    if not leaves:
        raise ValueError(f"{name} holds no tensors; pass a tensor, or nested dicts, lists and tuples of tensors")
    for leaf in leaves:
        if not isinstance(leaf, Tensor):
            raise TypeError(f"{name} must be a tensor, or dicts, lists and tuples of tensors, but holds {_a(leaf)}")
        if not leaf.is_floating_point():
            raise TypeError(f"{name} must be floating point, but holds {leaf.dtype}; convert it, e.g. by .float()")
        if leaf.dim() == 0:
            raise ValueError(
                f"{name} holds a 0-d tensor; the first axis of every tensor is the batch, so a single scalar sample "
                "has shape (1,): use y0.reshape(1)"
            )
    first = leaves[0]
    for leaf in leaves[1:]:
        if len(leaf) != len(first):
            raise ValueError(
                f"the tensors of {name} must share the batch size on their first axis, "
                f"but their shapes are {[tuple(each.shape) for each in leaves]}"
            )
        if leaf.device != first.device:
            raise ValueError(f"{name} must be on one device, but is on {first.device} and {leaf.device}")
    return tuple(leaves), spec


def unflatten_state(leaves: Leaves, spec: TreeSpec) -> Any:
    """The state with this structure and these leaves."""
    return leaves[0] if spec.is_leaf() else tree_unflatten(leaves, spec)


@dataclass(frozen=True)
class Operator:
    """G on leaves, every call checked: structure, shapes, dtypes and device out as in, and no in-place change."""

    function: Callable[..., Any]
    spec: TreeSpec
    inputs: tuple[Any, ...] = ()  # what G takes beside the state

    def __call__(self, leaves: Leaves) -> Leaves:
        versions = tuple(map(_version, leaves))
        output = self.function(unflatten_state(leaves, self.spec), *self.inputs)
        images = self._flatten(output)
        for leaf, image in zip(leaves, images, strict=True):
            _check_image(leaf, image)
        if versions != tuple(map(_version, leaves)):
            raise ValueError("G changed its argument in place, which would make residuals 0; let it return new tensors")
        return images

    def _flatten(self, output: object) -> tuple[Any, ...]:
        if isinstance(output, Tensor) and self.spec.is_leaf():
            return (output,)
        try:
            return tuple(self.spec.flatten_up_to(output))
        except ValueError as mismatch:
            raise ValueError(f"G must return a state of the structure it was given, but did not: {mismatch}") from None


def _check_image(leaf: Tensor, image: object) -> None:
    if not isinstance(image, Tensor):
        raise TypeError(f"G must return a tensor where it was given one, but returned {_a(image)}")
    if leaf.shape == image.shape and leaf.dtype == image.dtype and leaf.device == image.device:
        return
    for attribute in ("shape", "dtype", "device"):
        expected, given = getattr(leaf, attribute), getattr(image, attribute)
        if expected != given:
            raise ValueError(
                f"G must keep the {attribute} of its argument: it was given {_plain(expected)} and returned "
                f"{_plain(given)}; change G or y0 so that they agree"
            )


def _a(thing: object) -> str:
    return f"a value of type {type(thing).__name__}"


def _plain(attribute: object) -> object:
    return tuple(attribute) if isinstance(attribute, torch.Size) else attribute


def _version(leaf: Tensor) -> int:
    """The count of in-place changes to the leaf; inference tensors and compiled code do not keep one."""
    return 0 if torch.compiler.is_compiling() or leaf.is_inference() else leaf._version


def may_overwrite() -> bool:
    """Whether tensors of our own may be written into: no graph is recorded, and nothing compiled or transformed."""
    return (
        not torch.is_grad_enabled()
        and not torch.compiler.is_compiling()
        and torch._C._functorch.peek_interpreter_stack() is None
    )


def is_large(matrix: Tensor) -> bool:
    """Whether memory of our own for numbers like these is worth being filled again, and may be."""
    return matrix.numel() > SMALL and may_overwrite()


def readable(tensor: Tensor) -> bool:
    """Whether its numbers can be looked at for nothing: not on another device, in compiled code, or in torch.func."""
    return (
        tensor.device.type == "cpu"
        and type(tensor) is Tensor
        and not torch.compiler.is_compiling()
        and torch._C._functorch.peek_interpreter_stack() is None
    )


def norms(leaves: Leaves) -> Tensor:
    """Euclidean norm of every sample over all leaves, shape (B,), accumulated in float64 so that no dtype overflows."""
    dtype = statistics_dtype(leaves[0].device)
    each = [_norm(leaf.detach().unsqueeze(-1), dtype) for leaf in leaves]
    return each[0] if len(each) == 1 else _norm(torch.stack(each, dim=1), dtype)


def statistics_dtype(device: torch.device) -> torch.dtype:
    """float64, but float32 on the one kind of device that has none."""
    return torch.float32 if device.type == "mps" else torch.float64


def _norm(rows: Tensor, dtype: torch.dtype) -> Tensor:
    norm: Tensor = torch.linalg.vector_norm(rows, dim=tuple(range(1, rows.dim())), dtype=dtype)
    return norm


def differences(a: Leaves, b: Leaves) -> Leaves:
    """a - b, with half-precision leaves widened first: their difference can overflow where they do not."""
    return tuple(_widen(left) - _widen(right) for left, right in zip(a, b, strict=True))


def _widen(leaf: Tensor) -> Tensor:
    return leaf.float() if leaf.element_size() < 4 else leaf


def select(chosen: Tensor, a: Leaves, b: Leaves) -> Leaves:
    """Sample by sample, a where chosen (B,) and b elsewhere."""
    return tuple(torch.where(per_sample(chosen, left), left, right) for left, right in zip(a, b, strict=True))


def per_sample(vector: Tensor, leaf: Tensor) -> Tensor:
    """A vector (B,) in the shape that broadcasts against the leaf (B, …)."""
    return vector.reshape(-1, *[1] * (leaf.dim() - 1))


def scaled(leaves: Leaves, factor: Tensor) -> Leaves:
    """Every sample times its factor (B,), computed in the factor's dtype where that is the wider one."""
    return tuple((leaf * per_sample(factor, leaf)).to(leaf.dtype) for leaf in leaves)
