"""Who may see a page: every view says a permission or that it is public. The API has guards of its own, because its answers differ."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast
from urllib.parse import urlencode

from flask import Response, redirect, request
from werkzeug.wrappers import Response as BaseResponse

from retainstream.security.actor import Actor
from retainstream.security.permissions import Permission
from retainstream.web.browser_session import current_actor

View = TypeVar("View", bound=Callable[..., Any])


def requires_page(permission: Permission) -> Callable[[View], View]:
    """Guard a page: a visitor is sent to sign in and comes back afterwards; without the permission there is a page that says so."""

    def decorate(view: View) -> View:
        @functools.wraps(view)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            person = current_actor()
            if person is None:
                return _ask_to_sign_in()
            person.require(permission)
            return view(*args, **kwargs)

        guarded.guard = permission  # type: ignore[attr-defined]
        return cast(View, guarded)

    return decorate


def public(view: View) -> View:
    """Mark a page as open to everybody."""
    view.guard = "public"  # type: ignore[attr-defined]
    return view


def signed_in_actor() -> Actor:
    """Return the person in a guarded view."""
    person = current_actor()
    if person is None:
        raise RuntimeError("only a guarded view has a signed-in person")
    return person


def _ask_to_sign_in() -> BaseResponse:
    if request.headers.get("HX-Request"):
        return Response(status=401, headers={"HX-Redirect": "/sign-in"})
    # The sign-in page itself sends on to set-up while nobody has registered.
    wanted = request.full_path.rstrip("?") if request.method == "GET" else "/"
    return redirect("/sign-in" if wanted == "/" else f"/sign-in?{urlencode({'next': wanted})}", 303)
