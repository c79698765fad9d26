"""Saved views of the list of customers: who keeps, sees, and takes away which. What a query string means is `schemas.customer_query`."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from retainstream.errors import Conflict, Forbidden, InvalidInput, NotFound
from retainstream.lib import clock
from retainstream.lib.pagination import FIRST_PAGE, Page, PageRequest
from retainstream.models import Report, SavedView, User
from retainstream.security.actor import Actor
from retainstream.security.permissions import Permission
from retainstream.services import audit
from retainstream.services.paging import page_by_id

MOST = 100
"""How many views one person may keep."""
LONGEST_NAME, LONGEST_QUERY = 60, 2000
_SHORTEST_SIGN = 3


def seen_by(session: Session, actor: Actor, request: PageRequest = FIRST_PAGE) -> Page:
    """Return a page of a person's own views and those that others share, newest first; raises InvalidInput for another list's cursor."""
    mine = or_(SavedView.owner_id == actor.user_id, SavedView.shared)
    query = select(SavedView, User.name, User.email).join(User, User.id == SavedView.owner_id).where(mine)
    total = session.scalar(select(func.count()).select_from(SavedView).where(mine)) or 0
    rows, following = page_by_id(session, query, SavedView.id, "views", request)
    return Page([_item(row[0], row[1] or row[2], actor) for row in rows], following, total)


def save(session: Session, actor: Actor, name: str, query: str, *, shared: bool = False) -> dict[str, Any]:
    """Keep a list under a name and return the view; the same person's view of that name is replaced.

    Parameters
    ----------
    query : str
        A query string that the caller has checked to be one of the list's.

    Raises
    ------
    InvalidInput
        For a name or a query that is empty or too long.
    Forbidden
        For somebody who is no person on record, or who shares without being allowed to change customers.
    Conflict
        When the person keeps as many views as anybody may.
    """
    actor.require(Permission.CUSTOMERS_READ)
    if shared:
        actor.require(Permission.CUSTOMERS_WRITE)
    if actor.user_id is None:
        raise Forbidden("A view belongs to a person: sign in as one.")
    name = " ".join(name.split())
    if not 0 < len(name) <= LONGEST_NAME or not name.isprintable():
        raise InvalidInput(
            "The view needs a name.", fields={"name": [f"a name of 1 to {LONGEST_NAME} ordinary characters"]}
        )
    if len(query) > LONGEST_QUERY:
        raise InvalidInput(
            "This list has too many filters to be kept.", fields={"query": [f"at most {LONGEST_QUERY} characters"]}
        )
    mine = SavedView.owner_id == actor.user_id
    view = session.scalars(select(SavedView).where(mine, SavedView.name == name)).first()
    if view is None:
        if (session.scalar(select(func.count()).select_from(SavedView).where(mine)) or 0) >= MOST:
            raise Conflict(f"You keep {MOST} views already: delete one that you no longer use.")
        view = SavedView(owner_id=actor.user_id, name=name, created_at=clock.now_us())
        session.add(view)
    view.query, view.shared = query, shared
    session.flush()
    audit.record(session, actor, "view.save", "view", view.id, fields=["query", "shared"])
    return _item(view, actor.name or actor.email, actor)


def delete(session: Session, actor: Actor, view_id: int) -> str:
    """Take a view away and return its name.

    Raises
    ------
    NotFound
        When there is none with this id that the person sees.
    Forbidden
        When it is somebody else's, unless the person may manage users.
    """
    view = session.get(SavedView, view_id)
    if view is None or not (view.shared or view.owner_id == actor.user_id):
        raise NotFound("There is no such view; it may have been deleted meanwhile.")
    if not _may_delete(view, actor):
        raise Forbidden("Only the one who made this view can delete it, or an administrator.")
    name = view.name
    session.delete(view)
    audit.record(session, actor, "view.delete", "view", view_id)
    session.flush()
    return name


def forget(session: Session, signs: set[str]) -> None:
    """Delete the views and the reports that search for, or are named after, a person who is erased.

    Parameters
    ----------
    signs : set of str
        The person's identifier, name, e-mail and phone.
    """
    told = {sign.casefold() for sign in signs if len(sign) >= _SHORTEST_SIGN}
    for kept in (*session.scalars(select(SavedView)), *session.scalars(select(Report))):
        if _means(kept.query, kept.name, told):
            session.delete(kept)
    session.flush()


def _means(query: str, name: str, told: set[str]) -> bool:
    searched = "".join(parse_qs(query).get("q", [])).strip().casefold()
    return any(
        (len(searched) >= _SHORTEST_SIGN and searched in sign) or sign in searched or sign in name.casefold()
        for sign in told
    )


def _may_delete(view: SavedView, actor: Actor) -> bool:
    return view.owner_id == actor.user_id or actor.may(Permission.USERS_MANAGE)


def _item(view: SavedView, owner: str, actor: Actor) -> dict[str, Any]:
    return {
        "id": view.id,
        "name": view.name,
        "parameters": view.query,
        "shared": view.shared,
        "owner": owner,
        "mine": view.owner_id == actor.user_id,
        "may_delete": _may_delete(view, actor),
        "created_at": clock.iso(view.created_at),
    }
