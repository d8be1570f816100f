"""Settings of the stages: those of the functions they wrap, and how work is cut up."""

import os
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from curation.calibration import CalibrationSettings
from curation.class_index import ValSplitSettings
from curation.cross_duplicates import CrossDuplicateSettings, ResolveSettings
from curation.failure_budget import BudgetSettings
from curation.overlap import OverlapSettings
from curation.removal_policies import RemovalSettings
from curation.schedule import ScheduleSettings
from curation.sift import SiftSettings
from curation.train_split import CleanSettings
from curation.verification_settings import VerificationSettings
from curation.vlad import VladSettings
from manifests.strict_model import StrictModel
from networks.inference_settings import InferenceSettings
from pipelines.engines.settings import (
    DaskSettings,
    DataflowSettings,
    EngineName,
    PortableSettings,
)
from pipelines.fetching.catalogue import GLDV2_URL, parse_shards
from pipelines.fetching.settings import FetchSettings
from pipelines.fetching.sources import scheme_of
from pipelines.memory_budget import (
    DEFAULT_SHARE,
    MemoryBudget,
    MemorySize,
    find_machine_bytes,
    parse_size,
)


class SourceFetchSettings(FetchSettings):
    """Fetching what `source.root` lacks before anything is read."""

    base_url: str = GLDV2_URL
    """A mirror of GLDv2's bucket: http(s)://, gs://, s3://, file:// or an absolute folder."""
    shards: str | None = None
    """Which shards, such as `0-9,17`; all when left out. Whatever lies in the folder is read."""

    @field_validator("base_url")
    @classmethod
    def _check_base_url(cls, value: str) -> str:
        if not scheme_of(value) and not Path(value).is_absolute():
            raise ValueError("give a web address, gs://, s3://, file://, or an absolute folder")
        return value

    @field_validator("shards", mode="before")
    @classmethod
    def _check_shards(cls, value: object) -> object:
        # YAML reads a single number as a number.
        text = str(value) if isinstance(value, int) else value
        if isinstance(text, str):
            parse_shards(text)
        return text


class SourceSettings(StrictModel):
    """Where the training images are; nothing is fetched unless `fetch` is given."""

    layout: Literal["gldv2"] = "gldv2"
    """`gldv2`: SPLIT/images_NNN.tar, md5sum/SPLIT/md5.images_NNN.txt and metadata/*.csv."""
    root: Path
    """The folder that holds them."""
    split: Literal["train"] = "train"
    """Labels of train and of index are different id spaces; only train has classes to clean."""
    restrict_to: Path | None = None
    """A list in the form of train_clean.csv; images that it does not name are left out."""
    check_md5: bool = True
    """Compare every shard with its published checksum before it is read, unless the ledger of a
    fetch vouches for the file as it is."""
    fetch: SourceFetchSettings | None = None


class EvaluationSetSettings(StrictModel):
    """An evaluation set that the training classes must not overlap; or the path of a file of it."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,59}$")
    """What tables call it: letters, digits, `_` and `-`."""
    format: Literal["revisited", "oxford5k", "gldv2", "folder", "table"] = "revisited"
    """Where queries come from. `revisited`: a file of Revisited Oxford and Paris. `oxford5k`: the
    text files of the original Oxford5k and Paris6k. `gldv2`: a solution file of GLDv2. `folder`:
    every image of `images`, whole. `table`: a CSV or Parquet file."""
    images: Path
    """Folder of its photographs; for `gldv2` also of shards images_NNN.tar."""
    ground_truth: Path | None = None
    """`revisited`: .pkl or .json, or a .txt list of distractors, which has no queries. `oxford5k`:
    the folder of text files. `gldv2`: the solution file. `table`: columns query_id and path, which
    is relative to `images`, and x1, y1, x2, y2 in pixels where queries are crops. `folder`: none.
    """
    text_terms: tuple[str, ...] = ()
    """Classes whose name contains one of these are put before people as well."""
    landmark_names: tuple[str, ...] = ()
    """Names of the landmarks that the queries show. A class whose name holds one of them as whole
    words is put before people too; accents, case and punctuation do not count."""

    @model_validator(mode="after")
    def _check_ground_truth(self) -> "EvaluationSetSettings":
        if (self.ground_truth is None) != (self.format == "folder"):
            verb = "takes no" if self.format == "folder" else "needs"
            raise ValueError(f"format {self.format} {verb} `ground_truth`")
        return self


class IngestSettings(StrictModel):
    """Reading the shards."""

    item_timeout_seconds: float = Field(120.0, gt=0)
    """An image that takes longer to decode hangs; its worker is stopped."""


class DescribeSettings(SiftSettings):
    """Local features."""

    method: Literal["sift"] = "sift"
    """`sift`: RootSIFT, which needs no weights."""


class NetworkEmbedSettings(StrictModel):
    """Global descriptors by a network."""

    checkpoint: Path
    """The network with its weights, as `cleanmark train` and `cleanmark whiten` write it."""
    apply_whitening: bool = True
    """Whiten by what is stored with the checkpoint, if it has any."""
    device: str = Field("auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$")
    """`auto`: the first GPU, or the CPU without one; `cpu`, `cuda` or `cuda:N`."""
    inference: InferenceSettings = InferenceSettings()

    def dump_decisive(self) -> dict[str, Any]:
        """The settings that decide the descriptors, beside the content of the checkpoint."""
        return self.model_dump(mode="json", exclude={"checkpoint", "device"})


class EmbedSettings(VladSettings):
    """Global descriptors. The section `network` is for the method of that name, the rest not."""

    method: Literal["vlad", "network"] = "vlad"
    """`vlad`: aggregated local features, learned from the run's own images. `network`: the
    network of a checkpoint; see docs/embedding.md."""
    network: NetworkEmbedSettings | None = None

    @model_validator(mode="after")
    def _check_network(self) -> "EmbedSettings":
        if self.method == "network" and self.network is None:
            raise ValueError(
                "method network needs embed.network.checkpoint: a file from `cleanmark train`; "
                "method vlad needs no weights"
            )
        return self

    @property
    def used_network(self) -> NetworkEmbedSettings | None:
        """The settings of the network if that is the method, else None."""
        return self.network if self.method == "network" else None


class VerifySettings(VerificationSettings):
    """Pairs within a class."""

    num_neighbours: int = Field(100, ge=1)
    """Nearest images of the class that are verified with each image (Weyand et al. 2020)."""
    skip_settled_pairs: bool = False
    """Skip pairs, and leave no row of them, whose images lie in one component already and have
    enough verified neighbours each. Which images are kept stays the same, as far as no skipped
    pair is one of copies; their numbers of neighbours come out too low."""
    budget: BudgetSettings = BudgetSettings()
    device: Literal["cpu", "cuda"] = "cpu"
    """Where nearest neighbours are searched; `cuda` needs torch and a GPU, of which every worker
    takes a share of its own. The answers are the same."""
    schedule: ScheduleSettings = ScheduleSettings()
    calibration: CalibrationSettings = CalibrationSettings()
    uncertain_band: float = Field(0.25, ge=0, lt=1)
    """Pairs whose inliers lie this near to `clean.min_inliers`, as a share of it, are listed for
    people; see `curation.uncertain_pairs` for the exact limits. 0 leaves the list out."""

    def dump_decisive(self) -> dict[str, Any]:
        """The settings that decide what the table `matches` holds."""
        return self.model_dump(mode="json", exclude={"calibration", "device", "uncertain_band"})

    def dump_decisive_of_pair(self) -> dict[str, Any]:
        """The settings that decide what the verifier says of a single pair."""
        fields = set(VerificationSettings.model_fields)
        return self.model_dump(mode="json", include=fields)


class CleanStageSettings(CleanSettings):
    """What an image must show to stay, and what people say of pairs.

    Raising `min_inliers` or `min_verified_neighbours` never keeps more images with the policies
    `degree` and `kcore`. It can with `component`: a higher `min_inliers` may cut the largest
    component down to the size of the next, and equally large components are all kept.
    """

    answers: Path | None = None
    """A CSV file of pairs (image_id_a, image_id_b) with an `answer` each, `same` or `different`,
    that stands in for the verifier's verdict: a copy of `manifests/decisive_pairs.csv`, filled in.
    See docs/decisions.md."""

    def dump_decisive(self) -> dict[str, Any]:
        """The settings that decide about all classes, whatever was answered."""
        return self.model_dump(mode="json", exclude={"answers"})


class IndexSettings(StrictModel):
    """GLDv2's index split, whose photographs the training set should not hold."""

    root: Path
    """The folder with SPLIT/images_NNN.tar; often that of the training set."""
    split: Literal["index", "test"] = "index"
    """Which folder of shards is compared."""


class DuplicateStageSettings(CrossDuplicateSettings):
    """Photographs that stand in two classes, or in the index split as well."""

    index: IndexSettings | None = None
    """Look for copies of the index split's images too; left out by default, because all of that
    split must be there and is decoded."""

    def dump_decisive(self) -> dict[str, Any]:
        """The settings that decide which pairs are found."""
        return self.model_dump(mode="json", exclude={"index"})


class CandidateSettings(SiftSettings):
    """Local features of queries and of the images nearest to them."""

    long_side_px: int = Field(1024, ge=64, le=2047)
    """Images are reduced to this, never enlarged. More than `describe.long_side_px`, because few
    images are compared, and an overlap that is missed stays in."""
    max_features: int = Field(4000, ge=50, le=20_000)
    """Feature budget of an image."""


class OverlapStageSettings(OverlapSettings):
    """Evaluation queries against the clean split."""

    describe: CandidateSettings | None = CandidateSettings()
    """How queries and the images nearest to them are described for the comparison; `null` compares
    the features that the run has stored."""

    queries_per_unit: int = Field(5, ge=1)
    """Queries of one unit of work; of sets that would have more than 1,000 units, up to 250."""
    class_aliases: Path | None = None
    """A CSV file (landmark_id,name) of further names of classes, such as those of other languages;
    `landmark_names` of the evaluation sets are looked for among them too."""

    def dump_decisive(self) -> dict[str, Any]:
        """The settings that decide what is found by sight."""
        return self.model_dump(mode="json", exclude={"class_aliases"})


class EmitSettings(RemovalSettings, ResolveSettings, ValSplitSettings):
    """The published manifests."""


class RunnerSettings(StrictModel):
    """How the work is run. Nothing here changes the result."""

    engine: EngineName = "workstation"
    """Where units run; see docs/running.md. `workstation`: on this machine. `dask`: on a Dask
    cluster. `portable`: behind a job service, such as those of Flink and Spark. `dataflow`: on
    Google Cloud Dataflow. Any other runner of Beam is named after `--`."""
    workers: int = Field(0, ge=0)
    """Processes on this machine; 0 means one for each core."""
    isolate: bool = True
    """Run units in processes of their own, so that a crash or a hang costs one unit or image.
    Without, on a workstation, they run in the main process, where a debugger can follow them."""
    unit_timeout_seconds: float = Field(6 * 3600.0, gt=0)
    """A unit that takes longer is stopped and has failed."""
    max_memory: MemorySize | None = None
    """What all processes on one machine may take together, such as `8GiB`: searches are cut into
    pieces accordingly. Half of the machine's or container's memory when left out."""
    mount_root: Path = Path("/gcs")
    """The folder below which all machines see the buckets by their names, so that
    `gs://BUCKET/PATH` in this file or as `--out` means `MOUNT_ROOT/BUCKET/PATH`."""
    dask: DaskSettings = DaskSettings()
    portable: PortableSettings = PortableSettings()
    dataflow: DataflowSettings = DataflowSettings()

    @property
    def num_workers(self) -> int:
        """Processes, with 0 resolved to the cores that this process may use."""
        return self.workers or len(os.sched_getaffinity(0))

    @property
    def memory(self) -> MemoryBudget:
        """The budget, with the default resolved on this machine."""
        machine = int(DEFAULT_SHARE * find_machine_bytes())
        total = machine if self.max_memory is None else parse_size(self.max_memory)
        return MemoryBudget(total, self.num_workers)


class TruthSettings(StrictModel):
    """What is really the case, where a data set comes with it; used to score a run."""

    images: Path
    """CSV: image_id, landmark_id, place_shown, label_correct, planted."""
    overlap: Path | None = None
    """CSV: landmark_id, landmark, shown_in_queries."""
