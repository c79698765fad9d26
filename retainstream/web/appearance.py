"""Dark or light: dark unless a browser chose otherwise. The choice is a cookie of the browser, since it is about a screen and not about a person."""

from __future__ import annotations

from flask import Blueprint, request
from werkzeug.wrappers import Response as BaseResponse

from retainstream.errors import InvalidInput
from retainstream.web.browser_session import go, local_target
from retainstream.web.guards import public

blueprint = Blueprint("web_appearance", __name__)
THEMES = ("dark", "light")
_COOKIE = "theme"
_A_YEAR = 365 * 24 * 3600


def theme() -> str:
    """Return the theme of this browser."""
    chosen = request.cookies.get(_COOKIE)
    return chosen if chosen in THEMES else THEMES[0]


@blueprint.post("/appearance")
@public
def choose() -> BaseResponse:
    """Keep a choice, and go back to where it was made."""
    chosen = request.form.get("theme", "")
    if chosen not in THEMES:
        raise InvalidInput("There is no such theme.", fields={"theme": ["dark or light"]})
    response = go(local_target(request.form.get("next")))
    response.set_cookie(_COOKIE, chosen, max_age=_A_YEAR, httponly=True, samesite="Lax", secure=request.is_secure)
    return response
