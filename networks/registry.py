"""The networks by name. A new one is a small file in `networks/zoo`, or anywhere else: no code."""

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

import yaml
from pydantic import ValidationError

from manifests.input_error import InputError
from networks.delf import DelfNetwork, DelfSettings
from networks.retrieval_network import NetworkSettings, RetrievalNetwork

_SUFFIX = ".yaml"


def read_network(path: Path | Traversable) -> NetworkSettings:
    """Read the settings of a network from a YAML file.

    Raises:
        FileNotFoundError: there is no such file.
        InputError: it is no YAML file, or a setting is unknown or has no such value.
    """
    try:
        return NetworkSettings.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (yaml.YAMLError, ValidationError) as error:
        raise InputError(f"{path}: no network is described there: {error}") from error


def _read_zoo() -> dict[str, NetworkSettings]:
    found = sorted(files("networks").joinpath("zoo").iterdir(), key=lambda path: path.name)
    return {
        path.name.removesuffix(_SUFFIX): read_network(path)
        for path in found
        if path.name.endswith(_SUFFIX)
    }


NETWORKS = _read_zoo()
"""The networks of `networks/zoo`, by the names of their files."""


def find_network(name: str) -> NetworkSettings:
    """The settings of a network.

    Args:
        name: of a network in `NETWORKS`, or the path of a YAML file such as those of the zoo.

    Raises:
        InputError: there is no network of that name, or no such file.
    """
    if name in NETWORKS:
        return NETWORKS[name]
    if name.endswith(_SUFFIX) and Path(name).is_file():
        return read_network(Path(name))
    raise InputError(
        f"no network {name!r}; there are {', '.join(NETWORKS)}, or give the path of a "
        f"{_SUFFIX} file"
    )


def build_network(settings: NetworkSettings | DelfSettings) -> RetrievalNetwork | DelfNetwork:
    """Build a network, randomly initialised."""
    if isinstance(settings, DelfSettings):
        return DelfNetwork(settings)
    return RetrievalNetwork(settings)
