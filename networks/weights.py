"""Pretrained weights: read from a path or a URL, put into a backbone, never half."""

import errno
import pickle
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import urlparse

import torch
from torch import Tensor

from networks.resnet import ResNet
from networks.state_dict_names import rename_resnet, unwrap_state
from networks.trunk import Trunk

_CLASSIFIERS = (
    ("fc.weight", "fc.bias"),
    tuple(f"classifier.{i}.{kind}" for i in (0, 3, 6) for kind in ("weight", "bias")),
)
_OURS = ("neck.", "pooling.", "projection.", "attention.")
_HEADS = ("fc.", "classifier.", "head.", "pool.", "whiten.", *_OURS)
_STAGE = re.compile(r"layer\d\.")
_SCHEMES = ("http", "https", "file")
_COUNTER = "num_batches_tracked"
_NUM_LISTED = 8


class WeightsError(ValueError):
    """Weights that do not belong to the network."""


def read_state_dict(source: str | Path) -> dict[str, Tensor]:
    """Read a file of weights, on the CPU, without running any code that it may contain.

    Args:
        source: a path, or a URL whose file name ends in the digits of its hash
            (`name-0123abcd.pth`), which is checked. What is fetched once stays in torch's cache.

    Raises:
        FileNotFoundError: there is no such file.
        URLError: the URL cannot be reached.
        WeightsError: the file is damaged, has another hash, or holds no tensors by name.
    """
    loaded = read_weights_file(source)
    state = unwrap_state(loaded) if isinstance(loaded, Mapping) else {}
    if not state:
        raise WeightsError(f"{source}: no tensors by name; give a file that holds a state dict")
    return state


def read_weights_file(source: str | Path) -> object:
    """Read what `torch.save` wrote: tensors, numbers, texts, and lists and dicts of them.

    Raises:
        As `read_state_dict`, but for its last reason.
    """
    text = str(source)
    try:
        if urlparse(text).scheme in _SCHEMES:
            return torch.hub.load_state_dict_from_url(
                text, map_location="cpu", progress=False, check_hash=True, weights_only=True
            )
        return torch.load(text, map_location="cpu", weights_only=True)
    except (EOFError, OSError, RuntimeError, pickle.UnpicklingError) as error:
        # Of a file that is cut short, torch seeks to a place before its start.
        if isinstance(error, OSError) and error.errno != errno.EINVAL:
            raise
        raise WeightsError(f"{text}: no readable weights, get the file again ({error})") from error


def load_trunk_weights(
    trunk: Trunk, state: Mapping[str, Tensor], source: str | Path
) -> tuple[str, ...]:
    """Put weights into a backbone; everything it has must be there, in its shape.

    Args:
        trunk: the backbone, changed in place.
        state: entries named as torchvision, cirtorch or pycls name them.
        source: what errors call the weights, for example the path.

    Returns:
        Names of entries that belong to a head or to a stage that the backbone does not have, and
        that are not used.

    Raises:
        WeightsError: entries are missing, unknown or of another shape; the message names them.
    """
    given = rename_resnet(state) if isinstance(trunk, ResNet) else dict(state)
    expected = trunk.state_dict()
    given = _with_counters(given, expected)
    unused = [name for name in given if name not in expected]
    _refuse(source, "lacks", _find_missing(given, expected))
    _refuse(source, "has unknown", [name for name in unused if not _is_known(name, expected)])
    wrong = [
        f"{name} {tuple(given[name].shape)} instead of {tuple(value.shape)}"
        for name, value in expected.items()
        if given[name].shape != value.shape
    ]
    _refuse(source, "has wrong shapes:", wrong)
    trunk.load_state_dict({name: given[name] for name in expected})
    return tuple(unused)


def _find_missing(given: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> list[str]:
    missing = [name for name in expected if name not in given]
    for names in _CLASSIFIERS:
        # A file with half a classifier was cut off, even if the other half is not needed here.
        if any(name in given for name in names):
            missing += [name for name in names if name not in given and name not in expected]
    return missing


def _with_counters(
    given: Mapping[str, Tensor], expected: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Add batch counters where a file, written before torch had them, has none at all."""
    if any(name.endswith(_COUNTER) for name in given):
        return dict(given)
    counters = {name: value for name, value in expected.items() if name.endswith(_COUNTER)}
    return {**given, **counters}


def _is_known(name: str, expected: Mapping[str, Tensor]) -> bool:
    """Whether an entry belongs to a head, or to a stage that the backbone leaves out as a whole."""
    stage = _STAGE.match(name)
    if stage:
        return not any(other.startswith(stage[0]) for other in expected)
    return name.startswith(_HEADS)


def _refuse(source: str | Path, what: str, names: Iterable[str]) -> None:
    listed = list(names)
    if listed:
        shown = ", ".join(listed[:_NUM_LISTED])
        more = f" and {len(listed) - _NUM_LISTED} more" if len(listed) > _NUM_LISTED else ""
        raise WeightsError(
            f"{source}: {what} {shown}{more}; give the weights of this very backbone"
        )
