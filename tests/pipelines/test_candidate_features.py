from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from curation.shards import ShardError
from curation.sift import SiftSettings
from pipelines import candidate_features
from pipelines.candidate_features import CandidateFeatures
from pipelines.run_tables import open_features

FINE = SiftSettings(long_side_px=400, max_features=900)


@pytest.fixture
def described(tiny_run):
    return CandidateFeatures(tiny_run.run_dir, tiny_run.config.source.root, FINE)


@pytest.fixture
def image_ids(tiny_run):
    return sorted(row["image_id"] for row in tiny_run.rows("verdicts") if row["kept"])


def _equal(a, b):
    return np.array_equal(a.descriptors, b.descriptors) and np.array_equal(a.geometry, b.geometry)


def test_with_the_runs_own_settings_they_are_the_stored_ones(tiny_run, image_ids):
    config = tiny_run.config
    own = CandidateFeatures(tiny_run.run_dir, config.source.root, config.describe)
    stored = open_features(tiny_run.run_dir)
    for image_id, found in zip(image_ids, own.describe(image_ids), strict=True):
        assert _equal(found, stored.load(image_id))


def test_they_come_in_the_order_asked_for_whatever_is_kept(described, image_ids):
    first = dict(zip(image_ids, described.describe(image_ids), strict=True))
    for order in (image_ids[::-1], image_ids[3:] + image_ids[:1] * 2):
        for image_id, found in zip(order, described.describe(order), strict=True):
            assert _equal(found, first[image_id])


def test_no_more_is_kept_than_allowed_and_what_was_forgotten_comes_again(
    described, image_ids, monkeypatch
):
    (largest,) = described.describe(image_ids[:1])
    allowed = 3 * len(largest) * candidate_features.BYTES_PER_FEATURE
    monkeypatch.setattr(candidate_features, "_KEPT_BYTES", allowed)
    seen = [dict(zip(image_ids, described.describe(image_ids), strict=True)) for _ in range(2)]
    assert described.num_kept_bytes <= allowed
    assert all(_equal(seen[0][image_id], seen[1][image_id]) for image_id in image_ids)


def test_who_stops_at_the_last_image_leaves_no_more_than_allowed(described, image_ids, monkeypatch):
    features = list(described.describe(image_ids[:4]))
    room = sum(map(len, features[1:])) * candidate_features.BYTES_PER_FEATURE
    monkeypatch.setattr(candidate_features, "_KEPT_BYTES", room)
    for _ in range(2):
        in_turn = described.describe(image_ids[:4])
        assert all(_equal(found, next(in_turn)) for found in features)
        assert described.num_kept_bytes <= room


def test_each_thread_has_its_own(described, image_ids):
    first = list(described.describe(image_ids[:2]))
    with ThreadPoolExecutor(1) as pool:
        before = pool.submit(lambda: described.num_kept_bytes).result()
        other = pool.submit(lambda: list(described.describe(image_ids[:2]))).result()
    assert before == 0
    assert all(_equal(a, b) for a, b in zip(first, other, strict=True))


def test_a_shard_that_is_gone_is_named(tiny_run, image_ids, tmp_path):
    moved = CandidateFeatures(tiny_run.run_dir, tmp_path, FINE)
    with pytest.raises(ShardError, match="images_00"):
        list(moved.describe(image_ids))
