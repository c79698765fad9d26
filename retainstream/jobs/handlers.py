"""The table of kinds of job and the function that does each. Functions are named, not imported: training pulls in heavy libraries."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import cast

from retainstream.errors import RetainStreamError
from retainstream.services.jobs import JobContext

Handler = Callable[[JobContext], dict[str, object]]

HANDLERS: dict[str, str] = {
    "train": "retainstream.services.training:run",
    "score": "retainstream.services.customers.scoring:run",
    "replay": "retainstream.services.replay:run",
    "judge": "retainstream.services.performance:judge",
    "import": "retainstream.services.events.following:run_import",
    "ingest": "retainstream.services.events.loading:run",
    "demo": "retainstream.services.demo_job:run",
    "analyse": "retainstream.services.analyses.job:run",
    "segments": "retainstream.services.segments.membership:run",
    "undo": "retainstream.services.events.following:run_undo",
    "report": "retainstream.services.reports.making:run",
}
"""Kind -> `module:function`. The function takes a JobContext and returns the job's result as JSON."""


class UnknownKind(RetainStreamError):
    """A job of a kind that this version cannot do, such as one queued by a newer version."""

    code, status = "unknown_kind", 500


def resolve(kind: str) -> Handler:
    """Import and return the function of a kind; raises UnknownKind."""
    target = HANDLERS.get(kind)
    if target is None:
        raise UnknownKind(f"This version of RetainStream cannot do jobs of the kind {kind!r}.")
    module, _, function = target.partition(":")
    return cast(Handler, getattr(importlib.import_module(module), function))
