"""Units of work: what a stage cuts its work into, and what becomes of each piece.

A stage is two plain functions: `plan` lists units, `run` does one of them and writes its files.
Everything else (resume, isolation, progress, engines) is the same for all stages and knows
nothing of images. No Beam here.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import Protocol, TypeAlias, runtime_checkable

from manifests.lineage import digest_json
from pipelines.in_flight import InFlight

JsonValue: TypeAlias = (
    "str | int | float | bool | Sequence[JsonValue] | Mapping[str, JsonValue] | None"
)
Counts: TypeAlias = dict[str, int]

_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,119}")


class PlanError(ValueError):
    """A unit that could not be stored, or a plan in which two units would clash."""


class UnitStatus(StrEnum):
    """What became of a unit."""

    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True)
class Unit:
    """One piece of a stage's work; small, because it travels through Beam.

    Attributes:
        stage: name of the stage, which is also the folder of its markers.
        unit_id: unique in the stage and safe as a file name.
        spec: what this unit is told beyond the settings of the stage.
        outputs: the files it writes, relative to the run folder, with forward slashes.
        fingerprint: SHA-256 over all that decides the bytes of the outputs.

    Raises:
        PlanError: a name is not safe as a file name, or an output lies outside the run folder.
    """

    stage: str
    unit_id: str
    spec: Mapping[str, JsonValue]
    outputs: tuple[str, ...]
    fingerprint: str

    def __post_init__(self) -> None:
        for name in (self.stage, self.unit_id):
            if not _SAFE_NAME.fullmatch(name):
                raise PlanError(
                    f"{self.stage}: {name!r} is no safe file name; use at most 120 letters, "
                    "digits, '.', '_' and '-', and begin with a letter or digit"
                )
        for output in self.outputs:
            check_output_path(output)

    def state_path(self, run_dir: Path, suffix: str) -> Path:
        """Where the run folder keeps something about this unit, beside its marker."""
        return state_dir(run_dir, self.stage) / f"{self.unit_id}{suffix}"


@dataclass(frozen=True)
class Report:
    """What became of one unit; `error` is text for people, None when the unit is done."""

    stage: str
    unit_id: str
    status: UnitStatus
    counts: Counts
    error: str | None
    seconds: float


class Stage(Protocol):
    """What every stage offers: a frozen dataclass that pickles, with its settings as fields.

    Attributes:
        name: as in `Unit.stage`.
        version: raised whenever the code would write other bytes for the same inputs.
        isolate: run the units in worker processes, so that a crash or a hang costs one unit. See
            also `LimitedStage`.
        timeout_seconds: an isolated unit that takes longer is stopped and has failed.
    """

    @property
    def name(self) -> str: ...  # noqa: D102  (described above)
    @property
    def version(self) -> int: ...  # noqa: D102
    @property
    def isolate(self) -> bool: ...  # noqa: D102
    @property
    def timeout_seconds(self) -> float: ...  # noqa: D102

    def plan(self) -> list[Unit]:
        """List the units, the most expensive first; the same inputs give the same list."""
        ...

    def run(self, unit: Unit, in_flight: InFlight) -> Counts:
        """Write the unit's outputs, each atomically; return what was counted.

        An item that may crash a decoder is handled inside `in_flight.item(...)`, and the items of
        `in_flight.crashed` are recorded as such and not touched. Any exception fails the unit.
        """
        ...


@runtime_checkable
class LimitedStage(Protocol):
    """A stage of which a machine can run only so many units at once, whatever its cores.

    Attributes:
        max_children: worker processes on one machine; None for no limit.
    """

    @property
    def max_children(self) -> int | None: ...  # noqa: D102  (described above)


@runtime_checkable
class GpuStage(Protocol):
    """A stage that may use a GPU.

    Attributes:
        wants_gpu: whether a machine with a GPU is worth its price for it.
    """

    @property
    def wants_gpu(self) -> bool: ...  # noqa: D102  (described above)


def make_unit(
    stage: Stage,
    unit_id: str,
    *,
    spec: Mapping[str, JsonValue],
    outputs: Sequence[str],
    inputs: Mapping[str, str],
    settings: JsonValue,
) -> Unit:
    """Build a unit of `stage` and its fingerprint.

    Args:
        stage: gives the name and the version.
        unit_id: see `Unit`.
        spec: see `Unit`.
        outputs: see `Unit`.
        inputs: digest of every file that the unit reads, by path.
        settings: all settings that the outputs depend on (and none that they do not: the number
            of workers would make every change of machine redo the work).
    """
    fingerprint = digest_json(
        {
            "stage": stage.name,
            "version": stage.version,
            "unit_id": unit_id,
            "spec": spec,
            "outputs": list(outputs),
            "inputs": dict(inputs),
            "settings": settings,
        }
    )
    return Unit(stage.name, unit_id, spec, tuple(outputs), fingerprint)


def state_dir(run_dir: Path, stage_name: str) -> Path:
    """The folder with the markers of a stage."""
    return run_dir / "state" / stage_name


def check_output_path(output: str) -> None:
    """Raise `PlanError` unless `output` is a plain path below the run folder."""
    path = PurePosixPath(output)
    if path.is_absolute() or ".." in path.parts or str(path) != output or output == ".":
        raise PlanError(f"output {output!r} is not a plain path relative to the run folder")


def check_plan(units: Sequence[Unit]) -> None:
    """Raise `PlanError` if two units have one name or write one file."""
    names = Counter((unit.stage, unit.unit_id) for unit in units)
    files = Counter(output for unit in units for output in unit.outputs)
    clashes = [f"unit {stage}/{name}" for (stage, name), count in names.items() if count > 1]
    clashes += [f"output {output}" for output, count in files.items() if count > 1]
    if clashes:
        raise PlanError(f"planned more than once: {', '.join(clashes[:5])}")
