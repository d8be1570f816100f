"""The losses of metric learning by name, all as modules of embeddings and labels."""

from training.losses.factory import make_objective
from training.losses.objective import Objective
from training.losses.settings import LossName, LossSettings

__all__ = ["LossName", "LossSettings", "Objective", "make_objective"]
