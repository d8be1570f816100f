from dataclasses import replace

import pytest

from review_ui.evidence import Photograph


@pytest.fixture
def pair(world):
    return world.pairs[0]


def test_votes_are_tied_to_content_not_to_names(pair):
    renamed = replace(
        pair,
        candidate=replace(pair.candidate, image_id="f" * 16, landmark_id=7, num_inliers=3),
        query=replace(pair.query, query_id="another"),
        image=replace(pair.image, offset=512),
    )
    assert renamed.content_key == pair.content_key
    assert renamed.pair_id != pair.pair_id
    assert renamed.evidence_digest != pair.evidence_digest


def test_other_content_is_another_pair(pair):
    other = Photograph("0" * 64, pair.image.path, 0, 1)
    changed = [
        replace(pair, image=other),
        replace(pair, query=replace(pair.query, photograph=other)),
        replace(pair, query=replace(pair.query, box=(0.0, 0.0, 9.0, 9.0))),
        replace(pair, candidate=replace(pair.candidate, eval_set="another")),
    ]
    assert len({p.content_key for p in [pair, *changed]}) == 5


def test_what_is_found_by_name_is_tied_to_the_class(world):
    named = next(p for p in world.pairs if p.query is None)
    other = replace(named, candidate=replace(named.candidate, landmark_id=7))
    assert other.content_key != named.content_key


@pytest.mark.parametrize(
    "change", [{"num_inliers": 3}, {"verdict": "rejected"}, {"similarity": 0.1}]
)
def test_other_evidence_has_another_digest(pair, change):
    other = replace(pair, candidate=replace(pair.candidate, **change))
    assert other.content_key == pair.content_key
    assert other.evidence_digest != pair.evidence_digest


def test_addresses_say_nothing_of_places(world):
    for picture_id, photograph in world.photographs.items():
        assert picture_id not in photograph.sha256
        assert photograph.path.stem not in picture_id
    assert len(world.by_id) == len(world.pairs)
