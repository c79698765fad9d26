"""Segments under a name: made, changed, deleted, and listed. Whom they mean now is `matching`, who was in them when `membership`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from retainstream.errors import Conflict, InvalidInput, NotFound
from retainstream.lib import clock
from retainstream.models import Segment, User
from retainstream.security.actor import Actor
from retainstream.security.permissions import Permission
from retainstream.services import audit, jobs, revisions
from retainstream.services.segments import rules, usage
from retainstream.services.segments.fields import catalogue
from retainstream.services.segments.rules import Node

MOST = 200
"""How many segments a box may keep."""
FIELDS = ("name", "description", "rule")
JOB = "segments"
LONGEST_NAME, LONGEST_DESCRIPTION = 80, 500


@dataclass(frozen=True)
class SegmentView:
    """A segment as people see it; instants are microseconds UTC, `owner` is a name or an e-mail, None when the person is gone."""

    id: int
    name: str
    description: str
    rule: dict[str, Any]
    revision: int
    owner: str | None
    created_at: int
    updated_at: int

    @property
    def node(self) -> Node:
        """Return the rule as a tree."""
        return rules.stored(self.rule)

    @property
    def cell(self) -> str:
        """Return the address of the list of its present members."""
        return f"segment:{self.id}"

    def to_dict(self) -> dict[str, object]:
        """Return the API's form."""
        return {
            "id": self.id,
            "name": self.name,
            "description": self.description,
            "rule": self.rule,
            "revision": self.revision,
            "owner": self.owner,
            "cell": self.cell,
            "created_at": clock.iso(self.created_at),
            "updated_at": clock.iso(self.updated_at),
        }


def listed(session: Session) -> tuple[SegmentView, ...]:
    """Return all segments by name."""
    query = select(Segment, User.name, User.email).outerjoin(User, User.id == Segment.owner_id)
    rows = session.execute(query.order_by(func.lower(Segment.name), Segment.id))
    return tuple(_view(row[0], row[1] or row[2]) for row in rows)


def read(session: Session, segment_id: int) -> SegmentView:
    """Return one segment; raises NotFound."""
    query = select(Segment, User.name, User.email).outerjoin(User, User.id == Segment.owner_id)
    row = session.execute(query.where(Segment.id == segment_id)).first()
    if row is None:
        raise NotFound("There is no such segment; it may have been deleted meanwhile.")
    return _view(row[0], row[1] or row[2])


def create(
    session: Session, actor: Actor, wanted: Mapping[str, Any], *, time_zone: str, look: bool = True
) -> SegmentView:
    """Keep a rule under a name and, with `look`, ask for a first look at who is in it.

    Parameters
    ----------
    wanted : mapping
        `name`, `rule` (a tree as `rules.parse` reads it) and optionally `description`.

    Raises
    ------
    InvalidInput
        Naming each field, and each place of the rule, that is not as expected.
    Conflict
        When a segment has the name, or the box keeps as many as it may.
    """
    actor.require(Permission.SEGMENTS_WRITE)
    values = _checked(session, {"description": "", **wanted}, time_zone)
    if missing := {name: ["is needed"] for name in ("name", "rule") if name not in values}:
        raise InvalidInput("A segment needs a name and a rule.", fields=missing)
    _insist_on_free_name(session, values["name"], 0)
    if (session.scalar(select(func.count()).select_from(Segment)) or 0) >= MOST:
        raise Conflict(f"There are {MOST} segments already: delete one that nobody uses any longer.")
    now = clock.now_us()
    found = Segment(**values, owner_id=actor.user_id, created_at=now, updated_at=now)
    session.add(found)
    session.flush()
    if look:
        ask_for_look(session, actor)
    return _kept(session, actor, found, "segment.create", FIELDS)


def change(
    session: Session, actor: Actor, segment_id: int, changes: Mapping[str, Any], *, time_zone: str
) -> SegmentView:
    """Change a segment. Another rule is another revision: whoever it leaves out goes out at the next look. Raises NotFound, and as `create`."""
    actor.require(Permission.SEGMENTS_WRITE)
    found, values = _require(session, segment_id), _checked(session, changes, time_zone)
    if "name" in values:
        _insist_on_free_name(session, values["name"], found.id)
    values = {name: value for name, value in values.items() if getattr(found, name) != value}
    if not values:
        return read(session, segment_id)
    if "rule" in values:
        found.revision += 1
    for name, value in values.items():
        setattr(found, name, value)
    found.updated_at = clock.now_us()
    if "rule" in values:
        ask_for_look(session, actor)
    return _kept(session, actor, found, "segment.change", tuple(values))


def delete(session: Session, actor: Actor, segment_id: int) -> str:
    """Delete a segment with the record of who was in it, and return its name; raises NotFound, and Conflict naming what builds on it."""
    actor.require(Permission.SEGMENTS_WRITE)
    found = _require(session, segment_id)
    name = found.name
    usage.insist_on_unused(session, actor, segment_id, name)
    session.delete(found)
    audit.record(session, actor, "segment.delete", "segment", segment_id)
    revisions.bump(session, "analyses")
    session.flush()
    return name


def ask_for_look(session: Session, actor: Actor) -> None:
    """Queue the job that notes who is in each segment now, unless one waits that will."""
    jobs.enqueue_anew(session, actor, JOB, {}, dedupe_key=JOB)


def _checked(session: Session, given: Mapping[str, Any], time_zone: str) -> dict[str, Any]:
    problems: dict[str, list[str]] = {name: ["there is no such field"] for name in given if name not in FIELDS}
    found: dict[str, Any] = {}
    for name, shortest, longest in (("name", 1, LONGEST_NAME), ("description", 0, LONGEST_DESCRIPTION)):
        if name in given:
            text = " ".join(str(given[name] or "").split())
            found[name] = text
            if not shortest <= len(text) <= longest or not text.isprintable():
                problems[name] = [f"a text of {shortest} to {longest} characters"]
    if "rule" in given:
        try:
            found["rule"] = rules.parse(given["rule"], catalogue(session), time_zone=time_zone).to_json()
        except InvalidInput as bad:
            problems |= bad.fields
    if problems:
        raise InvalidInput("The segment is not as expected.", fields=problems)
    return found


def _insist_on_free_name(session: Session, name: str, own_id: int) -> None:
    query = select(Segment.id).where(func.lower(Segment.name) == name.lower(), Segment.id != own_id)
    other = session.scalars(query).first()
    if other is not None:
        raise Conflict(f"There is a segment called {name!r} already.", detail={"segment_id": other})


def _require(session: Session, segment_id: int) -> Segment:
    found = session.get(Segment, segment_id)
    if found is None:
        raise NotFound("There is no such segment; it may have been deleted meanwhile.")
    return found


def _kept(session: Session, actor: Actor, found: Segment, action: str, fields: tuple[str, ...]) -> SegmentView:
    audit.record(session, actor, action, "segment", found.id, fields=fields)
    revisions.bump(session, "analyses")  # lists of its members are kept by this counter
    session.flush()
    return read(session, found.id)


def _view(row: Segment, owner: str | None) -> SegmentView:
    return SegmentView(
        row.id, row.name, row.description, dict(row.rule), row.revision, owner, row.created_at, row.updated_at
    )
