"""From an image to its global descriptor: backbone, head, pooling, whitening layer, L2."""

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from networks.cider.localization import Localization
from networks.cider.neck import CiderNeck, CiderSettings
from networks.image_network import BackboneSettings, ImageNetwork
from networks.pooling import PoolingSettings, build_pooling, l2_normalise
from networks.whitening import Whitening


class NetworkSettings(BackboneSettings):
    """What a retrieval network is made of."""

    kind: Literal["global"] = "global"
    """A network of global descriptors."""
    neck: CiderSettings | None = None
    """The head of CiDeR between backbone and pooling."""
    pooling: PoolingSettings = PoolingSettings()
    dimensions: int | None = Field(2048, ge=1)
    """Outputs of the whitening layer; None leaves it out."""
    normalise_before_projection: bool = False
    """L2 between pooling and whitening layer, as cirtorch does."""
    projection_batch_norm: bool = False
    """Batch normalisation behind the whitening layer (Yokoo et al. 2020)."""


class RetrievalNetwork(ImageNetwork):
    """Images (batch, 3, height, width) to descriptors (batch, dimensions) of unit length.

    Attributes:
        dimensions: length of a descriptor.
    """

    def __init__(self, settings: NetworkSettings) -> None:
        super().__init__(settings)
        self.settings = settings
        num_channels = self.backbone.num_channels
        self.neck = None if settings.neck is None else CiderNeck(num_channels, settings.neck)
        num_pooled = num_channels if self.neck is None else self.neck.num_channels
        self.pooling = build_pooling(settings.pooling, num_pooled)
        self.dimensions = settings.dimensions or num_pooled
        self.projection = _make_projection(num_pooled, settings)

    def forward(self, images: Tensor) -> Tensor:
        """Describe images.

        Args:
            images: float (batch, 3, height, width), RGB, in 0..1.

        Returns:
            float32 (batch, dimensions), of unit length.
        """
        features = self.compute_map(images)
        if self.neck is not None:
            features = self.neck(features)
        pooled: Tensor = self.pooling(features)
        if self.settings.normalise_before_projection:
            pooled = l2_normalise(pooled)
        return l2_normalise(self.projection(pooled))

    @torch.no_grad()
    def localize(self, images: Tensor) -> Localization:
        """Where the network sees an object in images, as `forward` takes them.

        Raises:
            ValueError: the network has no localization.
        """
        if self.neck is None:
            raise ValueError("this network localizes nothing: its setting `neck` is null")
        return self.neck.localize(self.compute_map(images))

    @torch.no_grad()
    def initialise_projection(self, whitening: Whitening) -> None:
        """Start the whitening layer at a learned whitening (Radenović et al. 2019).

        Args:
            whitening: learned on the pooled and, if the network does so, normalised vectors.

        Raises:
            ValueError: the network has no whitening layer, or one of other sizes.
        """
        layer = self.projection[0] if isinstance(self.projection, nn.Sequential) else None
        shape = tuple(layer.weight.shape) if isinstance(layer, nn.Linear) else None
        given = whitening.truncate(self.dimensions)
        if not isinstance(layer, nn.Linear) or shape != given.projection.shape:
            raise ValueError(
                f"a whitening of shape {given.projection.shape} for a layer of shape {shape}"
            )
        projection = torch.from_numpy(given.projection)
        layer.weight.copy_(projection)
        layer.bias.copy_(-projection @ torch.from_numpy(given.mean))


def _make_projection(num_pooled: int, settings: NetworkSettings) -> nn.Module:
    if settings.dimensions is None:
        return nn.Identity()
    layers: list[nn.Module] = [nn.Linear(num_pooled, settings.dimensions)]
    if settings.projection_batch_norm:
        layers.append(nn.BatchNorm1d(settings.dimensions))
    return nn.Sequential(*layers)
