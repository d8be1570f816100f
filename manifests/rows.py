"""The words that the tables use for states and reasons, each with what it means to a person."""

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum


class ImageStatus(StrEnum):
    """What became of a file of a shard (`images.status`)."""

    OK = "ok"
    TRUNCATED = "truncated"
    NOT_AN_IMAGE = "not_an_image"
    TOO_SMALL = "too_small"
    DECOMPRESSION_BOMB = "decompression_bomb"
    DECODER_CRASHED = "decoder_crashed"
    UNLISTED = "unlisted"
    DUPLICATE_ID = "duplicate_id"
    UNSAFE_NAME = "unsafe_name"
    EXCLUDED = "excluded"
    NOT_FOUND = "not_found"


class PairVerdict(StrEnum):
    """What the verifier says of a pair (`matches.verdict`)."""

    VERIFIED = "verified"
    DUPLICATE = "duplicate"
    REJECTED = "rejected"


class PairReason(StrEnum):
    """Why a pair was verified or rejected (`matches.reason`)."""

    ENOUGH_INLIERS = "enough_inliers"
    ENOUGH_AMONG_STRONGEST = "enough_among_strongest"
    SAME_BYTES = "same_bytes"
    NEAR_DUPLICATE = "near_duplicate"
    NO_FEATURES = "no_features"
    TOO_FEW_TENTATIVE = "too_few_tentative"
    NO_MODEL = "no_model"
    FEW_AMONG_STRONGEST = "few_among_strongest"
    TOO_FEW_INLIERS = "too_few_inliers"
    DEGENERATE_MODEL = "degenerate_model"
    MANY_TO_ONE = "many_to_one"
    WATERMARK = "watermark"
    FRAME = "frame"
    STATIC_OVERLAY = "static_overlay"
    TOO_CONCENTRATED = "too_concentrated"


GUARD_REASONS = frozenset(
    {
        PairReason.DEGENERATE_MODEL,
        PairReason.MANY_TO_ONE,
        PairReason.WATERMARK,
        PairReason.FRAME,
        PairReason.STATIC_OVERLAY,
        PairReason.TOO_CONCENTRATED,
    }
)
"""Reasons of guards; with any other reason for a rejection, too little agrees."""


class ImageReason(StrEnum):
    """Why an image was kept or dropped by the cleaning (`verdicts.reason`)."""

    VERIFIED = "verified"
    NO_FEATURES = "no_features"
    NO_VERIFIED_NEIGHBOUR = "no_verified_neighbour"
    ONLY_DUPLICATES_VERIFIED = "only_duplicates_verified"
    TOO_FEW_VERIFIED_NEIGHBOURS = "too_few_verified_neighbours"
    NOT_IN_LARGEST_COMPONENT = "not_in_largest_component"
    NOT_IN_CORE = "not_in_core"
    CLASS_TOO_SMALL = "class_too_small"
    DUPLICATE = "duplicate"
    CROSS_CLASS_DUPLICATE = "cross_class_duplicate"
    INDEX_DUPLICATE = "index_duplicate"


class DuplicateKind(StrEnum):
    """What two images of different classes or splits share (`kind` of the duplicates' tables)."""

    EXACT = "exact"
    NEAR = "near"
    SAME_SCENE = "same_scene"


class CandidateSource(StrEnum):
    """Which channel proposed an overlap candidate (`candidates.source`)."""

    VISUAL = "visual"
    TEXT = "text"


class CandidateVerdict(StrEnum):
    """What the machine says of an overlap candidate before people look (`candidates.verdict`)."""

    MATCH = "match"
    BELOW_THRESHOLD = "below_threshold"
    REJECTED = "rejected"
    NAMED = "named"


class Decision(StrEnum):
    """What a reviewer says of a candidate (`decisions.decision`)."""

    SAME = "same"
    DIFFERENT = "different"
    UNSURE = "unsure"


class RemovalReason(StrEnum):
    """Why a class was removed for overlapping an evaluation set (`removed.reason`)."""

    VISUAL_MAJORITY = "visual_majority"
    VISUAL_CONFIRMED = "visual_confirmed"
    VISUAL_UNREFUSED = "visual_unrefused"
    TEXT_CONFIRMED = "text_confirmed"
    PUBLISHED = "published"


class ForgetReason(StrEnum):
    """Why an image left a version of the manifests (`removed.reason`)."""

    FORGOTTEN = "forgotten"


class _Meanings(Mapping[StrEnum, str]):
    """Member -> meaning.

    Members of two enumerations with the same word are equal, and one would take the other's place
    in a dictionary.
    """

    def __init__(self, entries: Iterable[tuple[StrEnum, str]]) -> None:
        self._by_member = {(type(member), member): meaning for member, meaning in entries}

    def __getitem__(self, member: StrEnum) -> str:
        return self._by_member[type(member), member]

    def __iter__(self) -> Iterator[StrEnum]:
        return (member for _, member in self._by_member)

    def __len__(self) -> int:
        return len(self._by_member)


MEANINGS: Mapping[StrEnum, str] = _Meanings(
    [
        (ImageStatus.OK, "The image decodes completely."),
        (ImageStatus.TRUNCATED, "The file is cut short or damaged."),
        (ImageStatus.NOT_AN_IMAGE, "The bytes are no image in a format we read."),
        (ImageStatus.TOO_SMALL, "The image is too small to hold local features."),
        (ImageStatus.DECOMPRESSION_BOMB, "The image would unpack to more pixels than allowed."),
        (ImageStatus.DECODER_CRASHED, "Reading this image killed or hung the worker process."),
        (ImageStatus.UNLISTED, "The file is in a shard but train.csv does not list it."),
        (ImageStatus.DUPLICATE_ID, "The same id occurs earlier, in this shard or another."),
        (ImageStatus.UNSAFE_NAME, "The member is no plain file or its name leaves the archive."),
        (ImageStatus.EXCLUDED, "The list that the source is restricted to does not name it."),
        (ImageStatus.NOT_FOUND, "train.csv lists it, but no shard here holds it."),
        (PairVerdict.VERIFIED, "Both photographs show the same surface."),
        (PairVerdict.DUPLICATE, "Both are copies of one photograph."),
        (PairVerdict.REJECTED, "No common surface could be confirmed."),
        (PairReason.ENOUGH_INLIERS, "Enough correspondences agree with one geometric model."),
        (
            PairReason.ENOUGH_AMONG_STRONGEST,
            "Sketches of the strongest features agree well; whole descriptors were not compared.",
        ),
        (PairReason.SAME_BYTES, "The two files are identical."),
        (
            PairReason.NEAR_DUPLICATE,
            "One photograph re-encoded, resized, rotated or slightly cropped.",
        ),
        (PairReason.NO_FEATURES, "One of the images has no local features."),
        (PairReason.TOO_FEW_TENTATIVE, "Fewer correspondences than the threshold before geometry."),
        (
            PairReason.FEW_AMONG_STRONGEST,
            "Sketches of the strongest features hardly agree; whole descriptors were not compared.",
        ),
        (PairReason.NO_MODEL, "No geometric model fits more than a handful of correspondences."),
        (
            PairReason.TOO_FEW_INLIERS,
            "Too few correspondences agree with the best geometric model.",
        ),
        (
            PairReason.DEGENERATE_MODEL,
            "The best model mirrors, collapses or stretches beyond belief.",
        ),
        (PairReason.MANY_TO_ONE, "Many points of one image fall on one spot of the other."),
        (PairReason.WATERMARK, "What agrees is text or a logo at the border of both images."),
        (PairReason.FRAME, "What agrees is a frame around both pictures."),
        (PairReason.STATIC_OVERLAY, "What agrees was pasted into both pictures; the rest differs."),
        (PairReason.TOO_CONCENTRATED, "The agreeing points fill too small a part of an image."),
        (ImageReason.VERIFIED, "Enough other photographs of the class show the same surface."),
        (ImageReason.NO_FEATURES, "No local features were found, so nothing can be verified."),
        (
            ImageReason.NO_VERIFIED_NEIGHBOUR,
            (
                "No other photograph of the class shares a surface that can be verified: a wrong "
                "label, or a view (other side, interior, night, detail) that nobody else took."
            ),
        ),
        (ImageReason.ONLY_DUPLICATES_VERIFIED, "Only copies of this very photograph confirm it."),
        (
            ImageReason.TOO_FEW_VERIFIED_NEIGHBOURS,
            "Fewer verified neighbours than the rule asks for.",
        ),
        (ImageReason.NOT_IN_LARGEST_COMPONENT, "Its group is not the largest of the class."),
        (ImageReason.NOT_IN_CORE, "Too many of its verified neighbours were themselves dropped."),
        (ImageReason.CLASS_TOO_SMALL, "Too few photographs of the class remain."),
        (ImageReason.DUPLICATE, "A copy of another photograph that stays."),
        (ImageReason.CROSS_CLASS_DUPLICATE, "Another class has a copy of this photograph."),
        (ImageReason.INDEX_DUPLICATE, "The index split has a copy of this photograph."),
        (DuplicateKind.EXACT, "Two files with the same bytes."),
        (DuplicateKind.NEAR, "One photograph re-encoded, resized or slightly cropped."),
        (DuplicateKind.SAME_SCENE, "Two photographs of one surface."),
        (CandidateSource.VISUAL, "Found by its pixels."),
        (CandidateSource.TEXT, "Found by the name of its class."),
        (CandidateVerdict.MATCH, "Query and photograph agree in enough points."),
        (CandidateVerdict.BELOW_THRESHOLD, "Among the nearest, but too few points agree."),
        (CandidateVerdict.REJECTED, "Among the nearest, but a guard refused the match."),
        (CandidateVerdict.NAMED, "The class name contains a name of the evaluation set."),
        (Decision.SAME, "Same landmark."),
        (Decision.DIFFERENT, "Different landmarks."),
        (Decision.UNSURE, "Cannot tell."),
        (RemovalReason.VISUAL_MAJORITY, "The class with most confirmed photographs for a query."),
        (RemovalReason.VISUAL_CONFIRMED, "A person confirmed that one photograph shows a query."),
        (RemovalReason.VISUAL_UNREFUSED, "A photograph matches a query and nobody refused it."),
        (RemovalReason.TEXT_CONFIRMED, "Found by its name and confirmed by a person."),
        (RemovalReason.PUBLISHED, "Named in the published list of removed classes."),
        (
            ForgetReason.FORGOTTEN,
            "Taken out on request; only its id and its class are still known.",
        ),
    ]
)
"""Every member's meaning, in words for reports and the data dictionary."""

REASONS_OF_STAGE: Mapping[str, type[StrEnum]] = {
    "ingest": ImageStatus,
    "clean": ImageReason,
    "overlap": RemovalReason,
    "forget": ForgetReason,
}
"""What the reasons of the table `removed` are, by the stage that dropped the image."""
