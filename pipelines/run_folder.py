"""The folder of a run: its configuration, its lock, and where the tables are."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import yaml

from manifests.atomic import write_text
from manifests.input_error import InputError
from manifests.lineage import CODE_VERSION
from manifests.yaml_settings import ConfigError
from pipelines.markers import output_digests
from pipelines.run_config import RunConfig, dump_config, load_config

_CONFIG_FILE = "run.yaml"
_PROVENANCE_FILE = "versions.yaml"
_LIBRARIES = (
    "apache-beam", "faiss-cpu", "networkx", "numpy", "opencv-contrib-python-headless", "pandas",
    "pillow", "pyarrow",
)  # fmt: skip


class RunFolderError(InputError):
    """A run folder that is missing, no run folder, or in use."""


def write_config(run_dir: Path, config: RunConfig) -> None:
    """Record the resolved configuration, its digest and the versions of what computes."""
    write_text(run_dir / _CONFIG_FILE, dump_config(config))
    libraries = _LIBRARIES if config.embed.used_network is None else (*_LIBRARIES, "torch")
    provenance = {
        "config_digest": config.digest,
        "cleanmark": CODE_VERSION,
        "libraries": {name: version(name) for name in libraries},
    }
    write_text(run_dir / _PROVENANCE_FILE, yaml.safe_dump(provenance, sort_keys=False))


def is_run_folder(folder: Path) -> bool:
    """Whether a job has been started in this folder."""
    return (folder / _CONFIG_FILE).is_file()


def read_config(run_dir: Path) -> RunConfig:
    """The configuration that the run was last started with.

    Raises:
        RunFolderError: `run_dir` is no run folder.
    """
    path = run_dir / _CONFIG_FILE
    if not is_run_folder(run_dir):
        raise RunFolderError(
            f"{run_dir}: no run folder ({_CONFIG_FILE} is missing); "
            "start one with `cleanmark run CONFIG.yaml --out DIR`"
        )
    try:
        return load_config(path)
    except ConfigError as error:
        raise RunFolderError(f"{error} (written by another version?)") from error


@contextmanager
def locked(run_dir: Path) -> Iterator[None]:
    """Keep other processes from working in the folder; the system lifts the lock on any death.

    Raises:
        RunFolderError: somebody else is at work there, or `run_dir` is a file.
    """
    try:
        run_dir.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise RunFolderError(f"{run_dir}: not a folder; give another --out") from error
    with (run_dir / ".lock").open("w", encoding="utf-8") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RunFolderError(
                f"{run_dir}: another cleanmark process is at work in this folder; "
                "wait for it or stop it"
            ) from error
        yield


def table_parts(run_dir: Path, stage_name: str) -> list[Path]:
    """The Parquet parts that the finished units of a stage wrote, in order of their names.

    Raises:
        RunFolderError: the stage has not been run.
    """
    digests = output_digests(run_dir, stage_name)
    if not digests:
        raise RunFolderError(
            f"{run_dir}: nothing finished in stage {stage_name!r}; "
            "run the whole job once before single stages"
        )
    return [run_dir / path for path in digests if path.endswith(".parquet")]
