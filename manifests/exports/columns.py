"""The columns of an export, named as the readers of GLDv2, img2dataset and Hugging Face expect."""

from enum import StrEnum

import pyarrow as pa

from manifests.arrow_schemas import Column, Table


class SplitName(StrEnum):
    """A split of an export, by the name that Hugging Face gives it."""

    TRAIN = "train"
    VALIDATION = "validation"
    REMOVED = "removed"


KEPT_SPLITS = {SplitName.TRAIN: "train", SplitName.VALIDATION: "val"}
"""Splits of images that stay, and what the column `split` of a manifest calls them."""

KEEP, DROP = "keep", "drop"
"""The words of the column `decision`."""
LISTED_REASON = "listed"
"""Reason of what stays because GLDv2-clean lists it; no photograph was looked at."""


def _nullable(name: str, dtype: pa.DataType, description: str) -> Column:
    return Column(name, dtype, description, nullable=True)


_ID = Column("id", pa.string(), "GLDv2's own id; of a removed file without one, its name.")
_IMAGE_ID = Column("image_id", pa.string(), "The id with its name space: `gldv2:train:ID`.")
_URL = _nullable("url", pa.string(), "Where the photograph came from.")
_RIGHTS = (
    _nullable("author", pa.string(), "Author, as GLDv2 states it."),
    _nullable("license", pa.string(), "Licence of the photograph, as GLDv2 states it."),
    _nullable("title", pa.string(), "Title, as GLDv2 states it."),
)

EXPORTED = Table(
    "exported",
    1,
    "One row per image of a policy, kept or removed; the three splits have the same columns.",
    (
        _ID,
        _IMAGE_ID,
        _nullable("landmark_id", pa.int64(), "GLDv2's class number, train label space."),
        _nullable("landmark_name", pa.string(), "Readable name of the class."),
        _nullable("category", pa.string(), "Wikimedia Commons category, made from the name."),
        _nullable("label", pa.int32(), "0..C-1 by ascending landmark_id; null if removed."),
        Column("split", pa.string(), "`train`, `validation` or `removed`."),
        _URL,
        _nullable("width", pa.int32(), "Pixels, upright (EXIF orientation applied)."),
        _nullable("height", pa.int32(), "Pixels, upright."),
        _nullable("sha256", pa.string(), "SHA-256 of the file's bytes, hexadecimal."),
        _nullable("shard", pa.string(), "GLDv2's tar shard that holds the file."),
        _nullable("member", pa.string(), "Name of the file inside the shard."),
        _nullable("offset", pa.int64(), "Position of the file's first byte in the shard."),
        _nullable("num_bytes", pa.int64(), "Size of the file in bytes."),
        *_RIGHTS,
        Column("decision", pa.string(), "`keep` or `drop`."),
        _nullable("stage", pa.string(), "What dropped it: ingest, clean, overlap or forget."),
        Column("reason_code", pa.string(), "Why: `verified` or `listed` if kept, else a reason."),
        _nullable("evidence", pa.string(), "What a removal rests on, in words."),
        _nullable("num_verified_neighbours", pa.int32(), "Verified other images of the class."),
        Column("policy_id", pa.string(), "Name of the policy; its settings are in policy.yaml."),
    ),
)

ATTRIBUTION = Table(
    "attribution",
    1,
    "One row per image that any exported policy keeps: whose it is, and what is not known of that.",
    (
        _ID,
        _IMAGE_ID,
        _URL,
        *_RIGHTS,
        _nullable("lacks", pa.string(), "Of author, license and title, what is not known."),
    ),
)
