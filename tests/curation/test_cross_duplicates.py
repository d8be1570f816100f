from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.cross_duplicates import (
    ClassedImage,
    CrossDuplicateSettings,
    ImageColumns,
    ResolveSettings,
    choose_dropped,
    find_alike,
    find_exact_pairs,
    name_kind,
)
from curation.hamming_index import HammingIndex
from manifests.rows import PairVerdict

RULES = ("report", "drop_both", "keep_larger_class")


def make_images(*rows):
    """Rows of class, digest and hash; the ids count up."""
    classes, digests, hashes = zip(*rows, strict=True) if rows else ((), (), ())
    ids = [f"{number:016x}" for number in range(len(rows))]
    return ImageColumns(ids, np.array(classes, np.int64), digests, np.array(hashes, np.uint64))


def find_near(images, **settings):
    settings = CrossDuplicateSettings(**settings)
    index = HammingIndex(images.hashes, settings.max_hash_bits)
    return list(find_alike(images, index, 0, len(images), settings))


# Equal files


def test_equal_files_of_two_classes_are_a_pair_and_of_one_class_are_not():
    images = make_images((1, "a", 0), (1, "a", 0), (2, "b", 0), (2, "c", 0), (3, "b", 0))
    assert find_exact_pairs(images) == [(2, 4)]


@given(st.lists(st.tuples(st.integers(1, 3), st.sampled_from("ab")), max_size=12))
def test_every_copy_in_two_classes_occurs_and_its_group_hangs_together(rows):
    images = make_images(*((landmark_id, digest, 0) for landmark_id, digest in rows))
    pairs = find_exact_pairs(images)
    assert all(i < j and rows[i][1] == rows[j][1] and rows[i][0] != rows[j][0] for i, j in pairs)
    for digest in "ab":
        group = [i for i, row in enumerate(rows) if row[1] == digest]
        own = [pair for pair in pairs if pair[0] in group]
        crosses = len({rows[i][0] for i in group}) > 1
        assert {i for pair in own for i in pair} == (set(group) if crosses else set())
        assert len(own) == (len(group) - 1 if crosses else 0)


# Near hashes


def test_only_images_of_other_classes_and_other_bytes_are_alike():
    images = make_images((1, "a", 0), (1, "b", 0), (2, "a", 0), (2, "c", 1), (3, "d", 2**40 - 1))
    assert find_near(images) == [(0, 3), (1, 2), (1, 3)]


def test_each_image_is_compared_with_its_nearest_only_as_many_as_allowed():
    images = make_images((1, "a", 0), (2, "b", 0b111), (3, "c", 0b1), (4, "d", 0b11))
    assert find_near(images, max_alike=1) == [(0, 2), (1, 3), (2, 3)]
    assert len(find_near(images)) == 6


# What a pair is


@pytest.mark.parametrize(
    ("verdict", "num_bits", "kind"),
    [
        ("duplicate", 30, "near"),
        ("duplicate", 0, "near"),
        ("verified", 3, "near"),
        ("verified", 4, "same_scene"),
        ("rejected", 0, None),
    ],
)
def test_the_verifier_and_the_hash_say_what_a_pair_is(verdict, num_bits, kind):
    settings = CrossDuplicateSettings()
    assert name_kind(PairVerdict(verdict), num_bits, settings) == kind


# Which copies go


def pair(a, class_a, b, class_b):
    return ClassedImage(a, class_a), ClassedImage(b, class_b)


def test_of_a_photograph_under_three_classes_only_the_largest_keeps_its_copy():
    copies = [pair("a", 1, "b", 2), pair("c", 3, "b", 2)]
    settings = ResolveSettings(cross_class_duplicates="keep_larger_class")
    sizes = {1: 5, 2: 5, 3: 4}
    assert choose_dropped(copies, sizes, settings) == {"b": ("a", "c"), "c": ("a", "b")}


def test_dropping_both_drops_all_and_reporting_none():
    copies = [pair("a", 1, "b", 2)]
    settings = ResolveSettings(cross_class_duplicates="drop_both")
    assert choose_dropped(copies, {1: 1, 2: 1}, settings) == {"a": ("b",), "b": ("a",)}
    assert choose_dropped(copies, {1: 1, 2: 1}, ResolveSettings()) == {}


IMAGES = {f"i{n}": n % 4 for n in range(12)}


@given(
    st.lists(st.tuples(st.sampled_from(sorted(IMAGES)), st.sampled_from(sorted(IMAGES)))),
    st.lists(st.integers(1, 3), min_size=4, max_size=4),
    st.sampled_from(RULES[1:]),
    st.randoms(use_true_random=False),
)
def test_afterwards_no_copy_is_left_in_two_classes(edges, sizes, rule, random):
    copies = [pair(a, IMAGES[a], b, IMAGES[b]) for a, b in edges if IMAGES[a] != IMAGES[b]]
    class_sizes = dict(enumerate(sizes))
    settings = ResolveSettings(cross_class_duplicates=rule)
    dropped = choose_dropped(copies, class_sizes, settings)
    assert all({a.image_id, b.image_id} & dropped.keys() for a, b in copies)
    involved = {image.image_id for both in copies for image in both}
    assert dropped.keys() <= involved
    if rule == "drop_both":
        assert dropped.keys() == involved
    random.shuffle(copies)
    turned = [(b, a) for a, b in copies]
    assert choose_dropped(turned, class_sizes, settings) == dropped


@pytest.mark.parametrize("rule", RULES)
def test_without_copies_nothing_goes(rule):
    settings = ResolveSettings(cross_class_duplicates=rule)
    assert choose_dropped([], Counter(), settings) == {}
