"""Stage 5, second step: does the threshold on inliers hold for these photographs?

Verifies a fair sample of pairs of different classes of the clean split, with all features and
without rejecting early. Before the cleaning, wrong labels would put photographs of one place into
two classes. `curation.calibration` draws conclusions when the manifests are written.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation.calibration import (
    CalibrationSettings,
    ControlImage,
    ControlPair,
    calibrate,
    choose_control_images,
    choose_control_pairs,
)
from curation.cascade import CascadeSettings
from manifests.arrow_schemas import CONTROLS
from manifests.id_arrays import encode_ids, list_ids, unpack_ids
from manifests.manifest_json import CalibrationResult
from manifests.parquet_io import read_table, write_table
from manifests.rows import PairVerdict
from pipelines.in_flight import InFlight
from pipelines.markers import digest_outputs, output_digests
from pipelines.pair_verification import PairJudge, judge_by_features
from pipelines.run_folder import table_parts
from pipelines.run_tables import digest_of, digest_tables, open_features, open_images
from pipelines.settings import VerifySettings
from pipelines.stages.clean import Clean
from pipelines.stages.ingest import Join
from pipelines.units import Counts, Unit, make_unit
from pipelines.verdict_columns import open_kept_images

_PAIRS_PER_UNIT = 1000
_PAIRS_PER_STEP = 50
"""After so many, progress is noted."""


@dataclass(frozen=True)
class Calibrate:
    """Verify control pairs; units of a thousand."""

    run_dir: Path
    settings: VerifySettings
    timeout_seconds: float

    judge: PairJudge = judge_by_features
    """What answers for a pair."""

    name: ClassVar[str] = "clean.calibrate"
    version: ClassVar[int] = 3
    isolate: ClassVar[bool] = True

    def plan(self) -> list[Unit]:
        """As many units as there are thousands of control pairs; none without any."""
        num_units = -(-len(self._choose_pairs()) // _PAIRS_PER_UNIT)
        tables = digest_tables(self.run_dir, ("images", "features"))
        inputs = tables | {"verdicts": digest_outputs(self.run_dir, Clean.name)}
        return [
            make_unit(
                self,
                f"part-{number:03d}",
                spec={"number": number, "tables": tables},
                outputs=[f"controls/part-{number:03d}.parquet"],
                inputs=inputs,
                settings={
                    "verify": self.settings.dump_decisive_of_pair(),
                    "calibration": self.settings.calibration.model_dump(mode="json"),
                },
            )
            for number in range(num_units)
        ]

    def run(self, unit: Unit, in_flight: InFlight) -> Counts:
        """Write one row per control pair."""
        start = int(str(unit.spec["number"])) * _PAIRS_PER_UNIT
        pairs = self._choose_pairs()[start : start + _PAIRS_PER_UNIT]
        in_flight.expect(len(pairs))
        found = [CONTROLS.schema.empty_table()]
        for first in range(0, len(pairs), _PAIRS_PER_STEP):
            some = pairs[first : first + _PAIRS_PER_STEP]
            found.append(self._verify(unit, some))
            for _ in some:
                in_flight.advance()
        controls = pa.concat_tables(found).combine_chunks()
        write_table(self.run_dir / unit.outputs[0], CONTROLS, controls)
        accepted = pc.sum(pc.not_equal(controls["verdict"], PairVerdict.REJECTED.value)).as_py()
        return {"control_pairs": len(controls), "accepted": accepted or 0}

    def _choose_pairs(self) -> list[tuple[ControlImage, ControlImage]]:
        digests = (
            digest_outputs(self.run_dir, Join.name),
            digest_outputs(self.run_dir, Clean.name),
        )
        return _choose_pairs(self.run_dir, self.settings.calibration, digests)

    def _verify(self, unit: Unit, pairs: Sequence[tuple[ControlImage, ControlImage]]) -> pa.Table:
        features = open_features(self.run_dir, digest_of(self.run_dir, unit, "features"))
        settings = self.settings.model_copy(update={"cascade": CascadeSettings(mode="exact")})
        ids_a = encode_ids([a.image_id for a, _ in pairs])
        ids_b = encode_ids([b.image_id for _, b in pairs])
        found = self.judge(features, ids_a, ids_b, settings)
        columns = {
            "image_id_a": unpack_ids(ids_a),
            "landmark_id_a": [a.landmark_id for a, _ in pairs],
            "image_id_b": unpack_ids(ids_b),
            "landmark_id_b": [b.landmark_id for _, b in pairs],
            "num_features_a": features.count_features(ids_a),
            "num_features_b": features.count_features(ids_b),
            **{name: found[name] for name in found.column_names},
        }
        return pa.table(columns, schema=CONTROLS.schema)


@lru_cache(maxsize=1)
def _choose_pairs(
    run_dir: Path, settings: CalibrationSettings, digests: tuple[str, str]
) -> list[tuple[ControlImage, ControlImage]]:
    images, kept = open_images(run_dir, digests[0]), open_kept_images(run_dir, digests[1])

    def describe(place: int) -> ControlImage:
        landmark_id = int(kept.landmark_ids[place])
        own = images.rows_of_class(landmark_id)
        row = own.start + int(np.searchsorted(images.image_ids[own], kept.image_ids[place]))
        sha256 = images.digests[row].tobytes().hex()
        return ControlImage(kept.image_ids[place].decode(), landmark_id, sha256)

    chosen = choose_control_images(list_ids(kept.image_ids), describe, settings)
    return choose_control_pairs(chosen, settings)


def read_controls(run_dir: Path) -> list[ControlPair]:
    """The verified control pairs of a run; none if the calibration was left out."""
    if not output_digests(run_dir, Calibrate.name):
        return []
    rows = read_table(table_parts(run_dir, Calibrate.name), CONTROLS).to_pylist()
    return [
        ControlPair(
            (row["image_id_a"], row["image_id_b"]),
            (row["landmark_id_a"], row["landmark_id_b"]),
            row["num_inliers"],
            PairVerdict(row["verdict"]),
        )
        for row in rows
    ]


def read_calibration(run_dir: Path, settings: VerifySettings) -> CalibrationResult | None:
    """What the control pairs of a run say; None when it has none."""
    if not output_digests(run_dir, Calibrate.name):
        return None
    return calibrate(read_controls(run_dir), settings.min_inliers, settings.calibration)
