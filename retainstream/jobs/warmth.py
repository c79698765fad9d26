"""Keeps a serving process warm: when data, scores or the model changed, it makes what pages keep, before the first person asks.

Every worker does this for itself, since each keeps its own; who leads the background work does not matter here.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from flask import Flask

from retainstream.config import Settings
from retainstream.errors import Busy
from retainstream.services import registry, warming

log = logging.getLogger("retainstream.jobs")

POLL_SECONDS = 1.0
REST = 3
"""A process that made something rests for so many times as long as that took: loads that change something all the time cost a quarter of a core at most."""
LONGEST_REST_SECONDS = 30.0


class Warmth:
    """The thread of one process that looks for changes and makes what they ask for."""

    def __init__(self, app: Flask, settings: Settings) -> None:
        self.app = app
        self.settings = settings
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._seen: tuple[int, ...] = ()
        self._model: int | None = None

    def start(self) -> None:
        """Begin, in a daemon thread; nothing waits for it."""
        self._thread = threading.Thread(target=self._follow, name="warmth", daemon=True)
        self._thread.start()

    def stop(self, seconds: float) -> None:
        """Let the thread end after what it is making, and wait for it so long at most."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(seconds)

    def _follow(self) -> None:
        rest = 0.0
        while not self._stopping.wait(rest):
            began = time.monotonic()
            made = self._guarded(self.look)
            spent = time.monotonic() - began
            rest = POLL_SECONDS if made is False else min(LONGEST_REST_SECONDS, max(POLL_SECONDS, REST * spent))
            if made is None:
                rest = LONGEST_REST_SECONDS

    def _guarded(self, work: Callable[[], bool]) -> bool | None:
        """Return what the work returns, None when it failed: pages then make for themselves what is missing."""
        try:
            with self.app.app_context():
                return work()
        except Busy:
            log.info("the database was busy; what pages keep is made at the next turn")
        except Exception:
            log.exception("what pages keep could not be made ahead")
        return None

    def look(self) -> bool:
        """Make what pages keep if anything changed since it was last made, and tell whether that was so.

        The model in service is loaded when another one was put there; the first is loaded at the start, by `background.warm_up`.
        """
        found = warming.state()
        if found == self._seen:
            return False
        warming.figures(self.settings)
        model = found[warming.FOLLOWED.index("model")]
        before, self._seen, self._model = self._model, found, model
        if before not in (None, model):
            registry.warm()
        return True
