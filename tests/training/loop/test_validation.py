"""Accuracy and retrieval on held-out images."""

import numpy as np
import pytest
import torch
from drawn_manifest import write_drawn_split
from hypothesis import given
from hypothesis import strategies as st
from small_networks import SMALL, make_network

from manifests.input_error import InputError
from training.loop.distributed import World
from training.loop.loading import make_validation_loader
from training.loop.validation import choose_val_classes, compute_average_precisions, validate
from training.losses import LossSettings, make_objective
from training.manifest_images import read_split

ALONE = World(0, 1, torch.device("cpu"))


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    return write_drawn_split(tmp_path_factory.mktemp("drawn"))


def unit(angles_degrees):
    angles = np.deg2rad(np.asarray(angles_degrees, np.float64))
    return np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float32)


def test_average_precision_of_vectors_placed_by_hand():
    # Classes 0 and 1 on a circle; the image of class 2 is alone and no query.
    descriptors = unit([0, 10, 24, 40, 90])
    labels = np.array([0, 0, 1, 1, 2])
    scores = compute_average_precisions(descriptors, labels)
    # The third is nearer to the second, of another class, than to the fourth.
    trapezoid_at_second_place = (0 / 1 + 1 / 2) / 2
    assert scores.tolist() == pytest.approx([1.0, 1.0, trapezoid_at_second_place, 1.0])


@given(st.integers(0, 1000))
def test_perfect_classes_score_one(seed):
    labels = np.random.default_rng(seed).permutation(np.repeat([0, 1, 2], 3))
    scores = compute_average_precisions(unit(labels * 100.0), labels)
    assert scores.tolist() == [1.0] * 9


def test_nothing_to_retrieve_gives_no_queries():
    assert len(compute_average_precisions(unit([0, 90]), np.array([0, 1]))) == 0


def test_whole_classes_are_chosen_and_always_the_same(drawn):
    val = read_split(drawn.manifest, "val")
    chosen = choose_val_classes(val, 5)
    classes, sizes = np.unique(chosen.class_index, return_counts=True)
    assert (len(classes), set(sizes.tolist())) == (2, {2})
    assert choose_val_classes(val, 5).image_ids.tolist() == chosen.image_ids.tolist()
    assert len(choose_val_classes(val, 100)) == len(val) == 6


def validate_drawn(split, loss="arcface", **options):
    loader = make_validation_loader(read_split(split.manifest, "val"), split.recipe(), ALONE)
    torch.manual_seed(0)
    network = make_network().train()
    network.backbone.bn1.eval()
    objective = make_objective(LossSettings(name=loss), 3, SMALL.dimensions)
    scores = validate(network, objective, loader, ALONE, **options)
    return scores, network


def test_every_held_out_image_is_scored_and_modes_are_restored(drawn):
    scores, network = validate_drawn(drawn)
    assert (scores.num_images, scores.num_queries) == (6, 6)
    assert 0 <= scores.accuracy <= 1
    assert 0 < scores.mean_average_precision <= 1
    assert network.training
    assert network.backbone.layer1.training
    # A layer that was frozen stays so.
    assert not network.backbone.bn1.training


def test_a_loss_without_classes_has_no_accuracy(drawn):
    scores, _ = validate_drawn(drawn, loss="contrastive")
    assert scores.accuracy is None
    assert scores.mean_average_precision is not None


def test_a_broken_image_is_left_out_or_an_error(tmp_path):
    split = write_drawn_split(tmp_path)
    row = next(row for row in split.rows() if row["split"] == "val")
    with (split.shards / row["shard"]).open("r+b") as stream:
        stream.seek(row["offset"])
        stream.write(b"no image any more")
    with pytest.raises(InputError, match=f"image {row['image_id']} in {row['shard']}"):
        validate_drawn(split)
    scores, _ = validate_drawn(split, skip_broken=True)
    assert (scores.num_images, scores.num_queries) == (5, 4)
