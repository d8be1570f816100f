"""Stage 5, third step: pairs near the threshold on inliers, and what hinges on each.

Pairs that somebody has answered on are uncertain no more. Units follow those of the cleaning, so
that every class is there as a whole.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation.class_trials import ClassTrial, UncertainPair
from curation.degree_trials import DegreeTrial
from curation.train_split import ClassImage
from curation.uncertain_pairs import UncertainBand, find_band
from manifests.arrow_schemas import UNCERTAIN_PAIRS
from manifests.parquet_io import write_table
from pipelines.class_matches import ClassMatches, JudgedClass, is_accepted
from pipelines.in_flight import InFlight
from pipelines.markers import output_digests
from pipelines.run_tables import digest_of, open_features, open_images
from pipelines.settings import VerifySettings
from pipelines.stages.calibrate import read_calibration, read_controls
from pipelines.stages.clean import Clean
from pipelines.stages.verify import Verify
from pipelines.units import Counts, Unit, make_unit

_COLUMNS = (
    "landmark_id", "image_id_a", "image_id_b", "similarity", "num_tentative", "num_inliers",
    "verdict", "reason",
)  # fmt: skip

_DECIDES = ("decides_a", "decides_b")


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
        return [
            make_unit(
                self,
                unit.unit_id,
                spec={**unit.spec, "band": band},
                outputs=[f"uncertain_pairs/{unit.unit_id}.parquet"],
                inputs=_tables_of(unit) | {part: matches[part] for part in _parts_of(unit)},
                settings=self.clean.settings.dump_decisive(),
            )
            for unit in self.clean.plan()
            if _parts_of(unit)
        ]

    def run(self, unit: Unit, in_flight: InFlight) -> Counts:
        """Write one row per uncertain pair of the unit's classes."""
        band = UncertainBand(**unit.spec["band"])  # type: ignore[arg-type]
        classes: Sequence[int] = unit.spec["classes"]  # type: ignore[assignment]
        images = open_images(self.run_dir, digest_of(self.run_dir, unit, "images"))
        features = open_features(self.run_dir, digest_of(self.run_dir, unit, "features"))
        manual = self.clean.open_answers(unit)

        def is_uncertain(rows: pa.Table) -> pa.ChunkedArray:
            is_in_band = band.choose(rows["num_inliers"], rows["reason"])
            return pc.and_not(is_in_band, manual.find_answered(rows))

        def choose(rows: pa.Table) -> pa.ChunkedArray:
            return pc.or_(is_accepted(rows), is_uncertain(rows))

        paths = [self.run_dir / part for part in _parts_of(unit)]
        matches = ClassMatches(paths, _COLUMNS, classes, choose, manual)
        in_flight.expect(len(classes))
        found = [UNCERTAIN_PAIRS.schema.empty_table()]
        for landmark_id in classes:
            rows = matches.of_class(landmark_id)
            uncertain = rows.filter(is_uncertain(rows))
            if len(uncertain):
                accepted = rows.filter(is_accepted(rows))
                judged = JudgedClass.open(landmark_id, images, features, accepted, manual)
                found.append(self._find_stakes(judged, uncertain))
            in_flight.advance()
        table = sort_by_interest(pa.concat_tables(found), self._threshold)
        write_table(self.run_dir / unit.outputs[0], UNCERTAIN_PAIRS, table)
        return {"uncertain_pairs": len(table), "decisive": count_decisive(table)}

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

    def _find_stakes(self, judged: JudgedClass, uncertain: pa.Table) -> pa.Table:
        """Rows of the table, of the uncertain pairs of a class."""
        try_pairs = self._count_neighbours if self._by_degree else self._judge_again
        stakes = try_pairs(judged, uncertain)
        columns = {name: uncertain[name] for name in uncertain.column_names} | stakes
        return pa.table(columns, schema=UNCERTAIN_PAIRS.schema)

    @property
    def _by_degree(self) -> bool:
        return self.clean.settings.policy == "degree"

    def _count_neighbours(self, judged: JudgedClass, uncertain: pa.Table) -> dict[str, Any]:
        counts = judged.num_inliers >= self._threshold
        places = {image_id: place for place, image_id in enumerate(judged.ids)}
        trial = DegreeTrial(
            judged.first[counts],
            judged.second[counts],
            [[places[i] for i in group] for group in judged.duplicates.groups],
            judged.is_described,
            self.clean.settings,
        )
        a, b = judged.locate(uncertain["image_id_a"]), judged.locate(uncertain["image_id_b"])
        return asdict(trial.find_stakes(a, b, self._counts(uncertain)))

    def _judge_again(self, judged: JudgedClass, uncertain: pa.Table) -> dict[str, Any]:
        described = zip(judged.ids, judged.is_described.tolist(), strict=True)
        names = ("image_id_a", "image_id_b", "num_inliers")
        trial = ClassTrial(
            judged.landmark_id,
            [ClassImage(*image) for image in described],
            zip(*(judged.accepted[name].to_pylist() for name in names), strict=True),
            judged.duplicates,
            self.clean.settings,
            self._threshold,
        )
        columns = [*(uncertain[name].to_pylist() for name in names), self._counts(uncertain)]
        pairs = [
            UncertainPair(a, b, count, bool(counts))
            for a, b, count, counts in zip(*columns, strict=True)
        ]
        stakes = trial.find_stakes(pairs)
        found = [asdict(stakes[pair]) for pair in pairs]
        return {name: [row[name] for row in found] for name in found[0]}

    def _counts(self, uncertain: pa.Table) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Which of the pairs the cleaning has counted."""
        enough = pc.greater_equal(uncertain["num_inliers"], self._threshold)
        return np.asarray(pc.and_(is_accepted(uncertain), enough).to_numpy(), np.bool_)


def sort_by_interest(uncertain: pa.Table, threshold: int) -> pa.Table:
    """Those that decide an image's fate first, then the nearest to the threshold.

    Args:
        uncertain: rows of the table `uncertain_pairs`.
        threshold: inliers that the cleaning asks for.

    Returns:
        The same rows, in one piece.
    """
    keys = pa.table(
        {
            "is_dull": pc.invert(is_decisive(uncertain)),
            "distance": pc.abs(pc.subtract(uncertain["num_inliers"], threshold)),
            **{name: uncertain[name] for name in ("landmark_id", "image_id_a", "image_id_b")},
        }
    )
    order = pc.sort_indices(keys, [(name, "ascending") for name in keys.column_names])
    return uncertain.take(order).combine_chunks()


def is_decisive(uncertain: pa.Table) -> pa.ChunkedArray:
    """Whether the fate of one of the images of each row hinges on the pair."""
    decides = (pc.fill_null(uncertain[name], fill_value=False) for name in _DECIDES)
    return pc.or_(*decides)


def count_decisive(uncertain: pa.Table) -> int:
    """How many of the rows decide an image's fate."""
    return int(pc.sum(is_decisive(uncertain)).as_py() or 0)


def _tables_of(unit: Unit) -> dict[str, str]:
    tables: dict[str, str] = unit.spec["tables"]  # type: ignore[assignment]
    return tables


def _parts_of(unit: Unit) -> Sequence[str]:
    parts: Sequence[str] = unit.spec["matches"]  # type: ignore[assignment]
    return parts
