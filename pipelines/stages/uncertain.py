"""Stage 5, third step: pairs near the threshold on inliers, and what hinges on each.

Units follow those of the cleaning, so that every class is there as a whole.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd

from curation.class_trials import ClassTrial, UncertainPair
from curation.uncertain_pairs import UncertainBand, find_band
from manifests.arrow_schemas import MATCHES, UNCERTAIN_PAIRS
from manifests.parquet_io import read_table, write_rows
from manifests.rows import PairVerdict
from pipelines.in_flight import InFlight
from pipelines.markers import output_digests
from pipelines.settings import VerifySettings
from pipelines.stages.calibrate import read_calibration, read_controls
from pipelines.stages.clean import Clean, class_files, class_images, find_copies
from pipelines.stages.describe import Describe
from pipelines.stages.ingest import Join
from pipelines.stages.verify import Verify
from pipelines.units import Counts, Unit, make_unit

_COLUMNS = (
    "landmark_id", "image_id_a", "image_id_b", "similarity", "num_tentative", "num_inliers",
    "verdict", "reason",
)  # fmt: skip

_Row = dict[str, Any]


@dataclass(frozen=True)
class ListUncertain:
    """List the uncertain pairs; one unit per unit of the cleaning that has pairs."""

    run_dir: Path
    settings: VerifySettings
    clean: Clean
    timeout_seconds: float

    name: ClassVar[str] = "clean.uncertain"
    version: ClassVar[int] = 1
    isolate: ClassVar[bool] = True

    def plan(self) -> list[Unit]:
        """None when the band is empty."""
        if self.settings.uncertain_band == 0:
            return []
        band = asdict(self.find_band())
        matches = output_digests(self.run_dir, Verify.name)
        others = {
            path: digest
            for stage in (Join, Describe)
            for path, digest in output_digests(self.run_dir, stage.name).items()
        }
        return [
            make_unit(
                self,
                unit.unit_id,
                spec={**unit.spec, "band": band},
                outputs=[f"uncertain_pairs/{unit.unit_id}.parquet"],
                inputs=others | {part: matches[part] for part in _parts_of(unit)},
                settings=self.clean.settings.model_dump(mode="json"),
            )
            for unit in self.clean.plan()
            if _parts_of(unit)
        ]

    def run(self, unit: Unit, in_flight: InFlight) -> Counts:
        """Write one row per uncertain pair of the unit's classes."""
        band = UncertainBand(**unit.spec["band"])  # type: ignore[arg-type]
        parts = [self.run_dir / part for part in _parts_of(unit)]
        frame = read_table(parts, MATCHES, _COLUMNS).to_pandas()
        by_class = dict(iter(frame.groupby("landmark_id")))
        classes: Sequence[int] = unit.spec["classes"]  # type: ignore[assignment]
        in_flight.expect(len(classes))
        rows: list[_Row] = []
        for landmark_id in classes:
            if landmark_id in by_class:
                rows += self._list_class(landmark_id, by_class[landmark_id], band)
            in_flight.advance()
        rows.sort(key=partial(rank_by_interest, self._threshold))
        write_rows(self.run_dir / unit.outputs[0], UNCERTAIN_PAIRS, rows)
        return {"uncertain_pairs": len(rows), "decisive": sum(map(is_decisive, rows))}

    def find_band(self) -> UncertainBand:
        """The band around the threshold that the cleaning works with."""
        calibration = read_calibration(self.run_dir, self.settings)
        return find_band(
            read_controls(self.run_dir),
            self._threshold,
            None if calibration is None else calibration.suggested_threshold,
            self.settings.uncertain_band,
        )

    @property
    def _threshold(self) -> int:
        return self.clean.settings.min_inliers

    def _list_class(
        self, landmark_id: int, matches: pd.DataFrame, band: UncertainBand
    ) -> list[_Row]:
        records: list[_Row] = matches.to_dict("records")  # type: ignore[assignment]
        rows = [row for row in records if band.holds(row["num_inliers"], row["reason"])]
        pairs = [self._as_pair(row) for row in rows]
        if not pairs:
            return []
        stakes = self._make_trial(landmark_id, matches).find_stakes(pairs)
        return [row | asdict(stakes[pair]) for row, pair in zip(rows, pairs, strict=True)]

    def _make_trial(self, landmark_id: int, matches: pd.DataFrame) -> ClassTrial:
        accepted = matches[matches["verdict"] != PairVerdict.REJECTED]
        files = class_files(self.run_dir, landmark_id)
        columns = ("image_id_a", "image_id_b", "num_inliers")
        return ClassTrial(
            landmark_id,
            class_images(self.run_dir, files),
            zip(*(accepted[name].tolist() for name in columns), strict=True),
            find_copies(files, accepted),
            self.clean.settings,
            self._threshold,
        )

    def _as_pair(self, row: _Row) -> UncertainPair:
        is_accepted = row["verdict"] != PairVerdict.REJECTED
        return UncertainPair(
            row["image_id_a"],
            row["image_id_b"],
            row["num_inliers"],
            is_accepted and row["num_inliers"] >= self._threshold,
        )


def rank_by_interest(threshold: int, row: _Row) -> tuple[Any, ...]:
    """Sort key of rows: those that decide an image's fate first, then the nearest to the threshold.

    Args:
        threshold: inliers that the cleaning asks for.
        row: of the table `uncertain_pairs`.
    """
    distance = abs(row["num_inliers"] - threshold)
    ids = row["landmark_id"], row["image_id_a"], row["image_id_b"]
    return (not is_decisive(row), distance, *ids)


def is_decisive(row: _Row) -> bool:
    """Whether the fate of one of the images of a row hinges on the pair."""
    return bool(row["decides_a"] or row["decides_b"])


def _parts_of(unit: Unit) -> Sequence[str]:
    parts: Sequence[str] = unit.spec["matches"]  # type: ignore[assignment]
    return parts
