"""Other people's names for the layers of a ResNet, turned into torchvision's.

cirtorch (Radenović et al. 2019) wraps the children of torchvision's ResNet in a sequence, so that
layers are numbered. Facebook's pycls names stem, stages, blocks and operators.
"""

import re
from collections.abc import Mapping

import torch
from torch import Tensor

State = Mapping[str, Tensor]

_WRAPPERS = ("state_dict", "model_state", "state")
_PREFIXES = ("module.", "backbone.")
_CIRTORCH_CHILDREN = ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4")
_PYCLS_OPERATORS = {
    "proj": "downsample.0",
    "bn": "downsample.1",
    "f.a": "conv1",
    "f.a_bn": "bn1",
    "f.b": "conv2",
    "f.b_bn": "bn2",
    "f.c": "conv3",
    "f.c_bn": "bn3",
}
_PYCLS_BLOCK = re.compile(r"s(\d)\.b(\d+)\.(proj|bn|f\.[abc](?:_bn)?)\.(\w+)")
_CIRTORCH_CHILD = re.compile(r"features\.([0-7])\.(.+)")


def unwrap_state(loaded: Mapping[str, object]) -> dict[str, Tensor]:
    """Find the tensors in a loaded file and strip what wrappers put before their names."""
    state: Mapping[str, object] = loaded
    for wrapper in _WRAPPERS:
        inner = state.get(wrapper)
        if isinstance(inner, Mapping):
            state = inner
    tensors = {name: value for name, value in state.items() if isinstance(value, Tensor)}
    for prefix in _PREFIXES:
        if any(name.startswith(prefix) for name in tensors):
            tensors = {name.removeprefix(prefix): value for name, value in tensors.items()}
    return tensors


def rename_resnet(state: State) -> dict[str, Tensor]:
    """Give the entries of a ResNet's state dict torchvision's names.

    Weights of pycls expect images in the order blue, green, red; the first convolution is
    turned round, so that the result takes RGB like all others.

    Args:
        state: entries named by torchvision, cirtorch or pycls.

    Returns:
        The same entries; names that no rule knows are left as they are.
    """
    if "stem.conv.weight" in state:
        return _rename_pycls(state, stem="stem", first_stage=1)
    if "s1.conv.weight" in state:
        return _rename_pycls(state, stem="s1", first_stage=2)
    return {_rename_cirtorch(name): value for name, value in state.items()}


def _rename_cirtorch(name: str) -> str:
    found = _CIRTORCH_CHILD.fullmatch(name)
    return f"{_CIRTORCH_CHILDREN[int(found[1])]}.{found[2]}" if found else name


def _rename_pycls(state: State, stem: str, first_stage: int) -> dict[str, Tensor]:
    renamed = {_rename_pycls_entry(name, stem, first_stage): value for name, value in state.items()}
    renamed["conv1.weight"] = torch.flip(renamed["conv1.weight"], dims=[1])
    return renamed


def _rename_pycls_entry(name: str, stem: str, first_stage: int) -> str:
    for old, new in ((f"{stem}.conv.", "conv1."), (f"{stem}.bn.", "bn1."), ("head.fc.", "fc.")):
        if name.startswith(old):
            return new + name.removeprefix(old)
    found = _PYCLS_BLOCK.fullmatch(name)
    if not found:
        return name
    stage, block = int(found[1]) - first_stage + 1, int(found[2]) - 1
    return f"layer{stage}.{block}.{_PYCLS_OPERATORS[found[3]]}.{found[4]}"
