"""Stage 6, overlap: which images of the clean split may show a landmark of an evaluation set."""

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from curation.images import Box, ImageError, decode_image
from curation.named_candidates import propose_name_candidates, propose_text_candidates
from curation.neighbours import find_neighbours
from curation.overlap import Candidate, ProbeMatch, ProbeName, select_visual_candidates
from curation.sift import extract_sift
from curation.train_split import ImageVerdict
from manifests.arrow_schemas import CANDIDATES, VERDICTS
from manifests.class_aliases import read_class_aliases
from manifests.evaluation_sets import EvaluationQuery, GroundTruthError
from manifests.features import LocalFeatures
from manifests.lineage import digest_bytes, digest_file
from manifests.parquet_io import read_table, write_rows
from manifests.rows import ImageReason
from pipelines.embedders import describe_embedder, open_embedder
from pipelines.evaluation_sets import StoredImage, locate_image, read_evaluation_set
from pipelines.in_flight import InFlight
from pipelines.markers import output_digests
from pipelines.pair_verification import evidence, verify_many
from pipelines.run_folder import table_parts
from pipelines.run_tables import open_descriptors, open_features, open_images
from pipelines.settings import (
    DescribeSettings,
    EmbedSettings,
    EvaluationSetSettings,
    OverlapStageSettings,
    VerifySettings,
)
from pipelines.stages.clean import Clean
from pipelines.stages.describe import Describe
from pipelines.stages.embed import Embed
from pipelines.stages.ingest import Join
from pipelines.units import Counts, JsonValue, Unit, make_unit

_SEARCH_CHUNK = 65_536
"""Descriptors searched at a time: a million at once would not fit beside the other workers."""


@dataclass(frozen=True, eq=False)
class _Probe:
    """One view of a query: an `EmbeddingInput` with everything that an embedder may ask for."""

    image_id: str
    pixels: NDArray[np.uint8]
    features: LocalFeatures

    def load_features(self) -> LocalFeatures:
        return self.features

    def load_image(self) -> NDArray[np.uint8]:
        return self.pixels


@dataclass(frozen=True)
class Overlap:
    """Compare queries with the clean split; units are a few queries each, and one for names."""

    run_dir: Path
    evaluation_sets: tuple[EvaluationSetSettings, ...]
    settings: OverlapStageSettings
    verify: VerifySettings
    describe: DescribeSettings
    embed: EmbedSettings
    timeout_seconds: float

    name: ClassVar[str] = "overlap"
    version: ClassVar[int] = 4
    isolate: ClassVar[bool] = True

    def plan(self) -> list[Unit]:
        """Chunks of the queries of each evaluation set, then the names that all look for."""
        units = [unit for s in self.evaluation_sets for unit in self._plan_queries(s)]
        terms = {s.name: list(s.text_terms) for s in self.evaluation_sets if s.text_terms}
        names = {s.name: list(s.landmark_names) for s in self.evaluation_sets if s.landmark_names}
        if terms or names:
            aliases = self.settings.class_aliases
            inputs = self._inputs((Join, Clean))
            if names and aliases is not None:
                inputs["class_aliases"] = digest_file(aliases)
            units.append(
                make_unit(
                    self,
                    "text",
                    spec={"terms": terms, "names": names},
                    outputs=["candidates/text.parquet"],
                    inputs=inputs,
                    settings={},
                )
            )
        return units

    def run(self, unit: Unit, in_flight: InFlight) -> Counts:
        """Write the candidates of some queries, or those that the names give."""
        if "terms" in unit.spec:
            candidates = self._candidates_by_name(unit)
        else:
            candidates = self._candidates_by_sight(unit, in_flight)
        rows = [asdict(candidate) for candidate in candidates]
        write_rows(self.run_dir / unit.outputs[0], CANDIDATES, rows)
        num_matches = sum(row["verdict"] == "match" for row in rows)
        return {"candidates": len(rows), "matches": num_matches}

    def _inputs(self, stages: Iterable[type]) -> dict[str, str]:
        return {
            path: digest
            for stage in stages
            for path, digest in output_digests(self.run_dir, stage.name).items()  # type: ignore[attr-defined]
        }

    def _plan_queries(self, evaluation_set: EvaluationSetSettings) -> list[Unit]:
        queries = read_evaluation_set(evaluation_set).queries
        inputs = self._inputs((Join, Describe, Embed, Clean))
        inputs |= describe_embedder(self.run_dir, self.embed)
        settings = {
            "overlap": self.settings.dump_decisive(),
            "verify": self.verify.dump_decisive_of_pair(),
            "describe": self.describe.model_dump(mode="json"),
        }
        size = self.settings.queries_per_unit
        units = []
        for number, start in enumerate(range(0, len(queries), size)):
            chunk = queries[start : start + size]
            images = {
                query.query_id: digest_bytes(locate_image(evaluation_set, query.image_name).read())
                for query in chunk
            }
            unit = make_unit(
                self,
                f"{evaluation_set.name}-{number:03d}",
                spec={
                    "eval_set": evaluation_set.name,
                    "queries": [_describe_query(query) for query in chunk],
                },
                outputs=[f"candidates/{evaluation_set.name}-{number:03d}.parquet"],
                inputs=inputs | images,
                settings=settings,
            )
            units.append(unit)
        return units

    def _candidates_by_name(self, unit: Unit) -> list[Candidate]:
        verdicts = [ImageVerdict(**row) for row in _read_verdicts(self.run_dir)]
        terms: dict[str, list[str]] = unit.spec["terms"]  # type: ignore[assignment]
        wanted: dict[str, list[str]] = unit.spec["names"]  # type: ignore[assignment]
        names = open_images(self.run_dir).landmark_names
        all_names = self._all_names(names)
        by_term = [propose_text_candidates(s, terms[s], verdicts, names) for s in sorted(terms)]
        by_name = [
            propose_name_candidates(s, wanted[s], verdicts, all_names) for s in sorted(wanted)
        ]
        return [candidate for part in (*by_term, *by_name) for candidate in part]

    def _all_names(self, names: Mapping[int, str]) -> dict[int, tuple[str, ...]]:
        all_names: dict[int, tuple[str, ...]] = {c: (name,) for c, name in names.items()}
        if self.settings.class_aliases is not None:
            for landmark_id, aliases in read_class_aliases(self.settings.class_aliases).items():
                all_names[landmark_id] = (*all_names.get(landmark_id, ()), *aliases)
        return all_names

    def _candidates_by_sight(self, unit: Unit, in_flight: InFlight) -> list[Candidate]:
        by_name = {s.name: s for s in self.evaluation_sets}
        evaluation_set = by_name[str(unit.spec["eval_set"])]
        wanted: Sequence[Mapping[str, Any]] = unit.spec["queries"]  # type: ignore[assignment]
        matches: list[ProbeMatch] = []
        in_flight.expect(len(wanted))
        for query in map(_make_query, wanted):
            image = locate_image(evaluation_set, query.image_name)
            if query.query_id in in_flight.crashed:
                # A query that nobody compared must not look like one without overlap.
                raise GroundTruthError(
                    f"{image.path}: {in_flight.crashed[query.query_id]}; replace the image"
                )
            with in_flight.item(query.query_id):
                probes = self._describe_probes(image, query)
            matches += self._match_probes(evaluation_set.name, query.query_id, probes)
        return select_visual_candidates(
            matches, open_images(self.run_dir).landmark_names, self.settings
        )

    def _describe_probes(
        self, image: StoredImage, query: EvaluationQuery
    ) -> dict[ProbeName, _Probe]:
        data = image.read()
        boxes: dict[ProbeName, Box | None] = {} if query.box is None else {"crop": query.box}
        boxes["whole"] = None
        try:
            return {
                probe: self._describe_probe(query.query_id, decode_image(data, box).pixels)
                for probe, box in boxes.items()
            }
        except ImageError as error:
            raise GroundTruthError(
                f"{image.path}: query {query.query_id}: {error}; replace the image"
            ) from error
        except ValueError as error:  # the box lies outside
            raise GroundTruthError(f"{image.path}: query {query.query_id}: {error}") from error

    def _describe_probe(self, query_id: str, pixels: NDArray[np.uint8]) -> _Probe:
        return _Probe(query_id, pixels, extract_sift(pixels, self.describe))

    def _match_probes(
        self, eval_set: str, query_id: str, probes: dict[ProbeName, _Probe]
    ) -> list[ProbeMatch]:
        clean = _clean_images(self.run_dir)
        features = open_features(self.run_dir)
        settings = self.verify.model_copy(update={"min_inliers": self.settings.min_inliers})
        matches = []
        for probe, described in probes.items():
            query_features = described.features
            nearest = self._find_nearest(described)
            images = (features.load(clean.image_ids[position]) for position, _ in nearest)
            answers = verify_many(query_features, images, settings)
            for (position, similarity), found in zip(nearest, answers, strict=True):
                image_id = clean.image_ids[position]
                columns = evidence(found)
                transform = columns.pop("transform")
                match = ProbeMatch(
                    eval_set=eval_set,
                    query_id=query_id,
                    probe=probe,
                    image_id=image_id,
                    landmark_id=clean.landmark_ids[position],
                    similarity=similarity,
                    num_features_query=len(query_features),
                    num_features_image=features.num_features(image_id),
                    transform=None if transform is None else tuple(transform),
                    **columns,
                )
                matches.append(match)
        return matches

    def _find_nearest(self, probe: _Probe) -> list[tuple[int, float]]:
        """Positions in the clean split and similarities, nearest first, ties by position."""
        (descriptor,) = open_embedder(self.run_dir, self.embed).embed([probe])
        if descriptor is None:
            return []
        clean = _clean_images(self.run_dir)
        descriptors = open_descriptors(self.run_dir)
        found: list[tuple[float, int]] = []
        for start in range(0, len(clean.image_ids), _SEARCH_CHUNK):
            chunk = descriptors.load(clean.image_ids[start : start + _SEARCH_CHUNK])
            positions, similarities = find_neighbours(descriptor[None], chunk, self.settings.top_k)
            pairs = zip(similarities[0].tolist(), positions[0].tolist(), strict=True)
            found += [(-similarity, start + position) for similarity, position in pairs]
        nearest = heapq.nsmallest(self.settings.top_k, found)
        return [(position, -negative) for negative, position in nearest]


def _describe_query(query: EvaluationQuery) -> dict[str, JsonValue]:
    """What of a query decides its candidates: not what the database holds."""
    return {"query_id": query.query_id, "image_name": query.image_name, "box": query.box}


def _make_query(spec: Mapping[str, Any]) -> EvaluationQuery:
    box = spec["box"]
    return EvaluationQuery(
        spec["query_id"], spec["image_name"], None if box is None else tuple(box)
    )


@dataclass(frozen=True)
class _CleanImages:
    """The images that the cleaning kept and that can be compared, by image id."""

    image_ids: list[str]
    landmark_ids: list[int]


def _clean_images(run_dir: Path) -> _CleanImages:
    return _load_clean_images(run_dir, tuple(output_digests(run_dir, Clean.name).items()))


@lru_cache(maxsize=1)
def _load_clean_images(run_dir: Path, _: object) -> _CleanImages:
    columns = ["image_id", "landmark_id", "kept"]
    verdicts = read_table(table_parts(run_dir, Clean.name), VERDICTS, columns).to_pandas()
    descriptors = open_descriptors(run_dir)
    kept = verdicts[verdicts["kept"]].sort_values("image_id")
    kept = kept[kept["image_id"].map(descriptors.has).astype(bool)]
    return _CleanImages(kept["image_id"].tolist(), kept["landmark_id"].tolist())


def _read_verdicts(run_dir: Path) -> list[dict[str, Any]]:
    rows = read_table(table_parts(run_dir, Clean.name), VERDICTS).to_pylist()
    return [row | {"reason": ImageReason(row["reason"])} for row in rows]
