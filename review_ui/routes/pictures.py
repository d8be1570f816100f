"""Photographs, by opaque id."""

from fastapi import APIRouter, HTTPException, Request, Response
from starlette.status import HTTP_304_NOT_MODIFIED, HTTP_404_NOT_FOUND

from review_ui.access import Reader
from review_ui.evidence import EvidenceError
from review_ui.messages import Problem
from review_ui.pictures import PictureSize
from review_ui.review import CurrentReview

# The id depends on the bytes, so what it names never changes.
_CACHE_CONTROL = "private, max-age=31536000, immutable"

router = APIRouter(tags=["pictures"], responses={401: {"model": Problem}, 404: {"model": Problem}})


@router.get("/pictures/{picture_id}/{size}", response_class=Response)
def read_picture(
    request: Request,
    review: CurrentReview,
    session: Reader,  # noqa: ARG001  (only whoever is signed in)
    picture_id: str,
    size: PictureSize,
) -> Response:
    """A photograph of the run as JPEG."""
    if picture_id not in review.run.photographs:
        raise HTTPException(HTTP_404_NOT_FOUND, "This run has no such picture.")
    headers = {"ETag": f'"{picture_id}-{size}"', "Cache-Control": _CACHE_CONTROL}
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=HTTP_304_NOT_MODIFIED, headers=headers)
    try:
        data = review.pictures.get(picture_id, size)
    except EvidenceError as error:
        raise HTTPException(HTTP_404_NOT_FOUND, str(error)) from error
    return Response(data, media_type="image/jpeg", headers=headers)
