"""Signing in and out."""

from fastapi import APIRouter, HTTPException, Request, Response
from starlette.status import HTTP_204_NO_CONTENT, HTTP_401_UNAUTHORIZED

from review_ui.access import Writer, set_session_cookie
from review_ui.messages import Problem, SignInIn
from review_ui.review import CurrentReview

router = APIRouter(prefix="/api", tags=["session"], responses={401: {"model": Problem}})


@router.post("/session", status_code=HTTP_204_NO_CONTENT, responses={429: {"model": Problem}})
def sign_in(request: Request, review: CurrentReview, said: SignInIn) -> Response:
    """Begin a session with the token of an invitation."""
    address = request.client.host if request.client else ""
    review.attempts.check(address)
    session_token = review.people.sign_in(said.token)
    if session_token is None:
        review.attempts.note_failure(address)
        raise HTTPException(
            HTTP_401_UNAUTHORIZED, "This link is not valid, or not any more. Ask for a new one."
        )
    response = Response(status_code=HTTP_204_NO_CONTENT)
    set_session_cookie(response, review.access, session_token)
    return response


@router.delete("/session", status_code=HTTP_204_NO_CONTENT, responses={403: {"model": Problem}})
def sign_out(request: Request, review: CurrentReview, session: Writer) -> Response:  # noqa: ARG001
    """End the session, for whoever has its cookie."""
    review.people.sign_out(request.cookies[review.access.cookie_name])
    response = Response(status_code=HTTP_204_NO_CONTENT)
    response.delete_cookie(
        review.access.cookie_name,
        path="/",
        secure=review.access.is_secure,
        httponly=True,
        samesite="strict",
    )
    return response
