"""Which listed images were examined, and why others were not."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa

from manifests.arrow_schemas import EMBEDDINGS, IMAGES, Table
from manifests.parquet_io import read_table
from manifests.rows import ImageStatus
from pipelines.audit.scanning import PLANTED_PREFIX
from pipelines.audit.training_list import TrainingList
from pipelines.markers import output_digests
from pipelines.stages.embed import Embed
from pipelines.stages.ingest import Join


@dataclass(frozen=True, eq=False)
class ListCoverage:
    """The listed images.

    Attributes:
        images: columns image_id, label, sha256 (null where no file was read) and uncovered (why
            the image was not examined, as a code; null if it was), one row per listed image.
    """

    images: pd.DataFrame

    @property
    def training(self) -> pa.Table:
        """Columns image_id, label and sha256."""
        return _as_table(self.images[["image_id", "label", "sha256"]])

    @property
    def uncovered(self) -> pa.Table:
        """Columns image_id and reason, of the images that were not examined."""
        rows = self.images.dropna(subset="uncovered")[["image_id", "uncovered"]]
        return _as_table(rows.rename(columns={"uncovered": "reason"}))


def measure_coverage(work_dir: Path, training_list: TrainingList) -> ListCoverage:
    """Join the list with what became of each image on its way to the search.

    An image was examined if its file was read and it has a global descriptor. Of an id with
    several files only the first is examined, so that such an image does not count.
    """
    files = _read_parts(work_dir, Join.name, IMAGES, ["image_id", "sha256", "status"])
    described = _read_parts(work_dir, Embed.name, EMBEDDINGS, ["image_id", "status"])
    is_extra = files["status"] == ImageStatus.DUPLICATE_ID
    extra_ids = files.loc[is_extra, "image_id"]
    listed = training_list.images.select(["image_id", "label"]).to_pandas()
    images = listed.merge(files[~is_extra], "left", "image_id")
    images = images.merge(described, "left", "image_id", suffixes=("", "_described"))
    reason = images["status"].fillna(ImageStatus.NOT_FOUND.value)
    reason = reason.mask(reason == ImageStatus.OK, images["status_described"])
    reason = reason.mask(images["image_id"].isin(extra_ids), ImageStatus.DUPLICATE_ID.value)
    images["uncovered"] = reason.mask(reason == ImageStatus.OK)
    return ListCoverage(images[["image_id", "label", "sha256", "uncovered"]])


def _read_parts(work_dir: Path, step: str, table: Table, columns: list[str]) -> pd.DataFrame:
    parts = [
        work_dir / path
        for path in output_digests(work_dir, step)
        if path.endswith(".parquet") and not Path(path).name.startswith(PLANTED_PREFIX)
    ]
    frame: pd.DataFrame = read_table(parts, table, columns).to_pandas()
    return frame


def _as_table(frame: pd.DataFrame) -> pa.Table:
    return pa.Table.from_pandas(frame, preserve_index=False)
