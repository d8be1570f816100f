"""The head of CiDeR between backbone and pooling: enhancement, context, localization.

The paper's text keeps 2,048 channels throughout (section 5.1), which makes the head larger than its
Table A11 says; 1x1-reduced to 512 channels the sizes come close to the table. Neither is certain,
so there is a preset of each.
"""

from pydantic import Field
from torch import Tensor, nn

from manifests.strict_model import StrictModel
from networks.cider.enhancement import Enhancement, build_enhancement
from networks.cider.localization import (
    AttentionalLocalization,
    Localization,
    LocalizationSettings,
)
from networks.cider.selective_context import Context, build_context


class CiderSettings(StrictModel):
    """Which components the head has; None leaves one out, as the paper's Table 7 does."""

    num_channels: int | None = Field(None, ge=32, multiple_of=32)
    """Channels inside the head: a 1x1 convolution reduces the backbone's to this. None: all."""
    enhancement: Enhancement | None = "se"
    """Channel attention on the backbone's map."""
    context: Context | None = "sknet_learned"
    """Reach of the features."""
    localization: LocalizationSettings | None = LocalizationSettings()
    """Spatial attention and masks."""


FULL = CiderSettings()
"""All maps keep the backbone's channels, as the text says."""
LIGHT = CiderSettings(num_channels=512)
"""A head of 512 channels, near the sizes of Table A11."""


class CiderNeck(nn.Module):
    """Maps (batch, channels, rows, columns) to (batch, num_channels, rows, columns)."""

    def __init__(self, num_inputs: int, settings: CiderSettings) -> None:
        super().__init__()
        self.num_channels = settings.num_channels or num_inputs
        self.reduction = (
            nn.Identity()
            if settings.num_channels is None
            else _make_reduction(num_inputs, settings.num_channels)
        )
        self.enhancement = (
            nn.Identity()
            if settings.enhancement is None
            else build_enhancement(settings.enhancement, self.num_channels)
        )
        self.context = (
            nn.Identity()
            if settings.context is None
            else build_context(settings.context, self.num_channels)
        )
        self.localization = (
            None
            if settings.localization is None
            else AttentionalLocalization(self.num_channels, settings.localization)
        )

    def forward(self, features: Tensor) -> Tensor:
        """Enhance, select and localize."""
        selected = self._select(features)
        if self.localization is None:
            return selected
        localized: Tensor = self.localization(selected)
        return localized

    def localize(self, features: Tensor) -> Localization:
        """Attention and masks that this head computes for the backbone's map.

        Raises:
            ValueError: the head has no localization.
        """
        if self.localization is None:
            raise ValueError("this network localizes nothing: its setting `localization` is null")
        return self.localization.localize(self._select(features))

    def _select(self, features: Tensor) -> Tensor:
        selected: Tensor = self.context(self.enhancement(self.reduction(features)))
        return selected


def _make_reduction(num_inputs: int, num_outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(num_inputs, num_outputs, 1, bias=False),
        nn.BatchNorm2d(num_outputs),
        nn.ReLU(inplace=True),
    )
