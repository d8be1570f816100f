"""Step 3: canaries and controls, made of the evaluation sets' own photographs."""

import io
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from curation.canaries import SAME_LANDMARK, render_view
from curation.canary_choice import Canary, CanarySettings, choose_canaries
from curation.images import ImageError, decode_image
from curation.shards import list_members
from manifests.atomic import replacing
from manifests.evaluation_sets import GroundTruthError
from manifests.lineage import digest_bytes
from manifests.parquet_io import read_table, write_rows
from pipelines.audit.tables import PLANTED
from pipelines.evaluation_sets import locate_image, read_evaluation_set
from pipelines.in_flight import InFlight
from pipelines.markers import output_digests
from pipelines.settings import EvaluationSetSettings
from pipelines.units import Counts, Unit, make_unit

_CANARIES_PER_UNIT = 50
_CLASSES_PER_SET = 1_000_000
"""Each canary has a class of its own, below all classes of training sets."""


@dataclass(frozen=True)
class PlantCanaries:
    """Write the pictures to be planted into shards of the work folder; a few dozen per unit."""

    run_dir: Path
    evaluation_sets: tuple[EvaluationSetSettings, ...]
    settings: CanarySettings
    item_timeout_seconds: float
    timeout_seconds: float

    name: ClassVar[str] = "ingest.canaries"
    version: ClassVar[int] = 1
    isolate: ClassVar[bool] = True

    def plan(self) -> list[Unit]:
        """Chunks of the canaries of each evaluation set."""
        return [
            self._plan_chunk(number, canaries[start : start + _CANARIES_PER_UNIT], start)
            for number, canaries in enumerate(map(self._choose, self.evaluation_sets))
            for start in range(0, len(canaries), _CANARIES_PER_UNIT)
        ]

    def run(self, unit: Unit, in_flight: InFlight) -> Counts:
        """Write a tar shard, and the table of what is in it."""
        number, start = int(str(unit.spec["number"])), int(str(unit.spec["start"]))
        evaluation_set = self.evaluation_sets[number]
        canaries = self._choose(evaluation_set)[start : start + _CANARIES_PER_UNIT]
        in_flight.expect(len(canaries))
        shard, table = (self.run_dir / output for output in unit.outputs)
        with replacing(shard) as temporary, tarfile.open(temporary, "w") as archive:
            for canary in canaries:
                data = self._make(evaluation_set, canary, in_flight)
                info = tarfile.TarInfo(_member_name(canary))
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
        rows = _list_rows(canaries, shard, -(number + 1) * _CLASSES_PER_SET - start)
        write_rows(table, PLANTED, rows)
        return {"planted": len(rows)}

    def _plan_chunk(self, number: int, canaries: Sequence[Canary], start: int) -> Unit:
        evaluation_set = self.evaluation_sets[number]
        images = {
            name: digest_bytes(locate_image(evaluation_set, name).read())
            for name in sorted({canary.image_name for canary in canaries})
        }
        name = f"{evaluation_set.name}-{start // _CANARIES_PER_UNIT:03d}"
        ids = [canary.canary_id for canary in canaries]
        return make_unit(
            self,
            name,
            spec={"number": number, "start": start, "canaries": ids},
            outputs=[f"canaries/{name}.tar", f"canaries/{name}.parquet"],
            inputs=images,
            settings=self.settings.model_dump(mode="json"),
        )

    def _choose(self, evaluation_set: EvaluationSetSettings) -> list[Canary]:
        found = read_evaluation_set(evaluation_set)
        if not found.queries:
            raise GroundTruthError(
                f"evaluation set {found.name}: has no queries, so that nothing can be compared "
                "with it; leave it out of the audit"
            )

        def is_there(image_name: str) -> bool:
            try:
                locate_image(evaluation_set, image_name)
            except GroundTruthError:
                return False
            return True

        return choose_canaries(found, self.settings, is_there)

    def _make(
        self, evaluation_set: EvaluationSetSettings, canary: Canary, in_flight: InFlight
    ) -> bytes:
        image = locate_image(evaluation_set, canary.image_name)
        if canary.kind in SAME_LANDMARK:
            return image.read()
        where = f"{image.path}: query {canary.query_id}"
        if canary.canary_id in in_flight.crashed:
            raise GroundTruthError(f"{where}: {in_flight.crashed[canary.canary_id]}; replace it")
        with in_flight.item(canary.canary_id, self.item_timeout_seconds):
            try:
                pixels = decode_image(image.read()).pixels
            except ImageError as error:
                raise GroundTruthError(f"{where}: {error}; replace the image") from error
            return render_view(pixels, canary.kind, canary.canary_id)


def read_planted(run_dir: Path) -> list[dict[str, Any]]:
    """The rows of the table of what was planted."""
    digests = output_digests(run_dir, PlantCanaries.name)
    parts = [run_dir / path for path in digests if path.endswith(".parquet")]
    rows: list[dict[str, Any]] = read_table(parts, PLANTED).to_pylist()
    return rows


def _member_name(canary: Canary) -> str:
    return f"{canary.canary_id.replace(':', '/')}.jpg"


def _list_rows(
    canaries: Sequence[Canary], shard: Path, first_landmark_id: int
) -> list[dict[str, Any]]:
    return [
        {
            "image_id": canary.canary_id,
            "landmark_id": first_landmark_id - place,
            "eval_set": canary.eval_set,
            "kind": canary.kind,
            "query_id": canary.query_id,
            "shard": f"{shard.parent.name}/{shard.name}",
            "member": member.name,
            "offset": member.offset,
            "num_bytes": member.num_bytes,
        }
        for place, (canary, member) in enumerate(zip(canaries, list_members(shard), strict=True))
    ]
