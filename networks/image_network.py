"""What all networks on a backbone share: pixel normalisation, and a backbone that can be frozen."""

from pathlib import Path
from typing import Self

import torch
from pydantic import Field
from torch import Tensor, nn

from manifests.strict_model import StrictModel
from networks.backbones import build_backbone, find_torchvision_weights
from networks.weights import load_trunk_weights, read_state_dict

Channels = tuple[float, float, float]


class BackboneSettings(StrictModel):
    """The backbone and the pixels that it expects."""

    backbone: str = "resnet101"
    """`resnet18`, `resnet50`, `resnet101`, `vgg16`, or `transformers:` and a name or folder."""
    pixel_mean: Channels = (0.485, 0.456, 0.406)
    """Mean of red, green and blue, of 0..1, in the set that the backbone was trained on."""
    pixel_std: Channels = Field((0.229, 0.224, 0.225))
    """Standard deviations likewise."""


class ImageNetwork(nn.Module):
    """A backbone with normalised input.

    While the backbone is frozen, its weights get no gradient and its batch normalisation keeps its
    statistics, whatever mode the rest is in: otherwise it would drift although nothing trains it.
    """

    pixel_mean: Tensor
    pixel_std: Tensor

    def __init__(self, settings: BackboneSettings) -> None:
        super().__init__()
        self.backbone = build_backbone(settings.backbone)
        self._backbone_name = settings.backbone
        self._is_frozen = False
        for name, values in (("mean", settings.pixel_mean), ("std", settings.pixel_std)):
            buffer = torch.tensor(values).view(3, 1, 1)
            self.register_buffer(f"pixel_{name}", buffer, persistent=False)

    def load_backbone(self, source: str | Path) -> tuple[str, ...]:
        """Start the backbone at pretrained weights.

        Args:
            source: a file or URL as `networks.weights.read_state_dict` takes it, a checkpoint
                included, or `torchvision` for that library's ImageNet weights, fetched once.

        Returns:
            Names of entries that are not the backbone's, and not used.

        Raises:
            WeightsError: the weights are not those of this backbone; the message names what is
                missing.
        """
        if source == "torchvision":
            source = find_torchvision_weights(self._backbone_name)
        return load_trunk_weights(self.backbone, read_state_dict(source), source)

    def freeze_backbone(self) -> None:
        """From now on train only what is on top of the backbone."""
        self._is_frozen = True
        self.backbone.requires_grad_(requires_grad=False).eval()

    def train(self, mode: bool = True) -> Self:  # noqa: FBT001, FBT002  (torch's own signature)
        """Switch between training and evaluation, except for a frozen backbone."""
        super().train(mode)
        if self._is_frozen:
            self.backbone.eval()
        return self

    def compute_map(self, images: Tensor) -> Tensor:
        """Feature map of images, float (batch, 3, height, width), RGB, in 0..1."""
        is_recorded = torch.is_grad_enabled() and not self._is_frozen
        with torch.set_grad_enabled(is_recorded):
            features: Tensor = self.backbone((images - self.pixel_mean) / self.pixel_std)
        return features
