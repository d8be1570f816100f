"""Memory that begins where a cache line does."""

import numpy as np
from numpy.typing import NDArray

from curation.kernels.compilation import compile_on_first_call

_LINE_BYTES = 64
_BYTES = 4


@compile_on_first_call
def allocate_lines(count: int) -> NDArray[np.int32]:
    """Integers of any value, int32 (count,), from the start of a cache line on.

    The kernels load whole lines: those that reach over into the next would take twice as long.
    """
    memory = np.empty(count + _LINE_BYTES // _BYTES, np.int32)
    # Numba's addresses have no sign.
    first = (-np.int64(memory.ctypes.data) & (_LINE_BYTES - 1)) // _BYTES
    return memory[first : first + count]
