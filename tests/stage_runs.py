"""Run stages in this process, without Beam and without workers, and read what they wrote."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from manifests.arrow_schemas import TABLES
from manifests.parquet_io import read_table
from pipelines.job import build_steps
from pipelines.markers import pending, prune
from pipelines.run_config import RunConfig
from pipelines.run_folder import table_parts, write_config
from pipelines.run_unit import run_unit
from pipelines.units import Report, Stage, UnitStatus

STEP_OF_TABLE = {
    "files": "ingest.scan",
    "images": "ingest.join",
    "features": "describe",
    "embeddings": "embed",
    "matches": "verify",
    "verdicts": "clean",
    "controls": "clean.calibrate",
    "uncertain_pairs": "clean.uncertain",
    "cross_duplicates": "clean.duplicates",
    "index_duplicates": "clean.index_duplicates",
    "queries": "overlap.queries",
    "candidates": "overlap",
}


@dataclass(frozen=True)
class Run:
    """A job and its folder."""

    config: RunConfig
    run_dir: Path

    def step(self, name: str) -> Stage:
        return next(step for step in build_steps(self.config, self.run_dir) if step.name == name)

    def do(self, name: str) -> dict[str, Report]:
        """Run the pending units of a step; return the reports by unit."""
        step = self.step(name)
        units = step.plan()
        prune(self.run_dir, name, units)
        return {
            unit.unit_id: run_unit(step, self.run_dir, unit)
            for unit in pending(self.run_dir, units)
        }

    def finish(self, until: str = "emit") -> dict[str, list[str]]:
        """Run what is pending, up to a step; return the units run, by step.

        Raises:
            AssertionError: a unit failed.
        """
        done = {}
        write_config(self.run_dir, self.config)
        for name in self._names(until):
            reports = self.do(name)
            failed = [r for r in reports.values() if r.status is UnitStatus.FAILED]
            assert not failed, failed
            done[name] = sorted(reports)
        return done

    def waiting(self, name: str) -> list[str]:
        """Ids of the units of a step that are not done."""
        return sorted(u.unit_id for u in pending(self.run_dir, self.step(name).plan()))

    def rows(self, table: str) -> list[dict[str, Any]]:
        """All rows of a table that a step wrote."""
        schema = next(t for t in TABLES if t.name == table)
        return read_table(table_parts(self.run_dir, STEP_OF_TABLE[table]), schema).to_pylist()

    def manifest_rows(self, folder: str) -> list[dict[str, Any]]:
        """All rows of a published table."""
        name = "removed" if folder == "removed" else "manifest"
        schema = next(t for t in TABLES if t.name == name)
        parts = sorted((self.run_dir / "manifests" / folder).glob("*.parquet"))
        return read_table(parts, schema).to_pylist()

    def _names(self, until: str) -> Iterator[str]:
        for step in build_steps(self.config, self.run_dir):
            yield step.name
            if step.name == until:
                return


def read_outputs(run_dir: Path) -> dict[str, bytes]:
    """Every file of the tables and manifests; markers, configuration and lock are left out."""
    return {
        str(path.relative_to(run_dir)): path.read_bytes()
        for path in sorted(run_dir.rglob("*"))
        if path.is_file()
        and path.parent != run_dir
        and path.relative_to(run_dir).parts[0] not in ("state", "decisions")
    }
