"""The database: declarative base, engine with its pragmas, and the two units of work.

A unit either reads (BEGIN) or writes (BEGIN IMMEDIATE). The driver's own transactions are off, because they begin at the first write and so lose
updates that were read before it. Everything that only SQLite has stays here or in `retainstream/dialect.py`.
"""

from __future__ import annotations

import contextlib
import contextvars
import os
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import Connection, Engine, MetaData, event
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import DeclarativeBase, Session

from retainstream.config import Settings
from retainstream.errors import Busy

Result = TypeVar("Result")

BUSY_TIMEOUT_MS = 20_000
LOG_TIMEOUT_MS = 2_000
PAGE_SIZE = 4096
_WRITES = "retainstream_writes"


def sqlite_module() -> ModuleType:
    """Return the SQLite driver: the wheel with its own recent library, or the standard module where that is missing."""
    try:
        from pysqlite3 import dbapi2
    except ImportError:
        import sqlite3 as dbapi2
    return dbapi2  # type: ignore[no-any-return]


def sqlite_is_old() -> bool:
    """Tell whether the library still has the WAL-reset bug that was mended in SQLite 3.51.3."""
    version: tuple[int, int, int] = sqlite_module().sqlite_version_info
    return version < (3, 51, 3)


class Base(DeclarativeBase):
    """Plain declarative base; every constraint has a name so that migrations can find it."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


db = SQLAlchemy(metadata=Base.metadata)


_settings: dict[str, Settings] = {}


def engine_options(settings: Settings) -> dict[str, Any]:
    """Return Flask-SQLAlchemy's options for the engine; the one place where an engine is chosen."""
    _make_private(settings.database_file)
    _settings[str(settings.database_file)] = settings
    return {
        "module": sqlite_module(),
        "hide_parameters": True,  # a logged error must not say what a person sent
        "connect_args": {"timeout": BUSY_TIMEOUT_MS / 1000},
        "pool_size": 16,
        "max_overflow": 16,
    }


def _make_private(file: Path) -> None:
    """Make a database file that only its owner may read, whatever the umask; SQLite gives the files beside it the same mode."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))


def settings_in_use() -> Settings:
    """Return the settings of the app whose engine is in use, for what is called by a name and a session alone. Needs an app context."""
    return _settings[str(db.engine.url.database)]


def prepare_engine(engine: Engine) -> None:
    """Attach the pragmas and the transaction recipe to a new engine; a second call does nothing."""
    if event.contains(engine, "connect", _on_connect):
        return
    event.listen(engine, "connect", _on_connect)
    event.listen(engine, "begin", _on_begin)


def _on_connect(connection: Any, _record: object) -> None:
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
    # The first three count only while the file is empty, so they precede everything else.
    cursor.execute(f"PRAGMA page_size={PAGE_SIZE}")
    cursor.execute("PRAGMA auto_vacuum=INCREMENTAL")
    cursor.execute("PRAGMA secure_delete=FAST")
    if cursor.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        cursor.execute("PRAGMA journal_mode=WAL")
    for pragma in (
        "synchronous=NORMAL",
        "foreign_keys=ON",
        "cache_size=-32768",
        "temp_store=MEMORY",
        "trusted_schema=OFF",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _on_begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


_open_unit: contextvars.ContextVar[str | None] = contextvars.ContextVar("open_unit", default=None)


@contextlib.contextmanager
def _unit(kind: str) -> Iterator[Session]:
    if _open_unit.get() is not None:
        raise RuntimeError(f"a {kind} unit of work was begun inside a {_open_unit.get()} unit; end that one first")
    engine = db.engine.execution_options(**{_WRITES: kind == "writing"})
    session = Session(engine, expire_on_commit=False, autoflush=False)
    token = _open_unit.set(kind)
    try:
        yield session
        if kind == "writing":
            session.commit()
    except OperationalError as error:
        if "locked" in str(error) or "busy" in str(error):
            raise Busy("The database is busy with a long write; try again in a moment.", retry_after=2) from error
        raise
    finally:
        session.close()
        _open_unit.reset(token)


@contextlib.contextmanager
def unit_of_work() -> Iterator[Session]:
    """Open a writing session: its first statement takes the write lock, leaving the block commits, an exception rolls back.

    Raises
    ------
    Busy
        When the write lock was not to be had within the waiting time.
    RuntimeError
        When another unit of this thread is still open.
    """
    with _unit("writing") as session:
        yield session


@contextlib.contextmanager
def read_unit() -> Iterator[Session]:
    """Open a reading session on one consistent snapshot; nothing it does is kept."""
    with _unit("reading") as session:
        yield session


def empty_log() -> bool:
    """Move the write-ahead log into the database file and cut it to nothing, because old pages in it hold what was erased since.

    Returns False when a reader or a writer stood in the way for two seconds; the hourly housekeeping tries again.
    """
    connection = db.engine.raw_connection()
    try:
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout={LOG_TIMEOUT_MS}")
        blocked = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
        return not blocked
    finally:
        connection.close()


def in_unit() -> bool:
    """Tell whether this thread has a unit of work open."""
    return _open_unit.get() is not None


def retry_when_busy(work: Callable[[], Result], attempts: int = 5) -> Result:
    """Return `work()`, called again after a growing pause while the database is busy; for background work only."""
    for attempt in range(attempts):
        try:
            return work()
        except Busy:
            if attempt == attempts - 1:
                raise
            time.sleep(random.uniform(0.1, 0.5) * (attempt + 1))
    raise AssertionError("unreachable")
