import math
from typing import get_args

import pytest
from pydantic import ValidationError

from training.losses import LossName, LossSettings


def test_settings_come_back_from_their_own_dump():
    settings = LossSettings.model_validate({"name": "triplet", "triplet": {"margin": 0.2}})
    assert LossSettings.model_validate(settings.model_dump()) == settings


def test_every_loss_has_a_section_of_its_name():
    assert set(LossSettings.model_fields) == {"name", *get_args(LossName)}


def test_parameters_of_another_loss_are_refused():
    with pytest.raises(ValidationError, match="write name: triplet to use it"):
        LossSettings.model_validate({"name": "contrastive", "triplet": {"margin": 0.2}})


@pytest.mark.parametrize(
    ("name", "section"),
    [
        ("arcface", {"margin": 17.2}),  # degrees
        ("arcface", {"marign": 0.3}),
        ("cosface", {"margin": 28.6}),
        ("subcenter_arcface", {"sub_centers": 1}),
        ("contrastive", {"margin": 0.0}),
        ("triplet", {"miner": "hardest"}),
        ("proxy_nca", {"scale": 32.0}),
        ("nt_xent", {"temperature": 0.0}),
        ("multi_similarity", {"beta": 0.0}),
    ],
)
def test_values_out_of_bounds_are_refused(name, section):
    with pytest.raises(ValidationError, match=f"{name}.{next(iter(section))}"):
        LossSettings.model_validate({"name": name, name: section})


def test_margins_reach_the_class_weights():
    arcface = LossSettings.model_validate({"arcface": {"margin": 0.2, "scale": "sqrt_d"}})
    margin = arcface.resolve_margin()
    assert (margin.kind, margin.margin, margin.sub_centers) == ("arcface", 0.2, 1)
    assert margin.resolve_scale(1024) == pytest.approx(math.sqrt(1024))
    assert LossSettings(name="cosface").resolve_margin().kind == "cosface"
    assert LossSettings(name="subcenter_arcface").resolve_margin().sub_centers == 3
    assert LossSettings(name="triplet").resolve_margin() is None


@pytest.mark.parametrize("name", ["contrastive", "triplet", "quadruplet", "nt_xent"])
@pytest.mark.parametrize("images_per_class", [None, 1])
def test_losses_of_pairs_need_positives_in_the_batch(name, images_per_class):
    with pytest.raises(ValueError, match="images_per_class: 4"):
        LossSettings(name=name).check_batches(32, images_per_class)


@pytest.mark.parametrize(("name", "least"), [("triplet", 8), ("quadruplet", 12)])
def test_losses_of_pairs_need_negatives_in_the_batch(name, least):
    settings = LossSettings(name=name)
    settings.check_batches(least, 4)
    with pytest.raises(ValueError, match=f"to at least {least}"):
        settings.check_batches(least - 1, 4)


@pytest.mark.parametrize("name", ["arcface", "cosface", "subcenter_arcface", "proxy_nca"])
def test_losses_with_class_weights_take_any_batch(name):
    settings = LossSettings(name=name)
    assert not settings.needs_positives
    settings.check_batches(1, None)
