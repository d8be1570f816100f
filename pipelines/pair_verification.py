"""Puts the candidate pairs of one class to the verifier: all, or those that can matter."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from curation.failure_budget import FailureBudget
from curation.neighbours import CandidatePair
from curation.settled_pairs import SettledPairs
from curation.verification import Verification, verify_one_to_many
from manifests.feature_store import FeatureStore
from manifests.features import LocalFeatures
from manifests.rows import PairReason, PairVerdict
from pipelines.settings import VerifySettings

Evidence = dict[str, Any]
"""The columns that tables of pairs have in common."""

_IDENTITY = np.eye(2, 3)


@dataclass(frozen=True)
class PairAnswers:
    """What was found, and how many pairs were not put to the verifier."""

    found: Mapping[CandidatePair, Evidence]
    num_settled: int = 0
    num_over_budget: int = 0


@dataclass(frozen=True)
class PairVerifier:
    """Verifies pairs of stored images.

    Of the features, which stay mapped, it holds copies of one image and one candidate at a time,
    or of one batch of candidates on a GPU.

    Attributes:
        features: of all images.
        settings: how, and which pairs may be left out.
        min_neighbours: verified neighbours that the cleaning asks of an image.
    """

    features: FeatureStore
    settings: VerifySettings
    min_neighbours: int

    def verify(
        self, pairs: Iterable[CandidatePair], known: Mapping[CandidatePair, Evidence]
    ) -> PairAnswers:
        """Verify pairs of one class.

        Args:
            pairs: most similar first.
            known: those whose evidence needs no verifier.
        """
        if self.settings.skip_settled_pairs or not self.settings.budget.is_off:
            return self._verify_in_turn(pairs, known)
        return PairAnswers({**known, **self._verify_all(p for p in pairs if p not in known)})

    def _verify_all(self, pairs: Iterable[CandidatePair]) -> dict[CandidatePair, Evidence]:
        """Image by image, each prepared for matching once."""
        by_query: defaultdict[str, list[CandidatePair]] = defaultdict(list)
        for pair in pairs:
            by_query[pair.image_id_a].append(pair)
        found: dict[CandidatePair, Evidence] = {}
        for query, others in by_query.items():
            candidates = (self.features.load(pair.image_id_b) for pair in others)
            answers = verify_many(self.features.load(query), candidates, self.settings)
            found.update(zip(others, map(evidence, answers), strict=True))
        return found

    def _verify_in_turn(
        self, pairs: Iterable[CandidatePair], known: Mapping[CandidatePair, Evidence]
    ) -> PairAnswers:
        """One by one, as each answer may make another superfluous."""
        settled, budget = SettledPairs(self.min_neighbours), FailureBudget(self.settings.budget)
        found: dict[CandidatePair, Evidence] = {}
        num_settled = num_over_budget = 0
        for pair in pairs:
            ids = pair.image_id_a, pair.image_id_b
            if pair in known:
                found[pair] = known[pair]
            elif self.settings.skip_settled_pairs and settled.is_settled(*ids):
                num_settled += 1
                continue
            elif budget.is_spent(*ids):
                num_over_budget += 1
                continue
            else:
                found |= self._verify_all([pair])
            settled.record(*ids, found[pair]["verdict"])
            budget.record(*ids, found[pair]["verdict"])
        return PairAnswers(found, num_settled, num_over_budget)


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
