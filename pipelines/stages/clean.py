"""Stage 5, clean: which images of each class stay in the clean split, and why."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd

from curation.duplicates import DuplicateGroups, ImageFile, group_duplicates
from curation.match_graph import DirectedScore, score_both_ways
from curation.train_split import ClassImage, CleanSettings, ImageVerdict, split_class
from manifests.arrow_schemas import MATCHES, VERDICTS
from manifests.parquet_io import read_table, write_rows
from manifests.rows import PairVerdict
from pipelines.in_flight import InFlight
from pipelines.markers import output_digests
from pipelines.run_tables import open_features, open_images
from pipelines.stages.describe import Describe
from pipelines.stages.ingest import Join
from pipelines.stages.verify import Verify, blocks_of
from pipelines.units import Counts, Unit, make_unit

_COLUMNS = ("landmark_id", "image_id_a", "image_id_b", "num_inliers", "verdict")
_LONE_CLASSES_PER_UNIT = 20_000


@dataclass(frozen=True)
class Clean:
    """Judge whole classes; one unit per unit of the verify stage, and some for lone images."""

    run_dir: Path
    settings: CleanSettings
    verify: Verify
    timeout_seconds: float

    name: ClassVar[str] = "clean"
    version: ClassVar[int] = 1
    isolate: ClassVar[bool] = True

    def plan(self) -> list[Unit]:
        """A class is judged where its first block was verified, with the parts of its others."""
        digests = output_digests(self.run_dir, Verify.name)
        parts_of_class: defaultdict[int, set[str]] = defaultdict(set)
        homes: defaultdict[str, list[int]] = defaultdict(list)
        for unit in self.verify.plan():
            part = unit.outputs[0]
            for block in blocks_of(unit):
                parts_of_class[block.landmark_id].add(part)
                if block.part == 0:
                    homes[part].append(block.landmark_id)
        units = [
            self._plan_unit(Path(part).stem, classes, parts_of_class, digests)
            for part, classes in homes.items()
        ]
        return units + self._plan_lone_classes(set(parts_of_class))

    def run(self, unit: Unit, in_flight: InFlight) -> Counts:  # noqa: ARG002  (nothing to decode)
        """Write one verdict per image of the unit's classes."""
        classes: Sequence[int] = unit.spec["classes"]  # type: ignore[assignment]
        parts: Sequence[str] = unit.spec["matches"]  # type: ignore[assignment]
        matches = read_table([self.run_dir / part for part in parts], MATCHES, _COLUMNS)
        passed = matches.to_pandas().query("verdict != @PairVerdict.REJECTED.value")
        by_class = dict(iter(passed.groupby("landmark_id")))
        nothing = passed.iloc[:0]
        rows: list[dict[str, Any]] = []
        for landmark_id in classes:
            files = class_files(self.run_dir, landmark_id)
            verdicts = self._judge(landmark_id, files, by_class.get(landmark_id, nothing))
            rows += [asdict(verdict) for verdict in verdicts]
        write_rows(self.run_dir / unit.outputs[0], VERDICTS, rows)
        return {"images": len(rows), "kept": sum(row["kept"] for row in rows)}

    def _judge(
        self, landmark_id: int, files: Sequence[ImageFile], matches: pd.DataFrame
    ) -> list[ImageVerdict]:
        images = class_images(self.run_dir, files)
        duplicates = find_copies(files, matches)
        return split_class(landmark_id, images, _scores(matches), duplicates, self.settings)

    def _plan_lone_classes(self, paired: Iterable[int]) -> list[Unit]:
        """Classes of one usable image have no pairs; they are judged all the same."""
        lone = sorted(set(open_images(self.run_dir).class_sizes) - set(paired))
        chunks = range(0, len(lone), _LONE_CLASSES_PER_UNIT)
        return [
            self._plan_unit(f"lone-{i:05d}", lone[start : start + _LONE_CLASSES_PER_UNIT], {}, {})
            for i, start in enumerate(chunks)
        ]

    def _plan_unit(
        self,
        unit_id: str,
        classes: Sequence[int],
        parts_of_class: Mapping[int, Iterable[str]],
        digests: Mapping[str, str],
    ) -> Unit:
        parts = sorted({part for c in classes for part in parts_of_class.get(c, ())})
        inputs = {part: digests[part] for part in parts}
        for stage in (Join, Describe):
            inputs |= output_digests(self.run_dir, stage.name)
        return make_unit(
            self,
            unit_id,
            spec={"classes": list(classes), "matches": parts},
            outputs=[f"verdicts/{unit_id}.parquet"],
            inputs=inputs,
            settings=self.settings.model_dump(mode="json"),
        )


def class_files(run_dir: Path, landmark_id: int) -> list[ImageFile]:
    """The usable files of a class, by image id."""
    return [
        ImageFile(row.image_id, row.sha256, row.width, row.height)  # type: ignore[arg-type]
        for row in open_images(run_dir).of_class(landmark_id).itertuples()
    ]


def class_images(run_dir: Path, files: Iterable[ImageFile]) -> list[ClassImage]:
    """The images of a class as they enter the cleaning."""
    features = open_features(run_dir)
    return [ClassImage(f.image_id, features.num_features(f.image_id) > 0) for f in files]


def find_copies(files: Iterable[ImageFile], matches: pd.DataFrame) -> DuplicateGroups:
    """Groups of copies, from equal bytes and from rows of the table `matches`."""
    copies = matches[matches["verdict"] == PairVerdict.DUPLICATE]
    return group_duplicates(files, zip(copies["image_id_a"], copies["image_id_b"], strict=True))


def _scores(matches: pd.DataFrame) -> list[DirectedScore]:
    pairs = zip(matches["image_id_a"], matches["image_id_b"], matches["num_inliers"], strict=True)
    return [score for a, b, count in pairs for score in score_both_ways(a, b, int(count))]
