"""Making a report: rights of its owner, failures that can be read, kills, erasure, and what is kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from retainstream.config import Settings
from retainstream.db import read_unit, unit_of_work
from retainstream.errors import Conflict, Forbidden, NotFound, NotReady, RetainStreamError
from retainstream.models import JobRun, Report, ReportFile, User
from retainstream.security.actor import COMMAND, Actor
from retainstream.security.permissions import Permission
from retainstream.services import jobs
from retainstream.services.customers import erasure
from retainstream.services.reports import files, formats, making, saved
from tests.services.reports.conftest import Make
from tests.work import run_job


def on_disk(settings: Settings) -> list[str]:
    top = files.folder_of(settings)
    return sorted(str(path.relative_to(top)) for path in top.rglob("*") if path.is_file()) if top.is_dir() else []


def rows(**wanted: Any) -> list[ReportFile]:
    with read_unit() as session:
        return list(session.scalars(select(ReportFile).filter_by(**wanted).order_by(ReportFile.id)))


def test_a_file_is_its_owners_alone_and_on_record(settings: Settings, make: Make) -> None:
    result, path = make(query="band=high")
    assert result == {"report_id": 1, "file_id": 1, "n_rows": 3, "n_bytes": path.stat().st_size}
    assert path.stat().st_mode & 0o777 == 0o600 and path.parent.stat().st_mode & 0o777 == 0o700
    (file,) = rows()
    assert (file.state, file.holds, file.n_rows, file.path) == ("made", "personal", 3, "1/1.csv")
    assert on_disk(settings) == ["1/1.csv"]


def test_work_that_is_done_again_after_a_kill_makes_one_file(settings: Settings, keep: Callable[..., int]) -> None:
    number = keep()
    with unit_of_work() as session:
        job = jobs.enqueue(session, COMMAND, "report", {"report_id": number}).id
    first = run_job(settings, job=job)
    assert run_job(settings, job=job, reopen=True) == first
    assert len(rows()) == 1 and on_disk(settings) == ["1/1.csv"]


@pytest.mark.parametrize("place", ["write", "replace"])
def test_a_kill_leaves_nothing_behind_that_the_next_run_does_not_take_away(
    settings: Settings, keep: Callable[..., int], monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """The process is gone in the middle: nothing is cleaned up by it, whether half the file is written or it has its name but no row."""

    class Killed(BaseException):
        pass

    number = keep()
    with unit_of_work() as session:
        job = jobs.enqueue(session, COMMAND, "report", {"report_id": number}).id

    def half(_document: object, out: Any, _settings: object) -> int:
        out.write(b"half")
        out.flush()
        raise Killed

    def named(part: Path, target: Path) -> None:
        part.rename(target)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", lambda *_, **__: None)
        if place == "write":
            broken = formats.Format("CSV", "text/csv", None, half)
            patch.setitem(making.FORMATS, "csv", broken)
        else:
            patch.setattr(Path, "replace", named)
        with pytest.raises(Killed):
            run_job(settings, job=job)
    assert len(on_disk(settings)) == 1 and rows() == []
    result = run_job(settings, job=job, reopen=True)
    assert on_disk(settings) == [f"1/{result['file_id']}.csv"] and len(rows(state="made")) == 1


def test_a_failure_says_why_and_the_next_making_goes_well(settings: Settings, keep: Callable[..., int]) -> None:
    number = keep("cohorts", "pdf")
    with pytest.raises(NotReady):
        run_job(settings, "report", {"report_id": number})
    (file,) = rows()
    assert file.state == "failed" and file.path is None and file.error and file.error.endswith(".")
    with unit_of_work() as session:
        session.execute(update(Report).values(subject="home"))
    run_job(settings, "report", {"report_id": number})
    assert [one.state for one in rows()] == ["failed", "made"]


def test_a_list_whose_segment_is_gone_says_so(settings: Settings, keep: Callable[..., int]) -> None:
    with pytest.raises(RetainStreamError):
        run_job(settings, "report", {"report_id": keep(query="cell=segment:99999")})
    (file,) = rows(state="failed")
    assert "segment" in str(file.error)


def test_something_unforeseen_is_a_failure_without_details(
    settings: Settings, keep: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*_: object) -> int:
        raise ZeroDivisionError("secret detail")

    monkeypatch.setitem(making.FORMATS, "csv", formats.Format("CSV", "text/csv", None, breaks))
    with pytest.raises(ZeroDivisionError):
        run_job(settings, "report", {"report_id": keep()})
    (file,) = rows(state="failed")
    assert "log has the details" in str(file.error) and "secret" not in str(file.error)
    assert on_disk(settings) == []


def test_the_owners_rights_count_as_they_are_on_the_day(
    settings: Settings, person: Actor, keep: Callable[..., int]
) -> None:
    number = keep(query="columns=email")
    for change, said in (({"role": "viewer"}, "customers:export"), ({"active": False}, "switched off")):
        with unit_of_work() as session:
            session.execute(update(User).where(User.id == person.user_id).values(role="analyst", active=True))
            session.execute(update(User).where(User.id == person.user_id).values(**change))
        with pytest.raises(Forbidden, match=said):
            run_job(settings, "report", {"report_id": number})
    assert [said in str(one.error) for one, said in zip(rows(), ("export", "off"), strict=True)] == [True, True]


def test_personal_details_take_the_readers_permission_too(settings: Settings, person: Actor, make: Make) -> None:
    result, _ = make()
    narrow = Actor("api_token", person.permissions - {Permission.CUSTOMERS_PERSONAL}, user_id=person.user_id)
    with read_unit() as session:
        assert files.find(session, person, settings, 1, result["file_id"]).people
        with pytest.raises(Forbidden):
            files.find(session, narrow, settings, 1, result["file_id"])
    with unit_of_work() as session:
        saved.change(session, person, settings, 1, {"parameters": "q=Name+1"})
    with read_unit() as session:
        assert saved.every(session, narrow) == [], "whom it searches for is a personal detail"


def test_erasing_somebody_removes_every_list_and_no_overview(settings: Settings, person: Actor, make: Make) -> None:
    (listed, path), (_, other), (_, home) = make(query="band=high"), make(form="pdf"), make("home", "html")
    assert b"Name 3" in path.read_bytes()
    with unit_of_work() as session:
        erasure.erase(session, COMMAND, "cus_00003", key=b"k" * 32)
    with unit_of_work() as session:
        assert files.sweep(session, settings) == 2
    assert not path.exists() and not other.exists() and home.exists()
    assert [one.state for one in rows()] == ["removed", "removed", "made"]
    with read_unit() as session, pytest.raises(NotFound, match="a customer was erased"):
        files.find(session, person, settings, 1, listed["file_id"])


def test_erasing_somebody_deletes_the_reports_that_name_them(settings: Settings, keep: Callable[..., int]) -> None:
    keep(query="q=name+3"), keep(query="band=high"), keep(name="For Name 3")
    with unit_of_work() as session:
        erasure.erase(session, COMMAND, "cus_00003", key=b"k" * 32)
    with read_unit() as session:
        assert [one.id for one in session.scalars(select(Report))] == [2]


def test_somebody_erased_while_a_list_is_made_is_not_in_it(
    settings: Settings, keep: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    number, write, erased = keep(query="band=high"), formats.write_csv, []

    def slow(document: Any, out: Any, settings: Any) -> int:
        written = write(document, out, settings)
        if not erased:
            erased.append("cus_00003")
            with unit_of_work() as session:
                erasure.erase(session, COMMAND, "cus_00003", key=b"k" * 32)
        return written

    monkeypatch.setitem(making.FORMATS, "csv", formats.Format("CSV", "text/csv", None, slow))
    result = run_job(settings, "report", {"report_id": number})
    content = (files.folder_of(settings) / f"1/{result['file_id']}.csv").read_text()
    assert "cus_00003" not in content and len(content.splitlines()) == 3
    assert on_disk(settings) == [f"1/{result['file_id']}.csv"]


def test_the_newest_thirty_are_kept(
    settings: Settings, keep: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "KEPT", 3)
    number = keep("home")
    for _ in range(5):
        run_job(settings, "report", {"report_id": number})
    assert [one.id for one in rows()] == [3, 4, 5]
    assert on_disk(settings) == ["1/3.csv", "1/4.csv", "1/5.csv"]


def test_a_report_is_made_once_at_a_time_and_not_after_its_deletion(
    settings: Settings, person: Actor, keep: Callable[..., int]
) -> None:
    number = keep()
    with unit_of_work() as session:
        job = saved.request(session, person, number).id
        with pytest.raises(Conflict):
            saved.request(session, person, number)
    with unit_of_work() as session:
        saved.delete(session, person, number)
    with pytest.raises(RetainStreamError, match="deleted meanwhile"):
        run_job(settings, job=job)
    assert rows() == []
    with unit_of_work() as session:
        files.sweep(session, settings)
        assert session.get_one(JobRun, job).state == "failed"
    assert on_disk(settings) == []
