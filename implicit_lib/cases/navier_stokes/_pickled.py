"""Arrays out of a file that `numpy.save` made with a pickle, which is never run."""

from __future__ import annotations

import io
import pickle
from typing import Any

import numpy as np
from numpy.typing import NDArray


def saved_object(content: bytes) -> object:
    """The object of such a file, made of dicts, lists, strings, numbers and, as a `SavedArray`, arrays of numbers.

    A pickle is a program: the standard reader does whatever it says. Here it can call nothing but the stand-ins below.
    Those of NumPy are not enough of a fence, since a forged dtype makes them take bytes of the file for pointers.

    Raises:
        ValueError: the file is damaged or another one, or its pickle calls anything else.
    """
    file = io.BytesIO(content)
    try:
        np.lib.format.read_magic(file)
        np.lib.format.read_array_header_1_0(file)
        (found,) = _Reader(file).load().data
    except Exception as error:  # a damaged pickle raises many kinds
        raise ValueError(f"{type(error).__name__}: {error}") from None
    return found


class SavedArray:
    """An array of numbers; or, with a list as `data`, one of objects.

    It is made as pickles make arrays: empty first, whatever the arguments say, and filled by its state.
    """

    data: NDArray[Any] | list[Any]

    def __init__(self, *_: object) -> None:
        self.data = []

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, kind, by_columns, data = state
        if not isinstance(data, list):
            data = kind.numbers(data).reshape(shape, order="F" if by_columns else "C")
        self.data = data


class _Kind:
    """A dtype."""

    def __init__(self, name: str, *_: object) -> None:
        self.dtype = np.dtype(name)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.dtype = self.dtype.newbyteorder(state[1])

    def numbers(self, data: bytes) -> NDArray[Any]:
        """(n); a dtype of pointers raises."""
        return np.frombuffer(data, self.dtype)


def _number(kind: _Kind, data: bytes) -> Any:
    return kind.numbers(data)[0]


_STAND_INS = {"ndarray": SavedArray, "_reconstruct": SavedArray, "dtype": _Kind, "scalar": _number}

_NUMPY = ("numpy", "numpy.core.multiarray", "numpy._core.multiarray")
"""The names of its modules in pickles, before version 2 and since."""


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if module not in _NUMPY or name not in _STAND_INS:
            raise pickle.UnpicklingError(f"it calls {module}.{name}, and is refused: only arrays of numbers are read")
        return _STAND_INS[name]
