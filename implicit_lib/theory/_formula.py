"""A typed formula: read once, and then evaluated by NumPy, by torch or by sympy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import TYPE_CHECKING, overload

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from implicit_lib.theory._arrays import ARRAYS, Array
from implicit_lib.theory._parse import Parser, check_names
from implicit_lib.theory._tensors import Tensors
from implicit_lib.theory._tree import Node, evaluate

if TYPE_CHECKING:
    import sympy


def parse(text: str, variables: Sequence[str] = ("x",)) -> Formula:
    """Read a formula.

    It consists of numbers, the variables, `pi` and `e`, `+ - * /`, powers as `**` or `^`, brackets, the functions
    `abs`, `sqrt`, `exp`, `log`, `sin`, `cos`, `tan`, `atan`, `tanh`, `gamma`, `min`, `max`, and
    `piecewise(x < 0, -1, x == 0, 0, 1)`: conditions with the values that hold under them, in order, and the value that
    holds otherwise. Nothing of the text is ever executed.

    Args:
        text: The formula, of at most 500 characters.
        variables: The names of the variables, in the order in which the formula will get their values.

    Raises:
        FormulaError: If the text is no such formula; it names the character and the reason.
        TypeError: If the text is not a string.
        ValueError: If a name cannot be a variable.

    >>> parse("x**2 - 1/3")(2.0)
    array(3.66666667)
    >>> parse("2x")
    Traceback (most recent call last):
    implicit_lib.theory._tokens.FormulaError: character 2: 'x' follows without a sign: write * for times
      2x
       ^
    """
    check_names(variables)
    parser = Parser(text, variables)
    tree = parser.sum()
    parser.end()
    return Formula(text, tuple(variables), tree.node)


@dataclass(frozen=True)
class Formula:
    """A function of some real variables, as it was typed and as a tree.

    Attributes:
        text: As it was typed.
        variables: The names of its variables, in order.
        tree: What the text says.
    """

    text: str
    variables: tuple[str, ...]
    tree: Node

    @cached_property
    def sympy(self) -> sympy.Expr:
        """The formula as a sympy expression, its variables as real symbols: `sympy.Symbol("x", real=True)`.

        sympy simplifies, so that `x/x` is 1 also at 0.

        Raises:
            ValueError: If sympy would write out numbers with thousands of digits.
        """
        from implicit_lib.theory._expression import expression

        return expression(self.tree, self.variables)

    @overload
    def __call__(self, *values: Tensor) -> Tensor: ...
    @overload
    def __call__(self, *values: npt.ArrayLike) -> Array: ...
    def __call__(self, *values: npt.ArrayLike | Tensor) -> Array | Tensor:
        """The value at points, one array or tensor for each variable.

        Arrays are taken in double precision; tensors keep their dtype, and can be differentiated. A derivative at a
        point where the formula is undefined means nothing.

        Args:
            values: Arrays or tensors of shapes that broadcast.

        Returns:
            The values, in the common shape, NaN where the formula is undefined.

        Raises:
            TypeError: If the count is wrong, or a value is not real.
        """
        if len(values) != len(self.variables):
            raise TypeError(f"the formula has the variables {', '.join(self.variables)}, got {len(values)} values")
        if any(isinstance(value, Tensor) for value in values):
            return self._of_tensors(values)
        arrays = [np.asarray(value) for value in values]
        if any(array.dtype.kind not in "biuf" for array in arrays):
            raise TypeError(f"a formula takes real numbers, got {', '.join(str(array.dtype) for array in arrays)}")
        arrays = [array.astype(np.float64) for array in arrays]
        value = evaluate(self.tree, ARRAYS, dict(zip(self.variables, arrays, strict=True)))
        return np.broadcast_to(value, np.broadcast_shapes(*(array.shape for array in arrays))).copy()

    def _of_tensors(self, values: Sequence[npt.ArrayLike | Tensor]) -> Tensor:
        given = [value for value in values if isinstance(value, Tensor)]
        dtype, device = reduce(torch.promote_types, (value.dtype for value in given)), given[0].device
        if dtype.is_complex:
            raise TypeError(f"a formula takes real numbers, got {dtype}")
        if not dtype.is_floating_point:
            dtype = torch.get_default_dtype()
        tensors = [torch.as_tensor(value, dtype=dtype, device=device) for value in values]
        value = evaluate(self.tree, Tensors(dtype, device), dict(zip(self.variables, tensors, strict=True)))
        shape: torch.Size = torch.broadcast_shapes(*(tensor.shape for tensor in tensors))  # type: ignore[no-untyped-call]
        return value.expand(shape)

    def __str__(self) -> str:
        """The text."""
        return self.text
