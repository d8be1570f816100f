"""The tables that only an audit writes, in its work folder."""

from typing import Final

import pyarrow as pa

from manifests.arrow_schemas import Column, Table

_IMAGE_ID = Column("image_id", pa.string(), "Of the training list.")
_PLACE = (
    Column("member", pa.string(), "Name of the file, inside the shard if it is in one."),
    Column("offset", pa.int64(), "Position of the file's first byte in the shard; 0 if loose."),
)

FOUND: Final = Table(
    "audit_found",
    1,
    "One row per image that a shard holds, listed or not.",
    (_IMAGE_ID, *_PLACE, Column("num_bytes", pa.int64(), "Size of the file in bytes.")),
)

LISTED: Final = Table(
    "audit_listed",
    1,
    "One row per image of the training list and place where it may be.",
    (
        _IMAGE_ID,
        Column("label", pa.string(), "Its class, as the list writes it."),
        Column("landmark_id", pa.int64(), "Its class as a number."),
        Column(
            "landmark_name", pa.string(), "Readable class name; null if unknown.", nullable=True
        ),
        Column("shard", pa.string(), "File that holds it, relative to the folder of photographs."),
        *_PLACE,
        Column("num_bytes", pa.int64(), "Size in bytes; null: that of the file.", nullable=True),
        Column("sha256", pa.string(), "What the list says of it, if anything.", nullable=True),
        Column("is_repeated", pa.bool_(), "Whether an earlier row has the same id."),
    ),
)

PLANTED: Final = Table(
    "audit_planted",
    1,
    "One row per canary and control that was put among the training images.",
    (
        Column("image_id", pa.string(), "No image of the training list has it."),
        Column("landmark_id", pa.int64(), "A class of its own, below 0."),
        Column("eval_set", pa.string(), "The evaluation set that it was made from."),
        Column("kind", pa.string(), "What it is."),
        Column("query_id", pa.string(), "The query that it was made from, or stands for."),
        Column("shard", pa.string(), "File that holds it, relative to the work folder."),
        *_PLACE,
        Column("num_bytes", pa.int64(), "Size of the file in bytes."),
    ),
)

EVALUATED: Final = Table(
    "audit_evaluated",
    1,
    "One row per query of an evaluation set, and per database image that is there.",
    (
        Column("eval_set", pa.string(), "Name of the evaluation set."),
        Column("role", pa.string(), "`query` or `database`."),
        Column("item_id", pa.string(), "The query, or the name of the database image."),
        Column("box", pa.string(), "x1,y1,x2,y2 of the query in pixels; null: all.", nullable=True),
        Column("sha256", pa.string(), "SHA-256 of the file, hexadecimal."),
    ),
)
