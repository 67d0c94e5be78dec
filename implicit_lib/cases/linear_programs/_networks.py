"""The graph networks: the paper's layers and parameter counts, message passing as batched dense products."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from implicit_lib.gradients import Gradient
from implicit_lib.model import ImplicitModel

from ._program import LinearProgram


class Units(NamedTuple):
    """What costs, bounds and solutions are measured in, before the network sees them and after."""

    cost: float
    bound: float
    solution: float


PAPER_UNITS = Units(1.0, 1.0, 1.0)
"""The paper feeds its numbers as they are."""

BOOK_UNITS = Units(0.01, 10.0, 10.0)
"""In these all inputs and outputs have size 1, and training reaches half the error: a deviation from the paper."""

FARTHEST_BOUND = 50.0
"""Bounds beyond it, infinite ones included, enter the network as this: five standard deviations of the paper's bounds.

Of those it changes one in two million.
"""

Encoded = tuple[Tensor, Tensor, Tensor]
"""q = Q_Φ(x): A (B, m, n), the encoded constraints (B, m, d) and the encoded variables (B, n, d)."""


class Perceptron(nn.Module):
    """One hidden layer of ReLU, for nodes with their features first, (d, B · nodes).

    Small layers are several times faster this way than with the features last; and a ReLU in place is fast where it
    does not act on a view, so that there are two axes only.
    """

    def __init__(self, inputs: int, hidden: int, outputs: int, *, bias: bool = True, last_bias: bool = True) -> None:
        super().__init__()
        self.first = nn.Linear(inputs, hidden, bias=bias)
        self.last = nn.Linear(hidden, outputs, bias=last_bias)

    def forward(self, h: Tensor) -> Tensor:
        """The nodes (outputs, B · nodes)."""
        return dense(dense(h, self.first).relu_(), self.last)


class Convolution(nn.Module):
    """Messages from the nodes of one side along the edges to those of the other, which move on from where they are.

    h_i ← ReLU(f_out([Σ_j A_ij f_from(h_j), f_to(h_i)])), with perceptrons f. What comes in are the hidden layers of
    f_from and f_to, so that `Passes` can compute several of them at once. Two linear layers in a row, the last of
    f_from or f_to and the first of f_out, are multiplied into one.

    Args:
        source, target: features of a node of the sending and of the receiving side.
        variables_send: whether the variables are the sending side. The first layer that the variables go through has
            no bias.
    """

    def __init__(self, source: int, target: int, *, variables_send: bool) -> None:
        super().__init__()
        self.source = Perceptron(source, source, source, bias=not variables_send)
        self.target = Perceptron(target, target, target, bias=variables_send)
        self.output = Perceptron(source + target, target, target)

    def at(self, edges: Tensor) -> tuple[Callable[[Tensor], Tensor], Callable[[Tensor, Tensor], Tensor]]:
        """`keep` and `receive` along `edges` (B, r, s), for which weights are multiplied once.

        `keep` maps the hidden layer of f_to to what the receiving nodes bring into that of f_out (target, B · r);
        `receive` maps the hidden layer of f_from (source, B · s), and what is kept, to the receiving nodes.
        """
        sent, kept, enter = self.source.last, self.target.last, self.output.first
        of_sent, of_kept = torch.split(enter.weight, [sent.out_features, kept.out_features], dim=1)
        sending, sent_bias = of_sent @ sent.weight, (of_sent @ sent.bias).unsqueeze(1)
        keeping, kept_bias = of_kept @ kept.weight, (of_kept @ kept.bias + enter.bias).unsqueeze(1)
        sum_first = edges.shape[1] < edges.shape[2]  # which leaves fewer nodes to multiply
        if sum_first:
            kept_bias = kept_bias + sent_bias * edges.sum(dim=2).view(1, -1)

        def keep(hidden: Tensor) -> Tensor:
            return torch.addmm(kept_bias, keeping, hidden)

        def receive(hidden: Tensor, kept: Tensor) -> Tensor:
            if sum_first:
                entered = torch.addmm(kept, sending, _along(edges, hidden).flatten(1)).relu_()
            else:
                messages = _along(edges, torch.addmm(sent_bias, sending, hidden))
                entered = (kept.view(messages.shape) + messages).relu_().flatten(1)
            return dense(entered, self.output.last).relu_()

        return keep, receive


class Passes(nn.Module):
    """Variables → constraints → variables, twice: four convolutions."""

    def __init__(self, constraint: int, variable: int) -> None:
        super().__init__()
        self.to_constraints = nn.ModuleList(Convolution(variable, constraint, variables_send=True) for _ in range(2))
        self.to_variables = nn.ModuleList(Convolution(constraint, variable, variables_send=False) for _ in range(2))

    @property
    def convolutions(self) -> tuple[Convolution, Convolution, Convolution, Convolution]:
        """In their order."""
        (first, third), (second, fourth) = self.to_constraints, self.to_variables
        return cast("tuple[Convolution, Convolution, Convolution, Convolution]", (first, second, third, fourth))

    def enter_variables(self) -> Tensor:
        """The weights (2 · variable, variable) of both layers that the variables go through first."""
        first, second, _, _ = self.convolutions
        return torch.cat([first.source.first.weight, second.target.first.weight])

    def at(self, A: Tensor, constraints: Tensor) -> Callable[[Tensor], Tensor]:
        """The passes along A (B, m, n) from the constraints (constraint, B · m), for which weights are multiplied once.

        They map `enter_variables` times the variables, (2 · variable, B · n), which they overwrite, to the variables
        (variable, B · n) afterwards.
        """
        first, second, third, fourth = self.convolutions
        back = A.transpose(1, 2)
        (keep_1, receive_1), (keep_2, receive_2) = first.at(A), second.at(back)
        (keep_3, receive_3), (keep_4, receive_4) = third.at(A), fourth.at(back)
        leave_constraints = _both(second.source.first, third.target.first)
        leave_variables = _both(third.source.first, fourth.target.first)
        kept = keep_1(dense(constraints, first.target.first).relu_())

        def run(hidden: Tensor) -> Tensor:
            sent, own = hidden.relu_().chunk(2)
            returned, own_constraints = leave_constraints(receive_1(sent, kept))
            sent, own = leave_variables(receive_2(returned, keep_2(own)))
            constraints = receive_3(sent, keep_3(own_constraints))
            return receive_4(dense(constraints, fourth.source.first).relu_(), keep_4(own))

        return run


def _both(one: nn.Linear, other: nn.Linear) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
    """Two layers of the same nodes, with their ReLU, in one product."""
    weight = torch.cat([one.weight, other.weight])
    bias = None if one.bias is None else torch.cat([one.bias, other.bias])

    def both(h: Tensor) -> tuple[Tensor, Tensor]:
        of_one, of_other = torch.split(affine(h, weight, bias).relu_(), [one.out_features, other.out_features])
        return of_one, of_other

    return both


class Encoder(nn.Module):
    """Q_Φ: the features of every node, in their units, through one layer each."""

    def __init__(self, embedding: int, units: Units) -> None:
        super().__init__()
        self.units = units
        self.constraints = nn.Linear(2, embedding)
        self.variables = nn.Linear(3, embedding)

    def forward(self, program: LinearProgram) -> Encoded:
        """The encoded programs, in the dtype of the weights."""
        A, b, equality, c, lower, upper = program.to(self.variables.weight.dtype)
        low, high = (bound.clamp(-FARTHEST_BOUND, FARTHEST_BOUND) / self.units.bound for bound in (lower, upper))
        constraints = dense(torch.stack([b, equality]).flatten(1), self.constraints).relu_()
        variables = dense(torch.stack([c / self.units.cost, low, high]).flatten(1), self.variables).relu_()
        return A, _features_last(constraints, b), _features_last(variables, c)


class ExplicitGNN(nn.Module):
    """x ↦ ŷ in one pass: encoder, four convolutions, decoder; 29 d² + 29 d parameters.

    Source: Liu, Ding, Osher, Yin (arXiv:2510.03638), Section 3.3 and Table 1.

    Args:
        embedding: d, the features of a node inside.
        units: of its inputs and outputs.
    """

    def __init__(self, embedding: int, *, units: Units = BOOK_UNITS) -> None:
        super().__init__()
        self.encoder = Encoder(embedding, units)
        self.passes = Passes(embedding, embedding)
        self.decoder = Perceptron(embedding, embedding, 1, last_bias=False)
        _initialise(self)

    def forward(self, program: LinearProgram) -> Tensor:
        """ŷ (B, n)."""
        A, constraints, variables = self.encoder(program)
        run = self.passes.at(A, _features_first(constraints))
        y: Tensor = self.decoder(run(affine(_features_first(variables), self.passes.enter_variables())))
        return self.encoder.units.solution * y.view_as(program.c)


class Operator(nn.Module):
    """G_Θ(z, q): the state z, one number a variable, joins the features; four convolutions; a number again."""

    def __init__(self, embedding: int) -> None:
        super().__init__()
        self.passes = Passes(embedding, embedding + 1)
        self.to_state = nn.Linear(embedding + 1, 1)

    def forward(self, z: Tensor, q: Encoded) -> Tensor:
        """The next state (B, n)."""
        return self.at(q)(z)

    def at(self, q: Encoded) -> Callable[[Tensor], Tensor]:
        """z ↦ G_Θ(z, q), where what does not depend on z is computed once: less work for several iterations."""
        A, constraints, variables = q
        of_variables, of_state = _apart(self.passes.enter_variables())
        still = affine(_features_first(variables), of_variables)
        run = self.passes.at(A, _features_first(constraints))

        def step(z: Tensor) -> Tensor:
            return dense(run(_with_state(still, of_state, z)), self.to_state).view_as(z)

        return step


class ImplicitGNN(nn.Module):
    """x ↦ ŷ = Q_Ψ(z*, q) with z* = G_Θ(z*, q), q = Q_Φ(x), from z_0 = 0; 29 d² + 59 d + 22 parameters.

    The solve is that of `equilibrium`, an `ImplicitModel` of the encoded programs. The decoder sees the encoded
    variables beside the state, as in the paper.

    Source: Liu, Ding, Osher, Yin (arXiv:2510.03638), Section 3.3 and Table 1.

    Args:
        embedding: d, the features of a node inside.
        units: of its inputs and outputs.
        gradient: how to differentiate through the equilibrium; None: `ImplicitGradient()`.
    """

    def __init__(self, embedding: int, *, units: Units = BOOK_UNITS, gradient: Gradient | None = None) -> None:
        super().__init__()
        self.encoder = Encoder(embedding, units)
        self.equilibrium = ImplicitModel(Operator(embedding), gradient=gradient, start=_zero_state, max_iter=200)
        self.decoder = Perceptron(embedding + 1, embedding, 1, last_bias=False)
        _initialise(self)

    @property
    def operator(self) -> Operator:
        """G_Θ."""
        return cast("Operator", self.equilibrium.operator)

    def forward(self, program: LinearProgram, iterations: int | None = None) -> Tensor:
        """ŷ (B, n): at the fixed point, or with `iterations` after exactly that many."""
        q = self.encoder(program)
        return self.decode(self.equilibrium(q, iterations), q)

    def trajectory(self, program: LinearProgram, iterations: int) -> tuple[Tensor, ...]:
        """ŷ_1 … ŷ_k, (B, n) each, for k = iterations; differentiable by unrolling."""
        q = self.encoder(program)
        return tuple(self.decode(z, q) for z in self.equilibrium.trajectory(q, iterations))

    def decode(self, z: Tensor, q: Encoded) -> Tensor:
        """Q_Ψ: ŷ (B, n), from the state z (B, n) and the encoded programs."""
        return self.decoder_at(q)(z)

    def decoder_at(self, q: Encoded) -> Callable[[Tensor], Tensor]:
        """z ↦ Q_Ψ(z, q), where what does not depend on z is computed once."""
        of_variables, of_state = _apart(self.decoder.first.weight)
        still = affine(_features_first(q[2]), of_variables, self.decoder.first.bias)

        def decode(z: Tensor) -> Tensor:
            y = dense(_with_state(still, of_state, z).relu_(), self.decoder.last)
            return self.encoder.units.solution * y.view_as(z)

        return decode


def dense(h: Tensor, layer: nn.Linear) -> Tensor:
    """The layer applied to nodes (d, B · nodes)."""
    return affine(h, layer.weight, layer.bias)


def affine(h: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """W h + b for every node of h (d, B · nodes)."""
    return weight @ h if bias is None else torch.addmm(bias.unsqueeze(1), weight, h)


def _along(edges: Tensor, messages: Tensor) -> Tensor:
    """Σ_j A_ij h_j (d, B, r), for edges A (B, r, s) and messages h (d, B · s)."""
    programs, _, senders = edges.shape
    of_each = messages.view(len(messages), programs, senders).transpose(0, 1)
    return torch.bmm(of_each, edges.transpose(1, 2)).transpose(0, 1)


def _features_first(nodes: Tensor) -> Tensor:
    """Nodes (B, k, d) as (d, B · k)."""
    return nodes.movedim(-1, 0).flatten(1)


def _features_last(nodes: Tensor, like: Tensor) -> Tensor:
    """Nodes (d, B · k) as (B, k, d), for `like` (B, k)."""
    return nodes.view(len(nodes), *like.shape).movedim(0, -1)


def _apart(weight: Tensor) -> tuple[Tensor, Tensor]:
    """The weights (k, d + 1) of a layer apart: for the encoded variables (k, d) and for the state (k, 1)."""
    of_variables, of_state = torch.split(weight, [weight.shape[1] - 1, 1], dim=1)
    return of_variables, of_state


def _with_state(still: Tensor, weight: Tensor, z: Tensor) -> Tensor:
    """A layer of the features that stay, `still` (k, B · n), and the state z (B, n), whose weight is (k, 1)."""
    return torch.addmm(still, weight, z.reshape(1, -1))


def _zero_state(q: Encoded) -> Tensor:
    return torch.zeros_like(q[2].select(-1, 0), memory_format=torch.contiguous_format)


def _initialise(module: nn.Module) -> None:
    """Orthogonal weights and zero biases everywhere, as the paper's code has it."""
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            nn.init.orthogonal_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
