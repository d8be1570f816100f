"""VGG-16 (Simonyan and Zisserman 2015) with the parameter names of torchvision."""

from torch import Tensor, nn

from networks.trunk import Trunk

_CONVOLUTIONS_PER_STAGE = (2, 2, 3, 3, 3)
_WIDTH_FACTORS = (1, 2, 4, 8, 8)
_CLASSIFIER_ROWS = 7


class Vgg16(Trunk):
    """The convolutional part of VGG-16, with the ImageNet classifier on request.

    The map is what leaves the last ReLU. The last pooling layer exists, so that the layers count
    as in torchvision, but is not run: it would halve the resolution for nothing.
    """

    def __init__(self, *, width: int = 64, num_classes: int | None = None) -> None:
        """Build the layers, randomly initialised.

        Args:
            width: channels of the first convolution; the published network has 64.
            num_classes: outputs of the classifier, None for a bare trunk.
        """
        super().__init__()
        self.features = _make_features(width)
        self.num_channels = width * _WIDTH_FACTORS[-1]
        self.stride = 16
        if num_classes is not None:
            self.classifier = _make_classifier(self.num_channels, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """See `Trunk.forward`."""
        features: Tensor = self.features[:-1](images)
        return features


def _make_features(width: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    num_inputs = 3
    for count, factor in zip(_CONVOLUTIONS_PER_STAGE, _WIDTH_FACTORS, strict=True):
        for _ in range(count):
            layers += [nn.Conv2d(num_inputs, width * factor, 3, 1, 1), nn.ReLU(inplace=True)]
            num_inputs = width * factor
        layers.append(nn.MaxPool2d(2, 2))
    return nn.Sequential(*layers)


def _make_classifier(num_channels: int, num_classes: int) -> nn.Sequential:
    num_hidden = 8 * num_channels
    return nn.Sequential(
        nn.Linear(num_channels * _CLASSIFIER_ROWS**2, num_hidden),
        nn.ReLU(inplace=True),
        nn.Dropout(),
        nn.Linear(num_hidden, num_hidden),
        nn.ReLU(inplace=True),
        nn.Dropout(),
        nn.Linear(num_hidden, num_classes),
    )
