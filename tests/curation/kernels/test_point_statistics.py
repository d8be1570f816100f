import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from curation.kernels.point_statistics import count_cells


@given(st.integers(0, 10_000), st.integers(0, 300), st.sampled_from([0.5, 2.0, 24.0, 300.0]))
def test_cells_are_counted_once_each(seed, count, cell_px):
    xy = np.random.default_rng(seed).uniform(0, 1000, (count, 2))
    # Some places are taken more than once.
    xy[count // 2 :] = xy[: count - count // 2]
    assert count_cells(xy, cell_px) == len(set(map(tuple, (xy // cell_px).tolist())))


@given(st.integers(0, 10_000), st.sampled_from([1e-300, 1e-12, 1 / 64, 1 / 32]))
def test_cells_below_a_stored_step_tell_all_places_apart(seed, cell_px):
    xy = np.random.default_rng(seed).integers(0, 2048, (60, 2)) / 32
    assert count_cells(xy, cell_px) == len(set(map(tuple, xy.tolist())))
