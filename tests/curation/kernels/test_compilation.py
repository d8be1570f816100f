import numpy as np
import pytest

from curation.kernels.compilation import compile_on_first_call, freeze


def test_a_function_without_a_place_for_its_cache_is_compiled_all_the_same():
    """As on a read-only installation: numba finds no folder for a function of no file."""
    namespace = {}
    exec(compile("def halve(x):\n    return x / 2\n", "<nowhere>", "exec"), namespace)
    assert compile_on_first_call(namespace["halve"])(3.0) == 1.5


def test_division_by_zero_follows_ieee():
    namespace = {}
    exec(compile("def invert(x):\n    return 1.0 / x\n", "<nowhere>", "exec"), namespace)
    assert compile_on_first_call(namespace["invert"])(0.0) == np.inf


def test_a_frozen_view_shares_the_data_and_cannot_be_written():
    array = np.arange(3)
    view = freeze(array)
    assert np.shares_memory(array, view)
    with pytest.raises(ValueError, match="read-only"):
        view[0] = 1
    array[0] = 7
    assert view[0] == 7
