"""A server's background as a process of its own, for tests that kill it: `python -m tests.jobs.leading` with settings in the environment."""

from __future__ import annotations

import logging
import os
import signal
import threading

from retainstream.app import create_minimal_app
from retainstream.config import load_settings
from retainstream.jobs.background import Background
from retainstream.jobs.runner import Runner


def main() -> None:
    """Stand for leader until told to stop."""
    logging.basicConfig(level=logging.ERROR)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    settings = load_settings(os.environ)
    app = create_minimal_app(settings)
    background = Background(app, settings, Runner(app, settings, child_module="tests.jobs.counting", cancel_grace=1.0))
    background.start()
    stop.wait()
    background.stop()


if __name__ == "__main__":
    main()
