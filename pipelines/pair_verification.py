"""Puts the candidate pairs of one class to the verifier: all, or those that can matter."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curation.failure_budget import FailureBudget
from curation.linkage import group_by_query
from curation.neighbours import ProposedPairs
from curation.pair_answer import Verification
from curation.prepared_images import PreparedImages
from curation.settled_pairs import SettledPairs
from curation.verification import verify_one_to_many, verify_prepared_to_many
from manifests.arrow_schemas import MATCHES
from manifests.feature_store import FeatureStore
from manifests.features import LocalFeatures
from manifests.id_arrays import Ids, encode_ids, list_ids
from manifests.rows import PairReason, PairVerdict
from pipelines.settings import VerifySettings

Evidence = dict[str, Any]
"""The columns that tables of pairs have in common, of one pair."""
EVIDENCE_SCHEMA = pa.schema(
    MATCHES.schema.field(name)
    for name in ("num_tentative", "num_inliers", "model", "transform", "verdict", "reason")
)
"""The same columns, as tables of many pairs have them."""

_IDENTITY = np.eye(2, 3)


class PairJudge(Protocol):
    """Says of pairs of stored images what they have in common."""

    def __call__(
        self, features: FeatureStore, ids_a: Ids, ids_b: Ids, settings: VerifySettings
    ) -> pa.Table:
        """Judge n pairs; n rows of `EVIDENCE_SCHEMA`, in order."""
        ...


def judge_by_features(
    features: FeatureStore, ids_a: Ids, ids_b: Ids, settings: VerifySettings
) -> pa.Table:
    """Judge pairs by their local features, image by image, each prepared for matching once.

    Of the features, which stay mapped, it holds what `PreparedImages` has room for, also from call
    to call, or copies of one batch of candidates on a GPU.
    """
    unique, positions = np.unique(np.concatenate([ids_a, ids_b]), return_inverse=True)
    first, second = positions.astype(np.int32).reshape(2, -1)
    ids, images = list_ids(unique), _open_images(features)
    found: dict[int, Evidence] = {}
    for query, rows, others, is_first in group_by_query(first, second, len(ids)):
        if settings.device == "cpu":
            prepared = (images[ids[other]] for other in others)
            answers = verify_prepared_to_many(images[ids[query]], prepared, settings)
        else:
            candidates = (features.load(ids[other]) for other in others)
            answers = verify_many(features.load(ids[query]), candidates, settings)
        for row, answer, in_order in zip(rows.tolist(), answers, is_first, strict=True):
            # An answer holds what is behind it; its evidence is a few numbers.
            found[row] = evidence(answer if in_order else answer.turn_round())
    return tabulate([found[row] for row in range(len(ids_a))])


@lru_cache(maxsize=1)
def _open_images(features: FeatureStore) -> PreparedImages:
    return PreparedImages(features.load)


@dataclass(frozen=True)
class PairAnswers:
    """What was found, and how many pairs were not put to the verifier.

    Attributes:
        is_found: bool (p,), the pairs that there is an answer for.
        evidence: their answers, rows of `EVIDENCE_SCHEMA` in order.
        num_settled: pairs that were left out as their answer changes nothing.
        num_over_budget: pairs that were given up.
    """

    is_found: NDArray[np.bool_]
    evidence: pa.Table
    num_settled: int = 0
    num_over_budget: int = 0


@dataclass(frozen=True)
class PairVerifier:
    """Verifies pairs of stored images.

    Attributes:
        features: of all images.
        settings: how, and which pairs may be left out.
        min_neighbours: verified neighbours that the cleaning asks of an image.
        judge: what answers for a pair.
    """

    features: FeatureStore
    settings: VerifySettings
    min_neighbours: int
    judge: PairJudge = judge_by_features

    def verify(self, pairs: ProposedPairs, is_same_file: NDArray[np.bool_]) -> PairAnswers:
        """Verify pairs of one class.

        Args:
            pairs: p pairs, most similar first.
            is_same_file: bool (p,), pairs of equal bytes, which need no verifier.
        """
        ids = encode_ids(pairs.image_ids)
        ids_a, ids_b = ids[pairs.first], ids[pairs.second]
        if self.settings.skip_settled_pairs or not self.settings.budget.is_off:
            return self._verify_in_turn(pairs, ids_a, ids_b, is_same_file)
        found = self._verify_all(ids_a, ids_b, is_same_file)
        return PairAnswers(np.ones(len(pairs), np.bool_), found)

    def _verify_all(self, ids_a: Ids, ids_b: Ids, is_same_file: NDArray[np.bool_]) -> pa.Table:
        if not is_same_file.any():
            return self.judge(self.features, ids_a, ids_b, self.settings)
        judged = self.judge(
            self.features, ids_a[~is_same_file], ids_b[~is_same_file], self.settings
        )
        num_features = self.features.count_features(ids_a[is_same_file])
        same = tabulate([same_bytes(count) for count in num_features.tolist()])
        order = np.argsort(np.argsort(is_same_file, kind="stable"), kind="stable")
        return pa.concat_tables([judged, same]).take(pa.array(order))

    def _verify_in_turn(
        self, pairs: ProposedPairs, ids_a: Ids, ids_b: Ids, is_same_file: NDArray[np.bool_]
    ) -> PairAnswers:
        """One by one, as each answer may make another superfluous."""
        settled, budget = SettledPairs(self.min_neighbours), FailureBudget(self.settings.budget)
        is_found = np.zeros(len(pairs), np.bool_)
        found = [EVIDENCE_SCHEMA.empty_table()]
        num_settled = num_over_budget = 0
        for row, pair in enumerate(pairs):
            ids = pair.image_id_a, pair.image_id_b
            if not is_same_file[row]:
                if self.settings.skip_settled_pairs and settled.is_settled(*ids):
                    num_settled += 1
                    continue
                if budget.is_spent(*ids):
                    num_over_budget += 1
                    continue
            is_found[row] = True
            own = slice(row, row + 1)
            found.append(self._verify_all(ids_a[own], ids_b[own], is_same_file[own]))
            verdict = PairVerdict(found[-1]["verdict"][0].as_py())
            settled.record(*ids, verdict)
            budget.record(*ids, verdict)
        return PairAnswers(is_found, pa.concat_tables(found), num_settled, num_over_budget)


def verify_many(
    query: LocalFeatures, candidates: Iterable[LocalFeatures], settings: VerifySettings
) -> Iterator[Verification]:
    """Verify one image against many on the device that the settings name.

    Raises:
        DeviceError: there is no such device.
    """
    if settings.device == "cpu":
        return verify_one_to_many(query, candidates, settings)
    # Loads torch, which a job on the processor need not have.
    from pipelines.device_matching import verify_on_device

    return verify_on_device(query, candidates, settings)


def evidence(found: Verification) -> Evidence:
    """What the verifier says of a pair, as columns."""
    return {
        "num_tentative": found.num_tentative,
        "num_inliers": found.num_inliers,
        "model": found.model,
        "transform": found.transform,
        "verdict": found.verdict,
        "reason": found.reason,
    }


def tabulate(rows: Sequence[Evidence]) -> pa.Table:
    """Evidence of many pairs as a table."""
    columns = {name: [row[name] for row in rows] for name in EVIDENCE_SCHEMA.names}
    return pa.table(columns, schema=EVIDENCE_SCHEMA)


def same_bytes(num_features: int) -> Evidence:
    """Every feature of a file agrees with itself; no need to match them."""
    return {
        "num_tentative": num_features,
        "num_inliers": num_features,
        "model": "affine",
        "transform": _IDENTITY.ravel().tolist(),
        "verdict": PairVerdict.DUPLICATE,
        "reason": PairReason.SAME_BYTES,
    }
