"""Inviting and revoking, for leads."""

from fastapi import APIRouter, HTTPException, Response
from starlette.status import (
    HTTP_201_CREATED,
    HTTP_204_NO_CONTENT,
    HTTP_404_NOT_FOUND,
    HTTP_409_CONFLICT,
    HTTP_422_UNPROCESSABLE_CONTENT,
)

from review_ui.access import Lead
from review_ui.messages import InvitationIn, InvitationOut, Problem
from review_ui.people import PeopleError
from review_ui.review import CurrentReview

router = APIRouter(
    prefix="/api",
    tags=["people"],
    responses={status: {"model": Problem} for status in (401, 403, 404, 409)},
)


def make_link(origin: str, token: str) -> str:
    """The link of an invitation; browsers never send what stands behind the #."""
    return f"{origin}/sign-in#{token}"


@router.post("/reviewers", status_code=HTTP_201_CREATED)
def invite(review: CurrentReview, session: Lead, said: InvitationIn) -> InvitationOut:
    """Let somebody in, or give somebody a new link; the old link and sessions end."""
    if said.name == session.reviewer.name:
        raise HTTPException(HTTP_409_CONFLICT, "You cannot change your own role.")
    try:
        token = review.people.invite(said.name, said.role, session.reviewer.name)
    except PeopleError as error:
        raise HTTPException(HTTP_422_UNPROCESSABLE_CONTENT, [{"msg": str(error)}]) from error
    link = make_link(review.access.origin, token)
    return InvitationOut(name=said.name, role=said.role, link=link)


@router.delete("/reviewers/{name}", status_code=HTTP_204_NO_CONTENT)
def revoke(review: CurrentReview, session: Lead, name: str) -> Response:
    """Lock somebody out at once; the votes stay."""
    if name == session.reviewer.name:
        raise HTTPException(HTTP_409_CONFLICT, "You cannot lock yourself out.")
    if name not in {reviewer.name for reviewer in review.people.list() if not reviewer.is_revoked}:
        raise HTTPException(HTTP_404_NOT_FOUND, "Nobody of that name is invited.")
    review.people.revoke(name)
    return Response(status_code=HTTP_204_NO_CONTENT)
