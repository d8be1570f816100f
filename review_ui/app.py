"""The app: routes, guards and error pages around one review."""

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.status import HTTP_422_UNPROCESSABLE_CONTENT

from manifests.lineage import CODE_VERSION
from review_ui.access import find_session
from review_ui.guard import Guard
from review_ui.rendering import STATIC, render
from review_ui.review import Review
from review_ui.routes import pages, pairs, people, pictures, sessions, votes


def create_app(review: Review) -> FastAPI:
    """Build the app for one review.

    It answers only under the names in `review.access`, asks no other host for anything, and
    opens no path that a client names.
    """
    app = FastAPI(
        title="Cleanmark review",
        version=CODE_VERSION,
        # The usual pages about an API fetch their scripts from another host.
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
    )
    app.state.review = review
    for module in (pairs, votes, sessions, people, pictures):
        app.include_router(module.router)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    app.include_router(pages.router)
    app.add_exception_handler(StarletteHTTPException, _answer_refusal)
    app.add_exception_handler(RequestValidationError, _answer_invalid)
    app.add_middleware(Guard, access=review.access)
    return app


def _answer_refusal(request: Request, error: Exception) -> Response:
    """A refusal as a page for a person, as JSON for a program."""
    if not isinstance(error, StarletteHTTPException):
        raise error
    headers = dict(error.headers or {})
    if "Location" in headers:
        return RedirectResponse(headers["Location"], error.status_code)
    if not _wants_page(request):
        return JSONResponse({"detail": error.detail}, error.status_code, headers)
    session = find_session(request)
    page = render(
        request, "problem.html.j2", session, status_code=error.status_code, problem=error.detail
    )
    page.headers.update(headers)
    return page


def _answer_invalid(request: Request, error: Exception) -> Response:
    """What is wrong with a request, without repeating what it said."""
    if not isinstance(error, RequestValidationError):
        raise error
    if _wants_page(request):
        # In the address of a page, a value of the wrong kind is a page that is not there.
        return _answer_refusal(request, HTTPException(404, "There is no such page."))
    problems = [
        {"where": _storable(".".join(map(str, problem["loc"]))), "msg": _storable(problem["msg"])}
        for problem in error.errors()
    ]
    return JSONResponse({"detail": problems}, HTTP_422_UNPROCESSABLE_CONTENT)


def _wants_page(request: Request) -> bool:
    is_program = request.url.path.startswith(("/api/", "/pictures/", "/static/"))
    return request.method == "GET" and not is_program


def _storable(text: str) -> str:
    """Text that can be sent: half of a surrogate pair cannot."""
    return text.encode("utf-8", "replace").decode()
