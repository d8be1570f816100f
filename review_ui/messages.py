"""What the browser and the server send each other."""

from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from manifests.rows import CandidateSource, CandidateVerdict, Decision
from manifests.strict_model import StrictModel
from review_ui.hash_chain import EventScope
from review_ui.people import Role
from review_ui.rules import PairState

MAX_VOTES = 500


def _check_storable(text: str) -> str:
    if "\0" in text or any("\ud800" <= c <= "\udfff" for c in text):
        raise ValueError("holds characters that cannot be stored")
    return text


HexId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
ShortText = Annotated[str, StringConstraints(max_length=500), AfterValidator(_check_storable)]


class VoteIn(StrictModel):
    """A vote; without a decision it takes an earlier one back."""

    event_id: HexId
    """Made by the browser; sending it twice records it once."""
    pair_id: HexId
    decision: Decision | None
    evidence_digest: Digest
    """Of what the reviewer was shown."""


class VotesIn(StrictModel):
    """Votes that are recorded together, all or none."""

    scope: EventScope = EventScope.PAIR
    votes: Annotated[tuple[VoteIn, ...], Field(min_length=1, max_length=MAX_VOTES)]


class AdjudicationIn(StrictModel):
    """The last word on a disputed pair."""

    event_id: HexId
    pair_id: HexId
    decision: Decision
    evidence_digest: Digest
    comment: ShortText | None = None


class InvitationIn(StrictModel):
    """Somebody to let in."""

    name: ShortText
    role: Role = Role.REVIEWER


class SignInIn(StrictModel):
    """The token of an invitation."""

    token: ShortText


class Problem(StrictModel):
    """Why a request was refused."""

    detail: str | list[dict[str, str]]


class InvitationOut(StrictModel):
    """A link to sign in with. It is shown once: only its hash is kept."""

    name: str
    role: Role
    link: str


class SaidOut(StrictModel):
    """What one person said."""

    reviewer: str
    decision: Decision
    comment: str | None = None


class StandingOut(StrictModel):
    """Where a pair stands, as far as the reviewer may know.

    Attributes:
        mine: what the reviewer said.
        others: what others said; None until the reviewer has voted.
        adjudication: the last word; None if there is none, or until the reviewer has voted.
        state: None until the reviewer has voted.
        may_adjudicate: whether the reviewer may settle it.
    """

    pair_id: str
    mine: Decision | None
    others: tuple[SaidOut, ...] | None
    adjudication: SaidOut | None
    state: PairState | None
    may_adjudicate: bool


class RecordedOut(StrictModel):
    """Votes that are on disk, and where their pairs stand now."""

    positions: tuple[int, ...]
    standings: tuple[StandingOut, ...]


class QueryOut(StrictModel):
    """The query's photograph, with its box in shares of width and height."""

    eval_set: str
    query_id: str
    picture_id: str
    box: tuple[float, float, float, float] | None


class LandmarkOut(StrictModel):
    """A class."""

    landmark_id: int
    title: str
    num_images: int
    is_numbered: bool
    """Whether people know its number."""


class EvidenceOut(StrictModel):
    """What the machine found."""

    source: CandidateSource
    verdict: CandidateVerdict
    found: str
    why: str
    similarity: float | None
    num_tentative: int | None
    num_inliers: int | None
    rank: int | None
    digest: str


class ThumbnailOut(StrictModel):
    """One of the other photographs of a class."""

    picture_id: str
    credit: str | None


class PairOut(StrictModel):
    """All that the pair view shows; `query` is None for a class found by its name."""

    pair_id: str
    landmark: LandmarkOut
    query: QueryOut | None
    text_term: str | None
    eval_set: str
    image_id: str
    picture_id: str
    credit: str | None
    evidence: EvidenceOut
    strip: tuple[ThumbnailOut, ...]
    standing: StandingOut


class PointsOut(StrictModel):
    """Where a pair agrees: x and y in shares of the upright photographs' widths and heights."""

    in_query: tuple[tuple[float, float], ...]
    in_image: tuple[tuple[float, float], ...]


class QueueItem(StrictModel):
    """A pair in the order of work."""

    pair_id: str
    landmark_id: int
    title: str
    mine: Decision | None


class ProgressOut(StrictModel):
    """How far the review is."""

    total: int
    mine: int
    by_all: int
    disputed: int


class QueueOut(StrictModel):
    """The pairs of a filter, in the order of work."""

    items: tuple[QueueItem, ...]
    progress: ProgressOut
