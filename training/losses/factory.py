"""From the name of a loss to its module."""

from training.losses.class_objectives import AngularMarginObjective, ProxyNcaObjective
from training.losses.objective import Objective
from training.losses.pair_objectives import (
    make_contrastive,
    make_multi_similarity,
    make_nt_xent,
    make_triplet,
)
from training.losses.quadruplet import QuadrupletObjective
from training.losses.settings import LossSettings


def make_objective(settings: LossSettings, num_classes: int, dimensions: int) -> Objective:
    """Build a loss, its class weights drawn at random.

    Args:
        settings: name and parameters.
        num_classes: classes of the training set; labels are 0..num_classes - 1.
        dimensions: length of a descriptor.

    Raises:
        ValueError: there are fewer than two classes.
    """
    if num_classes < 2:
        raise ValueError(
            f"{num_classes} training classes: a loss needs at least two to tell apart; check what "
            "the manifest keeps"
        )
    margin = settings.resolve_margin()
    if margin is not None:
        return AngularMarginObjective(dimensions, num_classes, margin)
    if settings.name == "proxy_nca":
        return ProxyNcaObjective(dimensions, num_classes, settings.proxy_nca)
    return _make_batch_objective(settings)


def _make_batch_objective(settings: LossSettings) -> Objective:
    """A loss without class weights."""
    if settings.name == "contrastive":
        return make_contrastive(settings.contrastive)
    if settings.name == "triplet":
        return make_triplet(settings.triplet)
    if settings.name == "nt_xent":
        return make_nt_xent(settings.nt_xent)
    if settings.name == "multi_similarity":
        return make_multi_similarity(settings.multi_similarity)
    return QuadrupletObjective(settings.quadruplet)
