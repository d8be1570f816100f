"""Stage 8, emit: the published manifests, and a reason for every image that is not in them."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from curation.class_index import choose_val_images, index_classes
from curation.removal_policies import RemovalPlan, remove_classes
from manifests.arrow_schemas import IMAGES, MANIFEST, REMOVED
from manifests.gldv2_csv import write_train_clean_csv
from manifests.lineage import CODE_VERSION, digest_file, digest_json
from manifests.manifest_json import (
    Manifest,
    ManifestCounts,
    RemovedClass,
    SplitCounts,
    write_manifest,
)
from manifests.parquet_io import read_table, write_rows
from manifests.rows import ImageReason
from pipelines.decision_log import decision_parts
from pipelines.dropped_copies import (
    count_cross_duplicates,
    count_index_duplicates,
    drop_copies,
    drop_index_copies,
)
from pipelines.in_flight import InFlight
from pipelines.manifest_rows import Cause, Fate, Row, Verdicts, explain_removal, manifest_row
from pipelines.markers import output_digests
from pipelines.run_folder import table_parts
from pipelines.run_removals import (
    describe_removals,
    explain_classes,
    explain_images,
    plan_run_removals,
)
from pipelines.settings import EmitSettings, VerifySettings
from pipelines.stages.calibrate import Calibrate, read_calibration
from pipelines.stages.clean import Clean
from pipelines.stages.cross_duplicates import FindCrossDuplicates
from pipelines.stages.index_duplicates import FindIndexDuplicates
from pipelines.stages.ingest import Join
from pipelines.stages.overlap import Overlap
from pipelines.stages.uncertain import ListUncertain
from pipelines.uncertain_list import (
    count_uncertain_pairs,
    has_uncertain_pairs,
    write_decisive_pairs,
)
from pipelines.units import Counts, Unit, make_unit

FOLDER = "manifests"
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
    version: ClassVar[int] = 4
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
            spec={"parts": names},
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
        verdicts = Verdicts.load(self.run_dir)
        fates = self._choose_fates(plan, verdicts)
        totals = _Totals()
        for part in table_parts(self.run_dir, Join.name):
            self._write_shard(part, verdicts, fates, totals)
        for table, fate in fates.items():
            write_train_clean_csv(self._path(f"{table}/train_clean.csv"), fate.classes)
        if has_uncertain_pairs(self.run_dir):
            names = verdicts.landmark_names
            threshold = self.uncertain.clean.settings.min_inliers
            write_decisive_pairs(self._path(DECISIVE_PAIRS), self.run_dir, threshold, names)
        manifest = self._describe(unit, plan, verdicts, fates, totals)
        write_manifest(self._path("manifest.json"), manifest)
        return {
            "kept": manifest.counts.images,
            "removed": sum(sum(by_reason.values()) for by_reason in manifest.removed.values()),
            "removed_classes": len(plan.removals),
            "pending": len(plan.pending),
        }

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

    def _choose_fates(self, plan: RemovalPlan, verdicts: Verdicts) -> dict[str, Fate]:
        copies = drop_index_copies(self.run_dir, self.settings)
        copies |= drop_copies(self.run_dir, verdicts.kept_by_class, self.settings)
        classes, images = explain_classes(plan), copies
        if self.settings.removes == "images":
            classes, images = {}, explain_images(plan) | copies
        return {
            CLEAN: _make_fate(verdicts, {}, copies, self.settings),
            DEOVERLAPPED: _make_fate(verdicts, classes, images, self.settings),
        }

    def _write_shard(
        self, part: Path, verdicts: Verdicts, fates: Mapping[str, Fate], totals: "_Totals"
    ) -> None:
        images = read_table(part, IMAGES).to_pylist()
        for table, fate in fates.items():
            rows = [manifest_row(image, verdicts, fate) for image in images if fate.keeps(image)]
            write_rows(self._path(f"{table}/{part.name}"), MANIFEST, rows)
            totals.add_kept(table, rows)
        final = fates[DEOVERLAPPED]
        gone = [
            explain_removal(image, verdicts, final) for image in images if not final.keeps(image)
        ]
        write_rows(self._path(f"{REMOVED_ROWS}/{part.name}"), REMOVED, gone)
        totals.add_removed(len(images), gone)

    def _describe(
        self,
        unit: Unit,
        plan: RemovalPlan,
        verdicts: Verdicts,
        fates: Mapping[str, Fate],
        totals: "_Totals",
    ) -> Manifest:
        files = [output.removeprefix(f"{FOLDER}/") for output in unit.outputs[:-1]]
        removals = self._describe_removals(plan, verdicts, fates)
        of_classes = self.settings.removes == "classes"
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
        self, plan: RemovalPlan, verdicts: Verdicts, fates: Mapping[str, Fate]
    ) -> tuple[RemovedClass, ...]:
        """The removals, each with the number of images that left for it."""
        left = fates[DEOVERLAPPED].classes
        num_gone = {
            c: len(image_ids) - len(left.get(c, ()))
            for c, image_ids in fates[CLEAN].classes.items()
        }
        return describe_removals(plan, verdicts.landmark_names, num_gone)


class _Totals:
    """Counts rows as they are written."""

    def __init__(self) -> None:
        self.ingested = 0
        self.removed: dict[str, Counter[str]] = {}
        self._kept: Counter[tuple[str, str, int]] = Counter()

    def add_kept(self, table: str, rows: list[Row]) -> None:
        self._kept.update((table, row["split"], row["landmark_id"]) for row in rows)

    def add_removed(self, num_images: int, rows: list[Row]) -> None:
        self.ingested += num_images
        for row in rows:
            self.removed.setdefault(row["stage"], Counter())[str(row["reason"])] += 1

    def count_removed(self, reason: str) -> int:
        return sum(by_reason[str(reason)] for by_reason in self.removed.values())

    def count(self, table: str) -> ManifestCounts:
        splits = {split: self._count(table, (split,)) for split in ("train", "val")}
        whole = self._count(table, tuple(splits))
        return ManifestCounts(images=whole.images, classes=whole.classes, splits=splits)

    def _count(self, table: str, splits: tuple[str, ...]) -> SplitCounts:
        cells = {k: n for k, n in self._kept.items() if k[0] == table and k[1] in splits}
        return SplitCounts(images=sum(cells.values()), classes=len({k[2] for k in cells}))


def _make_fate(
    verdicts: Verdicts,
    removed: Mapping[int, Cause],
    removed_images: Mapping[str, Cause],
    settings: EmitSettings,
) -> Fate:
    left = {
        c: [image_id for image_id in image_ids if image_id not in removed_images]
        for c, image_ids in remove_classes(verdicts.kept_by_class, removed.keys()).items()
    }
    classes = {c: image_ids for c, image_ids in left.items() if image_ids}
    val_images: set[str] = set()
    for image_ids in classes.values():
        val_images |= choose_val_images(image_ids, settings)
    return Fate(classes, index_classes(classes), frozenset(val_images), removed, removed_images)
