"""The backbones by name. A new one is a class derived from `Trunk` and a line here."""

from collections.abc import Callable

from networks.resnet import BasicBlock, Bottleneck, ResNet
from networks.transformers_backbone import TransformersTrunk
from networks.trunk import Trunk
from networks.vgg import Vgg16

TRANSFORMERS_PREFIX = "transformers:"
"""What follows is a model's name or a local folder, as the transformers library takes them."""

_PART = "_stage3"

Builder = Callable[[int | None], Trunk]

_BUILDERS: dict[str, Builder] = {
    "resnet18": lambda classes: ResNet(BasicBlock, (2, 2, 2, 2), num_classes=classes),
    "resnet50": lambda classes: ResNet(Bottleneck, (3, 4, 6, 3), num_classes=classes),
    "resnet101": lambda classes: ResNet(Bottleneck, (3, 4, 23, 3), num_classes=classes),
    "resnet18_stage3": lambda classes: ResNet(BasicBlock, (2, 2, 2), num_classes=classes),
    "resnet50_stage3": lambda classes: ResNet(Bottleneck, (3, 4, 6), num_classes=classes),
    "resnet101_stage3": lambda classes: ResNet(Bottleneck, (3, 4, 23), num_classes=classes),
    "vgg16": lambda classes: Vgg16(num_classes=classes),
}

BACKBONES = tuple(_BUILDERS)
"""Names of the backbones that need nothing but torch."""

TORCHVISION_WEIGHTS = {
    "resnet18": "https://download.pytorch.org/models/resnet18-f37072fd.pth",
    "resnet50": "https://download.pytorch.org/models/resnet50-0676ba61.pth",
    "resnet101": "https://download.pytorch.org/models/resnet101-63fe2227.pth",
    "vgg16": "https://download.pytorch.org/models/vgg16-397923af.pth",
}
"""ImageNet weights of torchvision; the file name ends in the first digits of its SHA-256."""


def find_torchvision_weights(name: str) -> str:
    """URL of the ImageNet weights of a backbone, or of the whole one that it is a part of.

    Raises:
        ValueError: torchvision has none for it.
    """
    whole = name.removesuffix(_PART)
    if whole not in TORCHVISION_WEIGHTS:
        known = ", ".join(TORCHVISION_WEIGHTS)
        raise ValueError(f"torchvision's weights are known for {known}, not for {name!r}")
    return TORCHVISION_WEIGHTS[whole]


def build_backbone(name: str, *, num_classes: int | None = None) -> Trunk:
    """Build a backbone, randomly initialised unless it comes from the transformers library.

    Args:
        name: one of `BACKBONES`, or `transformers:` and a model's name or folder.
        num_classes: outputs of an ImageNet-style classifier; None for a bare trunk.

    Raises:
        ValueError: there is no such backbone.
        ImportError: the transformers library is needed and not installed.
    """
    if name.startswith(TRANSFORMERS_PREFIX):
        return TransformersTrunk(name.removeprefix(TRANSFORMERS_PREFIX))
    if name not in _BUILDERS:
        known = ", ".join(BACKBONES)
        raise ValueError(f"no backbone {name!r}; there are {known} and {TRANSFORMERS_PREFIX}MODEL")
    return _BUILDERS[name](num_classes)
