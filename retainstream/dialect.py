"""What only SQLite has, besides the pragmas in `db.py`: full-text search, and the next id of a bulk load.

Another database would need its own version of this module.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from sqlalchemy import ColumnElement, UnaryExpression, bindparam, column, text
from sqlalchemy.orm import InstrumentedAttribute, Session
from sqlalchemy.sql import operators
from sqlalchemy.sql.expression import TextClause

SHORTEST_SEARCH = 3
"""Trigrams need three characters; shorter texts are looked up as the beginning of an identifier."""
_PAGES_IN_A_STEP = 500


@contextlib.contextmanager
def overwriting(session: Session) -> Iterator[None]:
    """Have everything that is deleted inside overwritten with zeros: pages that become free, too, which the quick mode of every day leaves as they were."""
    session.execute(text("PRAGMA secure_delete=ON"))
    try:
        yield
    finally:
        session.execute(text("PRAGMA secure_delete=FAST"))


def quoted_for_search(words: str) -> str:
    """Return a person's text as one quoted FTS5 phrase, so that none of it is read as an operator."""
    return '"' + words.replace('"', '""').replace("\x00", " ") + '"'


def escaped_for_like(words: str) -> str:
    """Return a person's text for a LIKE with a backslash as ESCAPE, so that none of it stands for other characters."""
    return words.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def search_condition(customer_id: InstrumentedAttribute[int], words: str, *, personal: bool) -> ColumnElement[bool]:
    """Return the condition that a customer's identifier (and name and e-mail, when `personal`) holds the words.

    Case does not count. Words of one or two characters match the beginning of the identifier only.
    """
    if len(words) < SHORTEST_SEARCH:
        found: TextClause = text(
            "SELECT customer_id FROM identities WHERE user_id LIKE :search_prefix ESCAPE '\\'"
        ).bindparams(bindparam("search_prefix", escaped_for_like(words) + "%"))
        return customer_id.in_(found.columns(column("customer_id")))
    phrase = quoted_for_search(words)
    match = phrase if personal else f"user_id : {phrase}"
    found = text("SELECT rowid FROM customer_search WHERE customer_search MATCH :search_match").bindparams(
        bindparam("search_match", match)
    )
    return customer_id.in_(found.columns(column("rowid")))


def search_ids(session: Session, words: str, *, personal: bool, most: int) -> list[int]:
    """Return ids of customers whom `search_condition` would find, at most `most` that begin with the words as written and `most` others.

    The work is bounded however many there are; rows of an import that is not applied may be among them.
    """
    begins = text(
        "SELECT customer_id FROM identities WHERE user_id >= :low AND user_id < :high ORDER BY user_id LIMIT :most"
    )
    found = list(session.scalars(begins, {"low": words, "high": words + "\U0010ffff", "most": most}))
    if len(words) < SHORTEST_SEARCH:
        rest = text("SELECT customer_id FROM identities WHERE user_id LIKE :prefix ESCAPE '\\' LIMIT :most")
        found += session.scalars(rest, {"prefix": escaped_for_like(words) + "%", "most": most})
    else:
        phrase = quoted_for_search(words)
        rest = text("SELECT rowid FROM customer_search WHERE customer_search MATCH :match LIMIT :most")
        found += session.scalars(rest, {"match": phrase if personal else f"user_id : {phrase}", "most": most})
    return list(dict.fromkeys(found))


def unindexed(value: ColumnElement[Any] | InstrumentedAttribute[Any]) -> ColumnElement[Any]:
    """Return a column as it is, but so that no index is looked into for it: for where the planner, which keeps no statistics, guesses wrong."""
    return UnaryExpression(value, operator=operators.custom_op("+"), type_=value.type)  # type: ignore[arg-type]


def index_for_search(session: Session, first: int, last: int) -> None:
    """Put customers with ids from `first` to `last` into the full-text index in one statement; the triggers leave rows of a running import out."""
    session.execute(
        text(
            "INSERT INTO customer_search (rowid, user_id, name, email) "
            "SELECT customer_id, user_id, name, email FROM identities WHERE customer_id BETWEEN :first AND :last"
        ),
        {"first": first, "last": last},
    )


@contextlib.contextmanager
def unindexing_many(session: Session) -> Iterator[None]:
    """Have the full-text index only note which of its rows are deleted inside, instead of rewriting each of their lists of places at once.

    That takes a thousandth of the time, and rows of an import lie side by side in the same long lists. What is deleted is found no more, but its
    old entries stay on the disk until `tidy_search` has run: call that after the last such unit. Nothing of the two settings outlives the unit.
    """
    _say_to_search(session, "secure-delete", 0)
    yield
    _say_to_search(session, "flush")
    _say_to_search(session, "secure-delete", 1)


def tidy_search(session: Session, *, begin: bool) -> bool:
    """Take one short step, of about two megabytes, towards an index that holds nothing of what was deleted; return whether another one is needed.

    Parameters
    ----------
    begin : bool
        Whether this is the first step. May be begun again at any time; an index in one piece costs nothing.
    """
    before = _changes(session)
    _say_to_search(session, "merge", -_PAGES_IN_A_STEP if begin else _PAGES_IN_A_STEP)
    return _changes(session) - before > 1  # as the manual of FTS5 has it: the command itself counts as one


def _say_to_search(session: Session, command: str, rank: int | None = None) -> None:
    session.execute(
        text("INSERT INTO customer_search (customer_search, rank) VALUES (:command, :rank)"),
        {"command": command, "rank": rank},
    )


def _changes(session: Session) -> int:
    return int(session.execute(text("SELECT total_changes()")).scalar_one())


def prepare_bulk_load(session: Session) -> None:
    """Let this unit's connection keep more pages in memory and copy the log back less often: 100 MB of cache, and a log of up to 256 MB.

    The pages of indices that a load meets in no order are then not written and read again for every chunk.
    """
    connection = session.connection()
    connection.exec_driver_sql("PRAGMA cache_size=-100000")
    connection.exec_driver_sql("PRAGMA wal_autocheckpoint=64000")


def last_id(session: Session, table: str) -> int:
    """Return the largest id that a table ever gave out, 0 before the first. Its ids are never given out again (AUTOINCREMENT)."""
    found = session.execute(text("SELECT seq FROM sqlite_sequence WHERE name = :table"), {"table": table}).scalar()
    return 0 if found is None else int(found)
