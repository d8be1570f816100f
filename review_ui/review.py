"""Everything that a route may need, in one place."""

from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, HTTPException, Request
from starlette.status import HTTP_404_NOT_FOUND

from review_ui.access import AccessSettings, AttemptLimit
from review_ui.evidence import LandmarkClass, Pair, ReviewRun
from review_ui.outcomes import Outcomes, preview_outcomes
from review_ui.people import People, Reviewer
from review_ui.pictures import PictureStore
from review_ui.rules import RuleSettings, make_decisions
from review_ui.sight import Sight, open_sight
from review_ui.votes import EventStore


@dataclass(frozen=True)
class Review:
    """A review that is going on.

    Attributes:
        run: the evidence.
        store: votes and adjudications.
        people: reviewers and sessions.
        rule: how votes become decisions.
        access: where the app is served, and to whom.
    """

    run: ReviewRun
    store: EventStore
    people: People
    rule: RuleSettings
    access: AccessSettings
    attempts: AttemptLimit = field(default_factory=AttemptLimit)
    pictures: PictureStore = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "pictures", PictureStore(self.run.photographs))

    def find_pair(self, pair_id: str) -> Pair:
        """The pair of an address.

        Raises:
            HTTPException: 404, the run has no such pair.
        """
        pair = self.run.by_id.get(pair_id)
        if pair is None:
            raise HTTPException(HTTP_404_NOT_FOUND, "This run has no such pair.")
        return pair

    def find_class(self, landmark_id: int) -> LandmarkClass:
        """The class of an address.

        Raises:
            HTTPException: 404, no candidate is of such a class.
        """
        landmark = self.run.classes.get(landmark_id)
        if landmark is None:
            raise HTTPException(HTTP_404_NOT_FOUND, "No candidate is of such a class.")
        return landmark

    def open_sight(self, reviewer: Reviewer) -> Sight:
        """What a reviewer may see at this moment."""
        return open_sight(self.store, reviewer, self.rule)

    def preview(self, sight: Sight) -> Outcomes:
        """What the policies would do, judged by what the reviewer may see."""
        decisions = make_decisions(
            self.run.pairs,
            sight.visible_votes,
            sight.visible_adjudications,
            self.rule,
            self.run.min_confirmations,
        )
        candidates = [pair.reviewed for pair in self.run.pairs]
        return preview_outcomes(candidates, decisions, self.run.min_confirmations)


def get_review(request: Request) -> Review:
    """The review of this app."""
    review: Review = request.app.state.review
    return review


CurrentReview = Annotated[Review, Depends(get_review)]
