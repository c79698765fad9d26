"""People and roles: who may enter, inviting, changing a role, deactivating, and links for a new password. For administrators."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from flask import Blueprint, flash, request
from werkzeug.wrappers import Response as BaseResponse

from retainstream.db import read_unit, unit_of_work
from retainstream.errors import Conflict, InvalidInput, NotFound
from retainstream.lib import clock
from retainstream.lib.pagination import PageRequest
from retainstream.security.permissions import Permission, Role
from retainstream.services.access import accounts, invitations
from retainstream.web import frame, settings_view
from retainstream.web.browser_session import go
from retainstream.web.guards import requires_page, signed_in_actor
from retainstream.web.settings_tabs import tabs_for

blueprint = Blueprint("web_settings_people", __name__)
PAGE = 50
ROLE_CHOICES = [(role.value, settings_view.ROLES[role][0]) for role in reversed(Role)]


def _link(path: str, leave: accounts.Leave) -> dict[str, object]:
    """Return a link that is shown once: its address, for whom, and until when."""
    address = f"{request.host_url.rstrip('/')}/{path}/{leave.token}"
    return {"address": address, "email": leave.email, "expires_at": clock.iso(leave.expires_at)}


@blueprint.get("/settings/people")
@requires_page(Permission.USERS_MANAGE)
def show() -> BaseResponse:
    """List people and open invitations, with the form for an invitation."""
    return _page()


def _page(
    problems: Mapping[str, Sequence[str]] | None = None, link: dict[str, object] | None = None, status: int = 200
) -> BaseResponse:
    person = signed_in_actor()
    with read_unit() as session:
        page = accounts.users(session, PageRequest(PAGE, request.args.get("cursor") or None))
        people = [item | {"word": settings_view.role_word(str(item["role"]))} for item in page.items]
        waiting = [item | {"word": settings_view.role_word(str(item["role"]))} for item in invitations.waiting(session)]
        return frame.page(
            session,
            "settings/people.html",
            here="settings",
            status=status,
            tabs_items=tabs_for(person),
            people=people,
            waiting=waiting,
            own_id=person.user_id,
            total=page.total,
            following=f"/settings/people?cursor={page.next_cursor}" if page.next_cursor else "",
            roles=ROLE_CHOICES,
            role_words=settings_view.ROLES.values(),
            email="" if link else request.form.get("email", "")[:254],
            role=request.form.get("role", Role.VIEWER.value),
            link=link,
            problems=problems or {},
        )


@blueprint.post("/settings/people")
@requires_page(Permission.USERS_MANAGE)
def invite() -> BaseResponse:
    """Make an invitation and show its link, this once."""
    role = request.form.get("role", "")
    if role not in list(Role):
        return _page({"role": ["one of the list"]}, status=422)
    try:
        with unit_of_work() as session:
            leave = accounts.invite(session, signed_in_actor(), email=request.form.get("email", ""), role=role)
    except (InvalidInput, Conflict) as refusal:
        return _page(refusal.fields or {"email": [refusal.message]}, status=422)
    return _page(link=_link("invitation", leave), status=201)


@blueprint.post("/settings/people/invitations/<int:invitation_id>/withdraw")
@requires_page(Permission.USERS_MANAGE)
def withdraw(invitation_id: int) -> BaseResponse:
    """Take an invitation back."""
    try:
        with unit_of_work() as session:
            email = invitations.withdraw(session, signed_in_actor(), invitation_id)
    except NotFound as refusal:
        flash(refusal.message, "bad")
    else:
        flash(f"The invitation for {email} is taken back; its link holds no longer.", "good")
    return go("/settings/people")


@blueprint.get("/settings/people/<int:user_id>")
@requires_page(Permission.USERS_MANAGE)
def show_person(user_id: int) -> BaseResponse:
    """Show one person, with what can be changed."""
    return _person_page(user_id)


def _person_page(
    user_id: int,
    problems: Mapping[str, Sequence[str]] | None = None,
    link: dict[str, object] | None = None,
    status: int = 200,
) -> BaseResponse:
    person = signed_in_actor()
    with read_unit() as session:
        user = accounts.present(accounts.get(session, user_id))
        return frame.page(
            session,
            "settings/person.html",
            here="settings",
            status=status,
            user=user,
            role=settings_view.ROLES[Role(str(user["role"]))],
            chosen=request.form.get("role", user["role"]),
            own=user_id == person.user_id,
            roles=ROLE_CHOICES,
            role_words=settings_view.ROLES.values(),
            link=link,
            problems=problems or {},
        )


@blueprint.post("/settings/people/<int:user_id>/role")
@requires_page(Permission.USERS_MANAGE)
def change_role(user_id: int) -> BaseResponse:
    """Give somebody another role; it counts from the next click on."""
    role = request.form.get("role", "")
    if role not in list(Role):
        return _person_page(user_id, {"role": ["one of the list"]}, status=422)
    try:
        with unit_of_work() as session:
            user = accounts.change(session, signed_in_actor(), user_id, role=role)
            said = f"{user.name or user.email} is now {settings_view.role_word(role).lower()}."
    except Conflict as refusal:
        return _person_page(user_id, {"role": [refusal.message]}, status=409)
    flash(said, "good")
    return go(f"/settings/people/{user_id}" if user_id != signed_in_actor().user_id else "/settings")


@blueprint.post("/settings/people/<int:user_id>/active")
@requires_page(Permission.USERS_MANAGE)
def change_active(user_id: int) -> BaseResponse:
    """Deactivate an account, which ends all that is open for it, or let the person in again."""
    active = request.form.get("active") == "yes"
    try:
        with unit_of_work() as session:
            user = accounts.change(session, signed_in_actor(), user_id, active=active)
            name = user.name or user.email
    except Conflict as refusal:
        flash(refusal.message, "bad")
    else:
        flash(
            f"{name} may sign in again." if active else f"{name} is out: sessions, log-ins and API tokens have ended.",
            "good",
        )
    return go(f"/settings/people/{user_id}")


@blueprint.post("/settings/people/<int:user_id>/reset")
@requires_page(Permission.USERS_MANAGE)
def start_reset(user_id: int) -> BaseResponse:
    """Make a link with which somebody chooses a new password, and show it, this once."""
    try:
        with unit_of_work() as session:
            leave = accounts.start_reset(session, signed_in_actor(), user_id)
    except Conflict as refusal:
        flash(refusal.message, "bad")
        return go(f"/settings/people/{user_id}")
    return _person_page(user_id, link=_link("new-password", leave), status=201)
