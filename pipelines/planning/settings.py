"""Settings of a plan. Nothing here changes what a job computes."""

from pydantic import Field

from manifests.strict_model import StrictModel


class ProbeSettings(StrictModel):
    """The sample of real work that is measured."""

    share: float = Field(0.01, gt=0, le=1)
    """Share of the images that are read, described and embedded; as many again in whole or thinned
    classes for pairs."""
    min_images: int = Field(200, ge=20)
    """Not fewer than this, as far as there are so many."""
    max_images: int = Field(2000, ge=20)
    """Not more than this."""
    max_seconds: float = Field(300.0, gt=0)
    """The samples are made smaller where they would take longer on the processor. How many images
    were measured then depends on the machine; the plan says how many they were."""
    max_shards: int = Field(50, ge=1)
    """Shards that are listed to find images; evenly spread if there are more."""
    max_images_per_class: int = Field(32, ge=4)
    """Images taken of a class. Where a class has more, the pairs of its sample are those as near
    to each other as its own candidate pairs are."""
    max_queries: int = Field(4, ge=1)
    """Evaluation queries compared with the sample."""
    seed: int = Field(0, ge=0)
    """Another seed draws other images and classes."""


class ThroughputSettings(StrictModel):
    """Figures to plan with where nothing is measured, or in place of what is measured.

    Of another machine, for instance. Times are processor seconds of one core.
    """

    readable_share: float = Field(0.99, gt=0, le=1)
    """Files that can be used; taken only where nothing is measured."""
    mutual_neighbours: float = Field(0.5, ge=0, le=1)
    """Of an image's nearest neighbours in a large class, the share that have the image among
    theirs: their pairs are verified once. Taken only where nothing is measured."""
    scan_seconds_per_image: float | None = Field(None, ge=0)
    """Reading and decoding one file of a shard."""
    describe_seconds_per_image: float | None = Field(None, ge=0)
    """Local features of one image."""
    embed_seconds_per_image: float | None = Field(None, ge=0)
    """Its global descriptor, on the processor."""
    embed_gpu_seconds_per_image: float | None = Field(None, ge=0)
    """Its global descriptor by a network on a GPU."""
    verify_seconds_per_pair: float | None = Field(None, ge=0)
    """Verifying one pair, in the mean over a class."""
    features_bytes_per_image: float | None = Field(None, ge=0)
    """Local features on disk."""
    matches_bytes_per_pair: float | None = Field(None, ge=0)
    """A row of the table `matches`."""
    fetch_bytes_per_second: float | None = Field(None, gt=0)
    """Download rate of all connections together; without it, the time of fetching is not known."""


class PlanSettings(StrictModel):
    """What `cleanmark plan` may measure and assume; see docs/planning.md."""

    probe: ProbeSettings = ProbeSettings()
    rates: ThroughputSettings = ThroughputSettings()
