"""Who owns tasks: what people are called, and who may be given one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from retainstream.errors import InvalidInput
from retainstream.models import User
from retainstream.security.permissions import Permission, permissions_of


@dataclass(frozen=True)
class Person:
    """Somebody of the team; without a name they go by the e-mail address."""

    id: int
    name: str

    def to_dict(self) -> dict[str, object]:
        """Return the API's form."""
        return {"id": self.id, "name": self.name}


def named(session: Session, ids: Iterable[int | None]) -> dict[int, Person]:
    """Return people by id; ids of nobody are absent."""
    wanted = {one for one in ids if one is not None}
    if not wanted:
        return {}
    rows = session.execute(select(User.id, User.name, User.email).where(User.id.in_(wanted)))
    return {one: Person(one, name or email) for one, name, email in rows}


def assignable(session: Session) -> tuple[Person, ...]:
    """Return who may own tasks, by name: active people whose role may write them."""
    rows = session.execute(select(User.id, User.name, User.email, User.role).where(User.active.is_(True)))
    found = [
        Person(one, name or email) for one, name, email, role in rows if Permission.TASKS_WRITE in permissions_of(role)
    ]
    return tuple(sorted(found, key=lambda person: (person.name.casefold(), person.id)))


def require_owner(session: Session, owner_id: int) -> Person:
    """Return somebody who may own tasks; raises InvalidInput for anybody else."""
    for person in assignable(session):
        if person.id == owner_id:
            return person
    raise InvalidInput(
        "A task can only belong to somebody active whose role may work on tasks.",
        fields={"owner_id": ["somebody active with the role agent, analyst or administrator"]},
    )
