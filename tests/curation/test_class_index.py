import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.class_index import ValSplitSettings, choose_val_images, index_classes, mark_val_images


def test_classes_are_numbered_as_integers_not_as_text():
    assert index_classes([10, 2, 9, 2]) == {2: 0, 9: 1, 10: 2}


def test_text_ids_are_refused_because_they_would_sort_otherwise():
    with pytest.raises(TypeError, match="'10' is text"):
        index_classes(["10"])


@given(st.sets(st.integers(0, 10**6)))
def test_class_indices_are_contiguous_and_ascending(landmark_ids):
    indices = index_classes(landmark_ids)
    assert [indices[i] for i in sorted(landmark_ids)] == list(range(len(landmark_ids)))


@pytest.mark.parametrize(
    ("num_images", "num_val"),
    [(0, 0), (1, 1), (2, 1), (4, 1), (5, 1), (9, 1), (10, 2), (14, 2), (15, 3)],
)
def test_sizes_are_those_of_the_official_builder(num_images, num_val):
    image_ids = [f"{n:016x}" for n in range(num_images)]
    assert len(choose_val_images(image_ids, ValSplitSettings())) == num_val


@given(st.sets(st.text(max_size=4), max_size=20), st.randoms(use_true_random=False))
def test_the_choice_does_not_depend_on_the_order(image_ids, random):
    ordered = sorted(image_ids)
    settings = ValSplitSettings(val_fraction=0.3, seed=7)
    shuffled = random.sample(ordered, len(ordered))
    assert choose_val_images(shuffled, settings) == choose_val_images(ordered, settings)


@given(st.sets(st.text(max_size=4), min_size=1, max_size=20))
def test_a_larger_fraction_holds_out_the_same_images_and_more(image_ids):
    few = choose_val_images(image_ids, ValSplitSettings(val_fraction=0.2))
    many = choose_val_images(image_ids, ValSplitSettings(val_fraction=0.6))
    assert few <= many <= image_ids


def test_the_seed_changes_the_choice():
    image_ids = [f"{n:016x}" for n in range(100)]
    choices = {choose_val_images(image_ids, ValSplitSettings(seed=seed)) for seed in range(5)}
    assert len(choices) == 5


def test_an_image_given_twice_is_refused():
    with pytest.raises(ValueError, match="occurs twice"):
        choose_val_images(["a", "a"], ValSplitSettings())


@given(
    st.dictionaries(
        st.text("0123456789abcdef", min_size=1, max_size=6), st.integers(0, 5), max_size=60
    ),
    st.sampled_from([0.05, 0.2, 0.5]),
    st.integers(0, 3),
)
def test_marking_a_whole_split_chooses_what_is_chosen_class_by_class(classes, fraction, seed):
    settings = ValSplitSettings(val_fraction=fraction, seed=seed)
    image_ids = list(classes)
    marked = mark_val_images(image_ids, np.array(list(classes.values()), np.int64), settings)
    chosen = set()
    for number in set(classes.values()):
        chosen |= choose_val_images([i for i, c in classes.items() if c == number], settings)
    assert {i for i, held_out in zip(image_ids, marked, strict=True) if held_out} == chosen
