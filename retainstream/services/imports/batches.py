"""Import batches as people see them: queued with their job, listed, shown with their row errors, asked to be undone. Applying them is `apply`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from retainstream.errors import ConfirmationNeeded, Conflict, NotFound
from retainstream.lib import clock
from retainstream.lib.pagination import FIRST_PAGE, Page, PageRequest
from retainstream.models import ChurnDefinition, Customer, Identity, ImportBatch, ImportRowError, JobRun
from retainstream.security.actor import Actor
from retainstream.security.permissions import Permission
from retainstream.services import audit, jobs
from retainstream.services.imports.files import Upload
from retainstream.services.paging import page_by_id

CUSTOMERS = "customers"
SHOWN_ERRORS = 20
SHOWN_KEPT = 1_000
KEPT_WARNING = "kept_after_undo"


def queue(
    session: Session,
    actor: Actor,
    upload: Upload,
    mapping: dict[str, Any],
    *,
    on_error: str,
    known_at_time: bool,
    warnings: list[dict[str, Any]],
    refine: bool = False,
    source: str = "api",
    target: str = CUSTOMERS,
    options: dict[str, object] | None = None,
) -> tuple[ImportBatch, JobRun]:
    """Record a received file as a batch and queue the job that applies it.

    Parameters
    ----------
    mapping : dict
        JSON form of the mapping, checked against the file.
    on_error : str
        `reject` takes nothing when any row is bad, `skip` takes the good ones.
    refine : bool
        The mapping was proposed from the head of a large file; the job checks it against the whole of it.
    target : str
        `customers`, or `events`, `subscriptions`, `orders`, which a job of another kind takes in.
    options : dict, optional
        What else the job has to know, as JSON.
    """
    actor.require(Permission.IMPORTS_WRITE if target == CUSTOMERS else Permission.EVENTS_WRITE)
    batch = ImportBatch(
        state="queued",
        target=target,
        source=source,
        filename=upload.filename,
        file_sha256=upload.sha256,
        size_bytes=upload.size_bytes,
        upload_name=upload.name,
        mapping=mapping,
        mapping_sha256=mapping_sha256(mapping),
        on_error=on_error,
        known_at_time=known_at_time,
        counts={},
        warnings=warnings,
        created_by=actor.user_id,
        created_at=clock.now_us(),
    )
    session.add(batch)
    session.flush()
    payload: dict[str, object] = {"batch_id": batch.id, "refine": refine, **(options or {})}
    kind = "import" if target == CUSTOMERS else "ingest"
    job = jobs.enqueue(session, actor, kind, payload, dedupe_key=f"batch:{batch.id}")
    batch.job_id = job.id
    audit.record(session, actor, "import.queue", "import", batch.id, fields=["filename", "mapping", "on_error"])
    session.flush()
    return batch, job


def mapping_sha256(mapping: dict[str, Any]) -> str:
    """Return the SHA-256 of a mapping's canonical JSON, in hexadecimal."""
    return hashlib.sha256(json.dumps(mapping, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def queue_undo(session: Session, actor: Actor, batch_id: int, *, confirm: bool = False) -> JobRun:
    """Queue the job that takes an applied batch back.

    Parameters
    ----------
    confirm : bool
        The person knows that later imports lose what they only confirmed, see `require_last_word`.

    Raises
    ------
    NotFound
        When there is no such import.
    Conflict
        When it is not applied, or is being undone already.
    ConfirmationNeeded
        When later imports held rows that were on record already and `confirm` is false.
    """
    actor.require(Permission.IMPORTS_WRITE)
    batch = get(session, batch_id)
    if batch.state != "applied":
        raise Conflict(
            f"Import {batch_id} is {batch.state}; only one that is applied can be undone.",
            detail={"state": batch.state},
        )
    if not confirm:
        require_last_word(session, batch)
    payload: dict[str, object] = {"batch_id": batch_id, "confirm": confirm}
    job = jobs.enqueue(session, actor, "undo", payload, dedupe_key=f"batch:{batch_id}")
    audit.record(session, actor, "import.queue_undo", "import", batch_id)
    return job


def require_last_word(session: Session, batch: ImportBatch) -> None:
    """Raise ConfirmationNeeded when undoing a batch takes something away that a later applied import found on record.

    Such a row left no trace of its own when nothing in it had changed, so that nothing of it would stay. A batch that wrote nothing takes
    nothing away, and neither does the newest one.
    """
    if batch.target != CUSTOMERS:
        _require_last_event(session, batch)
        return
    if not batch.counts.get("new", 0) + batch.counts.get("changed", 0):
        return
    later = session.execute(
        select(ImportBatch.id, ImportBatch.counts)
        .where(ImportBatch.state == "applied", ImportBatch.id > batch.id, ImportBatch.target == CUSTOMERS)
        .order_by(ImportBatch.id)
    )
    held = {number: counts.get("unchanged", 0) + counts.get("changed", 0) for number, counts in later}
    held = {number: rows for number, rows in held.items() if rows}
    if not held:
        return
    rows, one = sum(held.values()), len(held) == 1
    what = "those customers" if batch.counts.get("new", 0) else f"what import {batch.id} changed in those customers"
    raise ConfirmationNeeded(
        f"{_imports(list(held))} came later and held {rows:,} {'row that was' if rows == 1 else 'rows that were'} on record already; "
        f"undoing import {batch.id} would take {what} away from {'it' if one else 'them'} too. "
        f"Undo {'it' if one else 'them'} first, or send confirm=true.",
        detail={"imports": list(held)[:SHOWN_ERRORS], "rows": rows},
    )


def _require_last_event(session: Session, batch: ImportBatch) -> None:
    """Do what `require_last_word` does for events, orders and subscriptions: rows that a later load found on record were not written again."""
    if not batch.counts.get("accepted", 0):
        return
    later = session.execute(
        select(ImportBatch.id, ImportBatch.counts)
        .where(ImportBatch.state == "applied", ImportBatch.id > batch.id, ImportBatch.target == batch.target)
        .order_by(ImportBatch.id)
    )
    held = {number: counts.get("duplicate", 0) for number, counts in later if counts.get("duplicate", 0)}
    if not held:
        return
    rows, them = sum(held.values()), "it" if len(held) == 1 else "them"
    raise ConfirmationNeeded(
        f"{_imports(list(held))} came later and held {rows:,} {'row that was' if rows == 1 else 'rows that were'} on record already; "
        f"undoing import {batch.id} may take these rows away from {them} too. Undo {them} first, or send confirm=true.",
        detail={"imports": list(held)[:SHOWN_ERRORS], "rows": rows},
    )


def _imports(numbers: list[int]) -> str:
    """Return "Import 2", "Imports 2, 3 and 4" or, beyond five, "Imports 2, 3, 4, 5, 6 and 7 more"."""
    named, more = [str(number) for number in numbers[:5]], len(numbers) - 5
    last = f"{more:,} more" if more > 0 else named.pop()
    return f"Imports {', '.join(named)} and {last}" if named else f"Import {last}"


def get(session: Session, batch_id: int) -> ImportBatch:
    """Return one batch; raises NotFound."""
    batch = session.get(ImportBatch, batch_id)
    if batch is None:
        raise NotFound(f"There is no import {batch_id}.")
    return batch


def definition_for(session: Session, column: str) -> ChurnDefinition:
    """Return the definition "this column says who left", made on first use; its name is the column's.

    Case and signs do not count: "Churn" in one month's file and "churn" in the next are one definition, since a training takes the
    labels of one only.
    """
    name = column[:100]
    known = session.scalars(select(ChurnDefinition).where(ChurnDefinition.kind == "labelled_column"))
    found = next((item for item in known if _letters(item.name) == _letters(name)), None)
    if found is None:
        taken = session.scalar(select(func.max(ChurnDefinition.version)).where(ChurnDefinition.name == name)) or 0
        found = ChurnDefinition(
            name=name,
            version=taken + 1,
            kind="labelled_column",
            parameters={"column": column},
            created_at=clock.now_us(),
        )
        session.add(found)
        session.flush()
    return found


def _letters(name: str) -> str:
    return "".join(char for char in name.casefold() if char.isalnum()) or name


def latest_job(session: Session, batch_id: int) -> JobRun | None:
    """Return the job that worked on a batch last: the one that applied it, or the one that takes it back."""
    query = select(JobRun).where(JobRun.dedupe_key == f"batch:{batch_id}").order_by(JobRun.id.desc()).limit(1)
    return session.scalar(query)


def list_batches(session: Session, request: PageRequest = FIRST_PAGE) -> Page:
    """Return imports, newest first; raises InvalidInput for a cursor of another list."""
    total = session.scalar(select(func.count()).select_from(ImportBatch)) or 0
    query = select(ImportBatch, JobRun).outerjoin(JobRun, JobRun.id == ImportBatch.job_id)
    rows, following = page_by_id(session, query, ImportBatch.id, "imports", request)
    return Page([_summary(batch, job) for batch, job in rows], following, total)


def _summary(batch: ImportBatch, job: JobRun | None) -> dict[str, object]:
    # A batch whose job ended before it began, or was ended while it cleaned up, is tidied up by the next job; until then it is shown
    # as it will be.
    over = job is not None and batch.state in ("queued", "applying") and job.state in ("cancelled", "failed")
    return {
        "id": batch.id,
        "target": batch.target,
        "state": job.state if job is not None and over else batch.state,
        "source": batch.source,
        "feed": None if batch.target == CUSTOMERS or job is None else job.payload.get("feed") or batch.target,
        "filename": batch.filename,
        "file_sha256": batch.file_sha256,
        "size_bytes": batch.size_bytes,
        "on_error": batch.on_error,
        "known_at_time": batch.known_at_time,
        "counts": batch.counts,
        "error": batch.error,
        "job_id": batch.job_id,
        "created_by": batch.created_by,
        "created_at": clock.iso(batch.created_at),
        "applied_at": clock.iso(batch.applied_at),
        "undone_at": clock.iso(batch.undone_at),
    }


def present(session: Session, actor: Actor, batch_id: int) -> dict[str, object]:
    """Return one import with its mapping, warnings and first row errors; values of cells only for those who may see personal details."""
    batch = get(session, batch_id)
    job = session.scalar(select(JobRun).where(JobRun.id == batch.job_id))
    personal = actor.may(Permission.CUSTOMERS_PERSONAL)
    kept = next((item for item in batch.warnings if item.get("code") == KEPT_WARNING), None)
    errors = session.scalars(
        select(ImportRowError)
        .where(ImportRowError.batch_id == batch_id)
        .order_by(ImportRowError.line, ImportRowError.id)
        .limit(SHOWN_ERRORS)
    )
    return {
        **_summary(batch, job),
        "mapping": batch.mapping,
        "warnings": [item if personal else _without_cells(item) for item in batch.warnings if item is not kept],
        "errors": [
            {
                "line": item.line,
                "column": item.column,
                "value": item.value if personal else None,
                "expected": item.expected,
                "code": item.code,
            }
            for item in errors
        ],
        "kept_customers": _identifiers(session, kept),
    }


def _without_cells(warning: dict[str, object]) -> dict[str, object]:
    """Leave out what stood in a line that was taken for no customer: it may be a customer's after all."""
    detail = warning.get("detail")
    if not isinstance(detail, dict) or "cells" not in detail:
        return warning
    return {**warning, "detail": {name: fact for name, fact in detail.items() if name != "cells"}}


def _identifiers(session: Session, kept: dict[str, object] | None) -> list[str]:
    """Return the identifiers of customers that an undo kept; people erased since are no longer among them."""
    ids: Any = kept["customer_ids"] if kept is not None else []
    if not ids:
        return []
    query = select(Identity.user_id).join(Customer, Customer.id == Identity.customer_id)
    return list(
        session.scalars(query.where(Identity.customer_id.in_(ids), Customer.visible()).order_by(Identity.user_id))
    )


def row_errors(session: Session, batch_id: int) -> Iterator[ImportRowError]:
    """Yield the row errors that were kept of an import (of at most 10,000 rows), in the order of the file; raises NotFound."""
    get(session, batch_id)
    query = (
        select(ImportRowError)
        .where(ImportRowError.batch_id == batch_id)
        .order_by(ImportRowError.line, ImportRowError.id)
    )
    yield from session.scalars(query.execution_options(yield_per=1_000))


def column_names(session: Session, batch_id: int) -> list[str]:
    """Return the columns of the file that was loaded, in its order; raises NotFound."""
    mapping: Any = get(session, batch_id).mapping
    return [str(column["name"]) for column in mapping.get("columns", [])]
