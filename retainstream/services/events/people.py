"""Whose events these are: identifiers to customers, with those who are not on record made, left out, or refused because they were erased."""

# ruff: noqa: S608 (question marks and our own names only)
from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Final, Literal

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from retainstream import dialect
from retainstream.lib.identifiers import keyed_hash
from retainstream.models import ErasureEntry, ImportBatch
from retainstream.services.events.rows import LONGEST_USER_ID
from retainstream.services.imports.bulk import insert

Unknown = Literal["create", "skip"]
Erased = Callable[[str], bool]

CAPACITY: Final = 400_000
"""Identifiers that are kept in memory, some 60 MB; beyond them each chunk is looked up afresh."""
_AT_ONCE: Final = 30_000

_HAND_OVER = text("UPDATE customers SET batch_id = :mine WHERE id = :id")
_FORGET = text(
    "UPDATE customers SET version_id = NULL, plan = NULL, revenue_minor = NULL, currency = NULL, signup_at = NULL, tenure_months = NULL, "
    "churned = NULL, churned_at = NULL WHERE id = :id"
)


class ErasedTest:
    """Tells whether an identifier belongs to somebody who was erased; `People` has it read the ledger again when somebody may have been since."""

    def __init__(self, key: bytes) -> None:
        self.key = key
        self._ledger: frozenset[str] = frozenset()

    def refresh(self, session: Session) -> None:
        """Read the ledger."""
        self._ledger = frozenset(session.scalars(select(ErasureEntry.keyed_hash)))

    def __call__(self, user_id: str) -> bool:
        """Tell whether this identifier was erased."""
        return bool(self._ledger) and keyed_hash(self.key, user_id) in self._ledger


def erased_test(session: Session, key: bytes) -> ErasedTest:
    """Return a function that tells whether an identifier belongs to somebody who was erased.

    Parameters
    ----------
    key : bytes
        Key of the ledger's hash.
    """
    test = ErasedTest(key)
    test.refresh(session)
    return test


class People:
    """Turns identifiers into customers' ids for one load. Call it in a writing unit only: what it makes counts from then on.

    Attributes
    ----------
    made : int
        Customers that were made so far.
    """

    def __init__(self, batch_id: int | None, now: int, unknown: Unknown, erased: Erased) -> None:
        self.batch_id, self.now, self.unknown, self.erased = batch_id, now, unknown, erased
        self.made = 0
        self.ids: dict[str, int] = {}
        self._revision: tuple[int, ...] = ()

    def resolve(self, session: Session, user_ids: Sequence[str]) -> dict[str, str]:
        """Put the customer of each identifier into `ids`; return the fate of those that have none.

        Returns
        -------
        dict of str to str
            `no_customer` for a blank identifier, `erased`, or `unknown_customer`.
        """
        self._expire(session)
        wanted = set(user_ids).difference(self.ids)
        if not wanted:
            return {}
        if self.ids and len(self.ids) + len(wanted) > CAPACITY:
            self.ids = {}
            wanted = set(user_ids)
        self._look_up(session, wanted)
        refused: dict[str, str] = {}
        new: list[str] = []
        for user_id in dict.fromkeys(user_ids):
            if user_id in self.ids:
                continue
            if not user_id or user_id.isspace() or len(user_id) > LONGEST_USER_ID:
                refused[user_id] = "no_customer"
            elif self.erased(user_id):
                refused[user_id] = "erased"
            elif self.unknown == "skip":
                refused[user_id] = "unknown_customer"
            else:
                new.append(user_id)
        if new:
            self._make(session, new)
        return refused

    def _expire(self, session: Session) -> None:
        """Forget everybody when somebody may have been taken away since the last chunk."""
        found = session.execute(
            text("SELECT name, value FROM revisions WHERE name IN ('customers', 'removals') ORDER BY name")
        )
        revision = tuple(int(row.value) for row in found)
        if revision != self._revision:
            self.ids, self._revision = {}, revision
            if isinstance(self.erased, ErasedTest):
                self.erased.refresh(session)

    def _look_up(self, session: Session, wanted: Collection[str]) -> None:
        connection, names = session.connection(), list(wanted)
        hidden: list[tuple[int, int]] = []
        for start in range(0, len(names), _AT_ONCE):
            part = names[start : start + _AT_ONCE]
            found = connection.exec_driver_sql(
                "SELECT i.user_id, i.customer_id, c.batch_id FROM identities AS i JOIN customers AS c ON c.id = i.customer_id "
                f"WHERE i.user_id IN ({', '.join('?' * len(part))})",
                tuple(part),
            )
            for user_id, customer_id, batch_id in found.cursor.fetchall():
                self.ids[user_id] = customer_id
                if batch_id is not None and batch_id != self.batch_id:
                    hidden.append((customer_id, batch_id))
            found.close()
        if hidden:
            self._take_over(session, hidden)

    def _take_over(self, session: Session, found: list[tuple[int, int]]) -> None:
        """Make customers of unfinished loads ours, so that they, and with them our rows, stay when such a load is given up or undone."""
        query = select(ImportBatch.id, ImportBatch.state).where(
            ImportBatch.state != "applied", ImportBatch.id.in_({batch for _, batch in found})
        )
        states = {row.id: row.state for row in session.execute(query)}
        for customer_id, batch_id in found:
            state = states.get(batch_id)
            if state is None:
                continue
            session.execute(_HAND_OVER, {"mine": self.batch_id, "id": customer_id})
            if state != "applying":  # its versions are on their way out
                session.execute(_FORGET, {"id": customer_id})

    def _make(self, session: Session, user_ids: list[str]) -> None:
        first = dialect.last_id(session, "customers") + 1
        ids = range(first, first + len(user_ids))
        fixed: dict[str, object] = {"tags": "[]", "created_at": self.now, "updated_at": self.now}
        if self.batch_id is not None:
            fixed["batch_id"] = self.batch_id
        insert(session, "customers", fixed, {"id": ids})
        insert(session, "identities", {}, {"customer_id": ids, "user_id": user_ids})
        if self._being_applied(session):  # the triggers leave such rows to us
            dialect.index_for_search(session, first, ids[-1])
        self.ids.update(zip(user_ids, ids, strict=True))
        self.made += len(user_ids)

    def _being_applied(self, session: Session) -> bool:
        if self.batch_id is None:
            return False
        return session.scalar(select(ImportBatch.state).where(ImportBatch.id == self.batch_id)) == "applying"
