"""Files that are costly to make and only copied afterwards: made once a run, whichever worker needs them first."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import pytest


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Return the folder `name` of this run, after `make(folder)` filled it here or in another worker.

    The others wait. One whose `make` fails leaves a folder that is not done, and the next one makes its own: a failure is everybody's.
    """
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    run = factory.getbasetemp() if worker is None else factory.getbasetemp().parent
    with (run / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = run / f"{name}.done"
        if done.exists():
            return Path(done.read_text())
        folder = factory.mktemp(name)
        make(folder)
        done.write_text(str(folder))
        return folder
