"""Settings of the stages: those of the functions they wrap, and how work is cut up."""

import os
from pathlib import Path
from typing import Literal

from pydantic import Field

from curation.class_index import ValSplitSettings
from curation.overlap import OverlapSettings
from curation.removal_policies import RemovalSettings
from curation.schedule import ScheduleSettings
from curation.sift import SiftSettings
from curation.verification import VerificationSettings
from curation.vlad import VladSettings
from manifests.strict_model import StrictModel


class SourceSettings(StrictModel):
    """Where the training images are."""

    layout: Literal["gldv2"] = "gldv2"
    """`gldv2`: SPLIT/images_NNN.tar, md5sum/SPLIT/md5.images_NNN.txt and metadata/*.csv."""
    root: Path
    """The folder that holds them."""
    split: Literal["train"] = "train"
    """Labels of train and of index are different id spaces; only train has classes to clean."""
    check_md5: bool = True
    """Compare every shard with its published checksum before it is read."""


class EvaluationSetSettings(StrictModel):
    """An evaluation set that the training classes must not overlap."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,59}$")
    """What tables call it: letters, digits, `_` and `-`."""
    images: Path
    """Folder of its photographs."""
    ground_truth: Path
    """Ground truth in the format of Revisited Oxford and Paris, .pkl or .json."""
    text_terms: tuple[str, ...] = ()
    """Classes whose name contains one of these are put before people as well."""


class IngestSettings(StrictModel):
    """Reading the shards."""

    item_timeout_seconds: float = Field(120.0, gt=0)
    """An image that takes longer to decode hangs; its worker is stopped."""


class DescribeSettings(SiftSettings):
    """Local features."""

    method: Literal["sift"] = "sift"
    """`sift`: RootSIFT, which needs no weights."""


class EmbedSettings(VladSettings):
    """Global descriptors."""

    method: Literal["vlad"] = "vlad"
    """`vlad`: aggregated local features, learned from the run's own images."""


class VerifySettings(VerificationSettings):
    """Pairs within a class."""

    num_neighbours: int = Field(100, ge=1)
    """Nearest images of the class that are verified with each image (Weyand et al. 2020)."""
    schedule: ScheduleSettings = ScheduleSettings()


class OverlapStageSettings(OverlapSettings):
    """Evaluation queries against the clean split."""

    queries_per_unit: int = Field(5, ge=1)
    """Queries of one unit of work."""


class EmitSettings(RemovalSettings, ValSplitSettings):
    """The published manifests."""


class RunnerSettings(StrictModel):
    """How the work is run. Nothing here changes the result."""

    workers: int = Field(0, ge=0)
    """Processes on this machine; 0 means one for each core."""
    unit_timeout_seconds: float = Field(6 * 3600.0, gt=0)
    """A unit that takes longer is stopped and has failed."""

    @property
    def num_workers(self) -> int:
        """Processes, with 0 resolved to the cores that this process may use."""
        return self.workers or len(os.sched_getaffinity(0))


class TruthSettings(StrictModel):
    """What is really the case, where a data set comes with it; used to score a run."""

    images: Path
    """CSV: image_id, landmark_id, place_shown, label_correct, planted."""
    overlap: Path | None = None
    """CSV: landmark_id, landmark, shown_in_queries."""
