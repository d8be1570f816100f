"""Whitening of a network's descriptors, learned from pairs that the verifier has confirmed.

What it is learned from must show no landmark that it is evaluated on. So only images of the train
part of the published split count, and no class in which a candidate matches an evaluation query or
bears its name, whether people have decided on it, refused it or not looked yet.
"""

import hashlib
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import Field

from curation.shard_images import ShardImage
from manifests.arrow_schemas import CANDIDATES, MATCHES
from manifests.features import Embedder
from manifests.input_error import InputError
from manifests.parquet_io import read_table
from manifests.rows import CandidateVerdict, PairVerdict
from manifests.strict_model import StrictModel
from networks.whitening import Whitening, learn_pca, learn_supervised_whitening
from training.descriptor_files import NamedDescriptors, describe_images
from training.manifest_images import ManifestImages

Pair = tuple[str, str]

_SUSPECT = (CandidateVerdict.MATCH, CandidateVerdict.NAMED)


class WhiteningSettings(StrictModel):
    """What whitening is learned by and from."""

    method: Literal["supervised", "pca"] = "supervised"
    """`supervised`: from differences within pairs (Radenović et al. 2019). `pca`: from the images
    of the pairs, whatever they show (Jégou and Chum 2012)."""
    dimensions: int | None = Field(None, ge=1)
    """Length of a whitened descriptor; all of the network's when left out."""
    max_pairs: int = Field(20_000, ge=1)
    """Pairs to learn from, at most."""
    max_pairs_of_class: int = Field(20, ge=1)
    """Of one class, so that no crowded place outweighs the others."""
    pca_power: float = Field(1.0, ge=0, le=1)
    """Of `pca`: directions are divided by their standard deviation to this power. Below 1 the
    noise in weak directions is blown up less."""


def find_suspect_classes(candidates: Sequence[Path]) -> set[int]:
    """Classes that may show an evaluation landmark, whatever people say.

    Args:
        candidates: parts of the table; none without evaluation sets.
    """
    if not candidates:
        return set()
    table = read_table(candidates, CANDIDATES, ["landmark_id", "verdict"])
    suspect = table.filter(pc.is_in(table["verdict"], pa.array(map(str, _SUSPECT))))
    return set(suspect["landmark_id"].to_pylist())


def choose_pairs(
    matches: Sequence[Path],
    allowed: Collection[str],
    suspect_classes: Collection[int],
    settings: WhiteningSettings,
) -> list[Pair]:
    """Choose verified pairs, always the same ones: those whose digests are smallest.

    Args:
        matches: parts of the table.
        allowed: ids of the images that may be learned from.
        suspect_classes: classes that may not.
        settings: how many pairs.

    Returns:
        Pairs of image ids, by digest. Copies of one photograph are none: they differ in nothing.
    """
    allowed_ids = pa.array(sorted(allowed), pa.string())
    suspects = pa.array(sorted(suspect_classes), pa.int64())
    best: dict[int, list[tuple[str, Pair]]] = {}
    for part in matches:
        found = _read_verified(part, allowed_ids, suspects)
        for landmark_id, pair in found:
            best.setdefault(landmark_id, []).append((_digest(pair), pair))
        for landmark_id in {landmark_id for landmark_id, _ in found}:
            best[landmark_id] = sorted(best[landmark_id])[: settings.max_pairs_of_class]
    every = sorted(entry for listed in best.values() for entry in listed)
    return [pair for _, pair in every[: settings.max_pairs]]


def describe_pairs(
    embedder: Embedder, pairs: Sequence[Pair], images: ManifestImages, shards_root: Path
) -> NamedDescriptors:
    """Describe every image of some pairs once, by id.

    Args:
        embedder: without whitening.
        pairs: of image ids.
        images: the split that they are from.
        shards_root: folder that the names of shards count from.
    """
    wanted = {image_id for pair in pairs for image_id in pair}
    listed = [
        ShardImage(
            image_id=image_id.decode(),
            shard=shards_root / images.shards[images.shard_numbers[row]],
            offset=int(images.offsets[row]),
            num_bytes=int(images.num_bytes[row]),
            width=int(images.widths[row]),
            height=int(images.heights[row]),
        )
        for row, image_id in enumerate(images.image_ids)
        if image_id.decode() in wanted
    ]
    return describe_images(embedder, sorted(listed, key=lambda image: image.image_id))


def learn_whitening(
    named: NamedDescriptors, pairs: Sequence[Pair], settings: WhiteningSettings
) -> Whitening:
    """Learn whitening from descriptors and the pairs among them.

    Args:
        named: descriptors of all images of the pairs.
        pairs: of image ids.
        settings: method and dimensions.

    Raises:
        InputError: there are too few pairs or images, or more dimensions than the network has.
    """
    num_inputs = named.descriptors.shape[1]
    dimensions = settings.dimensions or num_inputs
    if dimensions > num_inputs:
        raise InputError(f"{dimensions} dimensions of descriptors that have {num_inputs}")
    if settings.method == "pca":
        return _learn_pca(named, dimensions, settings.pca_power)
    queries, positives = (named.select([pair[side] for pair in pairs]) for side in (0, 1))
    described = ~(np.isnan(queries).any(axis=1) | np.isnan(positives).any(axis=1))
    queries, positives = queries[described], positives[described]
    if len(queries) < num_inputs:
        raise InputError(
            f"{len(queries)} verified pairs for {num_inputs} dimensions: supervised whitening "
            "would blow up the directions in which no pair differs. Take --method pca, or a run "
            "with more images"
        )
    rows = np.arange(len(queries))
    vectors = np.concatenate([queries, positives])
    whitening = learn_supervised_whitening(vectors, rows, rows + len(rows))
    return whitening.truncate(dimensions)


def _learn_pca(named: NamedDescriptors, dimensions: int, power: float) -> Whitening:
    described = ~np.isnan(named.descriptors).any(axis=1)
    try:
        return learn_pca(_as_float64(named.descriptors[described]), dimensions, power=power)
    except ValueError as error:
        raise InputError(f"{error} (--dimensions)") from error


def _as_float64(descriptors: NDArray[np.floating]) -> NDArray[np.float64]:
    return descriptors.astype(np.float64)


def _read_verified(part: Path, allowed: pa.Array, suspects: pa.Array) -> list[tuple[int, Pair]]:
    columns = ["landmark_id", "image_id_a", "image_id_b", "verdict"]
    table = read_table(part, MATCHES, columns)
    is_good = pc.equal(table["verdict"], str(PairVerdict.VERIFIED))
    for side in ("image_id_a", "image_id_b"):
        is_good = pc.and_(is_good, pc.is_in(table[side], allowed))
    is_good = pc.and_(is_good, pc.invert(pc.is_in(table["landmark_id"], suspects)))
    rows = table.filter(is_good).to_pydict()
    pairs = zip(rows["image_id_a"], rows["image_id_b"], strict=True)
    return list(zip(rows["landmark_id"], pairs, strict=True))


def _digest(pair: Pair) -> str:
    return hashlib.sha256("/".join(pair).encode()).hexdigest()
