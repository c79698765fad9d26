"""A consistent copy of the database while the product runs, checked before it counts."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

from retainstream.db import db, in_unit, sqlite_module
from retainstream.errors import Conflict, RetainStreamError
from retainstream.lib.identifiers import new_id


@dataclass(frozen=True)
class Copy:
    """A finished copy: where it is, its size in bytes, and how many customers it holds."""

    path: Path
    size_bytes: int
    customers: int


def copy_database(target: Path) -> Copy:
    """Write a copy of the database to a new file of mode 600; readers and writers go on meanwhile.

    The copy is opened and checked under another name, and gets its own name only when it is whole.

    Raises
    ------
    Conflict
        When the target exists, or its folder does not.
    RetainStreamError
        When the copy does not pass SQLite's integrity check; it is removed then.
    """
    if in_unit():
        raise RuntimeError("a copy is made outside of units of work")
    if target.exists():
        raise Conflict(f"{target} exists already; choose a new name.")
    if not target.parent.is_dir():
        raise Conflict(f"The folder {target.parent} does not exist.")
    part = target.with_name(f".{target.name}.{new_id()}")
    os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        connection = db.engine.raw_connection()
        try:
            connection.cursor().execute("VACUUM INTO ?", (str(part),))
        finally:
            connection.close()
        customers = _checked(part)
        os.link(part, target)
    finally:
        part.unlink(missing_ok=True)
    return Copy(target, target.stat().st_size, customers)


def _checked(path: Path) -> int:
    with contextlib.closing(sqlite_module().connect(path)) as copy:
        found = copy.execute("PRAGMA integrity_check").fetchone()[0]
        if found != "ok":
            raise RetainStreamError(f"The copy is damaged: {found}.")
        return int(copy.execute("SELECT count(*) FROM customers").fetchone()[0])
