"""The peers that run in JAX: jaxopt and optimistix.

jaxopt knows one problem at a time. Where samples are to be judged each for itself it is mapped over the batch with
`jax.vmap`; where time is measured the whole batch is one problem, as a user would have it, which costs less.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import jaxopt
import numpy as np
import optimistix
import torch
from torch import Tensor

Operator = Callable[[Tensor], Tensor]


def jaxopt_anderson(G: Operator, y0: Tensor, calls: int, *, history: int = 5) -> Tensor:
    return _jaxopt(G, y0, calls, lambda f: jaxopt.AndersonAcceleration(f, history_size=history))


def jaxopt_picard(G: Operator, y0: Tensor, calls: int) -> Tensor:
    return _jaxopt(G, y0, calls, jaxopt.FixedPointIteration)


def _jaxopt(G: Operator, y0: Tensor, calls: int, make: Callable[[Callable[[Any], Any]], Any]) -> Tensor:
    """`calls` updates of a jaxopt solver, mapped over the batch, of an operator in PyTorch.

    `init_state` calls the operator once to no avail; compiled code leaves that out, and so does this count.
    """
    calling = True

    def on_host(y: np.ndarray) -> np.ndarray:
        return G(torch.from_numpy(np.array(y))).numpy() if calling else y

    def one(y: jax.Array) -> jax.Array:
        return jax.pure_callback(on_host, jax.ShapeDtypeStruct(y.shape, y.dtype), y, vmap_method="broadcast_all")

    solver = make(one)
    y = jnp.asarray(y0.numpy())
    calling = False
    state = jax.vmap(solver.init_state)(y)
    calling = True
    update = jax.jit(jax.vmap(solver.update))
    for _ in range(calls):
        y, state = update(y, state)
    return torch.from_numpy(np.array(y))


def timed(G: Callable[[Any], Any], y0: Any, calls: int) -> dict[str, Callable[[], object]]:
    """Runs of exactly `calls` calls of an operator in JAX, without and with acceleration, and of the operator alone."""
    compiled = jax.jit(G)
    picard = jaxopt.FixedPointIteration(G, maxiter=calls, tol=0.0)
    anderson = jaxopt.AndersonAcceleration(G, maxiter=calls, tol=0.0, history_size=5)
    walk = optimistix.FixedPointIteration(rtol=0.0, atol=1e-30)

    def with_optimistix(y: Any) -> Any:
        return optimistix.fixed_point(lambda y, _: G(y), walk, y, max_steps=calls, throw=False).value

    runs = {
        "compiled G": lambda y: _chain(compiled, y, calls),
        "G op by op": lambda y: _chain(G, y, calls),
        "jaxopt picard": jax.jit(lambda y: picard.run(y).params),
        "jaxopt anderson": jax.jit(lambda y: anderson.run(y).params),
        "optimistix picard": jax.jit(with_optimistix),
    }
    return {name: partial(_run, run, y0) for name, run in runs.items()}


def _run(run: Callable[[Any], Any], y0: Any) -> None:
    jax.block_until_ready(run(y0))


def _chain(G: Callable[[Any], Any], y: Any, calls: int) -> Any:
    for _ in range(calls):
        y = G(y)
    return y


def _gradient(
    solve: Callable[[Callable[[Any, Any], Any], Any, Any], Any],
    W: Tensor,
    x: Tensor,
    y0: Tensor,
    target: Tensor,
    scale: float,
) -> tuple[Tensor, Tensor]:
    """The gradients, divided by the scale, of scale · mean (y − target)² at y = tanh(W y + x), in float32."""
    start, goal = (jnp.asarray(each.float().numpy()) for each in (y0, target))

    def loss(W: Any, x: Any) -> Any:
        y = solve(lambda y, inputs: jnp.tanh(y @ inputs[0].T + inputs[1]), start, (W, x))
        return scale * jnp.mean((y - goal) ** 2)

    gradients = jax.grad(loss, argnums=(0, 1))(*(jnp.asarray(each.float().numpy()) for each in (W, x)))
    return tuple(torch.from_numpy(np.array(each)).double() / scale for each in gradients)


def _solve_with_jaxopt(G: Callable[[Any, Any], Any], y0: Any, inputs: Any) -> Any:
    return jaxopt.FixedPointIteration(G, maxiter=200, tol=1e-7).run(y0, inputs).params


def _solve_with_optimistix(G: Callable[[Any, Any], Any], y0: Any, inputs: Any) -> Any:
    solver = optimistix.FixedPointIteration(rtol=1e-6, atol=1e-6)
    return optimistix.fixed_point(G, solver, y0, inputs, max_steps=200, throw=False).value


# With the linear solvers that they choose themselves, whose tolerances are not those of the table.
GRADIENTS = {
    "jaxopt": partial(_gradient, _solve_with_jaxopt),
    "optimistix": partial(_gradient, _solve_with_optimistix),
}
