"""The manifests that another policy makes of a finished run; nothing in the run changes."""

import dataclasses
from pathlib import Path

from pipelines.in_flight import InFlight
from pipelines.job import build_steps
from pipelines.markers import pending
from pipelines.run_config import RunConfig
from pipelines.run_folder import RunFolderError, read_config
from pipelines.stages.emit import Emit


def check_emitted(run_dir: Path) -> RunConfig:
    """Refuse a run whose manifests are not what its evidence and decisions now say.

    Returns:
        The configuration of the run.

    Raises:
        RunFolderError: there are no manifests, or something was added since.
    """
    config = read_config(run_dir)
    if pending(run_dir, _find_emit(config, run_dir).plan()):
        raise RunFolderError(
            f"{run_dir}: the manifests are missing, or older than the decisions and settings of "
            f"the run; run `cleanmark emit {run_dir}` first"
        )
    return config


def write_policy_manifests(run_dir: Path, policy: str, folder: Path) -> None:
    """Write into `folder` what `cleanmark emit RUN --policy POLICY` would write into the run.

    Args:
        run_dir: a run of which `check_emitted` holds.
        policy: one of `curation.removal_policies.RemovalSettings`.
        folder: made if missing.
    """
    config = read_config(run_dir)
    settings = config.emit.model_copy(update={"policy": policy})
    config = config.model_copy(update={"emit": settings})
    emit = dataclasses.replace(_find_emit(config, run_dir), manifests_dir=folder)
    with InFlight(folder / ".in_flight", {}) as in_flight:
        for unit in emit.plan():
            emit.run(unit, in_flight)


def _find_emit(config: RunConfig, run_dir: Path) -> Emit:
    return next(step for step in build_steps(config, run_dir) if isinstance(step, Emit))
