import logging

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.class_balanced_sampler import draw_batches


@st.composite
def data_sets(draw):
    num_images = draw(st.integers(1, 120))
    classes = draw(st.lists(st.integers(0, 12), min_size=num_images, max_size=num_images))
    groups = draw(st.lists(st.integers(0, 3), min_size=num_images, max_size=num_images))
    return np.array(classes), np.array(groups)


def has_usable_group(classes, groups, min_classes):
    return any(len(set(classes[groups == g])) >= min_classes for g in set(groups))


@given(data_sets(), st.integers(2, 5), st.integers(2, 4), st.integers(0, 7), st.integers(0, 99))
def test_every_batch_is_of_one_group_and_of_equal_classes(data, per_class, least, room, seed):
    classes, groups = data
    batch_size = per_class * least + room
    if not has_usable_group(classes, groups, least):
        with pytest.raises(ValueError, match=f"no aspect group has {least} classes"):
            draw_batches(classes, groups, batch_size, per_class, seed, 0, least)
        return
    for batch in draw_batches(classes, groups, batch_size, per_class, seed, 0, least):
        assert len(batch) <= batch_size
        assert len(set(groups[batch])) == 1
        _, counts = np.unique(classes[batch], return_counts=True)
        assert set(counts) == {per_class}
        shares = classes[batch].reshape(-1, per_class)
        assert (shares == shares[:, :1]).all()
        assert len(counts) >= least
        # An image comes twice only where its class has too few in the group.
        for image in set(batch):
            num_available = np.count_nonzero(
                (classes == classes[image]) & (groups == groups[image])
            )
            if num_available >= per_class:
                assert np.count_nonzero(batch == image) == 1


@given(data_sets(), st.integers(0, 99))
def test_images_of_usable_groups_come_in_every_epoch_or_over_some(data, seed):
    classes, groups = data
    usable = [g for g in set(groups) if len(set(classes[groups == g])) >= 2]
    if not usable:
        return
    seen = [np.concatenate(draw_batches(classes, groups, 8, 2, seed, epoch)) for epoch in range(60)]
    assert set(groups[np.concatenate(seen)]) == set(usable)
    assert set(np.concatenate(seen)) == set(np.flatnonzero(np.isin(groups, usable)))


@given(data_sets(), st.integers(0, 99))
def test_every_epoch_has_as_many_batches(data, seed):
    classes, groups = data
    if has_usable_group(classes, groups, 2):
        counts = {len(draw_batches(classes, groups, 9, 3, seed, epoch)) for epoch in range(4)}
        assert len(counts) == 1


def test_classes_of_equal_size_are_covered_in_one_epoch():
    classes, groups = np.repeat(np.arange(30), 12), np.tile([0, 0, 1, 1], 90)
    batches = draw_batches(classes, groups, 32, 4, seed=1, epoch=0)
    drawn = np.concatenate(batches)
    assert set(drawn) == set(range(360))
    assert {len(batch) for batch in batches} <= {28, 32}


def test_a_class_that_is_too_large_takes_turns():
    classes = np.array([0] * 500 + [1] * 10 + [2] * 10)
    batches = draw_batches(classes, np.zeros(520, int), 8, 4, seed=1, epoch=0)
    assert all(np.count_nonzero(classes[batch] == 0) == 4 for batch in batches)
    again = draw_batches(classes, np.zeros(520, int), 8, 4, seed=1, epoch=1)
    assert set(np.concatenate(batches)) != set(np.concatenate(again))


def test_the_same_epoch_of_the_same_seed_is_the_same_and_others_differ():
    classes, groups = np.repeat(np.arange(20), 6), np.tile([0, 1], 60)

    def draw(seed, epoch):
        return [batch.tolist() for batch in draw_batches(classes, groups, 16, 3, seed, epoch)]

    assert draw(1, 2) == draw(1, 2)
    assert draw(1, 2) != draw(1, 3)
    assert draw(1, 2) != draw(2, 2)


def test_a_group_without_negatives_is_named(caplog):
    classes, groups = np.array([0, 0, 1, 1, 5, 5, 5]), np.array([0, 0, 0, 0, 4, 4, 4])
    with caplog.at_level(logging.WARNING):
        batches = draw_batches(classes, groups, 4, 2, seed=0, epoch=0)
    assert "aspect group 4 has 3 images of 1 classes" in caplog.text
    assert set(np.concatenate(batches)) == {0, 1, 2, 3}


@pytest.mark.parametrize(
    ("batch_size", "per_class", "message"),
    [(6, 4, "raise it to 8"), (8, 1, "at least 2")],
)
def test_sizes_that_leave_nothing_to_compare_are_refused(batch_size, per_class, message):
    with pytest.raises(ValueError, match=message):
        draw_batches(np.arange(8), np.zeros(8, int), batch_size, per_class, 0, 0)


def test_classes_and_groups_must_belong_together():
    with pytest.raises(ValueError, match="one of each per image"):
        draw_batches(np.arange(8), np.zeros(7, int), 8, 2, 0, 0)
