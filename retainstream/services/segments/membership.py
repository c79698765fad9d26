"""Who is in each segment, dated: a look compares the members on record with those whom the rule picks now, and notes who came and who went.

A step of the analyse job, and a job of its own after a rule was saved. Times are those of the look: nobody knows at which second a value changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from sqlalchemy import ColumnElement, delete, func, or_, select, update
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.orm import Session

from retainstream.db import read_unit
from retainstream.errors import NotReady
from retainstream.lib import clock
from retainstream.models import Customer, Segment, SegmentMember, SegmentSize
from retainstream.services import jobs, revisions
from retainstream.services.segments import rules, saved
from retainstream.services.segments.saved import SegmentView

CHUNK = 5_000
REPEATED_AFTER_US = 20 * clock.HOUR_US
"""A look that finds nobody moved is noted only so long after the one before."""
KEPT_LOOKS = 800


@dataclass(frozen=True)
class Size:
    """One look: when (microseconds UTC), by which revision of the rule, how many were in, and how many had come and gone since the one before."""

    as_of: int
    revision: int
    n: int
    entered: int
    left: int


def make(context: jobs.JobContext, part: tuple[float, float]) -> dict[str, Any]:
    """Look at every segment: a step of the analyse job."""
    with read_unit() as session:
        segments = saved.listed(session)
        if not segments:
            raise NotReady("There is no segment yet.")
        _prepare(session, segments)
    told: dict[str, Any] = {"segments": len(segments), "entered": 0, "left": 0}
    skipped: dict[str, str] = {}
    for place, segment in enumerate(segments):
        context.progress("segments", part[0] + (part[1] - part[0]) * place / len(segments))
        try:
            size = look(context, segment)
        except NotReady as nothing:
            skipped[segment.name] = nothing.message
            continue
        told["entered"] += size.entered
        told["left"] += size.left
    with context.holding_unit() as session:
        revisions.bump(session, "analyses")
    return told | ({"skipped_segments": skipped} if skipped else {})


def run(context: jobs.JobContext) -> dict[str, object]:
    """Look at every segment: the job after a rule was saved."""
    try:
        return make(context, (0.0, 1.0))
    except NotReady as nothing:
        return {"skipped": nothing.message}


def _prepare(session: Session, segments: Sequence[SegmentView]) -> None:
    """Have the columns of events at hand, without which rules about features would have to be passed over."""
    from retainstream.services.segments import behaviour

    if any(leaf.field.startswith(("feature.", "events.")) for one in segments for leaf in rules.leaves(one.node)):
        behaviour.prepare(session)


def look(context: jobs.JobContext, segment: SegmentView) -> Size:
    """Note who is in a segment now; raises NotReady when its rule cannot be told. Chunks that were written by a look that died count for the next."""
    from retainstream.services.segments import matching
    from retainstream.services.segments.columns import Population

    with read_unit() as session:
        now = clock.now_us()
        inside = set(matching.ids(Population(session), segment.node).tolist())
        present = SegmentMember.segment_id == segment.id, SegmentMember.left_at.is_(None)
        before = set(session.scalars(select(SegmentMember.customer_id).where(*present)))
        newest = session.scalars(_sizes(segment.id).limit(1)).first()
    entered, left = sorted(inside - before), sorted(before - inside)
    for chunk in _chunks(entered):
        rows = [{"segment_id": segment.id, "customer_id": one, "entered_at": now} for one in chunk]
        with context.holding_unit() as session:
            if session.get(Segment, segment.id) is None:
                return Size(now, segment.revision, 0, 0, 0)
            # Somebody may have been erased since they were read.
            there = set(session.scalars(select(Customer.id).where(Customer.id.in_(chunk))))
            rows = [row for row in rows if row["customer_id"] in there]
            if rows:
                session.execute(insert(SegmentMember).on_conflict_do_nothing(), rows)
    for chunk in _chunks(left):
        with context.holding_unit() as session:
            gone = update(SegmentMember).where(*present, SegmentMember.customer_id.in_(chunk))
            session.execute(gone.values(left_at=now))
    size = Size(now, segment.revision, len(inside), len(entered), len(left))
    if newest is None or entered or left or newest.revision != size.revision or now - newest.as_of > REPEATED_AFTER_US:
        with context.holding_unit() as session:
            _note(session, segment.id, size)
    return size


def _note(session: Session, segment_id: int, size: Size) -> None:
    if session.get(Segment, segment_id) is None:
        return
    session.add(SegmentSize(segment_id=segment_id, **vars(size)))
    session.flush()
    last = session.scalars(_sizes(segment_id).offset(KEPT_LOOKS).limit(1)).first()
    if last is not None:
        old = SegmentSize.segment_id == segment_id, SegmentSize.as_of <= last.as_of
        session.execute(delete(SegmentSize).where(*old))


def _chunks(ids: list[int]) -> list[list[int]]:
    rest = iter(ids)
    return list(iter(lambda: list(islice(rest, CHUNK)), []))


def _sizes(segment_id: int) -> Any:
    return select(SegmentSize).where(SegmentSize.segment_id == segment_id).order_by(SegmentSize.as_of.desc())


def history(session: Session, segment_id: int, most: int = 400) -> tuple[Size, ...]:
    """Return the looks at a segment, oldest first, the newest so many."""
    rows = session.scalars(_sizes(segment_id).limit(most)).all()
    return tuple(Size(row.as_of, row.revision, row.n, row.entered, row.left) for row in reversed(rows))


def histories(session: Session, most: int = 40) -> dict[int, tuple[Size, ...]]:
    """Return the newest looks at every segment, oldest first, by the segment's id."""
    return {one: history(session, one, most) for one in session.scalars(select(Segment.id))}


def moved(session: Session, segment_id: int, how: str, moment: int) -> tuple[int, ...]:
    """Return the visible customers who entered or left at a look, or were present at an instant, rising."""
    query = select(SegmentMember.customer_id).join(Customer, Customer.id == SegmentMember.customer_id)
    conditions: dict[str, ColumnElement[bool]] = {
        "entered": SegmentMember.entered_at == moment,
        "left": SegmentMember.left_at == moment,
        "present": (SegmentMember.entered_at <= moment)
        & or_(SegmentMember.left_at.is_(None), SegmentMember.left_at > moment),
    }
    query = query.where(SegmentMember.segment_id == segment_id, conditions[how], Customer.visible())
    return tuple(sorted(set(session.scalars(query))))


def moves(session: Session, segment_id: int, most: int = 12) -> tuple[tuple[int, int, int], ...]:
    """Return the newest looks at which somebody moved: (instant, how many visible customers entered, how many left), newest first."""
    found: dict[int, list[int]] = {}
    for place, column in enumerate((SegmentMember.entered_at, SegmentMember.left_at)):
        query = (
            select(column, func.count())
            .join(Customer, Customer.id == SegmentMember.customer_id)
            .where(SegmentMember.segment_id == segment_id, column.is_not(None), Customer.visible())
            .group_by(column)
            .order_by(column.desc())
            .limit(most)
        )
        for instant, n in session.execute(query):
            found.setdefault(int(instant or 0), [0, 0])[place] = n
    return tuple((instant, *found[instant]) for instant in sorted(found, reverse=True)[:most])  # type: ignore[misc]
