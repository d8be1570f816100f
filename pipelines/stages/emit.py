"""Stage 8, emit: the published manifests, and a reason for every image that is not in them."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from curation.class_index import choose_val_images, index_classes
from curation.removal_policies import (
    CandidateKey,
    RemovalPlan,
    RemovalSettings,
    ReviewedCandidate,
    plan_removals,
)
from manifests.arrow_schemas import CANDIDATES, IMAGES, MANIFEST, REMOVED
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
from manifests.rows import CandidateSource, CandidateVerdict
from pipelines.decision_log import current_decisions, decision_parts
from pipelines.in_flight import InFlight
from pipelines.manifest_rows import Fate, Row, Verdicts, explain_removal, manifest_row
from pipelines.markers import output_digests
from pipelines.run_folder import table_parts
from pipelines.settings import EmitSettings, VerifySettings
from pipelines.stages.calibrate import Calibrate, read_calibration
from pipelines.stages.clean import Clean
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

    name: ClassVar[str] = "emit"
    version: ClassVar[int] = 2
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
        plan = self._plan_removals()
        verdicts = Verdicts.load(self.run_dir)
        fates = {
            CLEAN: _choose_fates(verdicts, {}, self.settings),
            DEOVERLAPPED: _choose_fates(verdicts, _evidence_by_class(plan), self.settings),
        }
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
        return self.run_dir / FOLDER / name

    def _parents(self) -> dict[str, str]:
        parents = {
            table: digest_json(output_digests(self.run_dir, stage))
            for table, stage in (
                ("images", Join.name),
                ("controls", Calibrate.name),
                ("verdicts", Clean.name),
                ("uncertain_pairs", ListUncertain.name),
                ("candidates", Overlap.name),
            )
        }
        decisions = [digest_file(part) for part in decision_parts(self.run_dir)]
        return parents | {"decisions": digest_json(decisions)}

    def _plan_removals(self) -> RemovalPlan:
        rows: list[Row] = []
        if output_digests(self.run_dir, Overlap.name):
            rows = read_table(table_parts(self.run_dir, Overlap.name), CANDIDATES).to_pylist()
        candidates = [
            ReviewedCandidate(
                CandidateKey(row["eval_set"], row["query_id"], row["image_id"]),
                row["landmark_id"],
                row["num_inliers"],
                CandidateVerdict(row["verdict"]),
                CandidateSource(row["source"]),
            )
            for row in rows
        ]
        settings = RemovalSettings(
            policy=self.settings.policy, min_confirmations=self.settings.min_confirmations
        )
        return plan_removals(candidates, current_decisions(self.run_dir), settings)

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
        sizes = {c: len(image_ids) for c, image_ids in fates[CLEAN].classes.items()}
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
            removed_classes=tuple(
                RemovedClass(
                    landmark_id=removal.landmark_id,
                    landmark_name=verdicts.landmark_names.get(removal.landmark_id),
                    images=sizes.get(removal.landmark_id, 0),
                    reason=removal.reason,
                    evidence=removal.evidence,
                    queries=tuple(f"{q.eval_set}/{q.query_id}" for q in removal.queries),
                    reviewers=removal.reviewers,
                    runner_ups=tuple(sorted({c.landmark_id for c in removal.runner_ups})),
                )
                for removal in plan.removals
            ),
            calibration=read_calibration(self.run_dir, self.verify),
            uncertain=count_uncertain_pairs(self.uncertain),
            ties=tuple(f"{tie.query.eval_set}/{tie.query.query_id}" for tie in plan.ties),
            pending=len(plan.pending),
            unmatched_decisions=len(plan.unmatched),
        )


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

    def count(self, table: str) -> ManifestCounts:
        splits = {split: self._count(table, (split,)) for split in ("train", "val")}
        whole = self._count(table, tuple(splits))
        return ManifestCounts(images=whole.images, classes=whole.classes, splits=splits)

    def _count(self, table: str, splits: tuple[str, ...]) -> SplitCounts:
        cells = {k: n for k, n in self._kept.items() if k[0] == table and k[1] in splits}
        return SplitCounts(images=sum(cells.values()), classes=len({k[2] for k in cells}))


def _evidence_by_class(plan: RemovalPlan) -> dict[int, tuple[str, str]]:
    return {r.landmark_id: (str(r.reason), r.evidence) for r in plan.removals}


def _choose_fates(
    verdicts: Verdicts, removed: Mapping[int, tuple[str, str]], settings: EmitSettings
) -> Fate:
    classes = {c: ids for c, ids in verdicts.kept_by_class.items() if c not in removed}
    val_images: set[str] = set()
    for image_ids in classes.values():
        val_images |= choose_val_images(image_ids, settings)
    return Fate(classes, index_classes(classes), frozenset(val_images), removed)
