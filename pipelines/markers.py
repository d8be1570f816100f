"""Markers: one small JSON file per unit, written last, that says what became of it.

A unit is finished when its marker says so, carries the fingerprint of today's plan, and every
output still has the recorded size. That one rule gives resume and re-runs; nothing else keeps
state. Readers of a stage's table go by `output_digests`, never by what a folder happens to hold.
"""

import contextlib
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, ValidationError

from manifests.atomic import write_text
from manifests.lineage import digest_file, digest_json
from manifests.strict_model import StrictModel
from pipelines.units import Counts, Report, Unit, UnitStatus, check_output_path, state_dir

MARKER_SUFFIX = ".json"
IN_FLIGHT_SUFFIX = ".inflight"
CRASHES_SUFFIX = ".crashes"
ATTEMPTS_SUFFIX = ".attempts"
"""The suffixes differ from one another, so that no unit's name can turn one into another."""


def _checked_path(output: str) -> str:
    check_output_path(output)
    return output


OutputPath = Annotated[str, AfterValidator(_checked_path)]


class OutputFile(StrictModel):
    """What an output looked like when its unit was done."""

    sha256: str
    num_bytes: int = Field(ge=0)


class Marker(StrictModel):
    """The content of a marker file; a failed unit has an error and no outputs."""

    stage: str
    unit_id: str
    status: UnitStatus
    fingerprint: str
    counts: Counts
    outputs: dict[OutputPath, OutputFile]
    error: str | None
    seconds: float
    cpu_seconds: float | None = None
    """Processor seconds of the process while it ran the unit, all threads together; an upper limit
    where an engine runs several units in one process. None if the process died, or in the markers
    of earlier versions."""

    def as_report(self) -> Report:
        """The part of the marker that the caller of a pipeline gets back."""
        return Report(self.stage, self.unit_id, self.status, self.counts, self.error, self.seconds)


@dataclass(frozen=True)
class Tally:
    """What the markers of one stage say together; `errors` is by unit id."""

    num_done: int
    num_failed: int
    counts: Counts
    errors: dict[str, str]


def write_marker(run_dir: Path, unit: Unit, marker: Marker) -> None:
    """Write a unit's marker, atomically, over an older one."""
    path = unit.state_path(run_dir, MARKER_SUFFIX)
    write_text(path, marker.model_dump_json(indent=1) + "\n")


def read_marker(run_dir: Path, unit: Unit) -> Marker | None:
    """A unit's marker; None if there is none, or only a damaged one."""
    return parse_marker(unit.state_path(run_dir, MARKER_SUFFIX))


def parse_marker(path: Path) -> Marker | None:
    """Read one marker file; None if it is absent or damaged, so that its unit is done again."""
    try:
        return Marker.model_validate_json(path.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def read_markers(run_dir: Path, stage_name: str) -> list[Marker]:
    """All readable markers of a stage, by unit id."""
    markers = (parse_marker(path) for path in _marker_paths(run_dir, stage_name))
    return [marker for marker in markers if marker is not None]


def tally(markers: Sequence[Marker]) -> Tally:
    """Count finished and failed units, add up their counts and collect the errors."""
    counts: Counter[str] = Counter()
    for marker in markers:
        counts.update(marker.counts)
    errors = {m.unit_id: m.error or "" for m in markers if m.status is UnitStatus.FAILED}
    return Tally(len(markers) - len(errors), len(errors), dict(counts), errors)


def pending(run_dir: Path, units: Sequence[Unit]) -> list[Unit]:
    """The units that still have to be run, in the order given."""
    return [unit for unit in units if not _is_done(run_dir, unit)]


def describe_outputs(run_dir: Path, unit: Unit) -> dict[str, OutputFile]:
    """Digest and size of each file that the unit wrote.

    Raises:
        FileNotFoundError: the unit did not write one of them.
    """
    described = {}
    for output in unit.outputs:
        path = run_dir / output
        if not path.is_file():
            raise FileNotFoundError(f"{unit.stage}/{unit.unit_id} did not write {output}")
        described[output] = OutputFile(sha256=digest_file(path), num_bytes=path.stat().st_size)
    return described


def output_digests(run_dir: Path, stage_name: str) -> dict[str, str]:
    """SHA-256 of each file that the finished units of a stage wrote, by path, sorted."""
    digests = {
        output: file.sha256
        for marker in read_markers(run_dir, stage_name)
        for output, file in marker.outputs.items()
    }
    return dict(sorted(digests.items()))


def digest_outputs(run_dir: Path, stage_name: str) -> str:
    """One digest for all that the finished units of a stage wrote.

    As the input of a unit it stands for the whole table: with the digests of all parts in every
    unit, a plan would grow with the square of the data set.
    """
    return digest_json(output_digests(run_dir, stage_name))


def clear_unit(run_dir: Path, unit: Unit) -> None:
    """Delete a unit's marker and then its outputs, those of an older plan included.

    While a unit is being done again, nobody must find the parts of the last time.
    """
    old = read_marker(run_dir, unit)
    unit.state_path(run_dir, MARKER_SUFFIX).unlink(missing_ok=True)
    remove_outputs(run_dir, [*unit.outputs, *(old.outputs if old else ())])


def remove_outputs(run_dir: Path, outputs: Sequence[str]) -> None:
    """Delete outputs, and the temporary files that a killed writer left beside them."""
    for output in outputs:
        path = run_dir / output
        path.unlink(missing_ok=True)
        _remove_leftovers(path)


def _remove_leftovers(path: Path) -> None:
    # A pattern would be matched with every name of a folder that may hold thousands.
    prefix = f".{path.name}."
    with contextlib.suppress(FileNotFoundError), os.scandir(path.parent) as entries:
        leftovers = [e.path for e in entries if e.name.startswith(prefix)]
        for leftover in leftovers:
            if leftover.endswith(".part"):
                Path(leftover).unlink(missing_ok=True)


def prune(run_dir: Path, stage_name: str, units: Sequence[Unit]) -> list[str]:
    """Forget the units of a stage that are planned no more; return the files deleted.

    Deletes their markers and the outputs that the markers list, and outputs of planned units that
    these write no more, unless another planned unit owns the file now.

    Args:
        run_dir: the run folder.
        stage_name: the stage whose plan this is.
        units: the whole plan, not only what is pending.
    """
    owned = {output for unit in units for output in unit.outputs}
    planned = {unit.unit_id for unit in units}
    stale = []
    for marker in read_markers(run_dir, stage_name):
        stale += [output for output in marker.outputs if output not in owned]
    remove_outputs(run_dir, stale)
    for path in _state_files(run_dir, stage_name):
        if path.stem not in planned:
            path.unlink()
    return sorted(stale)


def _is_done(run_dir: Path, unit: Unit) -> bool:
    marker = read_marker(run_dir, unit)
    return (
        marker is not None
        and marker.status is UnitStatus.DONE
        and marker.fingerprint == unit.fingerprint
        and marker.outputs.keys() == set(unit.outputs)
        and all(_has_size(run_dir / path, file) for path, file in marker.outputs.items())
    )


def _has_size(path: Path, file: OutputFile) -> bool:
    return path.is_file() and path.stat().st_size == file.num_bytes


def _marker_paths(run_dir: Path, stage_name: str) -> list[Path]:
    return sorted(state_dir(run_dir, stage_name).glob(f"[!.]*{MARKER_SUFFIX}"))


def _state_files(run_dir: Path, stage_name: str) -> Iterator[Path]:
    for suffix in (MARKER_SUFFIX, IN_FLIGHT_SUFFIX, CRASHES_SUFFIX, ATTEMPTS_SUFFIX):
        yield from sorted(state_dir(run_dir, stage_name).glob(f"[!.]*{suffix}"))
