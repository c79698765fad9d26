"""Giving many customers to one person from a page: what became of each in words, and what takes it back. Which page it comes back to is the page's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from retainstream.config import Settings
from retainstream.errors import RetainStreamError
from retainstream.security.actor import Actor
from retainstream.services.desk import assigning, board, people
from retainstream.services.desk.assigning import Assigned
from retainstream.web import today_undo
from retainstream.web.today_undo import Step

_NAMED = 3


@dataclass(frozen=True)
class Given:
    """What was done as a sentence, and the first refusals as sentences."""

    words: str
    refused: tuple[str, ...]


def give(
    session: Session,
    person: Actor,
    settings: Settings,
    owner_id: int | None,
    *,
    user_ids: Sequence[str] = (),
    top: int | None = None,
    reassign: bool = False,
    opened: str = "",
) -> Given:
    """Give customers, or the first of today's list, to somebody, and keep what takes it back; raises InvalidInput as `assigning.assign_many`.

    `opened` is whose entry stands open on Today, for the way back.
    """
    before = {one: _owner_of(session, one) for one in user_ids}
    found = assigning.assign_many(
        session, person, settings, owner_id or 0, user_ids=user_ids, top=top, reassign=reassign
    )
    who = "you" if owner_id == person.user_id else people.require_owner(session, owner_id or 0).name
    words, steps = _told(found, who, before)
    if not today_undo.keep(session, words, opened, steps) and steps:
        words += " It is too much to be undone in one go."
    refused = [one for one in found if one.result == "refused"][:_NAMED]
    return Given(words, tuple(f"{one.user_id} was not given: {one.message}" for one in refused))


def _owner_of(session: Session, user_id: str) -> int | None:
    try:
        present = board.open_of(session, board.require_customer(session, user_id).id)
    except RetainStreamError:
        return None
    return None if present is None else present.owner_id


def _told(found: tuple[Assigned, ...], who: str, before: dict[str, int | None]) -> tuple[str, tuple[Step, ...]]:
    given = [one for one in found if one.result in ("taken", "given")]
    refused = sum(one.result == "refused" for one in found)
    words = f"{len(given):,} customer{'' if len(given) == 1 else 's'} given to {who}."
    if not found:
        words = "Nobody is left to give."
    elif refused:
        words = f"{words[:-1]}, {refused:,} refused."
    steps = tuple(
        ("drop", one.task_id, None) if one.result == "taken" else ("owner_id", one.task_id, before.get(one.user_id))
        for one in given
        if one.task_id is not None
    )
    return words, steps
