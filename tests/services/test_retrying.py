"""Asking again for work that ended badly."""

from __future__ import annotations

import pytest

from retainstream.db import unit_of_work
from retainstream.errors import Conflict, Forbidden, NotFound, NotReady
from retainstream.lib import clock
from retainstream.models import ImportBatch, JobRun
from retainstream.security.actor import COMMAND, Actor
from retainstream.security.permissions import Role, permissions_of
from retainstream.services import jobs, retrying

pytestmark = pytest.mark.usefixtures("minimal_app")


def person(role: Role) -> Actor:
    return Actor(kind="user", permissions=permissions_of(role), role=role)


def ended(kind: str, state: str, payload: dict[str, object]) -> int:
    with unit_of_work() as session:
        job = jobs.enqueue(session, COMMAND, kind, payload)
        job.state, job.finished_at = state, clock.now_us()
        return job.id


def loaded(state: str, upload_name: str | None) -> int:
    with unit_of_work() as session:
        batch = ImportBatch(
            state=state, source="api", filename="a.csv", file_sha256="0" * 64, size_bytes=1, upload_name=upload_name,
            created_at=clock.now_us(),
        )  # fmt: skip
        session.add(batch)
        session.flush()
        return batch.id


def test_what_would_stop_a_first_request_stops_a_retry() -> None:
    job_id = ended("train", "failed", {"trials": 3})
    with pytest.raises(NotReady), unit_of_work() as session:
        retrying.retry(session, person(Role.ANALYST), job_id)
    some = ended("score", "cancelled", {"scope": "ids", "customer_ids": [1]})
    with pytest.raises(NotReady), unit_of_work() as session:
        retrying.retry(session, person(Role.ANALYST), some)


@pytest.mark.parametrize("state", ["queued", "running", "succeeded"])
def test_only_what_failed_or_was_cancelled_is_tried_again(state: str) -> None:
    job_id = ended("judge", state, {})
    with unit_of_work() as session:
        assert not retrying.may(session, person(Role.ADMIN), jobs.get(session, job_id))
    with pytest.raises(Conflict, match="only one that failed or was cancelled"), unit_of_work() as session:
        retrying.retry(session, person(Role.ADMIN), job_id)


def test_judging_is_queued_once_by_who_may() -> None:
    job_id = ended("judge", "failed", {})
    with unit_of_work() as session:
        job = jobs.get(session, job_id)
        assert not retrying.may(session, person(Role.AGENT), job)
        assert retrying.may(session, person(Role.ANALYST), job)
    with pytest.raises(Forbidden), unit_of_work() as session:
        retrying.retry(session, person(Role.AGENT), job_id)
    with unit_of_work() as session:
        fresh = retrying.retry(session, person(Role.ANALYST), job_id)
        assert (fresh.kind, fresh.state, fresh.payload) == ("judge", "queued", {})
        assert fresh.id != job_id
    with pytest.raises(Conflict, match="already queued or running"), unit_of_work() as session:
        retrying.retry(session, person(Role.ANALYST), job_id)


def test_import_is_tried_again_only_while_its_file_is_there() -> None:
    gone = ended("import", "failed", {"batch_id": loaded("failed", None)})
    with unit_of_work() as session:
        assert retrying.file_gone(session, jobs.get(session, gone))
        assert not retrying.may(session, person(Role.ADMIN), jobs.get(session, gone))
    with pytest.raises(Conflict, match="file was let go"), unit_of_work() as session:
        retrying.retry(session, person(Role.ADMIN), gone)
    batch_id = loaded("applying", "abc.csv")
    there = ended("import", "failed", {"batch_id": batch_id, "refine": False})
    with unit_of_work() as session:
        assert retrying.may(session, person(Role.ANALYST), jobs.get(session, there))
        fresh = retrying.retry(session, person(Role.ANALYST), there)
        assert session.get_one(ImportBatch, batch_id).job_id == fresh.id
        assert fresh.payload == {"batch_id": batch_id, "refine": False}


def test_undo_goes_on_where_it_was() -> None:
    job_id = ended("undo", "failed", {"batch_id": loaded("undoing", None), "confirm": True})
    with unit_of_work() as session:
        assert retrying.retry(session, person(Role.ANALYST), job_id).kind == "undo"
    undone = ended("undo", "cancelled", {"batch_id": loaded("undone", None), "confirm": False})
    with pytest.raises(Conflict, match="only one that is applied"), unit_of_work() as session:
        retrying.retry(session, person(Role.ANALYST), undone)


def test_unknown_work_is_not_tried_again() -> None:
    with pytest.raises(NotFound), unit_of_work() as session:
        retrying.retry(session, person(Role.ADMIN), 999)
    job_id = ended("count", "failed", {})
    with pytest.raises(Conflict, match="not asked for by hand"), unit_of_work() as session:
        retrying.retry(session, person(Role.ADMIN), job_id)
        assert session.query(JobRun).count() == 1
