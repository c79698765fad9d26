"""Customers whose identifier, name or e-mail holds what somebody typed, and the open tasks about them. Bounded work, however many match."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from retainstream import dialect
from retainstream.models import Customer, Identity, LatestScore, Play, Task, User
from retainstream.services.preferences import BAND_NAMES
from retainstream.services.search.ranking import WITHIN, folded, rank

LOOKED_AT = 60
"""So many that match are ranked; with more, the list of customers has them all."""
_BANDS: Mapping[int | None, str] = dict(enumerate(BAND_NAMES))


@dataclass(frozen=True)
class Person:
    """A customer who matches; `name` and `email` are None without the permission to see them, `band` and `plan` where there is none."""

    id: int
    user_id: str
    name: str | None
    email: str | None
    plan: str | None
    band: str | None
    left: bool
    rank: int


@dataclass(frozen=True)
class OpenTask:
    """An open task; `due_at` in microseconds UTC."""

    user_id: str
    kind: str
    owner: str | None
    play: str | None
    due_at: int | None
    rank: int


def customers(session: Session, asked: str, *, personal: bool) -> list[Person]:
    """Return at most `LOOKED_AT` customers who match, the best first; `personal` looks at names and e-mails, too.

    An identifier that begins with what is asked for is never crowded out by others that hold it somewhere.
    """
    ids = dialect.search_ids(session, asked, personal=personal, most=LOOKED_AT)
    rows = session.execute(
        select(Customer, Identity, LatestScore.band)
        .join(Identity, Identity.customer_id == Customer.id)
        .outerjoin(LatestScore, LatestScore.customer_id == Customer.id)
        .where(Customer.id.in_(ids), Customer.visible())
    )
    wanted = folded(asked)
    found = [
        Person(
            id=customer.id,
            user_id=identity.user_id,
            name=identity.name if personal else None,
            email=identity.email if personal else None,
            plan=customer.plan,
            band=_BANDS.get(band),
            left=customer.churned is True,
            rank=_best(wanted, [identity.user_id, *((identity.name, identity.email) if personal else ())]),
        )
        for customer, identity, band in rows
    ]
    return sorted(found, key=lambda one: (one.rank, one.left, one.user_id))[:LOOKED_AT]


def _best(asked: str, names: Sequence[str | None]) -> int:
    return min((found for name in names if name and (found := rank(asked, name)) is not None), default=WITHIN)


def open_tasks(session: Session, asked: str, about: Sequence[Person]) -> list[OpenTask]:
    """Return open tasks about customers who match, and those whose play or owner is called so; at most `LOOKED_AT` of either, the best first."""
    holds = f"%{dialect.escaped_for_like(asked)}%"
    query = (
        select(Task, Identity.user_id, User.name, User.email, Play.name)
        .join(Customer, Customer.id == Task.customer_id)
        .join(Identity, Identity.customer_id == Task.customer_id)
        .outerjoin(User, User.id == Task.owner_id)
        .outerjoin(Play, Play.id == Task.play_id)
        .where(Task.state == "open", Customer.visible())
    )
    named = or_(*(column.like(holds, escape="\\") for column in (User.name, User.email, Play.name)))
    ranks = {person.id: person.rank for person in about}
    found: dict[int, OpenTask] = {}
    for condition in (Task.customer_id.in_(list(ranks)), named):
        for task, user_id, name, email, play in session.execute(query.where(condition).limit(LOOKED_AT)):
            best = min(ranks.get(task.customer_id, WITHIN), _best(folded(asked), [name, email, play]))
            found[task.id] = OpenTask(user_id, task.kind, name or email, play, task.due_at, best)
    return sorted(found.values(), key=lambda one: (one.rank, one.due_at or 2**62, one.user_id))
