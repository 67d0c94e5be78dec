"""What a function closes over: found, and made an argument."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import Node, get_gradient_edge
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves, tree_map

from implicit_lib.solvers._state import Leaves

LeafMap = Callable[[Leaves], Leaves]
_Edge = tuple[Node, int]


def apply(G: LeafMap, points: Leaves) -> tuple[Leaves, Leaves]:
    """The images G(points), with their graph, and the tensors that G closes over at which that graph begins.

    These are leaves of the graph (parameters), and results of earlier computations (an encoder's output) wherever G
    hands them to a function of torch. One that only an `autograd.Function` sees is represented by the leaves that it
    was computed from.
    """
    with torch.enable_grad(), _Arguments(points) as arguments:
        images = G(points)
    return images, _beginnings(images, points, arguments.found)


def substitute(G: LeafMap, old: Leaves, new: Leaves, points: Leaves) -> Leaves:
    """The images G(points) with the tensors `old`, which G closes over, replaced by `new`.

    Raises:
        RuntimeError: the images depend on other tensors than the points and the new ones.
    """
    with _Replaced(old, new):
        images = G(points)
    if any(all(tensor is not each for each in new) for tensor in _beginnings(images, points, new)):
        raise RuntimeError(
            "this second derivative is out of reach: the operator hands parameters or inputs to something that is not "
            "a function of torch, such as an autograd.Function or compiled code; use UnrolledGradient()"
        )
    return images


class _Arguments(TorchFunctionMode):
    """Collects the tensors that enter functions of torch without having come out of one."""

    def __init__(self, known: Leaves) -> None:
        super().__init__()
        self.found: list[Tensor] = []
        self._seen = {id(tensor): tensor for tensor in known}  # holds them, lest an id be used again

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        self.found.extend(tensor for tensor in self._news((args, kwargs)) if tensor.requires_grad)
        result = func(*args, **kwargs)
        self._news(result)
        return result

    def _news(self, tree: object) -> list[Tensor]:
        tensors = [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor) and id(leaf) not in self._seen]
        self._seen |= {id(tensor): tensor for tensor in tensors}
        return tensors


class _Replaced(TorchFunctionMode):
    """Hands `new` to functions of torch wherever they would be given `old`."""

    def __init__(self, old: Leaves, new: Leaves) -> None:
        super().__init__()
        self._new = {id(before): after for before, after in zip(old, new, strict=True)}

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        args, kwargs = tree_map(lambda leaf: self._new.get(id(leaf), leaf), (args, kwargs or {}))
        return func(*args, **kwargs)


def _beginnings(images: Leaves, points: Leaves, candidates: Iterable[Tensor]) -> Leaves:
    """The candidates, and the leaves of the graph, that the graph of the images reaches first; the points left out."""
    stops: dict[_Edge, Tensor | None] = {_edge(tensor): tensor for tensor in candidates if tensor.requires_grad}
    stops |= {_edge(point): None for point in points if point.requires_grad}
    found: list[Tensor | None] = []
    todo = [_edge(image) for image in images if image.requires_grad]
    seen = set(todo)
    while todo:
        edge = todo.pop()
        if edge in stops:
            found.append(stops[edge])
            continue
        node, _ = edge
        if hasattr(node, "variable"):  # a leaf of the graph, this being its node
            found.append(node.variable)
        new = {(each, index) for each, index in node.next_functions if each is not None} - seen
        seen |= new
        todo.extend(new)
    return tuple(tensor for tensor in found if tensor is not None)


def _edge(tensor: Tensor) -> _Edge:
    edge = get_gradient_edge(tensor)
    return edge.node, edge.output_nr
