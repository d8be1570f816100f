"""Stage 8, emit: the published manifests, and a reason for every image that is not in them."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pyarrow as pa
import pyarrow.compute as pc

from curation.removal_policies import RemovalPlan
from manifests.arrow_schemas import IMAGES, MANIFEST, REMOVED
from manifests.gldv2_csv import write_train_clean_table
from manifests.id_arrays import unpack_ids
from manifests.lineage import CODE_VERSION, digest_file, digest_json
from manifests.manifest_json import (
    Manifest,
    ManifestCounts,
    ManualAnswers,
    RemovedClass,
    SplitCounts,
    write_manifest,
)
from manifests.parquet_io import count_rows, iterate_table, write_pieces
from manifests.rows import ImageReason
from pipelines.decision_log import decision_parts
from pipelines.dropped_copies import (
    count_cross_duplicates,
    count_index_duplicates,
    drop_copies,
    drop_index_copies,
)
from pipelines.in_flight import InFlight
from pipelines.manifest_rows import Fate, explain_removals, make_manifest
from pipelines.markers import output_digests
from pipelines.run_folder import table_parts
from pipelines.run_removals import (
    describe_removals,
    explain_classes,
    explain_images,
    plan_run_removals,
)
from pipelines.run_tables import read_landmark_names
from pipelines.settings import EmitSettings, VerifySettings
from pipelines.stages.calibrate import Calibrate, read_calibration
from pipelines.stages.clean import Clean
from pipelines.stages.cross_duplicates import FindCrossDuplicates
from pipelines.stages.index_duplicates import FindIndexDuplicates
from pipelines.stages.ingest import Join
from pipelines.stages.overlap import Overlap
from pipelines.stages.uncertain import ListUncertain
from pipelines.uncertain_list import (
    count_answers,
    count_uncertain_pairs,
    has_uncertain_pairs,
    write_decisive_pairs,
)
from pipelines.units import Counts, JsonValue, Unit, make_unit
from pipelines.verdict_columns import VerdictColumns, read_verdicts

FOLDER = "manifests"
_SPLITS = ("train", "val")
CLEAN, DEOVERLAPPED, REMOVED_ROWS = "gldv2_clean", "rgldv2_clean", "removed"
"""The three tables: the clean split, the clean split without overlap, and what is in neither."""
DECISIVE_PAIRS = "decisive_pairs.csv"
"""Uncertain pairs that decide an image's fate, for people to look at."""


@dataclass(frozen=True)
class Emit:
    """Write the manifests; one unit, because class numbers and counts need everything."""

    run_dir: Path
    settings: EmitSettings
    verify: VerifySettings
    uncertain: ListUncertain
    config_digest: str
    timeout_seconds: float
    manifests_dir: Path | None = None
    """Where to write; the run's own folder unless another is given."""

    name: ClassVar[str] = "emit"
    version: ClassVar[int] = 5
    isolate: ClassVar[bool] = True

    def plan(self) -> list[Unit]:
        """A single unit that depends on images, verdicts, candidates and decisions."""
        names = [Path(part).name for part in output_digests(self.run_dir, Join.name)]
        tables = (CLEAN, DEOVERLAPPED, REMOVED_ROWS)
        outputs = [f"{FOLDER}/{table}/{name}" for table in tables for name in names]
        outputs += [f"{FOLDER}/{table}/train_clean.csv" for table in (CLEAN, DEOVERLAPPED)]
        if has_uncertain_pairs(self.run_dir):
            outputs.append(f"{FOLDER}/{DECISIVE_PAIRS}")
        unit = make_unit(
            self,
            "manifests",
            spec={"parts": names} | self._count_answers(),
            outputs=[*outputs, f"{FOLDER}/manifest.json"],
            inputs=self._parents(),
            settings={
                "emit": self.settings.model_dump(mode="json"),
                "config_digest": self.config_digest,
                "code_version": CODE_VERSION,
            },
        )
        return [unit]

    def run(self, unit: Unit, in_flight: InFlight) -> Counts:  # noqa: ARG002  (nothing to decode)
        """Write manifests and removed images shard by shard, `manifest.json` last."""
        plan = plan_run_removals(self.run_dir, self.settings)
        parts = table_parts(self.run_dir, Join.name)
        fates = self._choose_fates(plan, read_verdicts(self.run_dir))
        totals = _Totals()
        for part in parts:
            self._write_shard(part, fates, totals)
        for table, fate in fates.items():
            _write_train_clean(self._path(f"{table}/train_clean.csv"), fate)
        names = read_landmark_names(parts)
        if has_uncertain_pairs(self.run_dir):
            threshold = self.uncertain.clean.settings.min_inliers
            write_decisive_pairs(self._path(DECISIVE_PAIRS), self.run_dir, threshold, names)
        manifest = self._describe(unit, plan, names, fates, totals)
        write_manifest(self._path("manifest.json"), manifest)
        return {
            "kept": manifest.counts.images,
            "removed": sum(sum(by_reason.values()) for by_reason in manifest.removed.values()),
            "removed_classes": len(plan.removals),
            "pending": len(plan.pending),
        }

    def _count_answers(self) -> dict[str, JsonValue]:
        """What the unit is told of people's answers: the file need not be where it runs."""
        path = self.uncertain.clean.settings.answers
        return {} if path is None else {"answers": count_answers(path).model_dump()}

    def _path(self, name: str) -> Path:
        return (self.manifests_dir or self.run_dir / FOLDER) / name

    def _parents(self) -> dict[str, str]:
        parents = {
            table: digest_json(output_digests(self.run_dir, stage))
            for table, stage in (
                ("images", Join.name),
                ("controls", Calibrate.name),
                ("verdicts", Clean.name),
                ("uncertain_pairs", ListUncertain.name),
                ("cross_duplicates", FindCrossDuplicates.name),
                ("index_duplicates", FindIndexDuplicates.name),
                ("candidates", Overlap.name),
            )
        }
        decisions = [digest_file(part) for part in decision_parts(self.run_dir)]
        return parents | {"decisions": digest_json(decisions)}

    def _choose_fates(self, plan: RemovalPlan, verdicts: VerdictColumns) -> dict[str, Fate]:
        copies = drop_index_copies(self.run_dir, self.settings)
        copies |= drop_copies(self.run_dir, verdicts.kept_class_sizes, self.settings)
        classes, images = explain_classes(plan), copies
        if self.settings.removes == "images":
            classes, images = {}, explain_images(plan) | copies
        return {
            CLEAN: Fate.choose(verdicts, {}, copies, self.settings),
            DEOVERLAPPED: Fate.choose(verdicts, classes, images, self.settings),
        }

    def _write_shard(self, part: Path, fates: Mapping[str, Fate], totals: "_Totals") -> None:
        """Write what becomes of the images of a shard, some rows at a time."""
        for table, fate in fates.items():
            kept = (make_manifest(rows, fate) for rows in iterate_table(part, IMAGES))
            path = self._path(f"{table}/{part.name}")
            write_pieces(path, MANIFEST, totals.watch_kept(table, kept))
        final = fates[DEOVERLAPPED]
        gone = (explain_removals(rows, final) for rows in iterate_table(part, IMAGES))
        path = self._path(f"{REMOVED_ROWS}/{part.name}")
        write_pieces(path, REMOVED, totals.watch_removed(gone))
        totals.ingested += count_rows(part, IMAGES)

    def _describe(
        self,
        unit: Unit,
        plan: RemovalPlan,
        names: Mapping[int, str],
        fates: Mapping[str, Fate],
        totals: "_Totals",
    ) -> Manifest:
        files = [output.removeprefix(f"{FOLDER}/") for output in unit.outputs[:-1]]
        removals = self._describe_removals(plan, names, fates)
        of_classes = self.settings.removes == "classes"
        answers = unit.spec.get("answers")
        return Manifest(
            counts=totals.count(DEOVERLAPPED),
            gldv2_clean=totals.count(CLEAN),
            ingested=totals.ingested,
            removed={s: dict(sorted(n.items())) for s, n in sorted(totals.removed.items())},
            digests={name: digest_file(self._path(name)) for name in sorted(files)},
            config_digest=self.config_digest,
            code_version=CODE_VERSION,
            policy=self.settings.model_dump(mode="json"),
            parents=self._parents(),
            removed_classes=removals if of_classes else (),
            reduced_classes=() if of_classes else removals,
            calibration=read_calibration(self.run_dir, self.verify),
            uncertain=count_uncertain_pairs(self.uncertain),
            answers=answers and ManualAnswers.model_validate(answers),
            cross_duplicates=count_cross_duplicates(
                self.run_dir, totals.count_removed(ImageReason.CROSS_CLASS_DUPLICATE)
            ),
            index_duplicates=count_index_duplicates(
                self.run_dir, totals.count_removed(ImageReason.INDEX_DUPLICATE)
            ),
            ties=tuple(f"{tie.query.eval_set}/{tie.query.query_id}" for tie in plan.ties),
            pending=len(plan.pending),
            unmatched_decisions=len(plan.unmatched),
        )

    def _describe_removals(
        self, plan: RemovalPlan, names: Mapping[int, str], fates: Mapping[str, Fate]
    ) -> tuple[RemovedClass, ...]:
        """The removals, each with the number of images that left for it."""
        left = fates[DEOVERLAPPED].class_sizes
        num_gone = {c: size - left.get(c, 0) for c, size in fates[CLEAN].class_sizes.items()}
        return describe_removals(plan, names, num_gone)


class _Totals:
    """Counts rows as they are written."""

    def __init__(self) -> None:
        self.ingested = 0
        self.removed: dict[str, Counter[str]] = {}
        self._kept: Counter[tuple[str, str]] = Counter()
        self._classes: defaultdict[tuple[str, str], set[int]] = defaultdict(set)

    def watch_kept(self, table: str, pieces: Iterable[pa.Table]) -> Iterator[pa.Table]:
        """Count rows of a manifest on their way."""
        for rows in pieces:
            for split in _SPLITS:
                own = rows["landmark_id"].filter(pc.equal(rows["split"], split))
                self._kept[table, split] += len(own)
                self._classes[table, split].update(own.unique().to_pylist())
            yield rows

    def watch_removed(self, pieces: Iterable[pa.Table]) -> Iterator[pa.Table]:
        """Count rows of the table `removed` on their way."""
        for rows in pieces:
            counted = rows.group_by(["stage", "reason"]).aggregate([([], "count_all")])
            for row in counted.to_pylist():
                by_reason = self.removed.setdefault(row["stage"], Counter())
                by_reason[row["reason"]] += row["count_all"]
            yield rows

    def count_removed(self, reason: str) -> int:
        return sum(by_reason[str(reason)] for by_reason in self.removed.values())

    def count(self, table: str) -> ManifestCounts:
        splits = {split: self._count(table, (split,)) for split in _SPLITS}
        whole = self._count(table, _SPLITS)
        return ManifestCounts(images=whole.images, classes=whole.classes, splits=splits)

    def _count(self, table: str, splits: tuple[str, ...]) -> SplitCounts:
        classes = {c for split in splits for c in self._classes[table, split]}
        num_images = sum(self._kept[table, split] for split in splits)
        return SplitCounts(images=num_images, classes=len(classes))


def _write_train_clean(path: Path, fate: Fate) -> None:
    image_ids = unpack_ids(fate.verdicts.image_ids[fate.kept])
    landmark_ids = fate.verdicts.landmark_ids[fate.kept]
    columns = {"image_id": image_ids, "landmark_id": landmark_ids}
    write_train_clean_table(path, pa.table(columns))
