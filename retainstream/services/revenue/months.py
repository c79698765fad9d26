"""Closing a month of the books, and the dated corrections that later data bring. A closed month keeps the figures as they were; it is not opened again.

The first month to be closed may be any that is over: the books begin with it. After that each month follows the one before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from retainstream.config import Settings
from retainstream.db import read_unit
from retainstream.errors import Conflict, NotFound, NotReady
from retainstream.lib import clock
from retainstream.models import ClosedMonth, MonthCorrection, Subscription, User
from retainstream.security.actor import Actor
from retainstream.security.permissions import Permission
from retainstream.services import audit, jobs
from retainstream.services.analyses import runs
from retainstream.services.revenue import bridge, calendar, reasons
from retainstream.services.revenue.bridge import Book

_MOST = 300  # characters of a reason


@dataclass(frozen=True)
class Correction:
    """What one look changed in a closed month: when it was found, why, and (figure, before, after) each."""

    found_at: int
    reason: str
    changes: tuple[tuple[str, int, int], ...]


@dataclass(frozen=True)
class MonthView:
    """A closed month: figures as closed and as they are known now, in minor units and counts; corrections, oldest first.

    `as_of` is the end of the data that it was closed with; `seen` what the newest look that said something of it knew of.
    """

    id: int
    period: int
    currency: str
    closed_at: int
    closed_by: str | None
    as_of: int
    as_closed: dict[str, int]
    now: dict[str, int]
    corrections: tuple[Correction, ...]
    seen: dict[str, Any]

    def to_dict(self) -> dict[str, object]:
        """Return the API's form."""
        return {
            "month": calendar.code(self.period),
            "currency": self.currency,
            "closed_at": clock.iso(self.closed_at),
            "closed_by": self.closed_by,
            "as_of": clock.iso(self.as_of),
            "as_closed": bridge.as_money(self.as_closed, self.currency),
            "corrected": bridge.as_money(self.now, self.currency),
            "corrections": len(self.corrections),
        }

    def corrections_dict(self) -> list[dict[str, object]]:
        """Return the corrections as the API has them, a line for each figure; a count of customers has no currency."""
        return [
            {
                "found_at": clock.iso(one.found_at),
                "figure": name,
                "before": before,
                "after": after,
                "currency": self.currency if name in bridge.FIGURES else None,
                "reason": one.reason,
            }
            for one in self.corrections
            for name, before, after in one.changes
        ]


def closed(session: Session, currency: str) -> tuple[MonthView, ...]:
    """Return the closed months in a currency, newest first."""
    query = select(ClosedMonth).where(ClosedMonth.currency == currency).order_by(ClosedMonth.period.desc())
    rows = session.scalars(query).all()
    people = dict(session.execute(select(User.id, User.name).where(User.id.in_({row.closed_by for row in rows}))).all())
    noted: dict[int, list[MonthCorrection]] = {}
    ids = [row.id for row in rows]
    for line in session.scalars(
        select(MonthCorrection).where(MonthCorrection.closed_month_id.in_(ids)).order_by(MonthCorrection.id)
    ):
        noted.setdefault(line.closed_month_id, []).append(line)
    return tuple(_view(row, noted.get(row.id, []), people.get(row.closed_by or 0)) for row in rows)


def one(session: Session, currency: str, period: int) -> MonthView:
    """Return a closed month; raises NotFound for one that is open."""
    for month in closed(session, currency):
        if month.period == period:
            return month
    raise NotFound(f"{calendar.name(period)} is not closed.")


def _view(row: ClosedMonth, lines: list[MonthCorrection], person: str | None) -> MonthView:
    known = dict(row.figures["as_closed"])
    grouped: dict[tuple[int, str], list[tuple[str, int, int]]] = {}
    for line in lines:
        known[line.figure] = line.after
        grouped.setdefault((line.found_at, line.reason), []).append((line.figure, line.before, line.after))
    corrections = tuple(Correction(*key, tuple(changes)) for key, changes in grouped.items())
    return MonthView(
        id=row.id,
        period=row.period,
        currency=row.currency,
        closed_at=row.closed_at,
        closed_by=person,
        as_of=int(row.figures["as_of"]),
        as_closed=dict(row.figures["as_closed"]),
        now=known,
        corrections=corrections,
        seen=dict(row.figures["seen"]),
    )


def next_to_close(book: Book, done: tuple[MonthView, ...]) -> int | None:
    """Return the month that may be closed next; None while it is not over. Before the first closing: the newest month that is over."""
    newest = book.last_complete
    if newest is None:
        return None
    following = done[0].period + 1 if done else newest
    return following if following <= newest and following in book.months else None


def close(session: Session, actor: Actor, settings: Settings, period: int) -> MonthView:
    """Close a month with the figures of the book in force.

    Raises
    ------
    Conflict
        When it is closed already, not over yet, or not the next.
    NotFound
        When the bridge does not reach it.
    NotReady
        Without a bridge.
    """
    actor.require(Permission.MONTHS_CLOSE)
    book = bridge.read(session, settings)
    made, done = book.required, closed(session, book.currency)
    _check(book, done, period)
    run = runs.in_force(session, "material")
    if run is None:
        raise NotReady("The customer base has not been looked at over time yet.")
    seen = _seen(session, book, run.made_at)
    figures = {"as_closed": bridge.figures(made, book.place(period)), "as_of": book.as_of, "seen": seen}
    session.add(
        ClosedMonth(
            period=period, currency=book.currency, figures=figures, closed_at=clock.now_us(), closed_by=actor.user_id
        )
    )
    session.flush()
    audit.record(session, actor, "month.close", "month", calendar.code(period))
    return one(session, book.currency, period)


def _check(book: Book, done: tuple[MonthView, ...], period: int) -> None:
    name = calendar.name(period)
    for month in done:
        if month.period == period:
            by = f" by {month.closed_by}" if month.closed_by else ""
            raise Conflict(
                f"{name} is closed already{by}; a closed month stays closed, and later data become corrections."
            )
    if not book.required.complete[book.place(period)]:
        raise Conflict(f"{name} is not over yet: the data reach to {str(clock.iso(book.as_of))[:10]}.")
    if done and period < done[-1].period:
        raise Conflict(f"The books begin with {calendar.name(done[-1].period)}; a month before it cannot be closed.")
    if done and period != done[0].period + 1:
        raise Conflict(f"Months are closed in their order: close {calendar.name(done[0].period + 1)} first.")


def _seen(session: Session, book: Book, made_at: int) -> dict[str, Any]:
    """What a look knew of, for telling later what came after it."""
    newest = session.scalar(select(func.max(Subscription.id))) or 0
    return {"as_of": book.as_of, "at": made_at, "statement": newest, "time_zone": book.zone}


def make(context: jobs.JobContext) -> dict[str, Any]:
    """Look at closed months again and note what changed, all of it in one unit; raises NotReady where no month is closed."""
    settings = context.settings
    with read_unit() as session:
        book = bridge.read(session, settings)
        done = closed(session, book.currency)
        if not done or book.lacks in (bridge.SNAPSHOT, bridge.NO_RULE):
            raise NotReady("No month is closed yet." if not done else bridge.WHY_NOT[book.lacks])
        run = runs.in_force(session, "material")
        seen = _seen(session, book, run.made_at if run is not None else clock.now_us())
        found = _changed(session, settings, book, done)
    found_at = clock.now_us()
    with context.holding_unit() as session:
        for change in found:
            row = session.get_one(ClosedMonth, change.month.id)
            session.add_all(
                MonthCorrection(
                    closed_month_id=row.id, found_at=found_at, figure=figure, before=before, after=after, reason=change.reason
                )
                for figure, before, after in change.figures
            )  # fmt: skip
            row.figures = {**row.figures, "seen": seen}
    return {"closed": len(done), "changed": len(found), "corrections": sum(len(one.figures) for one in found)}


@dataclass(frozen=True)
class _Change:
    """What a look found in one month: (figure, before, after) each, and why."""

    month: MonthView
    figures: tuple[tuple[str, int, int], ...]
    reason: str


def _changed(session: Session, settings: Settings, book: Book, done: tuple[MonthView, ...]) -> list[_Change]:
    told = reasons.Reasons(session, settings, book)
    made = bridge.over(book.found, done[-1].period, done[0].period, book.zone)
    found = []
    for month in done:
        now = bridge.figures(made, month.period - done[-1].period)
        changes = tuple((name, before, now[name]) for name, before in month.now.items() if now[name] != before)
        if changes:
            reason = told.of(month.period, month.seen, month.now, now)
            found.append(_Change(month, changes, reason[:_MOST]))
    return found
