"""The recipe of a training: every setting, with the paper's values as defaults.

The defaults are those of Song et al. 2024, appendix A; what the paper leaves open follows Yokoo et
al. 2020, or is said to be ours.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator

from manifests.strict_model import StrictModel
from networks.inference_settings import Precision
from networks.registry import find_network
from networks.retrieval_network import NetworkSettings
from training.augmentation import AugmentationSettings
from training.group_size_sampler import GroupSizeSettings
from training.learning_rate import LearningRateSettings, ParameterGroupSettings
from training.losses import LossSettings
from training.weight_average import WeightAverageSettings


class DataSettings(StrictModel):
    """What is trained on, and how it is read."""

    manifest: Path
    """Folder of a published split, such as RUN/manifests/rgldv2_clean."""
    shards: Path
    """Folder that the manifest's shards count from: `source.root` of the job that wrote it."""
    require_certificate: bool = False
    """Refuse a split without a certificate that it does not overlap its evaluation sets. A
    certificate that failed is always refused."""
    num_checked_images: int = Field(256, ge=0)
    """Images whose SHA-256 is compared with the manifest before the training starts."""
    skip_broken: bool = False
    """An image that cannot be decoded is counted and replaced by another of its batch. Otherwise
    it ends the training."""
    num_workers: int = Field(8, ge=0)
    """Processes that read, decode and augment, for each training process; 0 does without."""
    num_prefetched: int = Field(4, ge=1)
    """Batches that each of them has ready."""


class OptimiserSettings(StrictModel):
    """How gradients become steps."""

    kind: Literal["sgd", "adamw"] = "sgd"
    """`sgd`: with momentum; `adamw`: Loshchilov and Hutter 2019."""
    momentum: float = Field(0.9, ge=0, lt=1)
    """Of SGD."""
    parameters: ParameterGroupSettings = ParameterGroupSettings()
    """Weight decay, and what is trained differently from the rest."""
    clip_norm: float | None = Field(None, gt=0)
    """Longest gradient over all weights; a longer one is shortened. None shortens none."""


class CheckpointSettings(StrictModel):
    """When the state of the training is written."""

    every_steps: int = Field(1000, ge=1)
    """Steps between two checkpoints; the end of an epoch writes one too."""
    keep_every_epochs: int | None = Field(None, ge=1)
    """Keep the network of every so many epochs as networks/epoch_NNN.pt."""


class ValidationSettings(StrictModel):
    """What is measured on the images held out."""

    every_epochs: int = Field(1, ge=1)
    """Epochs between two validations; the last epoch has one too."""
    max_images: int = Field(5000, ge=2)
    """Images at most, whole classes, always the same."""


class Recipe(StrictModel):
    """A whole training."""

    data: DataSettings
    network: Annotated[str | NetworkSettings, Field(union_mode="left_to_right")] = "resnet101_gem"
    """A network by name, such as `resnet18_gem`, or its settings one by one."""
    weights: str | None = None
    """Where the backbone starts: a file of weights, a checkpoint of an earlier training,
    `torchvision` for that library's ImageNet weights, or nothing for random weights."""
    freeze_backbone: bool = False
    """Train only what is on top of the backbone, as the second stage of fine-tuning does. Its batch
    normalisation keeps its statistics."""
    batch_norm: Literal["local", "synchronised", "frozen"] = "local"
    """`local`: each process normalises by its own share of a batch; `synchronised`: by the whole
    batch, on GPUs only; `frozen`: by the statistics it started with."""
    loss: LossSettings = LossSettings()
    augmentation: AugmentationSettings = AugmentationSettings()
    batches: GroupSizeSettings = GroupSizeSettings()
    optimiser: OptimiserSettings = OptimiserSettings()
    learning_rate: LearningRateSettings = LearningRateSettings()
    weight_average: WeightAverageSettings | None = None
    """Average the network over the steps and publish the average; None publishes the last one."""
    batch_size: int = Field(128, ge=2)
    """Images of a step, of all processes together."""
    gradient_accumulation: int = Field(1, ge=1)
    """Parts in which a process computes its share of a batch, one after the other, to save
    memory."""
    epochs: int = Field(50, ge=1)
    """Times that every image is seen."""
    precision: Precision = "float32"
    """Of the convolutions. Angles, norms and powers are always in float32."""
    seed: int = Field(0, ge=0)
    """Of the first weights, the order of the images and their augmentation."""
    deterministic: bool = False
    """On a GPU use only algorithms that give the same bits every time; slower."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """`auto`: a GPU if there is one."""
    log_every_steps: int = Field(20, ge=1)
    """Steps between two entries of the curves; in between the host need not wait for a GPU."""
    checkpoints: CheckpointSettings = CheckpointSettings()
    validation: ValidationSettings = ValidationSettings()

    @field_validator("network")
    @classmethod
    def _check_network(cls, network: str | NetworkSettings) -> str | NetworkSettings:
        if isinstance(network, str):
            find_network(network)
        return network

    @property
    def network_settings(self) -> NetworkSettings:
        """The settings of the network, wherever they come from."""
        return find_network(self.network) if isinstance(self.network, str) else self.network
