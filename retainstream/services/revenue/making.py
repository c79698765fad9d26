"""The step of the analyse job about revenue: sales of a shop are summed up, and closed months are looked at again."""

from __future__ import annotations

from typing import Any

from retainstream.db import read_unit
from retainstream.errors import NotReady
from retainstream.services import jobs
from retainstream.services.revenue import bridge, months, sales


def make(context: jobs.JobContext, _part: tuple[float, float]) -> dict[str, Any]:
    """Make what pages do not make themselves; raises NotReady where there is neither a bridge nor a sale."""
    with read_unit() as session:
        book = bridge.read(session, context.settings)
    told: dict[str, Any] = {"months": len(book.months)}
    for words, step in (("sales", sales.make), ("closed_months", months.make)):
        try:
            told[words] = step(context)
        except NotReady:
            continue
    if book.bridge is None and len(told) == 1:
        raise NotReady(bridge.WHY_NOT[book.lacks])
    return told
