from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.landmark_names import normalise_text
from curation.named_candidates import propose_text_candidates
from curation.overlap import (
    Candidate,
    OverlapSettings,
    ProbeMatch,
    select_visual_candidates,
)
from curation.train_split import ImageVerdict
from manifests.arrow_schemas import CANDIDATES
from manifests.rows import CandidateSource, CandidateVerdict, ImageReason, PairReason, PairVerdict

VERIFIED = (PairVerdict.VERIFIED, PairReason.ENOUGH_INLIERS)
TOO_FEW = (PairVerdict.REJECTED, PairReason.TOO_FEW_INLIERS)
WATERMARK = (PairVerdict.REJECTED, PairReason.WATERMARK)
SAME_BYTES = (PairVerdict.DUPLICATE, PairReason.SAME_BYTES)


def make_match(image_id, num_inliers, similarity=0.5, probe="crop", judged=None, query_id="q"):
    verdict, reason = judged or (VERIFIED if num_inliers >= 20 else TOO_FEW)
    return ProbeMatch(
        eval_set="oxford",
        query_id=query_id,
        probe=probe,
        image_id=image_id,
        landmark_id=1,
        similarity=similarity,
        num_features_query=800,
        num_features_image=900,
        num_tentative=num_inliers + 10,
        num_inliers=num_inliers,
        model="affine",
        transform=(1.0, 0.0, float(num_inliers), 0.0, 1.0, 0.0),
        verdict=verdict,
        reason=reason,
    )


def select(matches, **settings):
    return select_visual_candidates(matches, {1: "Radcliffe Camera"}, OverlapSettings(**settings))


# Visual candidates --------------------------------------------------------------------------


def test_shown_are_the_nearest_and_all_with_enough_inliers():
    matches = [make_match(f"near{n}", 0, similarity=0.9 - n / 100) for n in range(7)]
    matches += [make_match("far20", 20, 0.1), make_match("far19", 19, 0.05)]
    shown = select(matches)
    assert [c.image_id for c in shown] == ["near0", "near1", "near2", "near3", "near4", "far20"]
    assert [c.rank for c in shown] == [1, 2, 3, 4, 5, 8]
    assert [c.verdict for c in shown] == [*["below_threshold"] * 5, "match"]
    assert shown[0].reason is PairReason.TOO_FEW_INLIERS


def test_equally_similar_images_rank_by_id():
    shown = select([make_match("b", 0), make_match("a", 0), make_match("c", 0, 0.6)])
    assert [(c.rank, c.image_id) for c in shown] == [(1, "c"), (2, "a"), (3, "b")]


def test_the_probe_with_most_inliers_speaks_and_the_best_similarity_ranks():
    shown = select(
        [
            make_match("a", 25, 0.4, "crop"),
            make_match("a", 40, 0.3, "whole"),
            make_match("b", 30, 0.35, "whole"),
        ]
    )
    assert [(c.image_id, c.probe, c.num_inliers) for c in shown] == [
        ("a", "whole", 40),
        ("b", "whole", 30),
    ]
    assert shown[0].similarity == 0.4
    assert shown[0].transform[2] == 40.0


def test_the_crop_speaks_when_both_probes_find_as_many():
    whole, crop = make_match("a", 25, 0.9, "whole"), make_match("a", 25, 0.1, "crop")
    assert select([whole, crop])[0].probe == "crop"


def test_a_match_speaks_before_a_watermark_with_more_inliers():
    stamp = make_match("a", 70, probe="crop", judged=WATERMARK)
    shown = select([stamp, make_match("a", 21, probe="whole")])
    assert (shown[0].probe, shown[0].verdict) == ("whole", CandidateVerdict.MATCH)


def test_people_see_what_a_guard_refused():
    shown = select([make_match("a", 70, judged=WATERMARK)], always_show_top=0)
    assert shown[0].verdict is CandidateVerdict.REJECTED
    assert shown[0].reason is PairReason.WATERMARK


@pytest.mark.parametrize(
    ("reason", "verdict"),
    [
        ("degenerate_model", "rejected"),
        ("many_to_one", "rejected"),
        ("watermark", "rejected"),
        ("frame", "rejected"),
        ("static_overlay", "rejected"),
        ("too_concentrated", "rejected"),
        ("no_features", "below_threshold"),
        ("too_few_tentative", "below_threshold"),
        ("no_model", "below_threshold"),
        ("few_among_strongest", "below_threshold"),
        ("too_few_inliers", "below_threshold"),
    ],
)
def test_only_what_a_guard_refused_is_called_so(reason, verdict):
    (shown,) = select([make_match("a", 5, judged=(PairVerdict.REJECTED, PairReason(reason)))])
    assert (shown.verdict, shown.reason) == (verdict, reason)


def test_the_same_file_is_a_match_without_any_inliers():
    shown = select([make_match("a", 0, judged=SAME_BYTES)], always_show_top=0)
    assert shown[0].verdict is CandidateVerdict.MATCH


def test_a_pair_the_verifier_accepts_may_still_be_below_this_threshold():
    shown = select([make_match("a", 25)], min_inliers=26)
    assert shown[0].verdict is CandidateVerdict.BELOW_THRESHOLD
    assert shown[0].reason is PairReason.TOO_FEW_INLIERS


def test_a_verifier_stricter_than_the_overlap_is_refused():
    with pytest.raises(ValueError, match="25 inliers are enough for the overlap"):
        select([make_match("a", 25, judged=TOO_FEW)])


def test_queries_are_ranked_apart():
    shown = select([make_match("a", 0, 0.1), make_match("a", 0, 0.9, query_id="p")])
    assert [(c.query_id, c.rank) for c in shown] == [("p", 1), ("q", 1)]


def test_a_probe_that_met_an_image_twice_is_refused():
    with pytest.raises(ValueError, match="oxford q crop x a; oxford q crop x a: a probe met"):
        select([make_match("a", 10), make_match("a", 12)])


def test_an_image_in_two_classes_is_refused():
    whole = replace(make_match("a", 10, probe="whole"), landmark_id=2)
    with pytest.raises(ValueError, match="the image has two classes"):
        select([make_match("a", 10), whole])


def test_a_candidate_has_the_columns_of_the_table():
    assert {field.name for field in fields(Candidate)} == {c.name for c in CANDIDATES.columns}
    shown = select([make_match("a", 30)])[0]
    assert (shown.source, shown.landmark_name) == (CandidateSource.VISUAL, "Radcliffe Camera")


MATCHES = st.lists(
    st.builds(
        make_match,
        st.sampled_from("abcdefgh"),
        st.integers(0, 40),
        st.sampled_from([0.1, 0.2, 0.3]),
        st.sampled_from(["crop", "whole"]),
        query_id=st.sampled_from("pq"),
    ),
    unique_by=lambda match: (match.query_id, match.probe, match.image_id),
)


@given(MATCHES, st.integers(0, 3), st.randoms(use_true_random=False))
def test_nothing_with_enough_inliers_is_hidden_and_order_does_not_matter(matches, top, random):
    shown = select(matches, always_show_top=top)
    assert select(random.sample(matches, len(matches)), always_show_top=top) == shown
    keys = [(c.query_id, c.image_id) for c in shown]
    assert len(keys) == len(set(keys))
    assert {(m.query_id, m.image_id) for m in matches if m.num_inliers >= 20} <= set(keys)
    for query_id in "pq":
        num_images = len({m.image_id for m in matches if m.query_id == query_id})
        ranks = [c.rank for c in shown if c.query_id == query_id]
        assert ranks[:top] == list(range(1, min(top, num_images) + 1))
        assert all(c.num_inliers >= 20 for c in shown if c.rank > top)


# Text candidates ----------------------------------------------------------------------------

NAMES = {
    1: "All Souls College, Oxford",
    2: "Hôtel des Invalides",
    3: "Place Charles-de-Gaulle (Paris)",
    4: "Eiffel Tower (Paris, Texas)",
    5: "Hôtel de Parisienne",
}


def make_verdict(image_id, landmark_id, *, kept=True, neighbours=3):
    reason = ImageReason.VERIFIED if kept else ImageReason.NO_VERIFIED_NEIGHBOUR
    return ImageVerdict(image_id, landmark_id, kept, reason, neighbours, image_id, None)


def propose(verdicts, terms=("paris", "oxford"), names=NAMES):
    return propose_text_candidates("miniopen", terms, verdicts, names)


def test_a_name_containing_a_term_is_a_candidate():
    found = propose([make_verdict(f"i{n}", n) for n in NAMES])
    assert [(c.query_id, c.landmark_id) for c in found] == [
        ("text:oxford", 1),
        ("text:paris", 3),
        ("text:paris", 4),
        ("text:paris", 5),
    ]
    assert {c.verdict for c in found} == {CandidateVerdict.NAMED}
    assert {c.source for c in found} == {CandidateSource.TEXT}
    assert {c.rank for c in found} == {None}


@pytest.mark.parametrize("name", ["Hôtel_des_Invalides", "Hôtel des Invalides"])
def test_invalides_names_neither_city(name):
    assert propose([make_verdict("i", 1)], names={1: name}) == []


@pytest.mark.parametrize("term", ["HOTEL", "Hôtel", "Ho\u0302tel"])
def test_case_and_accents_do_not_matter(term):
    found = propose([make_verdict("i", 2)], terms=[term])
    assert [c.landmark_id for c in found] == [2]
    assert found[0].query_id == f"text:{term}"


def test_the_kept_image_with_most_neighbours_shows_the_class():
    verdicts = [
        make_verdict("a", 1, neighbours=9, kept=False),
        make_verdict("d", 1, neighbours=5),
        make_verdict("c", 1, neighbours=5),
        make_verdict("b", 1, neighbours=4),
    ]
    assert [c.image_id for c in propose(verdicts)] == ["c"]
    assert propose(verdicts[::-1]) == propose(verdicts)


def test_a_class_without_a_kept_image_or_a_name_is_no_candidate():
    assert propose([make_verdict("a", 1, kept=False), make_verdict("b", 99)]) == []


@pytest.mark.parametrize("terms", [[""], [" "], ["paris", "Pâris"]])
def test_terms_that_say_nothing_or_the_same_are_refused(terms):
    with pytest.raises(ValueError, match="evaluation set miniopen: the text term"):
        propose([], terms=terms)


@given(st.text())
def test_normalising_twice_is_normalising_once(text):
    once = normalise_text(text)
    assert normalise_text(once) == once
