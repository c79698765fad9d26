"""What people write down about customers. Notes hold personal details, so reading and writing them needs the permission to see those."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from retainstream.errors import Forbidden, InvalidInput, NotFound
from retainstream.lib import clock
from retainstream.lib.pagination import FIRST_PAGE, PageRequest
from retainstream.models import Customer, Identity, Note, Task
from retainstream.security.actor import Actor
from retainstream.security.permissions import Permission
from retainstream.services import audit, revisions
from retainstream.services.desk import board, people
from retainstream.services.desk.people import Person
from retainstream.services.paging import page_by_id

LONGEST = 4_000


@dataclass(frozen=True)
class NoteView:
    """One note; `at` in microseconds UTC, `author` None when the person's account or a script wrote it for nobody. `mine` tells whether to offer deleting."""

    id: int
    user_id: str
    task_id: int | None
    at: int
    author: Person | None
    text: str
    pinned: bool
    mine: bool

    def to_dict(self) -> dict[str, object]:
        """Return the API's form."""
        return {
            "id": self.id,
            "user_id": self.user_id,
            "task_id": self.task_id,
            "at": clock.iso(self.at),
            "author": self.author and self.author.to_dict(),
            "text": self.text,
            "pinned": self.pinned,
            "mine": self.mine,
        }


@dataclass(frozen=True)
class Notes:
    """One page of a customer's notes, newest first, the cursor of the next (None at the end) and the count of all."""

    items: tuple[NoteView, ...]
    next_cursor: str | None
    total: int

    def to_dict(self) -> dict[str, object]:
        """Return the API's form of the page."""
        return {
            "items": [item.to_dict() for item in self.items],
            "next_cursor": self.next_cursor,
            "total": self.total,
        }


def of_customer(session: Session, actor: Actor, user_id: str, request: PageRequest = FIRST_PAGE) -> Notes:
    """Return a customer's notes, newest first; raises NotFound, and Forbidden without the permission to see personal details."""
    actor.require(Permission.CUSTOMERS_PERSONAL)
    about = Note.customer_id == board.require_customer(session, user_id).id
    rows, following = page_by_id(session, select(Note).where(about), Note.id, "notes", request)
    total = session.scalar(select(func.count()).select_from(Note).where(about)) or 0
    return Notes(_views(session, actor, user_id, [row[0] for row in rows]), following, total)


def write(
    session: Session, actor: Actor, user_id: str, text: str, *, task_id: int | None = None, pinned: bool = False
) -> NoteView:
    """Write a note about a customer, with a task of theirs or without.

    Raises
    ------
    NotFound
        For an unknown customer, or a task of somebody else.
    InvalidInput
        For an empty or too long text.
    Forbidden
        Without the permission to see personal details, or to work on tasks.
    """
    actor.require(Permission.CUSTOMERS_PERSONAL)
    actor.require(Permission.TASKS_WRITE)
    customer = board.require_customer(session, user_id)
    if not 1 <= len(text.strip()) <= LONGEST:
        raise InvalidInput("A note is a short text.", fields={"text": [f"1 to {LONGEST:,} characters"]})
    if task_id is not None:
        task = session.get(Task, task_id)
        if task is None or task.customer_id != customer.id:
            raise NotFound(f"This customer has no task {task_id}.")
    now = clock.now_us()
    found = Note(
        customer_id=customer.id,
        task_id=task_id,
        at=now,
        author_id=actor.user_id,
        text=text.strip(),
        pinned=pinned,
    )
    session.add(found)
    session.flush()
    audit.record(session, actor, "note.write", "note", found.id, fields=["text"])
    revisions.bump(session, "desk")
    return _views(session, actor, user_id, [found])[0]


def remove(session: Session, actor: Actor, note_id: int) -> None:
    """Delete a note that the caller wrote.

    Raises
    ------
    NotFound
        For an unknown note.
    Forbidden
        For a note that somebody else wrote, and without the permission to see personal details.
    """
    actor.require(Permission.CUSTOMERS_PERSONAL)
    actor.require(Permission.TASKS_WRITE)
    query = select(Note).join(Customer, Customer.id == Note.customer_id)
    found = session.scalars(query.where(Note.id == note_id, Customer.visible())).first()
    if found is None:
        raise NotFound(f"There is no note {note_id}.")
    if not _is_own(found, actor):
        raise Forbidden("A note can only be deleted by whoever wrote it.")
    session.delete(found)
    audit.record(session, actor, "note.delete", "note", note_id)
    revisions.bump(session, "desk")
    session.flush()


def read(session: Session, actor: Actor, note_id: int) -> NoteView:
    """Return one note; raises NotFound, and Forbidden without the permission to see personal details."""
    actor.require(Permission.CUSTOMERS_PERSONAL)
    query = select(Note, Identity.user_id).join(Identity, Identity.customer_id == Note.customer_id)
    row = session.execute(
        query.join(Customer, Customer.id == Note.customer_id).where(Note.id == note_id, Customer.visible())
    ).first()
    if row is None:
        raise NotFound(f"There is no note {note_id}.")
    return _views(session, actor, row[1], [row[0]])[0]


def _is_own(note: Note, actor: Actor) -> bool:
    return note.author_id is not None and note.author_id == actor.user_id


def _views(session: Session, actor: Actor, user_id: str, rows: Sequence[Note]) -> tuple[NoteView, ...]:
    known = people.named(session, (row.author_id for row in rows))
    return tuple(
        NoteView(
            row.id,
            user_id,
            row.task_id,
            row.at,
            known.get(row.author_id or 0),
            row.text,
            row.pinned,
            _is_own(row, actor),
        )
        for row in rows
    )
