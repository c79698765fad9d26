"""Who builds on a segment: health schemes in use, reports, and saved views. Deleting it would leave them without customers, or with others than meant."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qs, parse_qsl

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from retainstream.errors import Conflict
from retainstream.models import HealthScheme, Report, SavedView
from retainstream.security.actor import Actor
from retainstream.security.permissions import Permission

_SHOWN = 3
_ONE_AND_MANY = {
    "health_scheme": ("health scheme", "health schemes"),
    "report": ("report", "reports"),
    "view": ("saved view", "saved views"),
}


@dataclass(frozen=True)
class Use:
    """One that builds on a segment: `kind` is `health_scheme`, `report` or `view`; `id` and `name` are None for what the actor may not see."""

    kind: str
    id: int | None
    name: str | None

    def to_dict(self) -> dict[str, object]:
        """Return the API's form."""
        return {"kind": self.kind, "id": self.id, "name": self.name}


def of_segment(session: Session, actor: Actor, segment_id: int) -> tuple[Use, ...]:
    """Return who builds on a segment: schemes first, then reports, then saved views, each by name."""
    return (*_schemes(session, actor, segment_id), *_reports(session, actor, segment_id), *_views(session, actor, segment_id))  # fmt: skip


def insist_on_unused(session: Session, actor: Actor, segment_id: int, name: str) -> None:
    """Raise Conflict, naming them, when something builds on a segment."""
    found = of_segment(session, actor, segment_id)
    if found:
        raise Conflict(
            f"The segment “{name}” is used by {in_words(found)}. Change or delete what builds on it first.",
            detail={"used_by": [use.to_dict() for use in found]},
        )


def in_words(found: Sequence[Use]) -> str:
    """Return uses as part of a sentence, such as: the health scheme “A”, and 2 reports that you may not see."""
    parts = []
    for kind, (one, many) in _ONE_AND_MANY.items():
        named = [use.name for use in found if use.kind == kind and use.name is not None]
        hidden = sum(use.kind == kind and use.name is None for use in found)
        shown, more = named[:_SHOWN], len(named) - _SHOWN
        if shown:
            names = ", ".join(f"“{name}”" for name in shown)
            parts.append(f"the {one if len(named) == 1 else many} {names}{f' and {more} more' if more > 0 else ''}")
        if hidden:
            parts.append(f"{hidden} {one if hidden == 1 else many} that you may not see")
    return ", and by ".join(parts)


def _schemes(session: Session, actor: Actor, segment_id: int) -> Iterator[Use]:
    query = select(HealthScheme.id, HealthScheme.name).order_by(HealthScheme.name)
    for row in session.execute(query.where(HealthScheme.segment_id == segment_id, HealthScheme.retired_at.is_(None))):
        yield _use("health_scheme", row.id, row.name, seen=actor.may(Permission.DASHBOARD_READ))


def _reports(session: Session, actor: Actor, segment_id: int) -> Iterator[Use]:
    for report in session.scalars(select(Report).where(Report.query.contains("segment")).order_by(Report.name)):
        if _names(report.query, segment_id):
            personal = not parse_qs(report.query).get("q") or actor.may(Permission.CUSTOMERS_PERSONAL)
            yield _use("report", report.id, report.name, seen=actor.may(Permission.CUSTOMERS_EXPORT) and personal)


def _views(session: Session, actor: Actor, segment_id: int) -> Iterator[Use]:
    # Somebody else's own views hold nothing up: whoever deletes the segment could neither see nor change them. Such a view says what is missing.
    seen = or_(SavedView.shared, SavedView.owner_id == actor.user_id)
    query = select(SavedView).where(seen, SavedView.query.contains("segment")).order_by(SavedView.name)
    for view in session.scalars(query):
        if _names(view.query, segment_id):
            yield _use("view", view.id, view.name, seen=True)


def _use(kind: str, number: int, name: str, *, seen: bool) -> Use:
    return Use(kind, number, name) if seen else Use(kind, None, None)


def _names(query: str, segment_id: int) -> bool:
    """Tell whether a query string names a segment: as the address of its members, now or then, as a group of an analysis, or as a filter."""
    named = re.compile(rf"segment[:.]{segment_id}(?![0-9])")
    return any(
        named.search(value) or (name == "segment" and str(segment_id) in re.split(r"[,;\s]+", value))
        for name, value in parse_qsl(query)
    )
