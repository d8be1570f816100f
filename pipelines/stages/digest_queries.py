"""Stage 6, first step: the queries of the evaluation sets, and what their images hold.

An evaluation set may be as large as R1M, a million images (Radenovic et al. 2018). Planning looks
at none of them: a unit is done again where a file looks other than it did, as with the shards of
the training set. What a file holds is read here, by the workers, and the comparison depends on
that alone: a set that was merely copied elsewhere is read again, and compared no second time.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from manifests.arrow_schemas import QUERIES
from manifests.evaluation_sets import EvaluationQuery
from manifests.lineage import digest_bytes, digest_json
from manifests.parquet_io import read_table, write_rows
from pipelines.evaluation_sets import open_locator, read_evaluation_set
from pipelines.in_flight import InFlight
from pipelines.markers import output_digests
from pipelines.settings import EvaluationSetSettings
from pipelines.units import Counts, JsonValue, Unit, make_unit

FOLDER = "queries"
_MAX_UNITS_OF_A_SET = 1000
"""A set of more queries than these units hold has larger ones, because each unit reads all
descriptors of the clean split at least once."""
_MAX_QUERIES_PER_UNIT = 250
"""But not larger than this: the descriptors are read for about a hundred queries at a time in any
case, and a unit that is lost with its worker must not cost days."""


@dataclass(frozen=True)
class DigestedQuery:
    """A query whose image was read.

    Attributes:
        eval_set: name of its evaluation set.
        query: without what the database holds.
        sha256: of the image file, hexadecimal.
    """

    eval_set: str
    query: EvaluationQuery
    sha256: str


@dataclass(frozen=True)
class DigestQueries:
    """List the queries and hash their images; units are blocks of queries, as in the comparison."""

    run_dir: Path
    evaluation_sets: tuple[EvaluationSetSettings, ...]
    queries_per_unit: int
    timeout_seconds: float

    name: ClassVar[str] = "overlap.queries"
    version: ClassVar[int] = 1
    isolate: ClassVar[bool] = True

    def plan(self) -> list[Unit]:
        """Blocks of the queries of each evaluation set, in the order given."""
        return [unit for s in self.evaluation_sets for unit in self._plan_set(s)]

    def run(self, unit: Unit, in_flight: InFlight) -> Counts:
        """Write a row per query.

        Raises:
            GroundTruthError: the image of a query is not there any more.
        """
        name = str(unit.spec["eval_set"])
        evaluation_set = next(s for s in self.evaluation_sets if s.name == name)
        rows = _list_rows(name, unit.spec["queries"])
        in_flight.expect(len(rows))
        locate = open_locator(evaluation_set)
        for row in rows:
            row["sha256"] = digest_bytes(locate(row["image_name"]).read())
            in_flight.advance()
        write_rows(self.run_dir / unit.outputs[0], QUERIES, rows)
        return {"queries": len(rows)}

    def _plan_set(self, evaluation_set: EvaluationSetSettings) -> Iterator[Unit]:
        queries = read_evaluation_set(evaluation_set).queries
        size = choose_block_size(len(queries), self.queries_per_unit)
        locate = open_locator(evaluation_set)
        for number, start in enumerate(range(0, len(queries), size)):
            block = queries[start : start + size]
            files = [locate(query.image_name).describe_state() for query in block]
            name = f"{evaluation_set.name}-{number:03d}"
            yield make_unit(
                self,
                name,
                spec={"eval_set": evaluation_set.name, "queries": _describe_queries(block)},
                outputs=[f"{FOLDER}/{name}.parquet"],
                inputs={"files": digest_json(files)},
                settings={},
            )


def choose_block_size(num_queries: int, queries_per_unit: int) -> int:
    """Queries of a unit, for a set of so many.

    Args:
        num_queries: of the set.
        queries_per_unit: the least that a unit should have.
    """
    enough = -(-num_queries // _MAX_UNITS_OF_A_SET)
    return max(queries_per_unit, min(enough, _MAX_QUERIES_PER_UNIT))


def list_blocks(run_dir: Path, eval_sets: Collection[str]) -> dict[str, str]:
    """The parts of the table `queries` of some evaluation sets, each with its digest."""
    return {
        part: digest
        for part, digest in output_digests(run_dir, DigestQueries.name).items()
        if Path(part).stem.rpartition("-")[0] in eval_sets
    }


def read_digested(part: Path) -> list[DigestedQuery]:
    """The queries of a part of the table `queries`, in its order."""
    return [
        DigestedQuery(
            row["eval_set"],
            EvaluationQuery(row["query_id"], row["image_name"], _make_box(row["box"])),
            row["sha256"],
        )
        for row in read_table(part, QUERIES).to_pylist()
    ]


def _make_box(sides: list[float] | None) -> tuple[float, float, float, float] | None:
    if sides is None:
        return None
    x1, y1, x2, y2 = sides
    return x1, y1, x2, y2


def _describe_queries(queries: Sequence[EvaluationQuery]) -> dict[str, JsonValue]:
    """What of some queries decides their rows, column by column: a million objects would be large.

    What the database holds is no part of it.
    """
    return {
        "query_id": [query.query_id for query in queries],
        "image_name": [query.image_name for query in queries],
        "box": [query.box for query in queries],
    }


def _list_rows(eval_set: str, columns: Any) -> list[dict[str, Any]]:  # noqa: ANN401  (JSON)
    return [
        {"eval_set": eval_set, "query_id": query_id, "image_name": image_name, "box": box}
        for query_id, image_name, box in zip(
            columns["query_id"], columns["image_name"], columns["box"], strict=True
        )
    ]
