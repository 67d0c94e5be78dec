"""Linear and convolutional layers whose norm as operators is bounded, and known to be."""

import math
from typing import SupportsFloat

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from implicit_lib.regularisation._operator_norm import Remembered, operator_norm_bound

_Layer = nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d

# Points of the frequency grid for each entry of the kernel. In training the bound is at most 3.5 % above the norm for
# each axis of the kernel, 1.6 % for three entries; the certificate pays more, and tells the norm to 0.5 % (1.3 % for
# volumes).
_IN_TRAINING = 6
_IN_CERTIFICATE = {0: 16, 1: 16, 2: 16, 3: 10}  # by the number of axes


def bound_spectral_norm(module: nn.Module, bound: float = 0.95) -> nn.Module:
    """Keep the norm of a linear or convolutional layer, as an operator on vectors or images, at or below `bound`.

    The layer uses W / max(1, c(W) / bound) for its weight W, with an upper bound c(W) of the norm, so that it cannot
    exceed `bound` at any time: in training, after a step of the optimiser, or on images of a size it has not seen.
    Weights that are within the bound stay as they are. c is differentiable. Without gradients, as in the solve of an
    `ImplicitModel`, it is computed once after every change of the weight; with gradients, whenever the weight is used.
    `torch.nn.utils.parametrize.remove_parametrizations(module, "weight")` makes the bounded weight an ordinary
    parameter. Beware of `torch.nn.utils.parametrize.cached()` around an `ImplicitModel`: it would keep the weight that
    the solve computed without a graph, and the gradient would not reach the parameter.

    Unlike `torch.nn.utils.parametrizations.spectral_norm`, which for a convolution divides by the norm of the kernel
    reshaped to a matrix: that is not the norm of the operator, which for a kernel of k × k can be k times as large.

    Bounding every layer of an operator makes it a contraction, and its fixed point a globally Lipschitz function of the
    input: safe, at the price of expressive power (Liu, Ding, Osher, Yin, Section 4).

    Source: W / max(1, c / bound): Gouk, Frank, Pfahringer, Cree, Regularisation of Neural Networks by Enforcing
    Lipschitz Continuity, Machine Learning 2021. c(W): see `certified_norm`.

    Args:
        module: nn.Linear, or nn.Conv1d, Conv2d or Conv3d with any stride, dilation and groups, and padding by zeros or
            circular padding of at most the kernel's reach, dilation · (kernel size − 1) in all.
        bound: positive.

    Returns:
        the module itself, its weight parametrised.

    Raises:
        TypeError: module is of another kind, or bound is not a number.
        ValueError: bound is not positive and finite, the padding is of another kind, or the weight is parametrised
            already.

    Example:
        >>> layer = bound_spectral_norm(nn.Conv2d(1, 1, 3, padding=1, bias=False), bound=0.9)
        >>> layer.weight = torch.ones(1, 1, 3, 3)  # of norm 9
        >>> certified_norm(layer) <= 0.9
        True
    """
    layer = _checked(module)
    if isinstance(bound, bool) or not isinstance(bound, SupportsFloat):
        raise TypeError(f"bound must be a number, but is {bound!r}")
    if not 0 < float(bound) < math.inf:
        raise ValueError(f"bound must be positive and finite, but is {bound!r}")
    if parametrize.is_parametrized(layer, "weight"):
        raise ValueError("the weight of module is parametrised already; see torch.nn.utils.parametrize")
    parametrize.register_parametrization(layer, "weight", _Bounded(float(bound), _groups(layer)))
    return module


@torch.no_grad()
def certified_norm(module: nn.Module) -> float:
    """An upper bound on ‖layer(x) − layer(x′)‖ / ‖x − x′‖, for images of every size.

    Computed in float64. For a matrix it is the norm. For a convolution of stride 1 it is the supremum over all images
    of all sizes, or up to 0.5 % for each axis of the kernel above it (1.3 % for Conv3d); large images come close to it.
    A stride can make the layer's own norm smaller.

    Source: the frequency response of the kernel on a grid, and the inequality of Bernstein and Szegő between its
    points; the proof stands with `implicit_lib.regularisation._operator_norm.operator_norm_bound`.

    Args:
        module: a layer as `bound_spectral_norm` takes, parametrised or not.

    Raises:
        TypeError, ValueError: as `bound_spectral_norm` does for module.

    Example:
        >>> kernel = nn.Conv1d(1, 1, 3, padding=1, padding_mode="circular")
        >>> _ = nn.init.ones_(kernel.weight)
        >>> round(certified_norm(kernel), 2)
        3.01
    """
    layer = _checked(module)
    kernel = _kernel(layer.weight.double(), _groups(layer))
    return min(float(operator_norm_bound(kernel, n)) for n in (_IN_TRAINING, _IN_CERTIFICATE[kernel.dim() - 3]))


class _Bounded(nn.Module):
    """W ↦ W / max(1, c(W) / bound)."""

    def __init__(self, bound: float, groups: int) -> None:
        super().__init__()
        self.bound, self.groups = bound, groups
        self._remembered_norm = Remembered(self._norm)

    def forward(self, weight: Tensor) -> Tensor:
        norm = self._norm(weight) if torch.is_grad_enabled() else self._remembered_norm(weight)
        return _wide(weight).div((norm * _rounding(weight) / self.bound).clamp_min(1.0)).to(weight.dtype)

    def _norm(self, weight: Tensor) -> Tensor:
        with torch.autocast(weight.device.type, enabled=False):
            return operator_norm_bound(_kernel(_wide(weight), self.groups), _IN_TRAINING)

    def right_inverse(self, weight: Tensor) -> Tensor:
        """What to keep when a weight is assigned: itself, to be bounded when it is used."""
        return weight

    def extra_repr(self) -> str:
        return f"bound={self.bound}"


def _wide(weight: Tensor) -> Tensor:
    return weight.to(torch.promote_types(weight.dtype, torch.float32))


def _rounding(weight: Tensor) -> float:
    """1 + u √(k r), and some units more: what rounding every entry of the weight does to its norm at most.

    For a kernel of k entries and r the smaller number of channels, an error E has norm at most √k ‖E‖_F, and
    ‖E‖_F ≤ u ‖W‖_F ≤ u √r ‖W‖, by Parseval's identity.
    """
    outputs, inputs, *sizes = weight.shape
    rounding = torch.finfo(weight.dtype).eps / 2 * math.sqrt(math.prod(sizes) * min(outputs, inputs))
    return 1 + rounding + 8 * torch.finfo(_wide(weight).dtype).eps


def _groups(layer: _Layer) -> int:
    return 1 if isinstance(layer, nn.Linear) else layer.groups


def _kernel(weight: Tensor, groups: int) -> Tensor:
    """(groups, outputs, inputs, *kernel size) of a weight (groups × outputs, inputs, *kernel size)."""
    return weight.reshape(groups, len(weight) // groups, *weight.shape[1:])


def _checked(module: object) -> _Layer:
    """The module, if it is a layer whose norm `operator_norm_bound` bounds."""
    if not isinstance(module, _Layer):
        raise TypeError(f"module must be nn.Linear, nn.Conv1d, nn.Conv2d or nn.Conv3d, but is {type(module).__name__}")
    if isinstance(module, nn.Linear) or module.padding_mode == "zeros":
        return module
    if module.padding_mode != "circular":
        raise ValueError(
            f"padding by {module.padding_mode!r} repeats entries at the border, which can make the norm larger than "
            "the kernel tells; use padding_mode='zeros' or 'circular'"
        )
    reach = [dilation * (size - 1) for dilation, size in zip(module.dilation, module.kernel_size, strict=True)]
    padding = [0] * len(reach) if isinstance(module.padding, str) else [2 * each for each in module.padding]
    if any(given > most for given, most in zip(padding, reach, strict=True)):
        raise ValueError(
            f"circular padding by {tuple(module.padding)} on both sides is more than the kernel reaches, "
            f"{tuple(reach)} in all: outputs would repeat, and make the norm larger than the kernel tells"
        )
    return module
