import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.cascade import CascadeSettings, list_looks

counts = st.integers(1, 3000)


@given(counts, counts, st.floats(1.1, 4), st.floats(0, 1))
def test_every_look_sees_more_than_the_one_before_and_the_last_sees_all(
    num_a, num_b, growth, share
):
    settings = CascadeSettings(growth=growth, share=share)
    looks = list_looks(num_a, num_b, 30, settings)
    sizes = [look.num_a * look.num_b for look in looks]
    assert sizes == sorted(set(sizes))
    assert all(4 * size <= 3 * num_a * num_b for size in sizes[:-1])
    assert all(look.num_a <= num_a and look.num_b <= num_b for look in looks)
    assert (looks[-1].num_a, looks[-1].num_b) == (num_a, num_b)
    needed = [look.min_consistent for look in looks]
    assert needed == sorted(needed)


@pytest.mark.parametrize(
    ("num_features", "expected"),
    [
        (50, [(50, 15)]),
        (400, [(400, 15)]),
        (1024, [(384, 3), (768, 9), (1024, 15)]),
        (2000, [(704, 3), (1408, 9), (2000, 15)]),
    ],
)
def test_looks_at_images_of_usual_sizes(num_features, expected):
    looks = list_looks(num_features, num_features, 30, CascadeSettings())
    assert [(look.num_a, look.min_consistent) for look in looks] == expected


def test_the_exact_mode_takes_no_look():
    assert list_looks(1000, 1000, 30, CascadeSettings(mode="exact")) == ()


@given(counts, st.integers(1, 60), st.integers(2, 40), st.floats(0, 1))
def test_no_look_asks_for_more_than_the_verdict(num_features, min_inliers, consistent, share):
    settings = CascadeSettings(min_consistent=consistent, min_consistent_share=share)
    looks = list_looks(num_features, num_features, min_inliers, settings)
    assert all(1 <= look.min_consistent <= min_inliers for look in looks)
