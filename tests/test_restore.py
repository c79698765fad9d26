"""Restoring an older copy of the database: what must not come back does not."""

from __future__ import annotations

import shutil
from pathlib import Path

from flask.testing import FlaskClient

from retainstream import serve
from retainstream.config import Settings
from retainstream.db import db
from retainstream.services import backups
from tests.conftest import Cast


def test_a_restored_copy_does_not_bring_an_erased_person_back(
    scored: Settings, client: FlaskClient, cast: Cast, tmp_path: Path
) -> None:
    token = cast.token("owner")
    one = client.get("/api/v1/customers?limit=1", headers=token).get_json()["items"][0]["user_id"]
    with client.application.app_context():
        copy = backups.copy_database(tmp_path / "before.db").path
        assert client.delete(f"/api/v1/customers/{one}", headers=token).status_code == 200
        db.engine.dispose()
    for name in ("retainstream.db-wal", "retainstream.db-shm"):
        (scored.instance_path / name).unlink(missing_ok=True)
    shutil.copy(copy, scored.database_file)
    assert client.get(f"/api/v1/customers/{one}", headers=token).status_code == 200
    serve.prepare(scored)
    assert client.get(f"/api/v1/customers/{one}", headers=token).status_code == 404
    assert client.get("/api/v1/customers?status=all", headers=token).get_json()["total"] == 599
    assert one not in (scored.instance_path / "erasures").read_text()
