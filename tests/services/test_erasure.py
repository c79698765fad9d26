"""Erasing reaches the bytes: tables, kept answers, bad rows and the write-ahead log, and only the owner may read the files that are left."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from retainstream.app import create_minimal_app
from retainstream.config import Settings
from retainstream.db import db, unit_of_work
from retainstream.models import ImportBatch
from tests.conftest import Cast

ROWS = [f"u{i},Nobody {i},n{i}@example.org,Plan{i % 3},{i % 50 + 5},{'yes' if i % 4 == 0 else 'no'}" for i in range(60)]
ERASED = "q-7777,Quentin Quokka,quokka@example.org,Plan1,"
HEADER = "user_id,name,email,plan,monthly,churn"
TRACES = (b"q-7777", b"Quokka", b"quokka@", b"0049-777")


def test_nothing_of_an_erased_person_is_left_in_any_file(
    client: FlaskClient, cast: Cast, settings: Settings, run_jobs: Callable[[], list[dict[str, object]]]
) -> None:
    token = cast.token("owner")
    bad = [f"{ERASED}much,yes", f"{ERASED.removeprefix('q-7777')}9,yes"]
    tables = ["\n".join([HEADER, *bad, *ROWS, ""]), "\n".join([HEADER, f"{ERASED}19,yes", *ROWS, ""])]
    _send(client, token | {"Idempotency-Key": "preview-1"}, tables[0], dry_run="true")
    for table in tables:
        _send(client, token, table, on_error="skip")
        assert [job["state"] for job in run_jobs()] == ["succeeded"]
    with client.application.app_context(), unit_of_work() as session:
        batch = session.get_one(ImportBatch, 1)
        cells = {"code": "description_row", "detail": {"kind": "totals", "cells": ["Quentin Quokka"]}}
        batch.warnings = [*batch.warnings, cells]
    for path in ("events", "subscriptions", "orders"):
        cells = "user_id,time,amount,who,start\nq-7777,2024-03-01T10:00:00Z,5,Quentin Quokka,2024-03-01T10:00:00Z\n"
        sent = {"file": (io.BytesIO(cells.encode()), "log.csv"), "dry_run": "true"}
        keyed = token | {"Idempotency-Key": f"preview-{path}"}
        assert client.post(f"/api/v1/{path}/import", data=sent, headers=keyed).status_code == 200
    change = client.patch("/api/v1/customers/q-7777", json={"phone": "0049-777"}, headers=token)
    assert change.status_code == 200
    before = b"".join(path.read_bytes() for path in settings.instance_path.rglob("*") if path.is_file())
    assert all(trace in before for trace in TRACES)

    answer = client.delete("/api/v1/customers/q-7777", headers=token)
    assert answer.status_code == 200 and answer.get_json()["removed"]["import_row_errors"] == 2
    for path in settings.instance_path.rglob("*"):
        if path.is_file():
            stored = path.read_bytes()
            assert [trace for trace in TRACES if trace in stored] == [], path.name
    errors = client.get("/api/v1/customers/imports/1/errors.csv", headers=token).get_data(as_text=True)
    assert errors.count("\r\n") == 3 and "much" not in errors


def _send(client: FlaskClient, token: dict[str, str], table: str, **form: str) -> None:
    sent = {"file": (io.BytesIO(table.encode()), "people.csv"), **form}
    assert client.post("/api/v1/customers/import", data=sent, headers=token).status_code in (200, 202)


@pytest.mark.skipif(os.name != "posix", reason="modes of files are POSIX")
def test_a_fresh_database_is_its_owners_alone(tmp_path: Path) -> None:
    former = os.umask(0o022)
    try:
        settings = replace(Settings(), instance=str(tmp_path / "box"))
        app = create_minimal_app(settings)
        with app.app_context():
            with unit_of_work() as session:
                session.connection().exec_driver_sql("CREATE TABLE t (a)")
                modes = {path.name: path.stat().st_mode & 0o777 for path in settings.instance_path.iterdir()}
            db.engine.dispose()
    finally:
        os.umask(former)
    assert settings.instance_path.stat().st_mode & 0o777 == 0o700
    assert len(modes) == 3 and set(modes.values()) == {0o600}


def test_a_token_without_personal_details_sees_no_cells_in_warnings(client: FlaskClient, cast: Cast) -> None:
    warning = {"code": "description_row", "message": "Line 9.", "detail": {"lines": [9], "cells": ["Quentin Quokka"]}}
    batch = ImportBatch(
        state="applied", source="api", filename="t", file_sha256="", size_bytes=1, warnings=[warning], created_at=1
    )
    with client.application.app_context(), unit_of_work() as session:
        session.add(batch)
    wish = {"name": "watcher", "scopes": ["imports:read"]}
    secret = client.post("/api/v1/auth/tokens", json=wish, headers=cast.token("agent")).get_json()["token"]
    seen = client.get("/api/v1/customers/imports/1", headers={"X-API-Key": secret}).get_json()
    assert seen["warnings"] == [{**warning, "detail": {"lines": [9]}}]
    assert client.get("/api/v1/customers/imports/1", headers=cast.token("agent")).get_json()["warnings"] == [warning]
