"""Step 5: the digest of every image of the evaluation sets, to be compared byte for byte."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from manifests.certificates.covered_tables import EvaluationRole
from manifests.evaluation_sets import Box, EvaluationSet, GroundTruthError
from manifests.lineage import digest_bytes, digest_json
from manifests.parquet_io import write_rows
from pipelines.audit.tables import EVALUATED
from pipelines.evaluation_sets import StoredImage, locate_image, read_evaluation_set
from pipelines.in_flight import InFlight
from pipelines.settings import EvaluationSetSettings
from pipelines.units import Counts, Unit, make_unit

_Item = tuple[EvaluationRole, str, str | None, StoredImage]


@dataclass(frozen=True)
class DigestEvaluation:
    """Hash the queries, and the images of the database as far as they are there; a unit per set."""

    run_dir: Path
    evaluation_sets: tuple[EvaluationSetSettings, ...]
    timeout_seconds: float

    name: ClassVar[str] = "overlap.digests"
    version: ClassVar[int] = 1
    isolate: ClassVar[bool] = True

    def plan(self) -> list[Unit]:
        """One unit per evaluation set, in the order given."""
        return [
            make_unit(
                self,
                evaluation_set.name,
                spec={"number": number},
                outputs=[f"evaluated/{evaluation_set.name}.parquet"],
                inputs={"items": digest_json(list(map(_describe, _list_items(evaluation_set))))},
                settings={},
            )
            for number, evaluation_set in enumerate(self.evaluation_sets)
        ]

    def run(self, unit: Unit, in_flight: InFlight) -> Counts:
        """Write a row per image."""
        evaluation_set = self.evaluation_sets[int(str(unit.spec["number"]))]
        items = list(_list_items(evaluation_set))
        in_flight.expect(len(items))
        rows = [
            {
                "eval_set": evaluation_set.name,
                "role": role,
                "item_id": item_id,
                "box": box,
                "sha256": self._digest(image, in_flight),
            }
            for role, item_id, box, image in items
        ]
        write_rows(self.run_dir / unit.outputs[0], EVALUATED, rows)
        return {"images": len(rows)}

    def _digest(self, image: StoredImage, in_flight: InFlight) -> str:
        digest = digest_bytes(image.read())
        in_flight.advance()
        return digest


def _list_items(settings: EvaluationSetSettings) -> Iterator[_Item]:
    found = read_evaluation_set(settings)
    for query in found.queries:
        image = locate_image(settings, query.image_name)
        yield EvaluationRole.QUERY, query.query_id, _format_box(query.box), image
    yield from _list_database(settings, found)


def _list_database(settings: EvaluationSetSettings, found: EvaluationSet) -> Iterator[_Item]:
    for name in found.database:
        try:
            image = locate_image(settings, name)
        except GroundTruthError:  # many keep the queries alone
            continue
        yield EvaluationRole.DATABASE, name, None, image


def _format_box(box: Box | None) -> str | None:
    return None if box is None else ",".join(f"{side:g}" for side in box)


def _describe(item: _Item) -> list[Any]:
    """What decides the row of an image, without reading it."""
    role, item_id, box, image = item
    status = image.path.stat()
    place = [str(image.path), image.offset, image.num_bytes]
    return [role, item_id, box, *place, status.st_size, status.st_mtime_ns]
