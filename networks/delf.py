"""DELF: attentive local features on the third stage of a ResNet (Noh et al. 2017)."""

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from networks.image_network import BackboneSettings, ImageNetwork
from networks.pooling import l2_normalise
from networks.resnet import ResNet


class DelfSettings(BackboneSettings):
    """What a DELF network is made of."""

    kind: Literal["delf"] = "delf"
    """A network of local features."""
    backbone: str = "resnet50_stage3"
    """`resnet50_stage3` or `resnet101_stage3`: 1,024 channels."""
    attention_width: int = Field(512, ge=1)
    """Channels between the two convolutions of the attention."""


class DelfNetwork(ImageNetwork):
    """Local features and a score for each, learned by classifying images.

    Attributes:
        receptive_field_px: side of the square that a feature describes, at scale 1.
    """

    def __init__(self, settings: DelfSettings) -> None:
        """Build the network, randomly initialised.

        Raises:
            ValueError: the backbone is no ResNet, so that its receptive field is not known.
        """
        super().__init__(settings)
        if not isinstance(self.backbone, ResNet):
            raise ValueError(f"DELF reads a stage of a ResNet, not {settings.backbone!r}")
        self.settings = settings
        self.receptive_field_px = self.backbone.receptive_field_px
        self.attention = nn.Sequential(
            nn.Conv2d(self.backbone.num_channels, settings.attention_width, 1),
            nn.BatchNorm2d(settings.attention_width),
            nn.ReLU(inplace=True),
            nn.Conv2d(settings.attention_width, 1, 1),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Sum of the features weighted by their scores; what the classifier trains the scores by.

        Args:
            images: float (batch, 3, height, width), RGB, in 0..1.

        Returns:
            float32 (batch, channels), of unit length.
        """
        features = self.compute_map(images)
        scores = self._score(features)
        return l2_normalise((features.float() * scores[:, None]).sum(dim=(-2, -1)))

    @torch.no_grad()
    def describe(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Local features and scores of images, as `forward` takes them.

        Returns:
            Features (batch, channels, rows, columns), not normalised, and scores, float32 (batch,
            rows, columns), above 0. Cell (r, c) lies at pixel (r * stride, c * stride).
        """
        features = self.compute_map(images)
        return features, self._score(features)

    def _score(self, features: Tensor) -> Tensor:
        raw: Tensor = self.attention(features)
        return functional.softplus(raw.squeeze(1).float())
