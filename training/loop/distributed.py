"""The processes of one training: alone, or started together by `torchrun`."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Literal, TypeVar

import torch
from torch import distributed

from manifests.input_error import InputError

_Value = TypeVar("_Value")

_VARIABLES: Final = ("RANK", "WORLD_SIZE", "LOCAL_RANK")
_PATIENCE: Final = timedelta(minutes=30)
"""For the slowest process: checking the shards or validating takes a while."""


@dataclass(frozen=True, eq=False)
class World:
    """This process among the others.

    Attributes:
        rank: its number; 0 is the one that writes and prints.
        size: number of processes.
        device: where this process computes.
        control: group of all processes that talks over the hosts, whatever the devices do.
    """

    rank: int
    size: int
    device: torch.device
    control: Any = None

    @property
    def is_main(self) -> bool:
        """Whether this process writes files and prints."""
        return self.rank == 0

    def any(self, flag: bool) -> bool:  # noqa: FBT001  (a value, not a switch)
        """Whether the flag is set in any process; all must ask at the same time."""
        if self.size == 1:
            return flag
        value = torch.tensor(int(flag))
        distributed.all_reduce(value, distributed.ReduceOp.MAX, group=self.control)
        return bool(value)

    def gather(self, value: _Value) -> list[_Value]:
        """The values of all processes by rank; all must ask at the same time."""
        if self.size == 1:
            return [value]
        values: list[Any] = [None] * self.size
        distributed.all_gather_object(values, value, group=self.control)
        return values

    def mean(self, value: float) -> float:
        """Mean of a number over the processes; all must ask at the same time."""
        values = self.gather(value)
        return sum(values) / len(values)


@contextmanager
def joined_world(device: Literal["auto", "cpu", "cuda"] = "auto") -> Iterator[World]:
    """Join the processes that `torchrun` started, or be the only one.

    Args:
        device: `auto` takes a GPU if there is one; each process of a machine takes its own.

    Raises:
        InputError: there is no GPU where one is asked for, or fewer than processes.
    """
    given = [variable for variable in _VARIABLES if variable in os.environ]
    if not given:
        yield World(0, 1, _choose_device(device, 0))
        return
    if len(given) < len(_VARIABLES):
        raise InputError(f"only {', '.join(given)} set: start several processes with torchrun")
    rank, size, local_rank = (int(os.environ[variable]) for variable in _VARIABLES)
    chosen = _choose_device(device, local_rank)
    backend = "nccl" if chosen.type == "cuda" else "gloo"
    if chosen.type == "cuda":
        torch.cuda.set_device(chosen)
    distributed.init_process_group(backend, rank=rank, world_size=size, timeout=_PATIENCE)
    try:
        yield World(rank, size, chosen, distributed.new_group(backend="gloo", timeout=_PATIENCE))
    finally:
        distributed.destroy_process_group()


def _choose_device(wanted: Literal["auto", "cpu", "cuda"], local_rank: int) -> torch.device:
    num_gpus = torch.cuda.device_count()
    if wanted == "cpu" or (wanted == "auto" and num_gpus == 0):
        return torch.device("cpu")
    if local_rank >= num_gpus:
        raise InputError(
            f"process {local_rank} of this machine needs a GPU of its own and there are "
            f"{num_gpus}: start fewer processes, or `--set device=cpu`"
        )
    return torch.device("cuda", local_rank)
