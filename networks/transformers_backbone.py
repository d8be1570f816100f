"""Any backbone of the transformers library, by name or local folder: DINOv2, ConvNeXt and others.

The library is an optional extra: nothing else in this package needs it.
"""

import importlib
from typing import Any

import torch
from torch import Tensor

from networks.trunk import Trunk

EXTRA = "transformers"
"""The optional extra of this distribution that installs the library."""

_PROBE_PX = 224
"""A multiple of the patches of 14 and 16 pixels and of the usual stride of 32."""


class TransformersTrunk(Trunk):
    """A model of the transformers library as a backbone.

    Convolutional models give their last map. Of vision transformers the patch tokens are laid
    out as a map again; class and register tokens, which stand before them, have no place in it.
    """

    def __init__(self, source: str) -> None:
        """Load the model and try it on one blank image.

        Args:
            source: a folder that holds `config.json` and the weights, or a model's name.

        Raises:
            ImportError: the library is not installed.
            OSError: there is no such folder or model.
            ValueError: the model gives no map of local features.
        """
        super().__init__()
        self.model: Any = _import_library().AutoModel.from_pretrained(source).float().eval()
        self._source = source
        self._patch_px = int(getattr(self.model.config, "patch_size", None) or 1)
        with torch.no_grad():
            probe = self(torch.zeros(1, 3, _PROBE_PX, _PROBE_PX))
        self.num_channels = probe.shape[1]
        self.stride = _PROBE_PX // probe.shape[3]

    def forward(self, images: Tensor) -> Tensor:
        """See `Trunk.forward`; sides are cut to whole patches."""
        rows, columns = (side // self._patch_px for side in images.shape[-2:])
        whole = images[..., : rows * self._patch_px, : columns * self._patch_px]
        features: Tensor = self.model(pixel_values=whole).last_hidden_state
        if features.ndim == 4:
            return features
        num_extra = features.shape[1] - rows * columns
        if num_extra < 0:
            raise ValueError(
                f"{self._source}: {features.shape[1]} tokens for {rows} x {columns} patches; "
                "use a convolutional network or a vision transformer of one patch size"
            )
        patches = features[:, num_extra:].transpose(1, 2)
        return patches.reshape(len(images), -1, rows, columns)


def _import_library() -> Any:  # noqa: ANN401  (an optional library, not typed here)
    try:
        return importlib.import_module("transformers")
    except ImportError as error:
        raise ImportError(
            "this backbone comes from the transformers library, which is not installed; "
            f"install the optional extra: pip install 'cleanmark[{EXTRA}]'"
        ) from error
