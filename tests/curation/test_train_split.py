from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from curation.duplicates import DuplicateGroups
from curation.match_graph import DirectedScore, score_both_ways
from curation.train_split import ClassImage, CleanSettings, ImageVerdict, split_class
from manifests.arrow_schemas import VERDICTS
from manifests.rows import ImageReason

# Directed inlier counts of a small class, worked by hand: source -> {target: inliers}.
TOY = {
    "A": {"B": 45, "C": 31, "D": 30},
    "B": {"A": 44, "C": 29, "D": 33},
    "C": {"A": 31, "B": 28},
    "D": {"A": 30, "B": 33, "E": 30},
    "E": {"D": 12},
}
TOY_SCORES = [DirectedScore(s, t, n) for s, targets in TOY.items() for t, n in targets.items()]

IDS = [f"{n:02d}" for n in range(9)]
POLICIES = st.sampled_from(["degree", "component", "kcore"])


def split(image_ids, scores, groups=(), featureless=(), **settings):
    images = [ClassImage(i, has_features=i not in featureless) for i in image_ids]
    return split_class(7, images, scores, DuplicateGroups(groups), CleanSettings(**settings))


def kept(verdicts):
    return "".join(verdict.image_id for verdict in verdicts if verdict.kept)


def reasons(verdicts):
    return {verdict.image_id: verdict.reason.value for verdict in verdicts}


def connect(*pairs):
    return [score for a, b in pairs for score in score_both_ways(a, b, 30)]


def connect_all(image_ids):
    return connect(*((a, b) for a in image_ids for b in image_ids if a < b))


def split_toy(**settings):
    return split("ABCDE", TOY_SCORES, **settings)


# The toy class ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("edges", "min_inliers", "degrees"),
    [
        ("directed", 30, [3, 2, 1, 3, 0]),
        ("directed", 31, [2, 2, 1, 1, 0]),
        ("either", 30, [3, 2, 1, 3, 1]),
        ("both", 30, [3, 2, 1, 2, 0]),
    ],
)
def test_toy_degrees(edges, min_inliers, degrees):
    verdicts = split_toy(edges=edges, min_inliers=min_inliers)
    assert [verdict.num_verified_neighbours for verdict in verdicts] == degrees


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"edges": "directed", "min_verified_neighbours": 3}, "AD"),
        ({"edges": "directed", "min_verified_neighbours": 2}, "ABD"),
        ({"edges": "directed", "min_verified_neighbours": 1}, "ABCD"),
        # As if the published rule said "more than 30" instead of "at least 30".
        ({"edges": "directed", "min_inliers": 31, "min_verified_neighbours": 3}, ""),
        ({"edges": "either", "min_verified_neighbours": 3}, "AD"),
        ({"edges": "either", "min_verified_neighbours": 1}, "ABCDE"),
        ({"edges": "both", "min_verified_neighbours": 2}, "ABD"),
        # One image alone would stay, which is no class.
        ({"edges": "both", "min_verified_neighbours": 3}, ""),
        ({"policy": "kcore", "min_verified_neighbours": 2}, "ABD"),
        ({"policy": "kcore", "min_verified_neighbours": 3}, ""),
        ({"policy": "component", "min_verified_neighbours": 3}, "ABCDE"),
        ({"policy": "component", "min_verified_neighbours": 4}, "ABCDE"),
        ({"policy": "component", "min_verified_neighbours": 5}, ""),
        ({"policy": "component", "edges": "both", "min_verified_neighbours": 3}, "ABCD"),
    ],
)
def test_toy_keeps(settings, expected):
    assert kept(split_toy(**settings)) == expected


def test_toy_reasons():
    assert reasons(split_toy(edges="both")) == {
        "A": "class_too_small",
        "B": "too_few_verified_neighbours",
        "C": "too_few_verified_neighbours",
        "D": "too_few_verified_neighbours",
        # D verified E, if only in one direction: E cannot be said to match nobody.
        "E": "too_few_verified_neighbours",
    }
    assert reasons(split_toy(policy="kcore"))["A"] == "not_in_core"
    assert reasons(split_toy(policy="kcore"))["C"] == "too_few_verified_neighbours"


# Every reason -------------------------------------------------------------------------------


def test_an_image_that_matches_nobody():
    verdicts = split("abcdx", connect_all("abcd"))
    assert kept(verdicts) == "abcd"
    assert reasons(verdicts)["x"] == "no_verified_neighbour"
    assert verdicts[-1].component_id == "x"


def test_an_image_without_features():
    verdicts = split("abcdx", connect_all("abcd"), featureless="x")
    assert reasons(verdicts)["x"] == "no_features"
    assert verdicts[-1].component_id is None


def test_blank_copies_have_no_features_though_their_bytes_agree():
    verdicts = split("ab", score_both_ways("a", "b", 0), groups=(("a", "b"),), featureless="ab")
    assert reasons(verdicts) == {"a": "no_features", "b": "no_features"}
    assert verdicts[1].duplicate_of == "a"


def test_copies_are_no_witnesses_for_each_other():
    verdicts = split("abcd", connect_all("abcd"), groups=(("b", "a", "c", "d"),))
    assert set(reasons(verdicts).values()) == {"only_duplicates_verified"}
    assert [verdict.duplicate_of for verdict in verdicts] == ["b", None, "b", "b"]
    assert [verdict.num_verified_neighbours for verdict in verdicts] == [0, 0, 0, 0]


def test_the_smaller_component():
    scores = connect_all("abcde") + connect_all("mnop")
    verdicts = split("abcdemnopx", scores, policy="component")
    assert kept(verdicts) == "abcde"
    assert reasons(verdicts)["m"] == "not_in_largest_component"
    assert reasons(verdicts)["x"] == "no_verified_neighbour"
    assert {verdict.component_id for verdict in verdicts} == {"a", "m", "x"}


def test_equally_large_components_are_all_kept():
    verdicts = split("abcdmnop", connect_all("abcd") + connect_all("mnop"), policy="component")
    assert kept(verdicts) == "abcdmnop"


def test_copies_do_not_make_a_component_larger():
    scores = connect_all("abcd") + connect_all(["m1", "m2", "n", "o"])
    image_ids = [*"abcd", "m1", "m2", "n", "o"]
    verdicts = split(image_ids, scores, groups=(("m1", "m2"),), policy="component")
    assert kept(verdicts) == "abcd"


def test_no_component_is_large_enough():
    verdicts = split("abcmn", connect_all("abc") + connect_all("mn"), policy="component")
    assert set(reasons(verdicts).values()) == {"too_few_verified_neighbours"}


def test_a_class_that_would_be_one_photograph_in_two_copies_is_too_small():
    star = connect(*((hub, leaf) for hub in ("h1", "h2") for leaf in "xyz"))
    verdicts = split(["h1", "h2", *"xyz"], star, groups=(("h1", "h2"),))
    assert reasons(verdicts)["h1"] == reasons(verdicts)["h2"] == "class_too_small"
    assert reasons(verdicts)["x"] == "too_few_verified_neighbours"
    without_copies = split(["h1", "h2", *"xyz"], star)
    assert kept(without_copies) == "h1h2"


# Copies of what is kept ---------------------------------------------------------------------


def test_copies_of_a_kept_image_stay_or_go_as_asked():
    scores = connect_all("abcdk")
    keep = split("abcdk", scores, groups=(("k", "a"),))
    drop = split("abcdk", scores, groups=(("k", "a"),), duplicates="drop")
    assert kept(keep) == "abcdk"
    assert kept(drop) == "bcdk"
    assert reasons(drop)["a"] == "duplicate"
    assert drop[0].duplicate_of == keep[0].duplicate_of == "k"


def test_a_copy_that_did_not_earn_its_place():
    scores = connect_all("bcdk")
    image_ids = "abcdk"
    keep = split(image_ids, scores, groups=(("k", "a"),))
    drop = split(image_ids, scores, groups=(("k", "a"),), duplicates="drop")
    assert reasons(keep)["a"] == "only_duplicates_verified"
    assert reasons(drop)["a"] == "duplicate"


def test_the_best_copy_that_earned_its_place_represents_the_others():
    # The large copy k matches nobody; the small ones a and b do.
    scores = connect_all("acde") + connect(*(("b", i) for i in "cde"))
    groups = (("k", "b", "a"),)
    verdicts = split("abcdek", scores, groups=groups, duplicates="drop")
    assert kept(verdicts) == "bcde"
    assert reasons(verdicts)["k"] == reasons(verdicts)["a"] == "duplicate"
    assert {v.image_id: v.duplicate_of for v in verdicts if v.duplicate_of} == {"a": "b", "k": "b"}


def test_a_representative_in_another_class_is_not_named():
    verdicts = split("abcde", connect_all("abcde"), groups=(("elsewhere", "b", "a"),))
    assert verdicts[0].duplicate_of == "b"
    assert verdicts[1].duplicate_of is None


# Input and output ---------------------------------------------------------------------------


def test_a_verdict_has_the_columns_of_the_table():
    assert [field.name for field in fields(ImageVerdict)] == [c.name for c in VERDICTS.columns]


def test_an_empty_class():
    assert split("", []) == []
    assert split("", [], policy="component") == []


def test_an_image_given_twice_is_refused():
    with pytest.raises(ValueError, match="class 7 lists an image twice"):
        split("aa", [])


def test_inliers_of_an_image_without_features_are_refused():
    with pytest.raises(ValueError, match="image b has no features and yet"):
        split("ab", connect(("a", "b")), featureless="b")


def test_a_threshold_that_asks_for_nothing_is_refused():
    with pytest.raises(ValidationError, match="min_verified_neighbours"):
        CleanSettings(min_verified_neighbours=0)


# Properties ---------------------------------------------------------------------------------


@st.composite
def classes(draw, max_images=9):
    image_ids = IDS[: draw(st.integers(1, max_images))]
    pairs = st.tuples(st.sampled_from(image_ids), st.sampled_from(image_ids))
    inliers = draw(
        st.dictionaries(
            pairs.filter(lambda pair: pair[0] != pair[1]), st.integers(25, 40), max_size=60
        )
    )
    scores = [DirectedScore(a, b, n) for (a, b), n in inliers.items()]
    groups = draw(st.sampled_from([(), (("00", "01"),), (("01", "02", "03"), ("05", "06"))]))
    featured = {s.source for s in scores} | {s.target for s in scores}
    may_be_blank = [i for i in image_ids if i not in featured]
    blank = draw(st.sets(st.sampled_from(may_be_blank))) if may_be_blank else set()
    return image_ids, scores, groups, blank


THRESHOLDS = st.tuples(st.integers(28, 36), st.integers(1, 4))
MODES = st.fixed_dictionaries(
    {
        "policy": POLICIES,
        "edges": st.sampled_from(["directed", "either", "both"]),
        "duplicates": st.sampled_from(["keep", "drop"]),
        "min_verified_neighbours": st.integers(1, 4),
        "min_class_images": st.integers(1, 4),
    }
)


@given(classes(), MODES, THRESHOLDS, THRESHOLDS)
def test_raising_a_threshold_never_keeps_more(case, mode, lower, raised):
    image_ids, scores, groups, blank = case
    if mode["policy"] == "component":
        mode = {**mode, "policy": "degree"}
    low = (min(lower[0], raised[0]), min(lower[1], raised[1]))
    high = (max(lower[0], raised[0]), max(lower[1], raised[1]))
    few, many = (
        split(
            image_ids,
            scores,
            groups,
            blank,
            **{**mode, "min_inliers": inliers, "min_verified_neighbours": neighbours},
        )
        for inliers, neighbours in (high, low)
    )
    if mode["duplicates"] == "keep":
        assert {v.image_id for v in few if v.kept} <= {v.image_id for v in many if v.kept}
    assert sum(v.kept for v in few) <= sum(v.kept for v in many)


def test_with_components_a_higher_threshold_can_keep_more():
    scores = connect_all("mnop") + connect_all("abcd") + list(score_both_ways("d", "e", 29))
    lower = split("abcdemnop", scores, policy="component", min_inliers=29)
    higher = split("abcdemnop", scores, policy="component", min_inliers=30)
    assert kept(lower) == "abcde"
    assert kept(higher) == "abcdmnop"


@given(classes(max_images=3), MODES)
def test_fewer_than_four_images_never_survive_three_neighbours(case, mode):
    image_ids, scores, groups, blank = case
    verdicts = split(image_ids, scores, groups, blank, **{**mode, "min_verified_neighbours": 3})
    assert kept(verdicts) == ""


@given(classes(), MODES, st.randoms(use_true_random=False))
def test_the_order_of_the_input_does_not_matter(case, mode, random):
    image_ids, scores, groups, blank = case
    expected = split(image_ids, scores, groups, blank, **mode)
    shuffled_images = random.sample(image_ids, len(image_ids))
    shuffled_scores = random.sample(scores, len(scores))
    assert split(shuffled_images, shuffled_scores, groups, blank, **mode) == expected
    assert [verdict.image_id for verdict in expected] == sorted(image_ids)


@given(classes(), MODES, st.permutations(IDS))
def test_other_names_give_the_same_verdicts(case, mode, new_names):
    image_ids, scores, groups, blank = case
    new = dict(zip(IDS, new_names, strict=True))
    old = {name: image_id for image_id, name in new.items()}
    renamed = split(
        [new[i] for i in image_ids],
        [DirectedScore(new[s.source], new[s.target], s.num_inliers) for s in scores],
        tuple(tuple(new[i] for i in group) for group in groups),
        {new[i] for i in blank},
        **mode,
    )
    expected = {v.image_id: v for v in split(image_ids, scores, groups, blank, **mode)}
    for verdict in renamed:
        original = expected[old[verdict.image_id]]
        assert verdict.reason is original.reason
        assert verdict.num_verified_neighbours == original.num_verified_neighbours
        assert verdict.duplicate_of == (original.duplicate_of and new[original.duplicate_of])


@given(classes(), MODES)
def test_every_reason_is_a_true_statement(case, mode):
    image_ids, scores, groups, blank = case
    verdicts = {v.image_id: v for v in split(image_ids, scores, groups, blank, **mode)}
    t = mode["min_verified_neighbours"]
    copies = {i: set(group) for group in groups for i in group}
    for image_id, verdict in verdicts.items():
        own = copies.get(image_id, {image_id})
        contacts = {
            other
            for s in scores
            for me, other in ((s.source, s.target), (s.target, s.source))
            if me == image_id and s.num_inliers >= 30 and other not in own
        }
        match verdict.reason:
            case ImageReason.VERIFIED:
                assert verdict.kept
                assert mode["policy"] == "component" or verdict.num_verified_neighbours >= t
            case ImageReason.NO_FEATURES:
                assert image_id in blank
            case ImageReason.NO_VERIFIED_NEIGHBOUR:
                assert not contacts
                assert not (own - {image_id}) & verdicts.keys()
            case ImageReason.ONLY_DUPLICATES_VERIFIED:
                assert not contacts
                assert (own - {image_id}) & verdicts.keys()
            case ImageReason.TOO_FEW_VERIFIED_NEIGHBOURS:
                assert verdict.num_verified_neighbours < t
                assert contacts
            case ImageReason.NOT_IN_LARGEST_COMPONENT:
                sizes = _count_photographs_by_component(verdicts.values(), copies)
                assert sizes[verdict.component_id] < max(sizes.values())
            case ImageReason.NOT_IN_CORE:
                assert mode["policy"] == "kcore"
                assert any(not verdicts[other].kept for other in contacts)
            case ImageReason.CLASS_TOO_SMALL:
                assert not any(v.kept for v in verdicts.values())
            case ImageReason.DUPLICATE:
                assert mode["duplicates"] == "drop"
                assert verdicts[verdict.duplicate_of].kept
        assert verdict.kept is (verdict.reason is ImageReason.VERIFIED)


def _count_photographs_by_component(verdicts, copies):
    photographs = {}
    for verdict in verdicts:
        photograph = min(copies.get(verdict.image_id, {verdict.image_id}))
        photographs.setdefault(verdict.component_id, set()).add(photograph)
    return {component_id: len(members) for component_id, members in photographs.items()}


@given(classes(), MODES)
def test_a_class_survives_whatever_becomes_of_its_copies(case, mode):
    image_ids, scores, groups, blank = case
    keep, drop = (
        split(image_ids, scores, groups, blank, **{**mode, "duplicates": choice})
        for choice in ("keep", "drop")
    )
    assert bool(kept(keep)) == bool(kept(drop))
    assert {v.image_id for v in drop if v.kept} <= {v.image_id for v in keep if v.kept}
