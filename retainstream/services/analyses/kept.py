"""What analyses keep in memory: the answers of the last few states of the data, so that a page is computed once and then read."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from sqlalchemy.orm import Session

from retainstream.db import db
from retainstream.services import revisions

Value = TypeVar("Value")


class Kept(Generic[Value]):
    """Answers by state; the oldest goes when there are too many. Who asks for what is being made waits for it."""

    def __init__(self, most: int = 8) -> None:
        self._most = most
        self._guard = threading.Lock()
        self._making = threading.Lock()
        self._values: OrderedDict[Hashable, Value] = OrderedDict()

    def of(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """Return what is kept under a key, made now where it is not there. `make` must not ask the same store."""
        found = self._values.get(key)
        if found is not None:
            return found
        with self._making:
            found = self._values.get(key)
            if found is None:
                found = make()
                with self._guard:
                    self._values[key] = found
                    while len(self._values) > self._most:
                        self._values.popitem(last=False)
        return found


def state(session: Session) -> tuple[Hashable, ...]:
    """Return what an answer made of customers, their attributes and the runs in force depends on."""
    counters = revisions.read(session)
    runs = revisions.one(session, "analyses")
    return (db.engine.url.database, runs, counters["customers"], counters["removals"], counters["settings"])
