"""Segments as they stand: whom each means now, with its figures, and how that moved since the looks before.

Arrays stay behind this door (`columns`, `matching`), so that an app starts without them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Integer, String, bindparam, column, func, select
from sqlalchemy.orm import Session

from retainstream.errors import NotReady
from retainstream.lib import clock
from retainstream.lib.money import money
from retainstream.models import Customer
from retainstream.services.segments import membership, saved
from retainstream.services.segments.fields import Field
from retainstream.services.segments.membership import Size
from retainstream.services.segments.rules import Node
from retainstream.services.segments.saved import SegmentView

if TYPE_CHECKING:
    from retainstream.services.segments.matching import Look

RECENT = 40
"""Looks that a list shows of each segment."""


@dataclass(frozen=True)
class Standing:
    """A segment now. `look` is None while its rule cannot be told, and `problem` then says why; `sizes` are the newest looks, oldest first."""

    segment: SegmentView
    look: Look | None
    problem: str
    sizes: tuple[Size, ...]

    @property
    def baseline(self) -> Size | None:
        """Return the look that a change is told from: the newest one from the day before or earlier, else the first; None without any."""
        if not self.sizes:
            return None
        older = [size for size in self.sizes if size.as_of <= clock.now_us() - membership.REPEATED_AFTER_US]
        return older[-1] if older else self.sizes[0]

    @property
    def change(self) -> int | None:
        """Return by how many the segment differs from its baseline; None without one."""
        return None if self.look is None or self.baseline is None else self.look.n - self.baseline.n

    def to_dict(self, currency: str) -> dict[str, object]:
        """Return the API's form."""
        figures = None if self.look is None else presented(self.look, currency)
        return self.segment.to_dict() | {
            "summary": figures,
            "problem": self.problem or None,
            "change": self.change,
            "changed_since": None if self.baseline is None else clock.iso(self.baseline.as_of),
            "looked_at": clock.iso(self.sizes[-1].as_of) if self.sizes else None,
        }


@dataclass(frozen=True)
class Tried:
    """A rule tried out: its figures, and the ids of everybody whom it picks, rising."""

    look: Look
    ids: tuple[int, ...]


def every(session: Session) -> tuple[Standing, ...]:
    """Return all segments by name, as they stand."""
    segments = saved.listed(session)
    if not segments:
        return ()
    sizes = membership.histories(session, RECENT)
    return tuple(_standing(session, segment, sizes.get(segment.id, ())) for segment in segments)


def one(session: Session, segment_id: int) -> Standing:
    """Return a segment as it stands; raises NotFound."""
    segment = saved.read(session, segment_id)
    return _standing(session, segment, membership.history(session, segment_id))


def look(session: Session, node: Node) -> Look:
    """Return the figures of those whom a rule picks; raises NotReady when it asks for something that cannot be told."""
    from retainstream.services.segments import matching
    from retainstream.services.segments.columns import Population

    return matching.look(Population(session), node)


def tried(session: Session, node: Node) -> Tried:
    """Return the figures and the members of a rule; raises NotReady as `look`."""
    from retainstream.services.segments import matching
    from retainstream.services.segments.columns import Population

    population = Population(session)
    return Tried(matching.look(population, node), tuple(matching.ids(population, node).tolist()))


def population_size(session: Session) -> int:
    """Return how many customers there are, whether or not they left."""
    from retainstream.services.segments.columns import Population

    return len(Population(session).ids)


def condition(ids: Sequence[int]) -> ColumnElement[bool]:
    """Return the condition that a customer is one of some, however many they are."""
    listed = func.json_each(bindparam(None, json.dumps(ids), String)).table_valued(column("value", Integer))
    return Customer.id.in_(select(listed.c.value))


def levels(session: Session, wanted: list[Field]) -> dict[str, list[tuple[str, int]]]:
    """Return what customers have in some fields of words or tags, with counts, by the field's key; the most frequent first."""
    from retainstream.services.segments.columns import Population

    population = Population(session)
    return {field.key: population.levels(field) for field in wanted if field.type in ("category", "tags")}


def together(session: Session) -> dict[str, int]:
    """Return how many customers there are, and how many stand in at least one segment whose rule can be told."""
    import numpy as np

    from retainstream.services.segments import matching
    from retainstream.services.segments.columns import Population

    population = Population(session)
    inside = np.zeros(len(population.ids), np.bool_)
    for segment in saved.listed(session):
        try:
            inside |= matching.mask(population, segment.node)
        except NotReady:
            continue
    return {"customers": len(inside), "in_any": int(inside.sum())}


def presented(look: Look, currency: str) -> dict[str, Any]:
    """Return the figures of a rule as the API shows them; `currency` is that of prices without one."""
    of = look.currency or currency
    return {
        "customers": look.n,
        "active": look.active,
        "priced": look.priced,
        "scored": look.scored,
        "monthly_revenue": money(look.revenue_minor, of),
        "revenue_at_risk": money(look.at_risk_minor, of),
        "expected_churners": look.expected,
        "mean_probability": look.mean,
        "as_of": clock.iso(look.as_of),
    }


def _standing(session: Session, segment: SegmentView, sizes: tuple[Size, ...]) -> Standing:
    try:
        return Standing(segment, look(session, segment.node), "", sizes)
    except NotReady as nothing:
        return Standing(segment, None, nothing.message, sizes)
