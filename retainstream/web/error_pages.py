"""What a person sees when something fails: a calm page with what to do and the request id, or a toast where HTMX asked.

Nothing here reads the database, because the database may be what failed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from flask import Response, current_app, g, render_template, request
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException

from retainstream.errors import RetainStreamError

_TITLES = {
    400: "That request could not be read",
    401: "Please sign in",
    403: "Not for your role",
    404: "There is nothing here",
    405: "Not possible here",
    409: "That cannot be done just now",
    413: "That is too large",
    415: "That kind of file is not understood",
    422: "Some of that is not as expected",
    429: "A moment, please",
    503: "Busy just now",
}
_ADVICE = {
    401: "Sign in and try again.",
    403: "Ask an administrator if you need this.",
    404: "The address may have changed, or what it showed was removed.",
    429: "Wait a little, then try again.",
    503: "It will be free again in a moment; reload the page.",
}


@dataclass(frozen=True)
class ErrorView:
    """What the error page and the toast show."""

    status: int
    title: str
    message: str
    advice: str
    request_id: str


def error_page(error: Exception) -> Response:
    """Return the page, or for HTMX the toast, of a domain error or of one that the framework raised."""
    view, headers = _describe(error)
    wants_fragment = request.headers.get("HX-Request") and not request.headers.get("HX-History-Restore-Request")
    if wants_fragment:
        body = render_template(
            "_toast.html", tone="bad", title=view.title, message=view.message, request_id=view.request_id
        )
        headers |= {"HX-Retarget": "#toasts", "HX-Reswap": "beforeend"}
    else:
        body = render_template("error.html", error=view)
    response: Response = current_app.make_response(body)
    response.status_code = view.status
    response.headers.update(headers)
    response.vary.add("HX-Request")
    return response


def page(title: str, error: RetainStreamError) -> Response:
    """Return the page of a domain error under a title of its own; its message says what to do."""
    view = ErrorView(error.status, title, error.message, "", g.get("request_id", ""))
    response: Response = current_app.make_response((render_template("error.html", error=view), view.status))
    return response


def _describe(error: Exception) -> tuple[ErrorView, dict[str, str]]:
    headers: dict[str, str] = {}
    if isinstance(error, CSRFError):
        status = 400
        message = "This form was open for too long, or the browser keeps no cookies for this site."
        advice = "Go back, reload the page and send it again."
    elif isinstance(error, RetainStreamError):
        status, message = error.status, error.message
        advice = _ADVICE.get(status, "")
        if error.retry_after is not None:
            headers["Retry-After"] = str(error.retry_after)
    else:
        http = cast(HTTPException, error)
        status = http.code or 500
        message = _own_words(http, status)
        advice = _ADVICE.get(status, "")
        headers = {name: value for name, value in http.get_headers() if name in ("Allow", "Retry-After")}
    title = _TITLES.get(status, "Something went wrong here")
    if status >= 500 and status != 503:
        advice = "Try again. If it stays, give the request id below to whoever runs this server."
    return ErrorView(status, title, message, advice, g.get("request_id", "")), headers


def _own_words(error: HTTPException, status: int) -> str:
    if status == 404:
        return "There is no page at this address."
    if status == 405:
        return "This address does not take that kind of request."
    return str(error.description or error.name)
