"""How functions of this package are compiled."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numba.core.caching import FunctionCache
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
    this package that may change its meaning, unless `compile_with` says so.
    """
    try:
        return cast("Function", numba.njit(error_model="numpy", nogil=True, cache=True)(function))
    except RuntimeError:  # no folder to keep it in can be written
        return cast("Function", numba.njit(error_model="numpy", nogil=True)(function))


def compile_with(*modules: ModuleType) -> Callable[[Function], Function]:
    """As `compile_on_first_call`, for a function that calls compiled functions of these modules.

    Their texts become part of what its compiled code is kept under.
    """
    texts = [Path(str(module.__file__)).read_bytes() for module in modules]
    digest = hashlib.sha256(b"".join(texts)).hexdigest()

    def compile_it(function: Function) -> Function:
        compiled = compile_on_first_call(function)
        if isinstance(compiled._cache, FunctionCache):  # type: ignore[attr-defined]  # noqa: SLF001
            compiled._cache = _CacheOfSeveralFiles(function, digest)  # type: ignore[attr-defined]  # noqa: SLF001
        return compiled

    return compile_it


class _CacheOfSeveralFiles(FunctionCache):
    """Compiled code that depends on more than the file of its function."""

    def __init__(self, function: Callable[..., Any], digest: str) -> None:
        super().__init__(function)  # type: ignore[no-untyped-call]
        self._digest = digest

    def _index_key(self, sig: Any, codegen: Any) -> tuple[Any, ...]:  # noqa: ANN401
        return (*super()._index_key(sig, codegen), self._digest)  # type: ignore[no-untyped-call]


def freeze(array: NDArray[Scalar]) -> NDArray[Scalar]:
    """A read-only view of plain type: mapped files and fresh arrays then share one compilation."""
    view = np.asarray(array).view()
    view.flags.writeable = False
    return view
