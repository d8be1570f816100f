"""A running mean of the weights, smoother than those of any one step."""

from pydantic import Field
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from manifests.strict_model import StrictModel


class WeightAverageSettings(StrictModel):
    """Exponential moving average of the weights (Tarvainen and Valpola 2017)."""

    decay: float = Field(0.999, ge=0, lt=1)
    """Share of the mean that is kept in each step."""


def make_weight_average(network: nn.Module, settings: WeightAverageSettings) -> AveragedModel:
    """Copy a network into its running mean.

    Call `update_parameters(network)` after each optimiser step, with the network itself and not
    what wraps it for data parallelism; read the mean from `.module`. Its `state_dict` resumes it.

    In the first steps the mean forgets faster, by (1 + n) / (10 + n), so that the random weights
    from before the training are gone after some hundred steps. Buffers, such as the statistics of
    batch normalisation, are those of the latest step.
    """

    def average(mean: Tensor, current: Tensor, num_averaged: Tensor | int) -> Tensor:
        kept = min(settings.decay, (1 + int(num_averaged)) / (10 + int(num_averaged)))
        return mean.lerp(current, 1 - kept)

    return AveragedModel(network, avg_fn=average)
