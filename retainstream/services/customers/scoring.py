"""Scores for the customers of a list: asked for by its filter, and made by the scoring job of everybody else's scores.

A job holds the filter, not the people: a segment may mean very many, and whom it means is told when the job begins.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace

from sqlalchemy.orm import Session

from retainstream.db import read_unit
from retainstream.errors import InvalidInput
from retainstream.models import JobRun
from retainstream.security.actor import Actor
from retainstream.services import jobs, registry, scoring
from retainstream.services.customers import asked, filters
from retainstream.services.customers.asked import Asked
from retainstream.services.customers.lists import usual_order

SCOPE = "list"
_NOBODY = "Nobody who has not left is in this list, so there is nothing to score."


def request(session: Session, actor: Actor, query: str) -> JobRun:
    """Queue the scoring of those of a list who have not left.

    Parameters
    ----------
    query : str
        Filters of a list of customers as a query string; order and columns do not count, and a search looks at identifiers alone.

    Raises
    ------
    InvalidInput
        For a filter that is not as expected, a segment that is not there, and a list of nobody.
    NotReady
        When no model is in service.
    Conflict
        When the same scoring is queued or running.
    """
    registry.required_champion(session)
    wanted = _read(query)
    if not _whom(session, wanted):
        raise InvalidInput(_NOBODY, fields={"query": ["a list with at least one customer"]})
    written = wanted.query()
    digest = hashlib.sha256(written.encode()).hexdigest()
    return jobs.enqueue(session, actor, "score", {"scope": SCOPE, "query": written}, dedupe_key=f"score:{digest}")


def run(context: jobs.JobContext) -> dict[str, object]:
    """Score whom the payload names: those of a list (scope `list`), or as `services.scoring.run`."""
    if context.payload.get("scope") != SCOPE:
        return scoring.run(context)
    with read_unit() as session:
        whom = _whom(session, _read(str(context.payload["query"])))
    if not whom:
        raise InvalidInput(_NOBODY)
    return scoring.run(context, whom)


def _read(query: str) -> Asked:
    """Return the list without what does not say whom it means."""
    found = replace(asked.read_query(asked.checked_query(query)), status="active", columns=())
    return replace(found, sort=usual_order(found.group))


def _whom(session: Session, wanted: Asked) -> list[int]:
    return sorted(session.scalars(filters.ids(wanted.filter(session, personal=False))))
