from types import SimpleNamespace

import numpy as np
import pytest
from drawn_places import add_date_stamp, describe, draw_place, halve_picture, view_aslant
from hypothesis import given
from hypothesis import strategies as st
from planted_features import make_features, plant_pair
from slow_verification import square_distances

from curation.batched_verification import NeighbourFinder, verify_in_batches
from curation.cascade import CascadeSettings
from curation.verification import verify_one_to_many
from curation.verification_settings import VerificationSettings
from manifests.rows import PairReason

SETTINGS = VerificationSettings(cascade=CascadeSettings(num_features=64))


def find_slowly(pairs):
    """Neighbours by the definition."""
    found = []
    for rows, columns in pairs:
        assert len(rows) >= 1
        assert len(columns) >= 2
        squared = square_distances(rows, columns)
        best_two = np.sort(squared, axis=1)[:, :2].astype(np.int32)
        found.append(
            SimpleNamespace(
                nearest=squared.argmin(axis=1).astype(np.int32),
                squared=np.ascontiguousarray(best_two[:, 0]),
                second_squared=np.ascontiguousarray(best_two[:, 1]),
                nearest_row=squared.argmin(axis=0).astype(np.int32),
            )
        )
    return found


def _as_values(found):
    inliers = found.inliers
    return (
        found.verdict,
        found.reason,
        found.num_tentative,
        None if found.matrix is None else found.matrix.tolist(),
        inliers.index_a.tolist(),
        inliers.index_b.tolist(),
        inliers.ratio.tolist(),
    )


@pytest.fixture(scope="module")
def images():
    """Views of one place, others with and without a stamp, and images with hardly any feature."""
    place = draw_place(1)
    pictures = [
        place,
        view_aslant(place),
        halve_picture(place),
        draw_place(2),
        add_date_stamp(draw_place(3)),
        add_date_stamp(draw_place(4)),
    ]
    few = [make_features(np.full((count, 2), 50.0)) for count in (0, 1, 2)]
    return [describe(picture) for picture in pictures] + few


@pytest.mark.parametrize("batch_size", [1, 4, 64])
@pytest.mark.parametrize("mode", ["decide_early", "reject_early", "exact"])
def test_the_answers_are_those_of_one_pair_at_a_time(images, batch_size, mode):
    cascade = SETTINGS.cascade.model_copy(update={"mode": mode})
    settings = SETTINGS.model_copy(update={"cascade": cascade})
    finder = NeighbourFinder(find_slowly, batch_size)
    reasons = set()
    for query in images[:1] + images[4:]:
        batched = list(verify_in_batches(query, images, settings, finder))
        alone = list(verify_one_to_many(query, images, settings))
        assert list(map(_as_values, batched)) == list(map(_as_values, alone))
        reasons |= {found.reason for found in alone}
    assert {PairReason.NEAR_DUPLICATE, PairReason.NO_FEATURES} < reasons
    is_early = PairReason.ENOUGH_AMONG_STRONGEST in reasons
    assert is_early == (mode == "decide_early")


@given(st.integers(0, 50), st.integers(1, 5))
def test_planted_pairs_get_the_same_answer(seed, batch_size):
    pairs = [plant_pair(seed + n, 20 + 10 * n, 60, scale=1 + 0.1 * n) for n in range(4)]
    query, candidates = pairs[0][0], [side for pair in pairs for side in pair[:2]]
    batched = verify_in_batches(
        query, candidates, SETTINGS, NeighbourFinder(find_slowly, batch_size)
    )
    alone = verify_one_to_many(query, candidates, SETTINGS)
    assert list(map(_as_values, batched)) == list(map(_as_values, alone))


def test_candidates_are_taken_a_batch_at_a_time(images):
    taken = []

    def load():
        for number, image in enumerate(images[:5]):
            taken.append(number)
            yield image

    answers = verify_in_batches(images[0], load(), SETTINGS, NeighbourFinder(find_slowly, 2))
    next(answers)
    assert taken == [0, 1]
