import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.duplicates import DuplicateGroups, ImageFile, group_duplicates

IDS = [f"{n:02d}" for n in range(8)]


def make_file(image_id, sha256=None, width=100, height=100):
    return ImageFile(image_id, sha256 or f"digest of {image_id}", width, height)


def test_equal_bytes_and_judged_pairs_are_copies_also_through_a_third():
    files = [make_file("a", "same"), make_file("b", "same"), make_file("c"), make_file("d")]
    groups = group_duplicates(files, [("c", "b")])
    assert groups.groups == (("a", "b", "c"),)
    assert groups.list_copies("d") == ("d",)


def test_the_copy_with_most_pixels_represents_and_ties_go_to_the_smaller_id():
    files = [
        make_file("a", "same", 10, 10),
        make_file("c", "same", 20, 30),
        make_file("b", "same", 30, 20),
    ]
    groups = group_duplicates(files, [])
    assert groups.groups == (("b", "c", "a"),)
    assert [groups.find_representative(i) for i in "abc"] == ["b", "b", "b"]


def test_an_image_without_copies_represents_itself():
    assert group_duplicates([make_file("a")], []).find_representative("a") == "a"


def test_copies_linked_from_outside_stay_copies_and_choose_a_new_representative():
    groups = DuplicateGroups((("x", "a", "b"), ("y", "c")))
    assert groups.restrict_to(["b", "a", "c"]).groups == (("a", "b"),)


def test_an_image_given_twice_is_refused():
    with pytest.raises(ValueError, match="image a occurs twice"):
        group_duplicates([make_file("a"), make_file("a")], [])


def test_a_pair_naming_an_unknown_image_is_refused():
    with pytest.raises(ValueError, match="names image z"):
        group_duplicates([make_file("a")], [("a", "z")])


@st.composite
def libraries(draw):
    digests = draw(st.lists(st.sampled_from("ABCDEFGH"), min_size=8, max_size=8))
    widths = draw(st.lists(st.integers(1, 3), min_size=8, max_size=8))
    files = [ImageFile(i, d, w, 2) for i, d, w in zip(IDS, digests, widths, strict=True)]
    pairs = draw(st.lists(st.tuples(st.sampled_from(IDS), st.sampled_from(IDS)), max_size=6))
    return files, pairs


@given(libraries(), st.randoms(use_true_random=False))
def test_neither_order_nor_direction_matters(library, random):
    files, pairs = library
    expected = group_duplicates(files, pairs)
    turned = [(b, a) for a, b in pairs]
    random.shuffle(turned)
    shuffled = random.sample(files, len(files))
    assert group_duplicates(shuffled, turned) == expected


@given(libraries())
def test_groups_are_disjoint_and_hold_every_pair(library):
    files, pairs = library
    groups = group_duplicates(files, pairs)
    members = [image_id for group in groups.groups for image_id in group]
    assert len(members) == len(set(members))
    for a, b in pairs:
        assert groups.find_representative(a) == groups.find_representative(b)
    for first in files:
        for second in files:
            if first.sha256 == second.sha256:
                assert second.image_id in groups.list_copies(first.image_id)


@given(libraries())
def test_distinct_images_without_judged_pairs_have_no_copies(library):
    files = [make_file(file.image_id) for file in library[0]]
    assert group_duplicates(files, []) == DuplicateGroups()
