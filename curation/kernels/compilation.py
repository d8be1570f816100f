"""How functions of this package are compiled."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

Function = TypeVar("Function", bound=Callable[..., Any])
Scalar = TypeVar("Scalar", bound=np.generic)


def compile_on_first_call(function: Function) -> Function:
    """Compile a function of numbers and arrays when it is called first, or load it compiled.

    Division follows IEEE 754 as in numpy, instead of raising. Sums are never reordered ("fast
    math" stays off), so that equal input gives equal bits.

    Numba keeps compiled code beside the source or, where that is read-only, in the user's cache
    folder, one version per processor type. It notices changes in the file of the function only:
    a compiled function must not call compiled functions, nor use constants, of other files of
    this package that may change its meaning.
    """
    try:
        return cast("Function", numba.njit(error_model="numpy", nogil=True, cache=True)(function))
    except RuntimeError:  # no folder to keep it in can be written
        return cast("Function", numba.njit(error_model="numpy", nogil=True)(function))


def freeze(array: NDArray[Scalar]) -> NDArray[Scalar]:
    """A read-only view of plain type: mapped files and fresh arrays then share one compilation."""
    view = np.asarray(array).view()
    view.flags.writeable = False
    return view
