"""Giving many customers or tasks to one person at once: each of them wholly or not at all, with word of what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from retainstream.config import Settings
from retainstream.errors import InvalidInput, RetainStreamError
from retainstream.lib import clock
from retainstream.lib.pagination import PageRequest
from retainstream.models import Identity, Task
from retainstream.security.actor import Actor
from retainstream.security.permissions import Permission
from retainstream.services import audit, revisions
from retainstream.services.customers import lists
from retainstream.services.customers.filters import CustomerFilter
from retainstream.services.desk import board, order, people, standing, tasks, twins
from retainstream.services.desk.people import Person
from retainstream.services.desk.standing import Standing

MOST = 500


@dataclass(frozen=True)
class Assigned:
    """What became of one.

    Attributes
    ----------
    result : {"taken", "given", "unchanged", "refused"}
        A task was made; an open one changed hands; it was theirs already; or nothing was done, for the reason in `message`.
    """

    user_id: str
    result: str
    task_id: int | None
    message: str = ""

    def to_dict(self) -> dict[str, object]:
        """Return the API's form."""
        return {
            "user_id": self.user_id,
            "result": self.result,
            "task_id": self.task_id,
            "message": self.message or None,
        }


def assign_many(
    session: Session,
    actor: Actor,
    settings: Settings,
    owner_id: int,
    *,
    user_ids: Sequence[str] = (),
    top: int | None = None,
    reassign: bool = False,
) -> tuple[Assigned, ...]:
    """Give customers to somebody: those named, or the first of what today's list holds for nobody in particular.

    Parameters
    ----------
    user_ids : sequence of str
        Up to 500, in the order of the answer.
    top : int, optional
        How many from the top of the unassigned part of today's list, 1 to 500; instead of `user_ids`.
    reassign : bool
        Take tasks from others, too; otherwise those are refused, naming who has them.

    Raises
    ------
    InvalidInput
        For an owner who may not work on tasks, and for neither, both or too many of `user_ids` and `top`.
    """
    actor.require(Permission.TASKS_WRITE)
    if bool(user_ids) == (top is not None) or len(user_ids) > MOST or not 1 <= (1 if top is None else top) <= MOST:
        raise InvalidInput(
            f"Name 1 to {MOST} customers, or how many from the top of the list.",
            fields={"user_ids": [f"1 to {MOST}, or top"]},
        )
    owner = people.require_owner(session, owner_id)
    desk = standing.read(session, settings)
    wanted = list(dict.fromkeys(user_ids)) or _top(session, actor, desk, top or 0)
    taken: list[Task] = []
    found = tuple(_one(session, actor, settings, desk, one, owner, reassign, taken) for one in wanted)
    from_queue = [task for task in taken if task.source == "queue"]
    if from_queue:
        twins.leave_alone(session, actor, desk, [task.customer_id for task in from_queue], from_queue[0].kind)
    return found


def first_of(session: Session, wanted: CustomerFilter, sort: str, first: int | None = None) -> list[str]:
    """Return the identifiers of a list of customers, all of them or the first so many.

    Raises
    ------
    InvalidInput
        For an unknown order, for nobody, and for more than can be given at once.
    """
    if first is not None and not 1 <= first <= MOST:
        raise InvalidInput("That many cannot be given at once.", fields={"first": [f"a number from 1 to {MOST}"]})
    ids, following = lists.page_of_ids(session, wanted, sort, PageRequest(limit=first or MOST))
    if first is None and following is not None:
        raise InvalidInput(
            f"At most {MOST} customers can be given at once: narrow the list, or tick those that are meant.",
            fields={"user_ids": [f"at most {MOST} customers"]},
        )
    if not ids:
        raise InvalidInput("Nobody is in this list.", fields={"user_ids": ["at least one customer"]})
    names = session.execute(select(Identity.customer_id, Identity.user_id).where(Identity.customer_id.in_(ids)))
    by_id: dict[int, str] = dict(names.all())
    return [by_id[one] for one in ids]


def _top(session: Session, actor: Actor, desk: Standing, count: int) -> list[str]:
    ids = [line.customer_id for line in order.lines(desk, actor, "unassigned")[:count]]
    names = session.execute(select(Identity.customer_id, Identity.user_id).where(Identity.customer_id.in_(ids)))
    by_id: dict[int, str] = dict(names.all())
    return [by_id[one] for one in ids]


def _one(
    session: Session,
    actor: Actor,
    settings: Settings,
    desk: Standing,
    user_id: str,
    owner: Person,
    reassign: bool,
    taken: list[Task],
) -> Assigned:
    try:
        present = board.open_of(session, board.require_customer(session, user_id).id)
        # Both refuse before they write, so a refusal leaves nothing of this one behind.
        if present is None or (present.owner_id not in (None, owner.id) and not reassign):
            task = tasks.make(session, actor, settings, desk, user_id, owner=owner.id)
            taken.append(task)
            return Assigned(user_id, "taken", task.id)
    except RetainStreamError as refusal:
        return Assigned(user_id, "refused", None, refusal.message)
    if present.owner_id == owner.id:
        return Assigned(user_id, "unchanged", present.id)
    present.owner_id, present.updated_at = owner.id, clock.now_us()
    audit.record(session, actor, "task.change", "task", present.id, fields=["owner_id"])
    revisions.bump(session, "desk")
    session.flush()
    return Assigned(user_id, "given", present.id)
