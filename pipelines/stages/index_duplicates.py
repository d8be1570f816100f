"""Stage 5, fifth step: photographs of the clean split that the index split holds as well.

Whoever trains on the clean split and evaluates on GLDv2's retrieval benchmark has then seen the
very photographs that are searched. The paper says that the two overlap and leaves it at that.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

from curation.cross_duplicates import ImageColumns, name_kind
from curation.hamming_index import HammingIndex, parse_hashes
from curation.images import ImageError, decode_image, decode_luma
from curation.perceptual_hash import perceptual_hash
from curation.shards import Member, ShardError, ShardReader, image_id_of, list_members, open_shard
from curation.sift import extract_sift
from manifests.arrow_schemas import INDEX_DUPLICATES
from manifests.lineage import digest_bytes
from manifests.parquet_io import write_rows
from manifests.rows import DuplicateKind
from pipelines.in_flight import InFlight
from pipelines.markers import digest_outputs
from pipelines.pair_verification import Evidence, evidence, same_bytes, verify_many
from pipelines.run_tables import open_features
from pipelines.settings import (
    DescribeSettings,
    DuplicateStageSettings,
    IndexSettings,
    VerifySettings,
)
from pipelines.stages.clean import Clean
from pipelines.stages.cross_duplicates import (
    COPY_EVIDENCE,
    open_clean_images,
    state_of_clean,
)
from pipelines.stages.describe import Describe
from pipelines.stages.ingest import Join
from pipelines.units import Counts, Unit, make_unit

_Row = dict[str, Any]


@dataclass(frozen=True)
class _IndexImage:
    """A readable image of the other split."""

    image_id: str
    member: Member
    sha256: str
    phash: str


@dataclass(frozen=True)
class FindIndexDuplicates:
    """Compare the shards of the index split with the clean split; one unit per shard."""

    run_dir: Path
    settings: DuplicateStageSettings
    verify: VerifySettings
    describe: DescribeSettings
    item_timeout_seconds: float
    timeout_seconds: float

    name: ClassVar[str] = "clean.index_duplicates"
    version: ClassVar[int] = 2
    isolate: ClassVar[bool] = True

    def plan(self) -> list[Unit]:
        """One unit per shard, the largest first; none when the step is left out."""
        index = self.settings.index
        if index is None:
            return []
        shards = sorted(_list_shards(index), key=lambda path: (-path.stat().st_size, path.name))
        names = (Join.name, Describe.name, Clean.name)
        inputs = {name: digest_outputs(self.run_dir, name) for name in names}
        return [self._plan_shard(shard, index, inputs) for shard in shards]

    def run(self, unit: Unit, in_flight: InFlight) -> Counts:
        """Write one row per pair that is one photograph or shows one surface."""
        path = str(unit.spec["shard"])
        shard = self._root / path
        members = [member for member in list_members(shard) if member.problem is None]
        in_flight.expect(len(members))
        with open_shard(shard) as reader:
            images = list(self._scan(members, reader, in_flight))
            rows = [
                row | {"shard": path}
                for image, near in self._propose(images)
                for row in self._judge(image, near, reader, in_flight)
            ]
        rows.sort(key=lambda row: (row["image_id"], row["index_image_id"]))
        write_rows(self.run_dir / unit.outputs[0], INDEX_DUPLICATES, rows)
        kinds = Counter(row["kind"] for row in rows)
        return {
            "images": len(images),
            "unreadable": len(members) - len(images),
            **{kind.value: kinds[kind] for kind in DuplicateKind},
        }

    @property
    def _root(self) -> Path:
        if self.settings.index is None:
            raise ValueError("no index split is configured, so none of its shards can be read")
        return self.settings.index.root

    def _plan_shard(self, shard: Path, index: IndexSettings, inputs: dict[str, str]) -> Unit:
        status = shard.stat()
        # As for the training shards: hashing them all would take longer than the work.
        state = f"{status.st_size} bytes, mtime {status.st_mtime_ns}"
        return make_unit(
            self,
            f"{index.split}-{shard.stem}",
            spec={"shard": f"{index.split}/{shard.name}"},
            outputs=[f"index_duplicates/{index.split}-{shard.stem}.parquet"],
            inputs=inputs | {f"{index.split}/{shard.name}": state},
            settings={
                "duplicates": self.settings.dump_decisive(),
                "describe": self.describe.model_dump(mode="json"),
                "verify": self.verify.dump_decisive_of_pair(),
            },
        )

    def _scan(
        self, members: Sequence[Member], reader: ShardReader, in_flight: InFlight
    ) -> Iterator[_IndexImage]:
        """Read the images that decode; of the others nothing can be said."""
        for member in members:
            if member.name in in_flight.crashed:
                continue
            with in_flight.item(member.name, self.item_timeout_seconds):
                data = reader.read(member.offset, member.num_bytes)
                try:
                    phash = perceptual_hash(decode_luma(data).pixels)
                except ImageError:  # counted: it is no image that anyone could train on
                    continue
            image_id = image_id_of(member.name) or member.name
            yield _IndexImage(image_id, member, digest_bytes(data), phash)

    def _propose(self, images: Sequence[_IndexImage]) -> Iterator[tuple[_IndexImage, list[int]]]:
        """Positions in the clean split worth a look: of equal bytes, or with nearest hashes."""
        clean = open_clean_images(self.run_dir)
        lookup = _open_lookup(
            self.run_dir, self.settings.max_hash_bits, state_of_clean(self.run_dir)
        )
        alike: defaultdict[int, list[int]] = defaultdict(list)
        for found in lookup.hashes.find_near(parse_hashes([image.phash for image in images])):
            if clean.sha256[found.position] != images[found.query].sha256:
                alike[found.query].append(found.position)
        for number, image in enumerate(images):
            near = alike[number][: self.settings.max_alike]
            near += lookup.positions_of_sha256.get(image.sha256, [])
            if near:
                yield image, near

    def _judge(
        self, image: _IndexImage, near: Sequence[int], reader: ShardReader, in_flight: InFlight
    ) -> Iterator[_Row]:
        clean, features = open_clean_images(self.run_dir), open_features(self.run_dir)
        others = []
        for position in near:
            if clean.sha256[position] == image.sha256:
                num_features = features.num_features(clean.image_ids[position])
                found = same_bytes(num_features)
                yield _describe_pair(clean, position, image, DuplicateKind.EXACT, found)
            else:
                others.append(position)
        if not others:
            return
        with in_flight.item(image.member.name, self.item_timeout_seconds):
            data = reader.read(image.member.offset, image.member.num_bytes)
            query = extract_sift(decode_image(data).pixels, self.describe)
        candidates = (features.load(clean.image_ids[position]) for position in others)
        answers = verify_many(query, candidates, self.verify)
        for position, answer in zip(others, answers, strict=True):
            num_bits = _count_bits(clean, position, image)
            kind = name_kind(answer.verdict, num_bits, self.settings)
            if kind is not None:
                yield _describe_pair(clean, position, image, kind, evidence(answer))


def _list_shards(index: IndexSettings) -> list[Path]:
    shards = list((index.root / index.split).glob("images_*.tar"))
    if not shards:
        raise ShardError(
            f"{index.root / index.split}: no shards named images_NNN.tar; fetch them "
            f"(`cleanmark fetch gldv2 --split {index.split}`), or leave duplicates.index out"
        )
    return shards


def _count_bits(clean: ImageColumns, position: int, image: _IndexImage) -> int:
    return (int(clean.hashes[position]) ^ int(image.phash, 16)).bit_count()


def _describe_pair(
    clean: ImageColumns, position: int, image: _IndexImage, kind: DuplicateKind, found: Evidence
) -> _Row:
    return {
        "image_id": clean.image_ids[position],
        "landmark_id": int(clean.landmark_ids[position]),
        "index_image_id": image.image_id,
        "kind": kind,
        "hamming": _count_bits(clean, position, image),
        **{name: found[name] for name in COPY_EVIDENCE},
    }


@dataclass(frozen=True)
class _Lookup:
    """The clean split by what two copies have in common."""

    hashes: HammingIndex
    positions_of_sha256: dict[str, list[int]]


@lru_cache(maxsize=1)
def _open_lookup(run_dir: Path, max_bits: int, _: object) -> _Lookup:
    clean = open_clean_images(run_dir)
    positions: defaultdict[str, list[int]] = defaultdict(list)
    for position, digest in enumerate(clean.sha256):
        positions[digest].append(position)
    return _Lookup(HammingIndex(clean.hashes, max_bits), dict(positions))
