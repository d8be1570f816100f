"""The first results of a query put into a new order by spatial verification.

Philbin et al. 2007, section 4: the images at the top of the ranking are verified against the
query, and those that agree with it move up by their number of inliers.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from curation.sift import SiftSettings
from curation.verification import verify_one_to_many
from curation.verification_settings import VerificationSettings
from manifests.atomic import write_text
from manifests.features import LocalFeatures
from manifests.lineage import digest_json
from manifests.rows import PairVerdict
from manifests.strict_model import StrictModel

NOT_VERIFIED: Final = -1
"""Number of inliers of an image that the verifier refused, or that nobody asked it about."""

_HELD_IMAGES: Final = 512
"""Features held in memory: about 140 MB at 2,000 features an image."""
LoadFeatures = Callable[[int], LocalFeatures | None]


class RerankSettings(StrictModel):
    """How many results are verified, and how."""

    top_k: int = Field(100, ge=1)
    features: SiftSettings = SiftSettings()
    verification: VerificationSettings = VerificationSettings()


@dataclass(frozen=True, eq=False)
class Reranked:
    """The first results of one query in their new order.

    Attributes:
        positions: int64 (k,), database positions.
        num_inliers: int64 (k,), in the same order; `NOT_VERIFIED` for what did not move up.
    """

    positions: NDArray[np.int64]
    num_inliers: NDArray[np.int64]


def name_answers(name: str, queries: Sequence[object], settings: RerankSettings) -> str:
    """Name of a folder of answers, for queries (JSON values) and settings that they depend on."""
    asked = settings.model_dump(mode="json", exclude={"top_k"})
    return f"{name}-{digest_json([list(queries), asked])[:16]}"


class _Answers(StrictModel):
    """What the verifier said of one query: key of an image -> inliers, or `NOT_VERIFIED`."""

    inliers: dict[str, int]


def rerank(positions: NDArray[np.int64], num_inliers: NDArray[np.int64]) -> Reranked:
    """Put verified images first, most inliers first; equal ones and all others keep their order.

    Args:
        positions: int64 (k,), by descriptor.
        num_inliers: int64 (k,), `NOT_VERIFIED` for images that are not verified.
    """
    order = np.argsort(-num_inliers, kind="stable")
    return Reranked(positions[order], num_inliers[order])


class SpatialReranker:
    """Verifies the first results of queries, and remembers the answers on disk.

    An answer depends on the two images and the settings, not on the descriptors, so that another
    network on the same set only asks about what it newly ranks first.

    Args:
        load_query: features of a query, by its row; None if the image is not readable.
        load_database: features of a database image, by its position; likewise.
        key_of: names a database image and its state, by its position; equal keys, equal answers.
        folder: of the answers; each query has a file there, named after its row.
        settings: how many are verified, and how.
    """

    def __init__(
        self,
        load_query: LoadFeatures,
        load_database: LoadFeatures,
        key_of: Callable[[int], str],
        folder: Path,
        settings: RerankSettings,
    ) -> None:
        self.settings = settings
        self._load_query = load_query
        self._load_database = lru_cache(_HELD_IMAGES)(load_database)
        self._key_of = key_of
        self._folder = folder

    def __call__(self, row: int, positions: NDArray[np.int64]) -> Reranked:
        """Re-rank the first `top_k` of a query's results; the rest stays where it is."""
        verified = positions[: self.settings.top_k]
        path = self._folder / f"{row:06d}.json"
        known = _read_answers(path)
        keys = [self._key_of(position) for position in verified.tolist()]
        asked = [p for p, key in zip(verified.tolist(), keys, strict=True) if key not in known]
        if asked:
            known |= self._verify(row, asked)
            write_text(path, _Answers(inliers=known).model_dump_json() + "\n")
        num_inliers = np.full(len(positions), NOT_VERIFIED, np.int64)
        num_inliers[: len(verified)] = [known[key] for key in keys]
        return rerank(positions, num_inliers)

    def _verify(self, row: int, positions: Sequence[int]) -> dict[str, int]:
        answers = {self._key_of(position): NOT_VERIFIED for position in positions}
        query = self._load_query(row)
        if query is None:
            return answers
        loaded = ((p, self._load_database(p)) for p in positions)
        readable = [(position, features) for position, features in loaded if features is not None]
        settings = self.settings.verification.count_all_inliers()
        found = verify_one_to_many(query, (f for _, f in readable), settings)
        for (position, _), verification in zip(readable, found, strict=True):
            if verification.verdict is not PairVerdict.REJECTED:
                answers[self._key_of(position)] = verification.num_inliers
        return answers


def _read_answers(path: Path) -> dict[str, int]:
    if not path.is_file():
        return {}
    return dict(_Answers.model_validate_json(path.read_bytes()).inliers)
