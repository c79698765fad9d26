"""The analyse job: every derived figure of the customer base, one step after the other, each put in force by itself."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, cast

from sqlalchemy.orm import Session

from retainstream.errors import NotReady
from retainstream.models import JobRun
from retainstream.security.actor import Actor
from retainstream.services import jobs
from retainstream.services.analyses import runs

KIND = "analyse"
STEPS: tuple[tuple[str, str], ...] = (
    ("customers over time", "retainstream.services.analyses.material:make"),
    ("revenue", "retainstream.services.revenue.making:make"),
    ("RFM", "retainstream.services.rfm.making:make"),
    ("lifetime value", "retainstream.services.lifetime.making:make"),
    ("health scores", "retainstream.services.health.making:make"),
    ("what is bought together", "retainstream.services.recommendations.cross_sell:make"),
    ("segments", "retainstream.services.segments.membership:make"),  # last: rules ask for what the others made
)
"""What is made, in words, and by which `module:function`, in this order: later steps may read what earlier ones made.

The function takes the job's context and the part of the job's progress that is its own (two fractions), and returns what the job's result says of it,
as JSON. It raises NotReady, with a sentence, where this box has nothing to make it from; the others go on.
"""
Step = Callable[[jobs.JobContext, tuple[float, float]], dict[str, Any]]


def request(session: Session, actor: Actor) -> JobRun:
    """Queue the job; raises Conflict when it is queued or running already."""
    return jobs.enqueue(session, actor, KIND, {}, dedupe_key=KIND)


def request_anew(session: Session, actor: Actor) -> JobRun | None:
    """Queue the job so that it sees what was just changed, also behind one that runs; None where one waits already."""
    return jobs.enqueue_anew(session, actor, KIND, {}, dedupe_key=KIND)


def run(context: jobs.JobContext) -> dict[str, object]:
    """Make every analysis anew.

    Returns
    -------
    dict
        By the words of each step what it says of itself, or `{"skipped": why}`.
    """
    context.progress("cleaning up", 0.0)
    runs.clean_up(context)
    told: dict[str, object] = {}
    for place, (words, address) in enumerate(STEPS):
        part = (0.02 + 0.98 * place / len(STEPS), 0.02 + 0.98 * (place + 1) / len(STEPS))
        context.progress(words, part[0])
        module, _, function = address.partition(":")
        make = cast(Step, getattr(importlib.import_module(module), function))
        try:
            told[words] = make(context, part)
        except NotReady as nothing:
            told[words] = {"skipped": nothing.message}
    runs.clean_up(context)
    return told
