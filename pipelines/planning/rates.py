"""What an item takes: rates, as a probe, an earlier plan or the configuration gives them."""

from collections.abc import Mapping
from typing import Literal

from manifests.strict_model import StrictModel
from pipelines.planning.amounts import Amount
from pipelines.planning.settings import ThroughputSettings
from pipelines.planning.steps import DESCRIBE, EMBED, SCAN, VERIFY, work_of

NOTHING = Amount.exact(0)


class StepRate(StrictModel):
    """What the items of one step take."""

    unit: str
    """What an item is."""
    source: Literal["probe", "config", "run"]
    """Where the figures come from."""
    num_measured: float
    """Items that were measured."""
    cpu_seconds: Amount | None
    """Processor seconds of an item; None if not known."""
    unit_cpu_seconds: float = 0.0
    """Processor seconds of a unit that does nothing."""
    gpu_seconds: Amount | None = None
    """Seconds for which an item holds a GPU; None for a step that needs none."""
    table_bytes: Amount | None
    """What an item leaves on disk; None if not known."""
    unit_table_bytes: float = 0.0
    """Bytes that a unit writes for no item."""
    peak_bytes: int | None = None
    """Most memory that a worker had in use when it was measured."""


class Rates(StrictModel):
    """All that a plan knows of a machine and of the photographs, whatever their number."""

    config_digest: str | None
    """Of the settings that were measured; None if nothing was."""
    steps: Mapping[str, StepRate] = {}
    """Step -> what its items take."""
    tables: Mapping[str, str] = {}
    """Step -> folder of the run that it writes."""
    readable: Amount
    """Share of files that can be used."""
    described: Amount = Amount.exact(1)
    """Share of usable images that have a global descriptor."""
    kept: Amount = Amount(value=0.75, low=0.3, high=1)
    """Share of usable images that the cleaning keeps."""
    mutual: Amount
    """Share of neighbours in large classes that are mutual."""
    asked: Amount = Amount.exact(1)
    """Share of proposed pairs that are put to the verifier."""
    search_seconds_per_image: float = 0.0
    """Processor seconds to compare one view of a query with one image of the clean split."""
    near_hash_seconds_per_pair: float = 0.0
    """Processor seconds to look one perceptual hash up, for each hash that is there."""
    matched_per_view: float | None = None
    """Images that each view of a query was verified with when it was measured."""
    dimensions: int | None = None
    """Length of the descriptors when they were measured."""


def assume_rates(settings: ThroughputSettings) -> Rates:
    """Rates where nothing is measured: the shares that the configuration assumes."""
    readable, mutual = settings.readable_share, settings.mutual_neighbours
    return Rates(
        config_digest=None,
        readable=Amount(value=readable, low=0.9 * readable, high=1),
        mutual=Amount(value=mutual, low=0.8 * mutual, high=min(1.0, 1.2 * mutual)),
    )


def apply_throughput(rates: Rates, settings: ThroughputSettings) -> Rates:
    """Put the figures of the configuration in the place of those that were measured."""
    steps = dict(rates.steps)
    for name, cpu, gpu, num_bytes in (
        (SCAN, settings.scan_seconds_per_image, None, None),
        (DESCRIBE, settings.describe_seconds_per_image, None, settings.features_bytes_per_image),
        (EMBED, settings.embed_seconds_per_image, settings.embed_gpu_seconds_per_image, None),
        (VERIFY, settings.verify_seconds_per_pair, None, settings.matches_bytes_per_pair),
    ):
        if (cpu, gpu, num_bytes) != (None, None, None):
            steps[name] = _override(name, steps.get(name), cpu, gpu, num_bytes)
    return rates.model_copy(update={"steps": steps})


def _override(
    name: str,
    before: StepRate | None,
    cpu: float | None,
    gpu: float | None,
    num_bytes: float | None,
) -> StepRate:
    rate = before or StepRate(
        unit=work_of(name).noun, source="config", num_measured=0, cpu_seconds=None, table_bytes=None
    )
    update: dict[str, object] = {"source": "config"}
    if cpu is not None:
        update |= {"cpu_seconds": Amount.exact(cpu), "unit_cpu_seconds": 0.0}
    if gpu is not None:
        update |= {"gpu_seconds": Amount.exact(gpu)}
    if num_bytes is not None:
        update |= {"table_bytes": Amount.exact(num_bytes), "unit_table_bytes": 0.0}
    return rate.model_copy(update=update)
