"""Giving up on pairs that are unlikely to be verified, after a number of failures.

Pairs come most similar first. An image that has failed many times in a row will rarely succeed
with one less similar still. Unlike the pairs that `curation.settled_pairs` skips, those skipped
here could change the result: this is an approximation for quick looks at a large data set.
"""

from collections import Counter, defaultdict

from pydantic import Field

from curation.disjoint_sets import DisjointSets
from manifests.rows import PairVerdict
from manifests.strict_model import StrictModel


class BudgetSettings(StrictModel):
    """When further pairs are given up; approximate, and off unless a number is given.

    A pair that is given up counts as rejected, and no table has a row for it. In a class that is
    cut into parts, each part has a budget of its own.
    """

    max_failures_per_image: int | None = Field(None, ge=1)
    """A pair is given up when each of its images has been rejected with so many others in a row."""
    max_failures_per_component: int | None = Field(None, ge=1)
    """A pair that would connect two components of verified pairs is given up when so many pairs
    between them have been rejected."""

    @property
    def is_off(self) -> bool:
        """Whether every pair is verified."""
        return self.max_failures_per_image is None and self.max_failures_per_component is None


class FailureBudget:
    """What the pairs verified so far say about the prospects of the others of one class.

    Args:
        settings: how many failures are enough.
    """

    def __init__(self, settings: BudgetSettings) -> None:
        self._settings = settings
        self._failures_in_a_row: Counter[str] = Counter()
        self._components = DisjointSets()
        self._failures_between: defaultdict[str, Counter[str]] = defaultdict(Counter)

    def is_spent(self, image_id_a: str, image_id_b: str) -> bool:
        """Whether this pair is to be given up."""
        return self._is_spent_by_images(image_id_a, image_id_b) or self._is_spent_by_components(
            image_id_a, image_id_b
        )

    def record(self, image_id_a: str, image_id_b: str, verdict: PairVerdict) -> None:
        """Take note of the answer for a pair."""
        if verdict is PairVerdict.REJECTED:
            self._record_failure(image_id_a, image_id_b)
            return
        for image_id in (image_id_a, image_id_b):
            self._failures_in_a_row[image_id] = 0
        self._unite(image_id_a, image_id_b)

    def _is_spent_by_images(self, image_id_a: str, image_id_b: str) -> bool:
        limit = self._settings.max_failures_per_image
        failures = self._failures_in_a_row
        return limit is not None and min(failures[image_id_a], failures[image_id_b]) >= limit

    def _is_spent_by_components(self, image_id_a: str, image_id_b: str) -> bool:
        limit = self._settings.max_failures_per_component
        if limit is None:
            return False
        component_a, component_b = (self._components.find(i) for i in (image_id_a, image_id_b))
        return self._failures_between[component_a][component_b] >= limit

    def _record_failure(self, image_id_a: str, image_id_b: str) -> None:
        self._failures_in_a_row.update((image_id_a, image_id_b))
        component_a, component_b = (self._components.find(i) for i in (image_id_a, image_id_b))
        if component_a != component_b:
            self._failures_between[component_a][component_b] += 1
            self._failures_between[component_b][component_a] += 1

    def _unite(self, image_id_a: str, image_id_b: str) -> None:
        """Join two components; the failures of both with a third add up."""
        kept, gone = sorted(self._components.find(i) for i in (image_id_a, image_id_b))
        if kept == gone:
            return
        self._components.unite(kept, gone)
        of_gone = self._failures_between.pop(gone, Counter())
        self._failures_between[kept].pop(gone, None)
        of_gone.pop(kept, None)
        for third, count in of_gone.items():
            self._failures_between[third].pop(gone, None)
            self._failures_between[third][kept] += count
            self._failures_between[kept][third] += count
