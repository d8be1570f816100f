"""Rates from what a probe took."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from manifests.feature_store import BYTES_PER_FEATURE
from pipelines.planning.amounts import Amount
from pipelines.planning.bootstrap import estimate_from_strata, estimate_mean, estimate_share
from pipelines.planning.measuring import MeasuredUnits
from pipelines.planning.pair_counts import estimate_mutual
from pipelines.planning.probe import ProbeFindings
from pipelines.planning.probe_jobs import JobFindings, ProbedClass
from pipelines.planning.rates import Rates, StepRate
from pipelines.planning.sampling import SampledClass, weigh_strata
from pipelines.planning.steps import (
    CLEAN,
    CODEBOOK,
    DESCRIBE,
    EMBED,
    JOIN,
    OVERLAP,
    SCAN,
    VERIFY,
    count_parts,
    work_of,
)
from pipelines.run_config import RunConfig

_OF_IMAGES = (SCAN, JOIN, DESCRIBE, CODEBOOK, EMBED)
"""Steps measured on images drawn evenly; the others on classes."""
_ITEM_BY_ITEM = (SCAN, DESCRIBE)
_MEASURED_ONCE = 0.5
"""Steps that are measured as a whole, once, are believed to be right within a half."""
_BYTES_MEASURED_ONCE = 0.15
_MUTUAL_ERROR = 0.1
_KEPT_ERROR = 0.3
"""A thinned class keeps other images than the whole class."""


def derive_rates(findings: ProbeFindings, class_sizes: ArrayLike, config: RunConfig) -> Rates:
    """Rates from the jobs of a probe.

    Args:
        findings: what they took.
        class_sizes: images of each class of the whole data set, (c,): how much pairs of small and
            of large classes weigh.
        config: the job that is planned.
    """
    seed, k = config.plan.probe.seed, config.verify.num_neighbours
    pairs = _ProbedPairs(findings, seed)
    mutual = pairs.estimate_mutual() or _assume_mutual(config)
    weights = weigh_strata(class_sizes, k, mutual.value)
    of_images, of_classes = findings.images, findings.classes
    steps = {}
    for name in (*_OF_IMAGES, *of_classes.steps):
        job = of_images if name in _OF_IMAGES else of_classes
        if name in job.steps and name not in steps:
            steps[name] = _rate_step(name, job, findings.tiny, seed)
    if VERIFY in steps and findings.classes.classes:
        steps[VERIFY] = pairs.rate(steps[VERIFY], weights)
    usable = _count(of_images, DESCRIBE, "images")
    return Rates(
        config_digest=config.digest,
        steps=steps,
        tables=_name_tables(of_images, of_classes),
        readable=estimate_share(usable, _count(of_images, SCAN, "files")),
        described=estimate_share(_count(of_images, EMBED, "described"), usable),
        kept=_estimate_kept(of_classes),
        mutual=mutual,
        asked=pairs.estimate_asked(weights),
        search_seconds_per_image=of_classes.search_seconds,
        near_hash_seconds_per_pair=of_classes.near_hash_seconds,
        matched_per_view=min(config.overlap.top_k, _count(of_classes, CLEAN, "kept")),
        dimensions=_count(of_images, CODEBOOK, "dimensions") or None,
    )


def _rate_step(name: str, job: JobFindings, tiny: JobFindings, seed: int) -> StepRate:
    step = job.steps[name]
    count = _count_items(name, job)
    if count == 0:
        return _empty_rate(name, step)
    before = tiny.steps.get(name, MeasuredUnits())
    tiny_count = _count_items(name, tiny) if before.num_units == step.num_units else 0
    num_parts = count_parts(num_shards=1).get(name, step.num_units)
    line = count, tiny_count, num_parts
    seconds, unit_seconds = _split(*line, step.cpu_seconds, before.cpu_seconds)
    sizes = _sum_bytes(step), _sum_bytes(before)
    num_bytes, unit_bytes = _split(*line, *sizes)
    if 0 < tiny_count < count and sizes[0] <= sizes[1]:
        # A table that does not grow has no rows; times of as little work merely vary.
        num_bytes, unit_bytes = 0.0, sizes[0] / num_parts
    if name == CODEBOOK:
        # Its size goes by the length of descriptors, whatever it was learned from.
        num_bytes, unit_bytes = 0.0, _sum_bytes(step)
    cpu = Amount.within(seconds, _MEASURED_ONCE)
    if name in _ITEM_BY_ITEM and len(step.item_seconds) == count:
        cpu = estimate_mean(step.item_seconds, seed)
        unit_seconds = max(0.0, step.cpu_seconds - cpu.value * count) / step.num_units
    return StepRate(
        unit=work_of(name).noun,
        source="probe",
        num_measured=count,
        cpu_seconds=cpu,
        unit_cpu_seconds=unit_seconds,
        gpu_seconds=_estimate_gpu(step, count),
        table_bytes=_estimate_bytes(name, job, num_bytes, seed),
        unit_table_bytes=unit_bytes,
        peak_bytes=step.peak_bytes,
    )


def _empty_rate(name: str, step: MeasuredUnits) -> StepRate:
    """A step that had nothing to do: what its units took, if it had any."""
    num_units = max(1, step.num_units)
    return StepRate(
        unit=work_of(name).noun,
        source="probe",
        num_measured=0,
        cpu_seconds=Amount.exact(0),
        unit_cpu_seconds=step.cpu_seconds / num_units,
        table_bytes=Amount.exact(0),
        unit_table_bytes=_sum_bytes(step) / num_units,
        peak_bytes=step.peak_bytes,
    )


def _split(
    count: float, tiny_count: float, num_parts: int, total: float, tiny_total: float
) -> tuple[float, float]:
    """What each item takes and what each part, from a line through a tiny job and a larger one."""
    per_item = total / count
    if 0 < tiny_count < count and total > tiny_total:
        per_item = min(per_item, (total - tiny_total) / (count - tiny_count))
    return per_item, (total - per_item * count) / num_parts


def _estimate_gpu(step: MeasuredUnits, count: float) -> Amount | None:
    if not step.gpu_seconds:
        return None
    return Amount.within(step.gpu_seconds / count, _MEASURED_ONCE)


def _estimate_bytes(name: str, job: JobFindings, per_item: float, seed: int) -> Amount:
    if name != DESCRIBE or not job.num_features:
        return Amount.within(per_item, _BYTES_MEASURED_ONCE)
    # Images differ in their features, and hardly in the rows of the table beside them.
    blocks = np.asarray(job.num_features, np.float64) * BYTES_PER_FEATURE
    return estimate_mean((blocks + max(0.0, per_item - float(blocks.mean()))).tolist(), seed)


def _estimate_kept(job: JobFindings) -> Amount:
    images, kept = _count(job, CLEAN, "images"), _count(job, CLEAN, "kept")
    if not images:
        return Amount(value=0.75, low=0.3, high=1)
    share = Amount.within(kept / images, _KEPT_ERROR)
    return share.model_copy(update={"high": min(1.0, share.high)})


def _assume_mutual(config: RunConfig) -> Amount:
    value = config.plan.rates.mutual_neighbours
    return Amount(value=value, low=0.8 * value, high=min(1.0, 1.2 * value))


def _name_tables(*jobs: JobFindings) -> dict[str, str]:
    return {
        name: folder
        for job in jobs
        for name, step in job.steps.items()
        for folder in sorted(step.table_bytes)
    }


def _count_items(name: str, job: JobFindings) -> float:
    if name == OVERLAP:
        return job.num_queries
    return work_of(name).count({step: units.counts for step, units in job.steps.items()})


def _count(job: JobFindings, step: str, key: str) -> int:
    return job.steps[step].counts.get(key, 0) if step in job.steps else 0


def _sum_bytes(step: MeasuredUnits) -> int:
    return sum(step.table_bytes.values())


class _ProbedPairs:
    """The pairs of the classes of a probe, weighed as the whole data set has them."""

    def __init__(self, findings: ProbeFindings, seed: int) -> None:
        sampled: Mapping[int, SampledClass] = {c.landmark_id: c for c in findings.sampled}
        # Of a class whose images turn out unreadable, nothing is left to learn.
        self._classes: Sequence[ProbedClass] = [
            c for c in findings.classes.classes if c.num_proposed
        ]
        self._strata = [sampled[c.landmark_id].stratum for c in self._classes]
        self._asked = np.array([_count_asked(c, sampled[c.landmark_id]) for c in self._classes])
        self._proposed = np.array([c.num_proposed for c in self._classes], np.float64)
        self._seconds = np.array([c.cpu_seconds for c in self._classes], np.float64)
        self._num_asked = np.array([c.num_asked for c in self._classes], np.float64)
        self._seed = seed

    def estimate_mutual(self) -> Amount | None:
        """Share of mutual neighbours, with its interval."""
        sizes = np.array([c.num_images for c in self._classes], np.float64)
        neighbours = np.array([c.num_neighbours for c in self._classes], np.float64)
        if not len(sizes) or estimate_mutual(sizes, neighbours, self._proposed) is None:
            return None

        def statistic(chosen: NDArray[np.int64]) -> float:
            found = estimate_mutual(sizes[chosen], neighbours[chosen], self._proposed[chosen])
            return 0.0 if found is None else found

        found = estimate_from_strata(self._strata, statistic, self._seed)
        # Often one class alone is so large, and tells nothing of how others differ.
        low, high = found.value * (1 - _MUTUAL_ERROR), found.value * (1 + _MUTUAL_ERROR)
        return Amount(
            value=found.value, low=min(found.low, low), high=min(1.0, max(found.high, high))
        )

    def estimate_asked(self, weights: Sequence[float]) -> Amount:
        """Share of the proposed pairs that are put to the verifier."""
        if not self._classes:
            return Amount.exact(1)
        return estimate_from_strata(
            self._strata, lambda chosen: self._weigh(chosen, weights)[1], self._seed
        )

    def rate(self, measured: StepRate, weights: Sequence[float]) -> StepRate:
        """The rate of the step, with the seconds of pairs in the mix of the whole data set."""
        if not self._classes:
            return measured

        def statistic(chosen: NDArray[np.int64]) -> float:
            seconds, asked = self._weigh(chosen, weights)
            return seconds / asked if asked else 0.0

        cpu = estimate_from_strata(self._strata, statistic, self._seed)
        num_pairs = float(self._num_asked.sum())
        return measured.model_copy(update={"cpu_seconds": cpu, "num_measured": num_pairs})

    def _weigh(self, chosen: NDArray[np.int64], weights: Sequence[float]) -> tuple[float, float]:
        """Seconds and asked pairs for each proposed pair of the whole data set."""
        strata = np.asarray(self._strata)[chosen]
        present = np.unique(strata)
        total = sum(weights[stratum] for stratum in present)
        seconds = asked = 0.0
        for stratum in present:
            own = chosen[strata == stratum]
            weight = weights[stratum] / total if total else 1 / len(present)
            share = float((self._asked[own] * self._proposed[own]).sum())
            share /= float(self._proposed[own].sum())
            num_asked = max(1.0, float(self._num_asked[own].sum()))
            asked += weight * share
            seconds += weight * share * float(self._seconds[own].sum()) / num_asked
        return seconds, asked


def _count_asked(probed: ProbedClass, sampled: SampledClass) -> float:
    """The share of its pairs that a class puts to the verifier.

    Where pairs are left out, images ask for so many each, however large the class is.
    """
    share = probed.num_asked / probed.num_proposed
    if share == 1 or sampled.is_whole:
        return share
    return share * probed.num_images / sampled.num_images
