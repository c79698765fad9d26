"""A load that left many rows out is a finding until a whole one follows, or it is undone; through the doors that people load by."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient

Run = Callable[[], list[dict[str, object]]]


def load(client: FlaskClient, head: dict[str, str], run_jobs: Run, broken: int) -> int:
    """Load a file of a hundred rows, some of which name nobody, and return the import."""
    rows = [f"{f'C{n:03d}' if n >= broken else ''},{'gold' if n % 3 else 'basic'},{n % 40}" for n in range(100)]
    text = "\n".join(["customer_id,plan,logins", *rows]).encode()

    def send(**form: str) -> Any:
        data = {"file": (io.BytesIO(text), f"{broken} broken.csv"), "on_error": "skip", **form}
        return client.post("/api/v1/customers/import", headers=head, data=data)

    mapping = send(dry_run="true").get_json()["mapping"]
    answer = send(mapping=json.dumps(mapping))
    assert answer.status_code == 202, answer.get_json()
    assert run_jobs()[0]["state"] == "succeeded"
    return int(answer.get_json()["import_id"])


@pytest.mark.parametrize(("broken", "severity"), [(3, None), (8, "warning"), (40, "error")])
def test_a_load_that_left_rows_out_is_told_until_a_whole_one_follows(
    client: FlaskClient, cast: Any, run_jobs: Run, broken: int, severity: str | None
) -> None:
    head = cast.token("analyst")
    number = load(client, head, run_jobs, broken)
    items = client.get("/api/v1/findings", headers=head).get_json()["items"]
    assert [item["severity"] for item in items] == ([severity] if severity else [])
    if severity:
        assert items[0]["kind"] == "rows_left_out" and items[0]["detail"]["batch_id"] == number
        assert items[0]["message"].startswith(f"{broken} of 100 rows of “{broken} broken.csv” were left out")
    load(client, head, run_jobs, 0)
    assert client.get("/api/v1/findings", headers=head).get_json()["total"] == 0
    assert client.get("/api/v1/findings?state=closed", headers=head).get_json()["total"] == bool(severity)


def test_an_undo_ends_it(client: FlaskClient, cast: Any, run_jobs: Run) -> None:
    head = cast.token("analyst")
    number = load(client, head, run_jobs, 40)
    assert client.post(f"/api/v1/customers/imports/{number}/undo", headers=head).status_code == 202
    run_jobs()
    assert client.get("/api/v1/findings", headers=head).get_json()["total"] == 0
