"""What every backbone offers to the heads on top of it."""

from torch import Tensor, nn


class Trunk(nn.Module):
    """A network from images to one map of local features.

    Attributes:
        num_channels: channels of the map.
        stride: pixels of the image between two neighbouring cells of the map. Cell (r, c) looks
            at the image around pixel (r * stride, c * stride).
    """

    num_channels: int
    stride: int

    def forward(self, images: Tensor) -> Tensor:
        """Compute the feature map.

        Args:
            images: float (batch, 3, height, width), RGB, normalised by the training set's mean
                and standard deviation.

        Returns:
            (batch, num_channels, rows, columns).
        """
        raise NotImplementedError


def count_parameters(module: nn.Module) -> int:
    """Number of learned values; running statistics are not learned."""
    return sum(parameter.numel() for parameter in module.parameters())
