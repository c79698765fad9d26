"""Four writers against several gunicorn workers: no update is lost, and nobody hears that the database is locked."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import text

from retainstream.config import ROOT, Settings
from retainstream.db import read_unit
from tests.conftest import Cast

WRITERS, ROUNDS = 4, 25
ATTRIBUTES = ("device_count", "payment_failures", "last_login_days", "watch_time_hours")


@pytest.fixture
def port(scored: Settings, cast: Cast, tmp_path: Path) -> Iterator[int]:
    """A gunicorn with three workers on the box of the test."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        found = int(probe.getsockname()[1])
    env = {
        **{name: value for name, value in os.environ.items() if not name.startswith("RETAINSTREAM_")},
        "RETAINSTREAM_INSTANCE": scored.instance,
        "RETAINSTREAM_JOBS": "off",
        "RETAINSTREAM_LIMIT_SIGNED_IN": "1000000 per 1 minute",
        "RETAINSTREAM_LOG_LEVEL": "error",
    }
    command = [
        sys.executable,
        "-m",
        "gunicorn",
        "-k",
        "gthread",
        "-w",
        "3",
        "--threads",
        "2",
        "-b",
        f"127.0.0.1:{found}",
        "--no-control-socket",
    ]
    with (tmp_path / "gunicorn.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "wsgi:app"], cwd=ROOT, env=env, stdout=log, stderr=log, start_new_session=True
        )
        try:
            _wait(found)
            yield found
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(30)
    assert "locked" not in (tmp_path / "gunicorn.log").read_text()


def _wait(port: int) -> None:
    for _ in range(300):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/ready")
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.1)
    raise TimeoutError("gunicorn does not answer")


def _call(port: int, method: str, path: str, headers: dict[str, str], body: object = None) -> tuple[int, dict]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request(
        method, path, None if body is None else json.dumps(body), {"Content-Type": "application/json", **headers}
    )
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


def test_four_writers_lose_no_update(port: int, cast: Cast, app: Flask) -> None:
    headers = cast.token("owner")
    _, page = _call(port, "GET", "/api/v1/customers?limit=1", headers)
    path = f"/api/v1/customers/{page['items'][0]['user_id']}"
    answers: list[tuple[int, dict]] = []

    def write(attribute: str) -> None:
        for value in range(1, ROUNDS + 1):
            # Each change copies the version before it, so a lost update would bring back another writer's old value.
            answers.append(_call(port, "PATCH", path, headers, {"attributes": {attribute: value}}))

    threads = [threading.Thread(target=write, args=(name,)) for name in ATTRIBUTES]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {status for status, _ in answers} == {200}, [body for status, body in answers if status != 200][:3]
    _, record = _call(port, "GET", path, headers)
    values = {item["name"]: item["value"] for item in record["attributes"]}
    assert {name: values[name] for name in ATTRIBUTES} == dict.fromkeys(ATTRIBUTES, ROUNDS)
    with app.app_context(), read_unit() as session:
        assert (
            session.execute(text("SELECT count(*) FROM attribute_versions WHERE source = 'edit'")).scalar_one()
            == WRITERS * ROUNDS
        )
        assert (
            session.execute(text("SELECT count(*) FROM audit_entries WHERE action = 'customer.change'")).scalar_one()
            == WRITERS * ROUNDS
        )
        assert session.execute(text("PRAGMA integrity_check")).scalar_one() == "ok"
