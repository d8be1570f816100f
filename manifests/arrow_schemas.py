"""Every column of every table, in one place.

The column names are part of the public interface. A change of a schema raises its version. The
data dictionary in ``docs/data_dictionary.md`` is generated from this file.
"""

from dataclasses import dataclass

import pyarrow as pa

_FLOAT_LIST = pa.list_(pa.float32())


@dataclass(frozen=True)
class Column:
    """One column: its name, Arrow type, whether it may be null, and what it means."""

    name: str
    type: pa.DataType
    description: str
    nullable: bool = False


@dataclass(frozen=True)
class Table:
    """One table of a run: name, version of its schema, purpose and columns."""

    name: str
    version: int
    description: str
    columns: tuple[Column, ...]

    @property
    def schema(self) -> pa.Schema:
        """The Arrow schema, with the table's name and version in its metadata."""
        fields = [pa.field(c.name, c.type, nullable=c.nullable) for c in self.columns]
        metadata = {"cleanmark.table": self.name, "cleanmark.schema_version": str(self.version)}
        return pa.schema(fields, metadata=metadata)


_IMAGE_ID = Column("image_id", pa.string(), "GLDv2's own id: 16 lower-case hexadecimal digits.")
_LANDMARK_ID = Column(
    "landmark_id", pa.int64(), "GLDv2's own class number, in the label space of the train split."
)
_WIDTH = Column("width", pa.int32(), "Pixels, upright (EXIF orientation applied).", nullable=True)
_HEIGHT = Column("height", pa.int32(), "Pixels, upright (EXIF orientation applied).", nullable=True)
_SOURCE = (
    Column("shard", pa.string(), "Path of the tar shard, relative to the source root."),
    Column("member", pa.string(), "Name of the file inside the shard."),
    Column("offset", pa.int64(), "Position of the file's first byte in the shard."),
    Column("num_bytes", pa.int64(), "Size of the file in bytes."),
)
_SOURCE_IF_FOUND = tuple(
    Column(c.name, c.type, f"{c.description} Null if no shard holds it.", nullable=True)
    for c in _SOURCE
)
_RIGHTS = (
    Column("source_url", pa.string(), "Where the photograph came from.", nullable=True),
    Column("author", pa.string(), "Author, from train_attribution.csv.", nullable=True),
    Column("license", pa.string(), "Licence, from train_attribution.csv.", nullable=True),
    Column("title", pa.string(), "Title, from train_attribution.csv.", nullable=True),
)

_DECODED = (
    Column(
        "sha256",
        pa.string(),
        "SHA-256 of the file's bytes; null if it was not read.",
        nullable=True,
    ),
    _WIDTH,
    _HEIGHT,
    Column(
        "phash", pa.string(), "64-bit DCT perceptual hash of the upright image, hex.", nullable=True
    ),
    Column(
        "exif_orientation",
        pa.int32(),
        "EXIF orientation found (1 upright); null: none.",
        nullable=True,
    ),
    Column("status", pa.string(), "`ok`, or why the image cannot be used."),
    Column("reason", pa.string(), "The decoder's own words; null: nothing to say.", nullable=True),
)

FILES = Table(
    "files",
    1,
    "One row per file found in the shards, before any list is consulted.",
    (
        Column(
            "image_id", pa.string(), "The id in the member's name, or that name if it has none."
        ),
        *_SOURCE,
        *_DECODED,
    ),
)

IMAGES = Table(
    "images",
    1,
    "One row per file found in the shards, and one per image that train.csv lists and no shard "
    "holds: where the bytes are, the class, the licence, and whether the image can be used.",
    (
        _IMAGE_ID,
        Column(
            "landmark_id",
            pa.int64(),
            "Class number; null when train.csv lists no such image.",
            nullable=True,
        ),
        Column(
            "landmark_name", pa.string(), "Readable class name; null if unknown.", nullable=True
        ),
        Column("split", pa.string(), "The GLDv2 split the shard belongs to."),
        *_SOURCE_IF_FOUND,
        *_DECODED[:-2],
        *_RIGHTS,
        *_DECODED[-2:],
    ),
)

FEATURES = Table(
    "features",
    1,
    "Index of a binary feature file: one row per described image.",
    (
        _IMAGE_ID,
        Column("offset", pa.int64(), "First byte of the image's block in the binary file."),
        Column("num_features", pa.int32(), "Number of local features."),
        Column("width", pa.int32(), "Width in pixels of the resized image the features live in."),
        Column("height", pa.int32(), "Height in pixels of the resized image."),
        Column("status", pa.string(), "`ok`, or why the image has no features."),
    ),
)

EMBEDDINGS = Table(
    "embeddings",
    1,
    "One global descriptor per image; an image without one has a null, never a zero vector.",
    (
        _IMAGE_ID,
        Column(
            "descriptor", pa.list_(pa.float16()), "L2-normalised global descriptor.", nullable=True
        ),
        Column("status", pa.string(), "`ok`, or why there is no descriptor."),
    ),
)

_PAIR_EVIDENCE = (
    Column("similarity", pa.float32(), "Cosine similarity of the global descriptors."),
    Column("num_tentative", pa.int32(), "Correspondences after ratio and mutual test."),
    Column(
        "num_inliers",
        pa.int32(),
        "Correspondences that agree with the geometric model; with a reason `..._among_strongest` "
        "those that a look at sketches of the strongest features counted.",
    ),
    Column(
        "model",
        pa.string(),
        "Kind of geometric model (`affine` or `homography`), null if none was fitted, as with the "
        "reason `few_among_strongest`.",
        nullable=True,
    ),
    Column(
        "transform",
        _FLOAT_LIST,
        "The model, row-major (6 floats for affine, 9 for homography), from pixels of the first "
        "image to pixels of the second, both at the size they were described in; null if none.",
        nullable=True,
    ),
)

MATCHES = Table(
    "matches",
    1,
    "One row per pair of images of one class that was put to the verifier.",
    (
        _LANDMARK_ID,
        Column("image_id_a", pa.string(), "The smaller image id of the pair."),
        Column("image_id_b", pa.string(), "The larger image id of the pair."),
        Column("num_features_a", pa.int32(), "Local features of image a."),
        Column("num_features_b", pa.int32(), "Local features of image b."),
        *_PAIR_EVIDENCE,
        Column("verdict", pa.string(), "`verified`, `duplicate` or `rejected`."),
        Column("reason", pa.string(), "Reason code of the verdict."),
    ),
)

CONTROLS = Table(
    "controls",
    1,
    "One row per control pair: images of different classes, which should not be accepted. What is "
    "accepted all the same is a false accept, or one place under two classes.",
    (
        Column("image_id_a", pa.string(), "The smaller image id of the pair."),
        Column("landmark_id_a", pa.int64(), "Class of image a."),
        Column("image_id_b", pa.string(), "The larger image id of the pair."),
        Column("landmark_id_b", pa.int64(), "Class of image b."),
        Column("num_features_a", pa.int32(), "Local features of image a."),
        Column("num_features_b", pa.int32(), "Local features of image b."),
        *_PAIR_EVIDENCE[1:],
        Column("verdict", pa.string(), "`verified`, `duplicate` or `rejected`."),
        Column("reason", pa.string(), "Reason code of the verdict."),
    ),
)

VERDICTS = Table(
    "verdicts",
    1,
    "One row per image that entered the cleaning: kept or dropped, and why.",
    (
        _IMAGE_ID,
        _LANDMARK_ID,
        Column("kept", pa.bool_(), "Whether the image is in the clean split."),
        Column("reason", pa.string(), "Reason code."),
        Column(
            "num_verified_neighbours",
            pa.int32(),
            "Verified other images of the class, a group of duplicates counted once.",
        ),
        Column(
            "component_id",
            pa.string(),
            "Smallest image id of its connected component.",
            nullable=True,
        ),
        Column(
            "duplicate_of",
            pa.string(),
            "Representative of its duplicates; null if none.",
            nullable=True,
        ),
    ),
)

UNCERTAIN_PAIRS = Table(
    "uncertain_pairs",
    1,
    "One row per pair of images of one class whose inliers lie so near the threshold that people "
    "may judge otherwise; in each part, pairs that decide an image's fate come first.",
    (
        _LANDMARK_ID,
        Column("image_id_a", pa.string(), "The smaller image id of the pair."),
        Column("image_id_b", pa.string(), "The larger image id of the pair."),
        *(c for c in _PAIR_EVIDENCE if c.name not in ("model", "transform")),
        Column("verdict", pa.string(), "`verified` or `rejected`."),
        Column("reason", pa.string(), "Reason code of the verdict."),
        Column("kept_a", pa.bool_(), "Whether image a is in the clean split."),
        Column("kept_b", pa.bool_(), "Whether image b is in the clean split."),
        Column(
            "decides_a",
            pa.bool_(),
            "Whether the opposite verdict would change that for image a; null: not tried, as the "
            "class is too large for the policy.",
            nullable=True,
        ),
        Column("decides_b", pa.bool_(), "The same for image b.", nullable=True),
    ),
)

_COPY_EVIDENCE = (
    Column("kind", pa.string(), "`exact`, `near` or `same_scene`."),
    Column("hamming", pa.int32(), "Bits in which the perceptual hashes differ."),
    *(c for c in _PAIR_EVIDENCE[1:] if c.name in ("num_tentative", "num_inliers")),
    Column("verdict", pa.string(), "Of the verifier: `verified` or `duplicate`."),
    Column("reason", pa.string(), "Reason code of the verdict."),
)

CROSS_DUPLICATES = Table(
    "cross_duplicates",
    1,
    "One row per pair of images of different classes that are one photograph or show one surface. "
    "Of a file that occurs many times each image is paired with one of another class.",
    (
        Column("image_id_a", pa.string(), "The smaller image id of the pair."),
        Column("landmark_id_a", pa.int64(), "Class of image a."),
        Column("image_id_b", pa.string(), "The larger image id of the pair."),
        Column("landmark_id_b", pa.int64(), "Class of image b."),
        *_COPY_EVIDENCE,
    ),
)

INDEX_DUPLICATES = Table(
    "index_duplicates",
    1,
    "One row per image of the clean split and image of the index split that are one photograph or "
    "show one surface.",
    (
        _IMAGE_ID,
        _LANDMARK_ID,
        Column("index_image_id", pa.string(), "The image of the index split."),
        Column("shard", pa.string(), "Shard of the index split that holds it."),
        *_COPY_EVIDENCE,
    ),
)

QUERIES = Table(
    "queries",
    1,
    "The queries of the evaluation sets, with the digests of their images as they were compared.",
    (
        Column("eval_set", pa.string(), "Name of the evaluation set."),
        Column("query_id", pa.string(), "The query; unique in its set."),
        Column("image_name", pa.string(), "Its image, as the evaluation set names it."),
        Column(
            "box",
            pa.list_(pa.float64()),
            "x1, y1, x2, y2 in pixels of the stored image; null: the whole image.",
            nullable=True,
        ),
        Column("sha256", pa.string(), "SHA-256 of the image file, hexadecimal."),
    ),
)

CANDIDATES = Table(
    "candidates",
    1,
    "Evidence that a training image shows a landmark of an evaluation set; for people to judge.",
    (
        Column("eval_set", pa.string(), "Name of the evaluation set."),
        Column(
            "query_id",
            pa.string(),
            "Evaluation query; `text:TERM` or `name:NAME` if found by name.",
        ),
        _IMAGE_ID,
        _LANDMARK_ID,
        Column(
            "landmark_name", pa.string(), "Readable class name; null if unknown.", nullable=True
        ),
        Column("source", pa.string(), "`visual` or `text`."),
        Column(
            "rank",
            pa.int32(),
            "Place among the query's neighbours, 1 is nearest; null: text.",
            nullable=True,
        ),
        Column(
            "probe",
            pa.string(),
            "`crop` or `whole`: the view of the query that matched.",
            nullable=True,
        ),
        Column(
            "num_features_query", pa.int32(), "Local features of the query probe.", nullable=True
        ),
        Column(
            "num_features_image", pa.int32(), "Local features of the training image.", nullable=True
        ),
        *(Column(c.name, c.type, c.description, nullable=True) for c in _PAIR_EVIDENCE),
        Column("verdict", pa.string(), "`match`, `below_threshold`, `rejected` or `named`."),
        Column("reason", pa.string(), "Reason code."),
    ),
)

DECISIONS = Table(
    "decisions",
    1,
    "What people said about candidates; append-only, a reviewer's later row replaces an earlier.",
    (
        Column("eval_set", pa.string(), "Name of the evaluation set."),
        Column(
            "query_id",
            pa.string(),
            "Evaluation query, `text:TERM` or `name:NAME`, as in candidates.",
        ),
        _IMAGE_ID,
        Column("reviewer", pa.string(), "Who decided."),
        Column("decision", pa.string(), "`same`, `different` or `unsure`."),
        Column("decided_at", pa.string(), "UTC time, ISO 8601."),
        Column("comment", pa.string(), "Free text.", nullable=True),
    ),
)

_SPLIT = Column("split", pa.string(), "`train` or `val`.")

MANIFEST = Table(
    "manifest",
    1,
    "One row per image of a published split; what trainers read.",
    (
        _IMAGE_ID,
        _LANDMARK_ID,
        Column("class_index", pa.int32(), "0..C-1 by ascending integer landmark_id."),
        Column(
            "landmark_name", pa.string(), "Readable class name; null if unknown.", nullable=True
        ),
        *_SOURCE,
        Column("width", pa.int32(), "Pixels, upright."),
        Column("height", pa.int32(), "Pixels, upright."),
        Column("sha256", pa.string(), "SHA-256 of the file's bytes, hexadecimal."),
        *_RIGHTS,
        Column(
            "num_verified_neighbours",
            pa.int32(),
            "Verified other images of the class; null if the image stays because a list says so.",
            nullable=True,
        ),
        _SPLIT,
    ),
)

REMOVED = Table(
    "removed",
    1,
    "One row per ingested image that is not in rgldv2_clean, with the stage and the reason.",
    (
        _IMAGE_ID,
        Column("landmark_id", pa.int64(), "Class number; null if unlisted.", nullable=True),
        Column("stage", pa.string(), "What dropped it: ingest, clean, overlap or forget."),
        Column("reason", pa.string(), "Reason code."),
        Column("evidence", pa.string(), "What the decision rests on, in words.", nullable=True),
    ),
)

_NEEDS_IMAGES = (
    *("shard", "offset", "num_bytes", "width", "height", "sha256"),
    "num_verified_neighbours",
)

LISTED = Table(
    "listed",
    1,
    "One row per image of a split made from GLDv2's lists alone: `manifest` without what only the "
    "images can tell.",
    tuple(column for column in MANIFEST.columns if column.name not in _NEEDS_IMAGES),
)

DIFFERENCES = Table(
    "differences",
    1,
    "One row per image that two lists do not share; made by `cleanmark reconcile`.",
    (
        Column("image_id", pa.string(), "Id, or name of the file without its suffix."),
        Column("label_a", pa.string(), "Class in list A; null if it is not there.", nullable=True),
        Column("label_b", pa.string(), "Class in list B; null if it is not there.", nullable=True),
        Column("cause", pa.string(), "Why, as a code."),
        Column("details", pa.string(), "What the list that lacks it says of it.", nullable=True),
    ),
)

TABLES = (
    FILES,
    IMAGES,
    FEATURES,
    EMBEDDINGS,
    MATCHES,
    CONTROLS,
    VERDICTS,
    UNCERTAIN_PAIRS,
    CROSS_DUPLICATES,
    INDEX_DUPLICATES,
    QUERIES,
    CANDIDATES,
    DECISIONS,
    MANIFEST,
    LISTED,
    REMOVED,
    DIFFERENCES,
)
