"""Stage 5, second step: does the threshold on inliers hold for these photographs?

Verifies a fair sample of pairs of different classes of the clean split, with all features and
without rejecting early. Before the cleaning, wrong labels would put photographs of one place into
two classes. `curation.calibration` draws conclusions when the manifests are written.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from curation.calibration import (
    ControlImage,
    ControlPair,
    calibrate,
    choose_control_pairs,
)
from curation.verification import CascadeSettings, verify_pair
from manifests.arrow_schemas import CONTROLS, VERDICTS
from manifests.manifest_json import CalibrationResult
from manifests.parquet_io import read_table, write_rows
from manifests.rows import PairVerdict
from pipelines.in_flight import InFlight
from pipelines.markers import output_digests
from pipelines.pair_verification import evidence
from pipelines.run_folder import table_parts
from pipelines.run_tables import open_features, open_images
from pipelines.settings import VerifySettings
from pipelines.stages.clean import Clean
from pipelines.stages.describe import Describe
from pipelines.stages.ingest import Join
from pipelines.units import Counts, Unit, make_unit

_PAIRS_PER_UNIT = 1000


@dataclass(frozen=True)
class Calibrate:
    """Verify control pairs; units of a thousand."""

    run_dir: Path
    settings: VerifySettings
    timeout_seconds: float

    name: ClassVar[str] = "clean.calibrate"
    version: ClassVar[int] = 2
    isolate: ClassVar[bool] = True

    def plan(self) -> list[Unit]:
        """As many units as there are thousands of control pairs; none without any."""
        num_units = -(-len(self._choose_pairs()) // _PAIRS_PER_UNIT)
        inputs = {
            path: digest
            for stage in (Join, Describe, Clean)
            for path, digest in output_digests(self.run_dir, stage.name).items()
        }
        return [
            make_unit(
                self,
                f"part-{number:03d}",
                spec={"number": number},
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
        rows = []
        for a, b in pairs:
            rows.append(self._verify(a, b))
            in_flight.advance()
        write_rows(self.run_dir / unit.outputs[0], CONTROLS, rows)
        accepted = sum(row["verdict"] != PairVerdict.REJECTED for row in rows)
        return {"control_pairs": len(rows), "accepted": accepted}

    def _choose_pairs(self) -> list[tuple[ControlImage, ControlImage]]:
        verdicts = read_table(
            table_parts(self.run_dir, Clean.name), VERDICTS, ["image_id", "kept"]
        ).to_pandas()
        kept = set(verdicts.loc[verdicts["kept"], "image_id"])
        frame = open_images(self.run_dir).frame
        columns = zip(frame["image_id"], frame["landmark_id"], frame["sha256"], strict=True)
        images = [ControlImage(i, int(c), s) for i, c, s in columns if i in kept]
        return choose_control_pairs(images, self.settings.calibration)

    def _verify(self, a: ControlImage, b: ControlImage) -> dict[str, Any]:
        features = open_features(self.run_dir)
        settings = self.settings.model_copy(update={"cascade": CascadeSettings(mode="exact")})
        features_a, features_b = features.load(a.image_id), features.load(b.image_id)
        return {
            "image_id_a": a.image_id,
            "landmark_id_a": a.landmark_id,
            "image_id_b": b.image_id,
            "landmark_id_b": b.landmark_id,
            "num_features_a": len(features_a),
            "num_features_b": len(features_b),
            **evidence(verify_pair(features_a, features_b, settings)),
        }


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
