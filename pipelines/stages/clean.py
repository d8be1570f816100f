"""Stage 5, clean: which images of each class stay in the clean split, and why."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from curation.match_graph import ScoreColumns
from curation.train_split import ClassImage, ImageVerdict, split_class
from manifests.arrow_schemas import VERDICTS
from manifests.parquet_io import write_rows
from pipelines.answer_check import AnswersOfClass, read_checked_answers
from pipelines.class_matches import ClassMatches, JudgedClass, is_accepted
from pipelines.in_flight import InFlight
from pipelines.manual_verdicts import ManualVerdicts
from pipelines.markers import output_digests
from pipelines.run_tables import (
    count_class_sizes,
    digest_of,
    digest_tables,
    open_features,
    open_images,
)
from pipelines.settings import CleanStageSettings
from pipelines.stages.verify import Verify, blocks_of
from pipelines.units import Counts, JsonValue, Unit, make_unit

_COLUMNS = ("landmark_id", "image_id_a", "image_id_b", "num_inliers", "verdict")
_LONE_CLASSES_PER_UNIT = 20_000


@dataclass(frozen=True)
class Clean:
    """Judge whole classes; one unit per unit of the verify stage, and some for lone images."""

    run_dir: Path
    settings: CleanStageSettings
    verify: Verify
    timeout_seconds: float

    name: ClassVar[str] = "clean"
    version: ClassVar[int] = 1
    isolate: ClassVar[bool] = True

    def plan(self) -> list[Unit]:
        """A class is judged where its first block was verified, with the parts of its others.

        Raises:
            ManualAnswerError: answers of people that do not fit the run.
        """
        digests = output_digests(self.run_dir, Verify.name)
        tables = digest_tables(self.run_dir, ("images", "features"))
        parts_of_class: defaultdict[int, set[str]] = defaultdict(set)
        homes: defaultdict[str, list[int]] = defaultdict(list)
        for unit in self.verify.plan():
            part = unit.outputs[0]
            for block in blocks_of(unit):
                parts_of_class[block.landmark_id].add(part)
                if block.part == 0:
                    homes[part].append(block.landmark_id)
        answers = self._read_answers(parts_of_class)
        units = [
            self._plan_unit(Path(part).stem, classes, parts_of_class, digests, tables, answers)
            for part, classes in homes.items()
        ]
        return units + self._plan_lone_classes(parts_of_class.keys(), tables)

    def run(self, unit: Unit, in_flight: InFlight) -> Counts:  # noqa: ARG002  (nothing to decode)
        """Write one verdict per image of the unit's classes."""
        classes: Sequence[int] = unit.spec["classes"]  # type: ignore[assignment]
        parts: Sequence[str] = unit.spec["matches"]  # type: ignore[assignment]
        images = open_images(self.run_dir, digest_of(self.run_dir, unit, "images"))
        features = open_features(self.run_dir, digest_of(self.run_dir, unit, "features"))
        paths = [self.run_dir / part for part in parts]
        manual = self.open_answers(unit)
        matches = ClassMatches(paths, _COLUMNS, classes, is_accepted, manual)
        rows: list[dict[str, Any]] = []
        for landmark_id in classes:
            accepted = matches.of_class(landmark_id)
            judged = JudgedClass.open(landmark_id, images, features, accepted, manual)
            rows += map(vars, self._judge(judged))
        write_rows(self.run_dir / unit.outputs[0], VERDICTS, rows)
        return {"images": len(rows), "kept": sum(row["kept"] for row in rows)}

    def open_answers(self, unit: Unit) -> ManualVerdicts:
        """What people say of pairs of a unit's classes."""
        answers: Sequence[Sequence[str]] = unit.spec.get("answers", ())  # type: ignore[assignment]
        return ManualVerdicts(answers, self.settings.min_inliers)

    def _read_answers(self, parts_of_class: Mapping[int, Iterable[str]]) -> AnswersOfClass:
        if self.settings.answers is None:
            return {}
        return read_checked_answers(self.settings.answers, self.run_dir, parts_of_class)

    def _judge(self, judged: JudgedClass) -> list[ImageVerdict]:
        described = zip(judged.ids, judged.is_described.tolist(), strict=True)
        return split_class(
            judged.landmark_id,
            [ClassImage(image_id, has_features) for image_id, has_features in described],
            ScoreColumns.of_pairs(judged.first, judged.second, judged.num_inliers),
            judged.duplicates,
            self.settings,
        )

    def _plan_lone_classes(self, paired: Iterable[int], tables: Mapping[str, str]) -> list[Unit]:
        """Classes of one usable image have no pairs; they are judged all the same."""
        lone = sorted(count_class_sizes(self.run_dir).keys() - set(paired))
        chunks = range(0, len(lone), _LONE_CLASSES_PER_UNIT)
        return [
            self._plan_unit(
                f"lone-{i:05d}", lone[start : start + _LONE_CLASSES_PER_UNIT], {}, {}, tables, {}
            )
            for i, start in enumerate(chunks)
        ]

    def _plan_unit(
        self,
        unit_id: str,
        classes: Sequence[int],
        parts_of_class: Mapping[int, Iterable[str]],
        digests: Mapping[str, str],
        tables: Mapping[str, str],
        answers: AnswersOfClass,
    ) -> Unit:
        parts = sorted({part for c in classes for part in parts_of_class.get(c, ())})
        spec: dict[str, JsonValue] = {"classes": list(classes), "matches": parts, "tables": tables}
        # Units without answers keep the fingerprint that they had before anybody answered.
        said = [pair for landmark_id in classes for pair in answers.get(landmark_id, ())]
        if said:
            spec["answers"] = sorted([*pair.image_ids, pair.answer.value] for pair in said)
        return make_unit(
            self,
            unit_id,
            spec=spec,
            outputs=[f"verdicts/{unit_id}.parquet"],
            inputs={part: digests[part] for part in parts} | dict(tables),
            settings=self.settings.dump_decisive(),
        )
