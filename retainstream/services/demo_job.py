"""The demo as a job of the box, for people without a command line: each run does the step that comes next and queues itself behind it.

The box does one job at a time, the oldest first, so a run finds the step before it ended. Which step comes next is `demo`'s affair.
"""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from retainstream.config import Settings
from retainstream.db import read_unit
from retainstream.errors import Conflict, NotReady
from retainstream.models import JobRun
from retainstream.security.actor import Actor
from retainstream.security.permissions import Permission
from retainstream.services import demo, jobs, predictions, replay, training
from retainstream.services.demo import Made, Step
from retainstream.services.imports import batches, files
from retainstream.services.imports.files import Upload

KIND = "demo"
CUSTOMERS, MONTHS, SEED = 4_000, 14, 7
TRIALS = 12
"""Of each hyper-parameter search: half the usual, for a demo that is there soon."""


def request(
    session: Session, actor: Actor, customers: int = CUSTOMERS, months: int = MONTHS, seed: int = SEED
) -> JobRun:
    """Settle what the demo is to be and queue its first step; one that was interrupted goes on.

    Raises
    ------
    Forbidden
        When the actor may not change settings.
    Conflict
        When the box has data of its own, the demo is complete, or it is being made already.
    """
    actor.require(Permission.SETTINGS_WRITE)
    if demo.next_step(session) is None:
        raise Conflict("This box has data of its own, or the demo is there already; nothing was done.")
    if _open_after(session, 0):
        raise Conflict("The demo is being made already.")
    demo.begin(session, customers, months, seed)
    return jobs.enqueue(session, actor, KIND, {}, dedupe_key=KIND)


def run(context: jobs.JobContext) -> dict[str, object]:
    """Do or queue the next step, and queue the run after it.

    Returns
    -------
    dict
        `complete`, and `step` with what was done or queued, None when nothing was left.

    Raises
    ------
    NotReady
        When the step that was queued last did not succeed: doing it again would not help.
    """
    with read_unit() as session:
        step, made = demo.next_step(session), demo.begun(session)
        followed = _open_after(session, context.job_id)
    if step is None or made is None:
        return {"complete": True, "step": None}
    name = f"{step.name} {step.target or step.day or ''}".strip()
    if followed:  # an attempt before this one got as far as queuing what comes next
        return {"complete": False, "step": name}
    if step.job_id is None and context.payload.get("after") == name:
        raise NotReady(f"The demo could not go on after the step {name!r}; the job before this one says why.")
    context.progress(f"preparing: {name}", 0.1)
    upload = _receive(context.settings, made, step.target) if step.name == "load" and step.job_id is None else None
    try:
        with context.holding_unit() as session:
            if step.job_id is None:
                _start(session, context, made, step, upload)
            jobs.enqueue(session, context.actor, KIND, {"after": name})
    except BaseException:
        if upload is not None:
            files.discard(context.settings, upload.name)
        raise
    return {"complete": False, "step": name}


def _open_after(session: Session, job_id: int) -> bool:
    query = select(JobRun.id).where(JobRun.kind == KIND, JobRun.state.in_(demo.OPEN), JobRun.id > job_id).limit(1)
    return session.scalar(query) is not None


def _start(session: Session, context: jobs.JobContext, made: Made, step: Step, upload: Upload | None) -> None:
    """Do a step that is short, or queue the job that does it."""
    actor = context.actor
    if upload is not None:
        _queue_load(session, context, step.target, upload)
    elif step.name == "define":
        demo.define(session, actor)
    elif step.name == "replay":
        trials = TRIALS if step.model == replay.TRAIN else None
        replay.request(session, actor, {"as_of": step.day, "model": step.model, "trials": trials})
    elif step.name == "train":
        training.request(session, actor, {"trials": TRIALS, "seed": made.seed})
    elif step.name == "score":
        predictions.generate(session, actor)


def _receive(settings: Settings, made: Made, target: str) -> Upload:
    path = demo.write_file(settings, made, target)
    try:
        with path.open("rb") as stream:
            return files.receive(stream, path.name, files.allowed(settings, demo.SOURCE))
    finally:
        path.unlink()


def _queue_load(session: Session, context: jobs.JobContext, target: str, upload: Upload) -> None:
    """Queue a load as the command line would. The modules that judge files bring numpy, so they are imported here."""
    from retainstream.services.events import preview as events
    from retainstream.services.imports import preview as customers

    settings = files.allowed(context.settings, demo.SOURCE)
    if target == batches.CUSTOMERS:
        found = customers.preview(upload.path, upload.filename, settings, known_at_time=True)
        mapping, warnings, options = found.mapping, found.learnt.warnings, None
        refine = not found.complete
    else:
        mapped = demo.EVENT_MAPPING if target == "events" else None
        asked = events.Asked(None, None, "create", None if mapped else True)
        looked = events.preview(
            upload.path, upload.filename, settings, "events" if mapped else "subscriptions", asked, mapped
        )
        mapping, warnings, refine = looked.mapping, looked.lasting_warnings, False  # type: ignore[assignment]
        options = {"feed": None, "unknown": "create"}
    batches.queue(
        session,
        context.actor,
        upload,
        mapping.to_dict(),
        on_error="reject",
        known_at_time=mapping.known_at_time,
        warnings=warnings,
        refine=refine,
        source=demo.SOURCE,
        target=target,
        options=options,  # type: ignore[arg-type]
    )
