"""Step 5: the digest of every image of the evaluation sets, to be compared byte for byte."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from manifests.certificates.covered_tables import EvaluationRole
from manifests.evaluation_sets import Box, GroundTruthError
from manifests.lineage import digest_bytes, digest_json
from manifests.parquet_io import write_rows
from pipelines.audit.tables import EVALUATED
from pipelines.evaluation_sets import StoredImage, open_locator, read_evaluation_set
from pipelines.in_flight import InFlight
from pipelines.settings import EvaluationSetSettings
from pipelines.stages.digest_queries import list_blocks, read_digested
from pipelines.units import Counts, Unit, make_unit

_IMAGES_PER_UNIT = 1000


@dataclass(frozen=True)
class DigestEvaluation:
    """Hash the images of the databases, as far as they are there; those of queries are known.

    Units are a block of queries, or of images of a database.
    """

    run_dir: Path
    evaluation_sets: tuple[EvaluationSetSettings, ...]
    timeout_seconds: float

    name: ClassVar[str] = "overlap.digests"
    version: ClassVar[int] = 2
    isolate: ClassVar[bool] = True

    def plan(self) -> list[Unit]:
        """The blocks of queries, then those of each database."""
        blocks = list_blocks(self.run_dir, [s.name for s in self.evaluation_sets])
        units = [self._plan_queries(part, digest) for part, digest in blocks.items()]
        return [*units, *(unit for s in self.evaluation_sets for unit in self._plan_database(s))]

    def run(self, unit: Unit, in_flight: InFlight) -> Counts:
        """Write a row per image."""
        if "queries" in unit.spec:
            rows = _list_queries(self.run_dir / str(unit.spec["queries"]))
        else:
            rows = list(self._digest_database(unit, in_flight))
        write_rows(self.run_dir / unit.outputs[0], EVALUATED, rows)
        return {"images": len(rows)}

    def _plan_queries(self, part: str, digest: str) -> Unit:
        eval_set, _, number = Path(part).stem.rpartition("-")
        name = f"{eval_set}.queries-{number}"
        return make_unit(
            self,
            name,
            spec={"queries": part},
            outputs=[f"evaluated/{name}.parquet"],
            inputs={"queries": digest},
            settings={},
        )

    def _plan_database(self, evaluation_set: EvaluationSetSettings) -> Iterator[Unit]:
        database = read_evaluation_set(evaluation_set).database
        locate = open_locator(evaluation_set)
        for number, start in enumerate(range(0, len(database), _IMAGES_PER_UNIT)):
            found = list(_find_present(locate, database[start : start + _IMAGES_PER_UNIT]))
            # Called so that the parts of a set, by name, begin with those of its queries.
            name = f"{evaluation_set.name}.searched-{number:03d}"
            yield make_unit(
                self,
                name,
                spec={"eval_set": evaluation_set.name, "names": [name for name, _ in found]},
                outputs=[f"evaluated/{name}.parquet"],
                inputs={"files": digest_json([image.describe_state() for _, image in found])},
                settings={},
            )

    def _digest_database(self, unit: Unit, in_flight: InFlight) -> Iterator[dict[str, Any]]:
        evaluation_set = next(s for s in self.evaluation_sets if s.name == unit.spec["eval_set"])
        names: Sequence[str] = unit.spec["names"]  # type: ignore[assignment]
        in_flight.expect(len(names))
        locate = open_locator(evaluation_set)
        for name in names:
            sha256 = digest_bytes(locate(name).read())
            in_flight.advance()
            yield _make_row(evaluation_set.name, EvaluationRole.DATABASE, name, None, sha256)


def _find_present(
    locate: Callable[[str], StoredImage], names: Sequence[str]
) -> Iterator[tuple[str, StoredImage]]:
    for name in names:
        try:
            image = locate(name)
        except GroundTruthError:  # many keep the queries alone
            continue
        yield name, image


def _list_queries(part: Path) -> list[dict[str, Any]]:
    return [
        _make_row(
            digested.eval_set,
            EvaluationRole.QUERY,
            digested.query.query_id,
            _format_box(digested.query.box),
            digested.sha256,
        )
        for digested in read_digested(part)
    ]


def _make_row(
    eval_set: str, role: EvaluationRole, item_id: str, box: str | None, sha256: str
) -> dict[str, Any]:
    row = {"eval_set": eval_set, "role": role, "item_id": item_id, "box": box}
    return row | {"sha256": sha256}


def _format_box(box: Box | None) -> str | None:
    return None if box is None else ",".join(f"{side:g}" for side in box)
