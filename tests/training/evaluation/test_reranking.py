import numpy as np
import pytest
from drawn_places import SIFT, draw_place, shift_picture
from hypothesis import given
from hypothesis import strategies as st

from curation.sift import extract_sift
from training.evaluation.reranking import (
    NOT_VERIFIED,
    RerankSettings,
    SpatialReranker,
    name_answers,
    rerank,
)

_INLIERS = st.one_of(st.just(NOT_VERIFIED), st.integers(20, 25))


@given(st.lists(_INLIERS, max_size=12))
def test_verified_images_come_first_and_all_else_keeps_its_order(num_inliers):
    positions = np.arange(100, 100 + len(num_inliers))
    found = rerank(positions, np.array(num_inliers, np.int64))
    keys = [(-inliers, position) for inliers, position in zip(num_inliers, positions, strict=True)]
    assert found.positions.tolist() == [position for _, position in sorted(keys)]
    assert found.num_inliers.tolist() == sorted(num_inliers, reverse=True)


@pytest.fixture(scope="module")
def features():
    """A place, another place, a second view of the first, nothing readable."""
    pictures = draw_place(1), draw_place(2), shift_picture(draw_place(1), 9)
    return [*(extract_sift(picture, SIFT) for picture in pictures), None]


class Asked:
    """Counts what is loaded."""

    def __init__(self, features):
        self._features = features
        self.positions = []

    def __call__(self, position):
        self.positions.append(position)
        return self._features[position]


def make_reranker(features, folder, top_k=4, stamp=""):
    asked = Asked(features)
    reranker = SpatialReranker(
        lambda row: features[0] if row == 0 else None,
        asked,
        lambda position: f"image{position}{stamp}",
        folder,
        RerankSettings(top_k=top_k, features=SIFT),
    )
    return reranker, asked


def test_the_same_place_moves_up(features, tmp_path):
    reranker, _ = make_reranker(features, tmp_path)
    found = reranker(0, np.array([3, 1, 2]))
    assert found.positions.tolist() == [2, 3, 1]
    assert found.num_inliers[0] >= 20
    assert found.num_inliers[1:].tolist() == [NOT_VERIFIED] * 2


def test_results_behind_the_first_k_stay(features, tmp_path):
    reranker, asked = make_reranker(features, tmp_path, top_k=2)
    assert reranker(0, np.array([3, 1, 2])).positions.tolist() == [3, 1, 2]
    assert asked.positions == [3, 1]


def test_answers_are_remembered_while_the_images_stay(features, tmp_path):
    first, _ = make_reranker(features, tmp_path)
    expected = first(0, np.array([3, 1, 2]))
    again, asked = make_reranker(features, tmp_path)
    assert np.array_equal(again(0, np.array([3, 1, 2])).num_inliers, expected.num_inliers)
    assert asked.positions == []
    changed, asked = make_reranker(features, tmp_path, stamp="b")
    changed(0, np.array([3, 1, 2]))
    assert asked.positions == [3, 1, 2]


def test_a_query_that_cannot_be_read_changes_nothing(features, tmp_path):
    reranker, _ = make_reranker(features, tmp_path)
    assert reranker(1, np.array([3, 1, 2])).positions.tolist() == [3, 1, 2]


def test_folders_of_answers_differ_by_query_and_settings():
    strict = RerankSettings(features=SIFT.model_copy(update={"max_features": 100}))
    names = {
        name_answers("set", ["a"], RerankSettings()),
        name_answers("set", ["b"], RerankSettings()),
        name_answers("set", ["a"], strict),
    }
    assert len(names) == 3
    assert name_answers("set", ["a"], RerankSettings(top_k=7)) in names
