"""Stage 6, overlap: which images of the clean split may show a landmark of an evaluation set."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from curation.images import Box, ImageError, decode_image
from curation.named_candidates import propose_name_candidates, propose_text_candidates
from curation.neighbours import DEFAULT_MAX_BYTES, NearestInStream
from curation.overlap import Candidate, ProbeMatch, ProbeName, select_visual_candidates
from curation.sift import extract_sift
from manifests.arrow_schemas import CANDIDATES
from manifests.class_aliases import read_class_aliases
from manifests.evaluation_sets import EvaluationQuery, GroundTruthError
from manifests.feature_store import BYTES_PER_FEATURE
from manifests.features import LocalFeatures
from manifests.id_arrays import list_ids
from manifests.lineage import digest_bytes, digest_file
from manifests.parquet_io import write_rows
from pipelines.candidate_features import open_candidate_features
from pipelines.clean_split import read_best_verdicts, stream_clean_descriptors
from pipelines.embedders import describe_embedder, open_embedder
from pipelines.evaluation_sets import StoredImage, locate_image
from pipelines.in_flight import InFlight
from pipelines.markers import digest_outputs
from pipelines.pair_verification import Evidence, evidence, verify_many
from pipelines.run_tables import open_features, open_images
from pipelines.settings import (
    DescribeSettings,
    EmbedSettings,
    EvaluationSetSettings,
    OverlapStageSettings,
    VerifySettings,
)
from pipelines.stages.clean import Clean
from pipelines.stages.describe import Describe
from pipelines.stages.digest_queries import DigestedQuery, list_blocks, read_digested
from pipelines.stages.embed import Embed
from pipelines.stages.ingest import Join
from pipelines.units import Counts, Unit, make_unit
from pipelines.verdict_columns import open_kept_images

_BYTES_PER_SIMILARITY = 40


@dataclass(frozen=True, eq=False)
class Probe:
    """One view of a query: an `EmbeddingInput` with everything that an embedder may ask for."""

    image_id: str
    pixels: NDArray[np.uint8]
    features: LocalFeatures

    def load_features(self) -> LocalFeatures:
        """The local features."""
        return self.features

    def load_image(self) -> NDArray[np.uint8]:
        """The pixels."""
        return self.pixels


@dataclass(frozen=True)
class Overlap:
    """Compare queries with the clean split; units are blocks of queries, and one for names."""

    run_dir: Path
    evaluation_sets: tuple[EvaluationSetSettings, ...]
    settings: OverlapStageSettings
    verify: VerifySettings
    describe: DescribeSettings
    embed: EmbedSettings
    timeout_seconds: float
    search_bytes: int = DEFAULT_MAX_BYTES
    """What a search for neighbours may set aside; it changes no answer."""
    source_root: Path | None = None
    """Folder that the names of shards count from; without it the stored features are compared."""

    name: ClassVar[str] = "overlap"
    version: ClassVar[int] = 9
    isolate: ClassVar[bool] = True

    def plan(self) -> list[Unit]:
        """The blocks of queries whose images were hashed, then the names that all look for."""
        units = list(self._plan_queries())
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
        queries: list[DigestedQuery] = []
        if "terms" in unit.spec:
            candidates = self._candidates_by_name(unit)
        else:
            queries = read_digested(self.run_dir / str(unit.spec["queries"]))
            candidates = self._candidates_by_sight(queries, in_flight)
        rows = [vars(candidate) for candidate in candidates]
        write_rows(self.run_dir / unit.outputs[0], CANDIDATES, rows)
        num_matches = sum(row["verdict"] == "match" for row in rows)
        return {"queries": len(queries), "candidates": len(rows), "matches": num_matches}

    def _inputs(self, stages: Iterable[type]) -> dict[str, str]:
        return {
            stage.name: digest_outputs(self.run_dir, stage.name)  # type: ignore[attr-defined]
            for stage in stages
        }

    def _plan_queries(self) -> Iterator[Unit]:
        names = [evaluation_set.name for evaluation_set in self.evaluation_sets]
        blocks = list_blocks(self.run_dir, names)
        inputs = self._inputs((Join, Describe, Embed, Clean))
        inputs |= describe_embedder(self.run_dir, self.embed)
        settings = {
            "overlap": self.settings.dump_decisive(),
            "verify": self.verify.dump_decisive_of_pair(),
            "describe": self.describe.model_dump(mode="json"),
        }
        for part, digest in blocks.items():
            name = Path(part).stem
            yield make_unit(
                self,
                name,
                spec={"queries": part},
                outputs=[f"candidates/{name}.parquet"],
                inputs=inputs | {"queries": digest},
                settings=settings,
            )

    def _candidates_by_name(self, unit: Unit) -> list[Candidate]:
        verdicts = read_best_verdicts(self.run_dir)
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

    def _candidates_by_sight(
        self, queries: Sequence[DigestedQuery], in_flight: InFlight
    ) -> list[Candidate]:
        names = open_images(self.run_dir).landmark_names
        in_flight.expect(len(queries))
        candidates: list[Candidate] = []
        waiting: list[_Wanted] = []
        for query in queries:
            waiting += self._look_at(query, in_flight)
            if sum(probe.num_bytes for probe in waiting) > self.search_bytes:
                candidates += self._select(waiting, names)
                waiting = []
        candidates += self._select(waiting, names)
        # Each query was in one of the selections, which are in this order themselves.
        return sorted(candidates, key=lambda candidate: candidate.query_id)

    def _look_at(self, digested: DigestedQuery, in_flight: InFlight) -> list["_Wanted"]:
        """The probes of a query, described.

        Raises:
            GroundTruthError: the image cannot be read, is not the one that was hashed, or has
                stopped workers.
        """
        query = digested.query
        sets = {s.name: s for s in self.evaluation_sets}
        image = locate_image(sets[digested.eval_set], query.image_name)
        if query.query_id in in_flight.crashed:
            # A query that nobody compared must not look like one without overlap.
            raise GroundTruthError(
                f"{image.path}: {in_flight.crashed[query.query_id]}; replace the image"
            )
        data = image.read()  # before: a disk that stalls is no fault of the image
        if digest_bytes(data) != digested.sha256:
            raise GroundTruthError(
                f"{image.path}: query {query.query_id}: the image was changed while the job ran; "
                "run the same command again"
            )
        with in_flight.item(query.query_id):
            probes = self.describe_probes(image, query, data)
            return [
                self._prepare(digested.eval_set, query.query_id, name, probe)
                for name, probe in probes.items()
            ]

    def _select(self, probes: Sequence["_Wanted"], names: Mapping[int, str]) -> list[Candidate]:
        """The candidates of some queries, of which all probes are here."""
        return select_visual_candidates(self._match_probes(probes), names, self.settings)

    def describe_probes(
        self, image: StoredImage, query: EvaluationQuery, data: bytes
    ) -> dict[ProbeName, Probe]:
        """The views of a query, decoded and described.

        Raises:
            GroundTruthError: the image cannot be read, or its box lies outside.
        """
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

    def _describe_probe(self, query_id: str, pixels: NDArray[np.uint8]) -> Probe:
        return Probe(query_id, pixels, extract_sift(pixels, self.describe))

    def embed_probe(self, probe: Probe) -> NDArray[np.floating] | None:
        """The global descriptor of a probe, float (d,); None if it has none."""
        (descriptor,) = open_embedder(self.run_dir, self.embed).embed([probe])
        return descriptor

    def compare(
        self,
        query_id: str,  # noqa: ARG002  (for those who know the answer)
        query: LocalFeatures,
        image_ids: Sequence[str],
    ) -> Iterator[Evidence]:
        """What the verifier says of a probe of a query and each of some training images."""
        settings = self.verify.model_copy(update={"min_inliers": self.settings.min_inliers})
        # Candidates are ranked by their inliers.
        settings = settings.count_all_inliers()
        counts: list[int] = []
        found = verify_many(query, self._load_images(image_ids, counts), settings)
        for number, answer in enumerate(found):
            yield evidence(answer) | {"num_features_image": counts[number]}

    def _load_images(self, image_ids: Sequence[str], counts: list[int]) -> Iterator[LocalFeatures]:
        """The features of training images; how many there are is appended to `counts`."""
        fine = self.settings.describe
        if fine is None or self.source_root is None:
            stored = open_features(self.run_dir)
            images: Iterator[LocalFeatures] = (stored.load(image_id) for image_id in image_ids)
        else:
            again = open_candidate_features(self.run_dir, self.source_root, fine)
            images = again.describe(image_ids)
        for features in images:
            counts.append(len(features))
            yield features

    def _prepare(self, eval_set: str, query_id: str, name: ProbeName, probe: Probe) -> "_Wanted":
        fine = self.settings.describe
        features = probe.features
        if fine is not None and self.source_root is not None:
            features = extract_sift(probe.pixels, fine)
        return _Wanted(eval_set, query_id, name, features, self.embed_probe(probe))

    def _match_probes(self, probes: Sequence["_Wanted"]) -> Iterator[ProbeMatch]:
        """Search for all probes at once, then verify one by one."""
        clean = open_kept_images(self.run_dir)
        for probe, nearest in zip(probes, self._find_nearest(probes), strict=True):
            places = [position for position, _ in nearest]
            image_ids = list_ids(clean.image_ids[places])
            answers = self.compare(probe.query_id, probe.features, image_ids)
            rows = zip(
                image_ids, clean.landmark_ids[places].tolist(), nearest, answers, strict=True
            )
            for image_id, landmark_id, (_, similarity), found in rows:
                columns = dict(found)
                transform = columns.pop("transform")
                yield ProbeMatch(
                    eval_set=probe.eval_set,
                    query_id=probe.query_id,
                    probe=probe.name,
                    image_id=image_id,
                    landmark_id=landmark_id,
                    similarity=similarity,
                    num_features_query=len(probe.features),
                    transform=None if transform is None else tuple(transform),
                    **columns,
                )

    def _find_nearest(self, probes: Sequence["_Wanted"]) -> list[list[tuple[int, float]]]:
        """Of each probe, positions in the clean split and similarities; nearest first.

        Ties go by position. The descriptors are read once, in the order in which they lie in the
        files, for all probes together.
        """
        described = [n for n, probe in enumerate(probes) if probe.descriptor is not None]
        nearest: list[list[tuple[int, float]]] = [[] for _ in probes]
        if not described:
            return nearest
        queries = np.stack([probes[n].descriptor for n in described])  # type: ignore[misc]
        search = NearestInStream(queries.astype(np.float32), self.settings.top_k)
        max_rows = max(1, self.search_bytes // (_BYTES_PER_SIMILARITY * len(queries)))
        for positions, descriptors in stream_clean_descriptors(self.run_dir, max_rows):
            search.add(positions, descriptors)
        rows, similarities = search.list_nearest()
        for n, own, values in zip(described, rows.tolist(), similarities.tolist(), strict=True):
            nearest[n] = list(zip(own, values, strict=True))
        return nearest


@dataclass(frozen=True, eq=False)
class _Wanted:
    """What is kept of a probe until its neighbours are looked for."""

    eval_set: str
    query_id: str
    name: ProbeName
    features: LocalFeatures
    descriptor: NDArray[np.floating] | None

    @property
    def num_bytes(self) -> int:
        num_dimensions = 0 if self.descriptor is None else len(self.descriptor)
        return len(self.features) * BYTES_PER_FEATURE + 8 * num_dimensions
