"""The peers that run in PyTorch: torchdeq and deepinv, here as functions of (G, y0, calls) that return the last state.

Settings are the documented ones. torchdeq: `stop_mode="rel"`, ridge `lam=1e-4` (its default). deepinv: its Anderson's
defaults, damping 0.9 and ridge 0.1, are for noisy image iterations; used here are those it sets for its backward pass,
1 and 1e-4, which take no more calls on any problem of the zoo.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor
from torchdeq.solver import get_solver

Operator = Callable[[Tensor], Tensor]


def import_deepinv() -> Any:
    """deepinv, whose import needs torchvision, whose wheel from PyPI may be built for CUDA alone.

    Its operators, which nothing here uses, are then declared, so that it can be imported.
    """
    origin = importlib.util.find_spec("torchvision").origin
    try:
        torch.ops.load_library(Path(origin).parent / "_C.so")
    except OSError:
        operators = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            operators.define(f"{name}(Tensor boxes, Tensor scores, float threshold) -> Tensor")
    import deepinv

    return deepinv


deepinv = import_deepinv()

# deepinv's own test of convergence, on the mean over the batch of the relative step; a threshold of 0 is never passed.
_CRITERION = deepinv.optim.BaseOptim(
    deepinv.optim.OptimIterator(), data_fidelity=deepinv.optim.L2(), thres_conv=0.0
).check_conv_fn


def torchdeq_picard(G: Operator, y0: Tensor, calls: int, *, tol: float = 0.0) -> Tensor:
    return get_solver("fixed_point_iter")(G, y0, max_iter=calls, tol=tol, stop_mode="rel")[0]


def torchdeq_anderson(G: Operator, y0: Tensor, calls: int, *, tol: float = 0.0, history: int = 5) -> Tensor:
    return get_solver("anderson")(G, y0, max_iter=calls, tol=tol, stop_mode="rel", m=history)[0]


def deepinv_picard(G: Operator, y0: Tensor, calls: int) -> Tensor:
    return _deepinv(G, y0, calls, None)


def deepinv_anderson(G: Operator, y0: Tensor, calls: int, *, history: int = 5) -> Tensor:
    settings = deepinv.optim.AndersonAccelerationConfig(history_size=history, beta=1.0, eps=1e-4)
    return _deepinv(G, y0, calls, settings)


def _deepinv(G: Operator, y0: Tensor, calls: int, anderson: Any) -> Tensor:
    class Iterator(SimpleNamespace):
        cost_fn = None

        def __call__(self, X: dict[str, Any], *others: Any) -> dict[str, Any]:
            return {"est": (G(X["est"][0]),), "cost": None}

    walk = deepinv.optim.fixed_point.FixedPoint(
        Iterator(),
        init_iterate_fn=lambda *args, cost_fn: {"est": (y0,), "cost": None},
        max_iter=calls,
        check_conv_fn=_CRITERION,
        anderson_acceleration_config=anderson,
    )
    with torch.no_grad():
        return walk()[0]["est"][0]
