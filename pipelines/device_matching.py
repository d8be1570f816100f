"""The search for nearest neighbours on a GPU, for the stages that verify pairs."""

from collections.abc import Iterable, Iterator
from functools import lru_cache, partial

import torch

from curation.batched_verification import NeighbourFinder, verify_in_batches
from curation.pair_answer import Verification
from manifests.features import LocalFeatures
from manifests.input_error import InputError
from networks.matching import find_neighbours_of_pairs
from pipelines.settings import VerifySettings

_PAIRS_PER_BATCH = 64
"""Distances of so many pairs of 2,000 features take 1 GB on the device."""


class DeviceError(InputError):
    """A device that this machine, or this installation of torch, does not have."""


def verify_on_device(
    query: LocalFeatures, candidates: Iterable[LocalFeatures], settings: VerifySettings
) -> Iterator[Verification]:
    """Verify one image against many on the device that the settings name.

    Raises:
        DeviceError: torch cannot use the device.
    """
    return verify_in_batches(query, candidates, settings, open_finder(settings.device))


@lru_cache(maxsize=1)
def open_finder(device: str) -> NeighbourFinder:
    """What finds neighbours on a device; once per process.

    Raises:
        DeviceError: torch cannot use the device.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise DeviceError(
            "verify.device is cuda, but torch finds no usable GPU; "
            "install a torch with CUDA, or set verify.device to cpu"
        )
    find = partial(find_neighbours_of_pairs, device=torch.device(device))
    return NeighbourFinder(find, _PAIRS_PER_BATCH)
