import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.arrow_schemas import CANDIDATES, MATCHES
from manifests.input_error import InputError
from manifests.parquet_io import write_rows
from training.descriptor_files import NamedDescriptors
from training.whitening import (
    WhiteningSettings,
    choose_pairs,
    find_suspect_classes,
    learn_whitening,
)

_SETTINGS = WhiteningSettings()


def _match(landmark_id, a, b, verdict="verified"):
    evidence = {"num_tentative": 50, "num_inliers": 40, "model": None, "transform": None}
    names = {"landmark_id": landmark_id, "image_id_a": a, "image_id_b": b}
    counts = {"num_features_a": 90, "num_features_b": 90, "similarity": 0.5}
    return names | counts | evidence | {"verdict": verdict, "reason": "enough_inliers"}


def _candidate(landmark_id, verdict):
    empty = {column.name: None for column in CANDIDATES.columns}
    names = {"eval_set": "e", "query_id": "q", "image_id": "0", "source": "visual"}
    return empty | names | {"landmark_id": landmark_id, "verdict": verdict, "reason": "no_model"}


@pytest.fixture
def matches(tmp_path):
    """Two parts: class 1 with six pairs, class 2 with one, and what must not be learned from."""
    write_rows(
        tmp_path / "a.parquet",
        MATCHES,
        [_match(1, f"{i}", f"{j}") for i in range(3) for j in range(3, 5)],
    )
    odd = [
        _match(2, "5", "6"),
        _match(2, "5", "7", "duplicate"),
        _match(2, "6", "7", "rejected"),
        _match(2, "7", "outside"),
        _match(3, "8", "9"),
    ]
    write_rows(tmp_path / "b.parquet", MATCHES, odd)
    return [tmp_path / "a.parquet", tmp_path / "b.parquet"]


_ALLOWED = [str(number) for number in range(10)]


def test_only_verified_pairs_of_allowed_images_and_classes_are_chosen(matches):
    pairs = choose_pairs(matches, _ALLOWED, {3}, _SETTINGS)
    of_class_1 = {(f"{i}", f"{j}") for i in range(3) for j in range(3, 5)}
    assert set(pairs) == {("5", "6")} | of_class_1
    assert len(pairs) == len(set(pairs))


def test_neither_the_parts_nor_their_order_matter(matches):
    settings = WhiteningSettings(max_pairs=4, max_pairs_of_class=3)
    pairs = choose_pairs(matches, _ALLOWED, {3}, settings)
    assert len(pairs) == 4
    assert pairs == choose_pairs(matches[::-1], _ALLOWED[::-1], {3}, settings)
    assert pairs[:2] == choose_pairs(
        matches, _ALLOWED, {3}, settings.model_copy(update={"max_pairs": 2})
    )


def test_a_crowded_class_gives_no_more_than_its_share(matches):
    settings = WhiteningSettings(max_pairs_of_class=2)
    pairs = choose_pairs(matches, _ALLOWED, (), settings)
    by_class = [sum(pair[0] in members for pair in pairs) for members in ("012", "567", "89")]
    assert by_class == [2, 1, 1]


def test_classes_with_a_match_or_a_name_are_suspect_whatever_people_say(tmp_path):
    verdicts = {1: "match", 2: "below_threshold", 3: "rejected", 4: "named"}
    part = tmp_path / "c.parquet"
    write_rows(part, CANDIDATES, [_candidate(n, verdict) for n, verdict in verdicts.items()])
    assert find_suspect_classes([part]) == {1, 4}
    assert find_suspect_classes([]) == set()


def _named(seed, count=80, dimensions=5):
    vectors = np.random.default_rng(seed).normal(size=(count, dimensions)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return NamedDescriptors(tuple(map(str, range(count))), vectors)


_PAIRS = [(str(n), str(n + 40)) for n in range(40)]


@given(st.integers(0, 30))
def test_differences_of_the_pairs_become_white(seed):
    named = _named(seed)
    learned = learn_whitening(named, _PAIRS, _SETTINGS)
    differences = (named.descriptors[:40] - named.descriptors[40:]) @ learned.projection.T
    assert np.allclose(differences.T @ differences / 40, np.eye(5), atol=1e-5)
    assert np.allclose(learned.mean, named.descriptors[:40].mean(axis=0), atol=1e-6)


def test_images_without_descriptor_are_not_learned_from():
    named = _named(1)
    holes = NamedDescriptors(named.names, named.descriptors.copy())
    holes.descriptors[[0, 41]] = np.nan
    learned = learn_whitening(holes, _PAIRS, _SETTINGS)
    expected = learn_whitening(named, _PAIRS[2:], _SETTINGS)
    assert np.array_equal(learned.projection, expected.projection)
    pca = WhiteningSettings(method="pca")
    assert np.isfinite(learn_whitening(holes, _PAIRS, pca).projection).all()


@pytest.mark.parametrize("power", [1.0, 0.5])
def test_pca_leaves_the_variance_that_the_power_says(power):
    named = _named(2)
    settings = WhiteningSettings(method="pca", dimensions=3, pca_power=power)
    learned = learn_whitening(named, _PAIRS, settings)
    projected = (named.descriptors - learned.mean) @ learned.projection.T
    variances = np.sort(np.linalg.eigvalsh(np.cov(named.descriptors.T, bias=True)))[::-1][:3]
    assert np.allclose(projected.var(axis=0), variances ** (1 - power), atol=1e-5)


@pytest.mark.parametrize(
    ("options", "num_pairs", "message"),
    [
        ({}, 4, "4 verified pairs for 5 dimensions.*--method pca"),
        ({"dimensions": 6}, 40, "6 dimensions of descriptors that have 5"),
    ],
)
def test_too_little_to_learn_from_is_refused(options, num_pairs, message):
    with pytest.raises(InputError, match=message):
        learn_whitening(_named(0), _PAIRS[:num_pairs], WhiteningSettings(**options))


def test_too_few_images_for_pca_are_refused():
    named = _named(0, count=3)
    with pytest.raises(InputError, match="do not vary in 5 directions"):
        learn_whitening(named, _PAIRS[:1], WhiteningSettings(method="pca"))
