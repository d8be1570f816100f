"""ResNet (He et al. 2016) with the parameter names of torchvision.

The stride of a bottleneck is on its 3x3 convolution, as in torchvision's weights; the original
Caffe network has it on the first 1x1 convolution.
"""

from collections.abc import Iterator, Sequence

from torch import Tensor, nn

from networks.trunk import Trunk


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut; the block of ResNet-18."""

    expansion = 1

    def __init__(self, num_inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(num_inputs, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = _make_shortcut(num_inputs, width, stride)

    def forward(self, features: Tensor) -> Tensor:
        """Map (batch, num_inputs, rows, columns) to (batch, width, ...)."""
        inner = self.relu(self.bn1(self.conv1(features)))
        inner = self.bn2(self.conv2(inner))
        shortcut = features if self.downsample is None else self.downsample(features)
        added: Tensor = self.relu(inner + shortcut)
        return added


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 convolutions and a shortcut; the block of ResNet-50 and ResNet-101."""

    expansion = 4

    def __init__(self, num_inputs: int, width: int, stride: int) -> None:
        super().__init__()
        num_outputs = width * self.expansion
        self.conv1 = nn.Conv2d(num_inputs, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, num_outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(num_outputs)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _make_shortcut(num_inputs, num_outputs, stride)

    def forward(self, features: Tensor) -> Tensor:
        """Map (batch, num_inputs, rows, columns) to (batch, 4 * width, ...)."""
        inner = self.relu(self.bn1(self.conv1(features)))
        inner = self.relu(self.bn2(self.conv2(inner)))
        inner = self.bn3(self.conv3(inner))
        shortcut = features if self.downsample is None else self.downsample(features)
        added: Tensor = self.relu(inner + shortcut)
        return added


class ResNet(Trunk):
    """The convolutional part of a ResNet, with the ImageNet classifier on request.

    Attributes:
        receptive_field_px: side of the square of the image that one cell of the map depends on.
    """

    def __init__(
        self,
        block: type[BasicBlock] | type[Bottleneck],
        num_blocks: Sequence[int],
        *,
        width: int = 64,
        num_classes: int | None = None,
    ) -> None:
        """Build the layers, randomly initialised.

        Args:
            block: kind of residual block.
            num_blocks: blocks of each stage. Four stages make the whole trunk; three stop at the
                map that DELF reads.
            width: channels of the stem; published networks have 64.
            num_classes: outputs of the classifier `fc`, None for a bare trunk.
        """
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        num_inputs = width
        for index, count in enumerate(num_blocks):
            stage_width = width * 2**index
            stage = _make_stage(block, num_inputs, stage_width, count, 1 if index == 0 else 2)
            self.add_module(f"layer{index + 1}", stage)
            num_inputs = stage_width * block.expansion
        self.num_stages = len(num_blocks)
        self.num_channels = num_inputs
        self.stride = 2 ** (1 + self.num_stages)
        if num_classes is not None:
            self.fc = nn.Linear(num_inputs, num_classes)
        self.receptive_field_px = _receptive_field_px(self.stages())
        _initialise(self)

    def stages(self) -> list[nn.Module]:
        """The residual stages in order."""
        return [self.get_submodule(f"layer{index + 1}") for index in range(self.num_stages)]

    def forward(self, images: Tensor) -> Tensor:
        """See `Trunk.forward`."""
        features: Tensor = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        for stage in self.stages():
            features = stage(features)
        return features


def _make_shortcut(num_inputs: int, num_outputs: int, stride: int) -> nn.Sequential | None:
    if stride == 1 and num_inputs == num_outputs:
        return None
    projection = nn.Conv2d(num_inputs, num_outputs, 1, stride, bias=False)
    return nn.Sequential(projection, nn.BatchNorm2d(num_outputs))


def _make_stage(
    block: type[BasicBlock] | type[Bottleneck],
    num_inputs: int,
    width: int,
    count: int,
    stride: int,
) -> nn.Sequential:
    first = block(num_inputs, width, stride)
    rest = [block(width * block.expansion, width, 1) for _ in range(count - 1)]
    return nn.Sequential(first, *rest)


def _receptive_field_px(stages: Sequence[nn.Module]) -> int:
    # 7x7 with stride 2, then 3x3 pooling with stride 2: 11 pixels, 4 apart.
    side, step = 11, 4
    for convolution in _main_path(stages):
        side += (convolution.kernel_size[0] - 1) * step
        step *= convolution.stride[0]
    return side


def _main_path(stages: Sequence[nn.Module]) -> Iterator[nn.Conv2d]:
    for stage in stages:
        for name, module in stage.named_modules():
            if isinstance(module, nn.Conv2d) and "downsample" not in name:
                yield module


def _initialise(network: nn.Module) -> None:
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
