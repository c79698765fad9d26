"""Counters for rate limits in a SQLite file of their own, shared by all workers and threads. The file is disposable: deleting it forgets all counts.

A hit is one upsert, so that the count is exact however many processes hit at the same moment. The new count is not asked for with RETURNING: then the
write lock would be held until Python comes to fetch the row, which under load is milliseconds, and whoever else hits meanwhile sleeps as long. A trigger of
this connection notes the count in a temporary table instead; the upsert ends, with its lock, in one call of the library. For the same reason the threads of
a process take turns at one connection: waiting for a Python lock ends when it is free, SQLite's waiting sleeps a millisecond at least.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from limits.storage import Storage

SCHEME = "retainstream-sqlite"
_SWEEP_EVERY = 2_000
_PAUSES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
_HIT = """
INSERT INTO counters (key, count, expires) VALUES (?1, ?2, ?3)
ON CONFLICT (key) DO UPDATE SET
  count = CASE WHEN expires <= ?4 THEN excluded.count ELSE count + excluded.count END,
  expires = CASE WHEN expires <= ?4 THEN excluded.expires ELSE expires END
"""
_NOTE_HITS = """
CREATE TEMP TABLE newest (count INTEGER, expires REAL);
INSERT INTO newest VALUES (0, 0);
CREATE TEMP TRIGGER first_hit AFTER INSERT ON main.counters BEGIN
  UPDATE newest SET count = NEW.count, expires = NEW.expires;
END;
CREATE TEMP TRIGGER next_hit AFTER UPDATE ON main.counters BEGIN
  UPDATE newest SET count = NEW.count, expires = NEW.expires;
END;
"""


class Hit(NamedTuple):
    """The count after a hit, and when its window ends in seconds since the epoch."""

    number: int
    ends: float


class SqliteRateStorage(Storage):
    """A `limits` storage for the fixed window.

    Parameters
    ----------
    uri : str
        `retainstream-sqlite:///` and the file's path.
    driver : module
        The process's one SQLite driver; two libraries on one file would drop each other's locks.
    """

    STORAGE_SCHEME = [SCHEME]  # noqa: RUF012 - the registry of `limits` reads it so

    def __init__(
        self, uri: str | None = None, wrap_exceptions: bool = False, *, driver: ModuleType, **_options: Any
    ) -> None:
        super().__init__(uri, wrap_exceptions=wrap_exceptions)
        self.path = Path((uri or "").removeprefix(f"{SCHEME}://"))
        self.driver = driver
        self._local = threading.local()
        self._turn = threading.Lock()
        self._opened: Any = None
        self._opened_by = 0
        self._hits = 0

    @property
    def base_exceptions(self) -> type[Exception]:
        """The driver's errors."""
        error: type[Exception] = self.driver.Error
        return error

    @contextlib.contextmanager
    def _connection(self) -> Iterator[Any]:
        """Lend the process's connection to one thread; a forked child opens its own."""
        with self._turn:
            if self._opened_by != os.getpid():
                self._opened = self._open()
                self._opened_by = os.getpid()
            yield self._opened

    def _open(self) -> Any:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Addresses of callers are in it, so that it is its owner's alone whatever the umask.
        with contextlib.suppress(FileExistsError):
            os.close(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        try:
            for pause in _PAUSES:
                # Turning a fresh file to WAL does not wait for a lock, so workers that start together collide here.
                with contextlib.suppress(self.driver.OperationalError):
                    return self._connect()
                time.sleep(pause)
            return self._connect()
        except self.driver.OperationalError:
            raise
        except self.driver.DatabaseError:
            # The file is damaged. Nothing in it is worth a repair.
            self.path.unlink(missing_ok=True)
            return self._connect()

    def _connect(self) -> Any:
        connection = self.driver.connect(str(self.path), timeout=5.0, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=OFF")
            connection.execute(
                "CREATE TABLE IF NOT EXISTS counters (key TEXT PRIMARY KEY, count INTEGER, expires REAL) WITHOUT ROWID"
            )
            connection.execute("PRAGMA temp_store=MEMORY")
            connection.executescript(_NOTE_HITS)
        except self.driver.DatabaseError:
            connection.close()
            raise
        return connection

    def hit(self, key: str, seconds: float, amount: int = 1) -> Hit:
        """Count `amount` and return what came of it; a new window lasts `seconds`."""
        now = time.time()
        with self._connection() as connection:
            connection.execute(_HIT, (key, amount, now + seconds, now))
            count, expires = connection.execute("SELECT count, expires FROM newest").fetchone()
            self._hits += 1
            if self._hits % _SWEEP_EVERY == 0:
                connection.execute("DELETE FROM counters WHERE expires <= ?", (now,))
        return Hit(count, expires)

    def give_back(self, key: str) -> None:
        """Take one hit back."""
        with self._connection() as connection:
            connection.execute("UPDATE counters SET count = count - 1 WHERE key = ? AND count > 0", (key,))

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Return the count after this hit."""
        hit = self._local.latest = self.hit(key, expiry, amount)
        return hit.number

    @property
    def latest(self) -> Hit | None:
        """What this thread's last `incr` came to: the request's own limit, since one thread serves a request from its first hook to its last."""
        return getattr(self._local, "latest", None)

    def get(self, key: str) -> int:
        """Return the count; 0 when the window has ended."""
        with self._connection() as connection:
            sql = "SELECT count FROM counters WHERE key = ? AND expires > ?"
            row = connection.execute(sql, (key, time.time())).fetchone()
        return row[0] if row else 0

    def get_expiry(self, key: str) -> float:
        """Return when the window ends, in seconds since the epoch; now when there is none."""
        with self._connection() as connection:
            row = connection.execute("SELECT expires FROM counters WHERE key = ?", (key,)).fetchone()
        return row[0] if row else time.time()

    def check(self) -> bool:
        """Tell whether the file answers."""
        try:
            with self._connection() as connection:
                connection.execute("SELECT 1 FROM counters LIMIT 1").fetchone()
        except self.driver.Error:
            return False
        return True

    def reset(self) -> int | None:
        """Forget all counts and return how many there were."""
        with self._connection() as connection:
            removed: int = connection.execute("DELETE FROM counters").rowcount
        return removed

    def clear(self, key: str) -> None:
        """Forget one count."""
        with self._connection() as connection:
            connection.execute("DELETE FROM counters WHERE key = ?", (key,))
