"""Templates, and what every page gets."""

from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, HTTPException, Request, Response
from fastapi.templating import Jinja2Templates
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from starlette.status import HTTP_303_SEE_OTHER

from manifests.lineage import CODE_VERSION
from review_ui.access import find_session, set_session_cookie
from review_ui.evidence import Purpose
from review_ui.people import Session
from review_ui.review import CurrentReview

STATIC = Path(__file__).parent / "static"

_TEMPLATES = Jinja2Templates(
    env=Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=select_autoescape(["html.j2"], default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
)


def require_visitor(request: Request, review: CurrentReview) -> Session:
    """Who is looking at a page; on an open review, a visitor is signed in on the way.

    Raises:
        HTTPException: 303 to the page for signing in.
    """
    session = find_session(request)
    if session is not None:
        return session
    if review.access.open_as is None:
        raise HTTPException(HTTP_303_SEE_OTHER, "Sign in.", headers={"Location": "/sign-in"})
    session_token = review.people.sign_in_as(review.access.open_as)
    request.state.new_session_token = session_token
    session = review.people.find_session(session_token)
    if session is None:
        raise HTTPException(HTTP_303_SEE_OTHER, "Sign in.", headers={"Location": "/sign-in"})
    return session


Visitor = Annotated[Session, Depends(require_visitor)]


def render(
    request: Request,
    name: str,
    session: Session | None,
    *,
    status_code: int = 200,
    **context: Any,  # noqa: ANN401  (what the template needs)
) -> Response:
    """Make a page; hand out the session that was begun on the way, if any."""
    review = request.app.state.review
    common = {
        "session": session,
        "run_name": review.run.name,
        "is_audit": review.run.purpose is Purpose.CERTIFICATE,
        "version": CODE_VERSION,
    }
    response = _TEMPLATES.TemplateResponse(request, name, common | context, status_code=status_code)
    session_token: str | None = getattr(request.state, "new_session_token", None)
    if session_token is not None:
        set_session_cookie(response, review.access, session_token)
    return response
