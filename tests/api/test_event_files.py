"""Files of events, subscriptions and orders through HTTP: preview, refusals, the job, the list, bad rows, undo, and who may."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient

from retainstream.config import Settings
from retainstream.services.imports import files

Run = Callable[[], list[dict[str, Any]]]
EVENTS = "user_id,event,occurred_at,device\n" + "".join(
    f"u{n % 25:02d},{'login' if n % 3 else 'watch'},2024-03-{n % 28 + 1:02d}T08:00:{n % 60:02d}Z,tv\n"
    for n in range(120)
)
ORDERS = "order_id,customer_id,date,amount\n" + "".join(f"{n},u{n % 9},2024-03-{n % 28 + 1:02d},{n}.50\n" for n in range(60))  # fmt: skip
SUBSCRIPTIONS = "customer_id,plan,price,start,end\nu01,gold,9.99,2024-01-01,\nu02,basic,4.99,2024-01-01,2024-04-01\n"
ROUTES = {"events": EVENTS, "orders": ORDERS, "subscriptions": SUBSCRIPTIONS}


def send(client: FlaskClient, head: dict[str, str], target: str, content: str, **form: str) -> Any:
    data = {"file": (io.BytesIO(content.encode()), "log.csv"), **form}
    return client.post(f"/api/v1/{target}/import", headers=head, data=data)


@pytest.fixture
def head(cast: Any) -> dict[str, str]:
    return dict(cast.token("analyst"))


@pytest.mark.parametrize("target", ROUTES)
def test_a_dry_run_answers_the_preview_and_loads_nothing(
    client: FlaskClient, head: dict[str, str], settings: Settings, target: str
) -> None:
    answer = send(client, head, target, ROUTES[target], dry_run="true")
    assert answer.status_code == 200
    body = answer.get_json()
    rows = ROUTES[target].count("\n") - 1
    assert (body["target"], body["counts"]["rows"], body["counts"]["accepted"]) == (target, rows, rows)
    assert body["mapping"]["known_at_time"] is True and body["confirmation_needed"] == []
    assert body["as_read"][0]["user_id"] in ("u00", "u0", "u01") and body["sample"]
    assert client.get("/api/v1/customers/imports", headers=head).get_json()["total"] == 0
    assert list(files.folder(settings).iterdir()) == []


@pytest.mark.parametrize("target", ROUTES)
def test_a_load_is_listed_with_its_target_and_taken_back(
    client: FlaskClient, head: dict[str, str], run_jobs: Run, target: str
) -> None:
    answer = send(client, head, target, ROUTES[target])
    assert answer.status_code == 202
    number = answer.get_json()["import_id"]
    assert answer.headers["Location"] == f"/api/v1/jobs/{answer.get_json()['job']['id']}"
    (job,) = run_jobs()
    shown = client.get(f"/api/v1/customers/imports/{number}", headers=head).get_json()
    assert shown["feed"] == target
    fates = {"duplicate", "late", "out_of_order", "future", "no_customer", "unknown_customer", "erased", "bad"}
    assert fates <= set(shown["counts"])
    assert job["state"] == "succeeded" and job["kind"] == "ingest", job
    (listed,) = client.get("/api/v1/customers/imports", headers=head).get_json()["items"]
    assert (listed["id"], listed["target"], listed["state"]) == (number, target, "applied")
    people = client.get("/api/v1/customers", headers=head).get_json()["total"]
    left = 1 if target == "subscriptions" else 0  # who left is not in the list
    assert people == listed["counts"]["new_customers"] - left > 0
    assert client.post(f"/api/v1/customers/imports/{number}/undo", headers=head).status_code == 202
    (job,) = run_jobs()
    assert job["state"] == "succeeded", job
    assert client.get("/api/v1/customers", headers=head).get_json()["total"] == 0
    assert client.get(f"/api/v1/customers/imports/{number}", headers=head).get_json()["state"] == "undone"


def test_bad_rows_come_back_as_a_file_that_can_be_sent_again(
    client: FlaskClient, head: dict[str, str], run_jobs: Run
) -> None:
    broken = EVENTS.replace("2024-03-05T08:00:04Z", "last spring")
    number = send(client, head, "events", broken).get_json()["import_id"]
    (job,) = run_jobs()
    assert job["state"] == "failed" and job["error"]["code"] == "rows_rejected"
    shown = client.get(f"/api/v1/customers/imports/{number}", headers=head).get_json()
    assert shown["errors"][0] == {
        "line": 6, "column": "occurred_at", "value": "last spring", "expected": "a time such as 2024-03-31T18:05:00Z", "code": "not_a_date",
    }  # fmt: skip
    back = client.get(f"/api/v1/customers/imports/{number}/errors.csv", headers=head).get_data(as_text=True)
    rows = list(csv.DictReader(io.StringIO(back)))
    assert len(rows) == shown["counts"]["bad"] and rows[0]["occurred_at"] == "last spring"
    assert send(client, head, "events", broken, on_error="skip").status_code == 202
    (job,) = run_jobs()
    assert job["result"]["counts"]["accepted"] == 120 - len(rows)
    mended = back.replace("last spring", "2024-03-05T08:00:04Z")
    send(client, head, "events", mended)
    (job,) = run_jobs()
    assert job["state"] == "succeeded" and job["result"]["counts"]["accepted"] == len(rows), job
    send(client, head, "events", EVENTS)
    (job,) = run_jobs()
    assert job["result"]["counts"]["duplicate"] == 120, job


def test_a_mapping_may_be_edited_and_sent(client: FlaskClient, head: dict[str, str], run_jobs: Run) -> None:
    mapping = send(client, head, "events", EVENTS, dry_run="true").get_json()["mapping"]
    mapping["columns"][1] = {"name": "event", "role": "property", "property": "what"}
    mapping["kind"] = "visit"
    mapping["known_at_time"] = False
    assert send(client, head, "events", EVENTS, mapping=json.dumps(mapping)).status_code == 202
    (job,) = run_jobs()
    assert job["result"]["counts"]["new_kinds"] == 1 and job["result"]["counts"]["late"] == 120
    mapping["columns"][0]["role"] = "ruler"
    answer = send(client, head, "events", EVENTS, mapping=json.dumps(mapping))
    assert answer.status_code == 422 and "mapping.columns[0].role" in answer.get_json()["error"]["fields"]


@pytest.mark.parametrize(
    ("form", "status", "field"),
    [
        ({"kind": "Anmeldung \u00fc"}, 422, "kind"),
        ({"source": "x" * 100}, 422, "source"),
        ({"unknown_customers": "invent"}, 422, "unknown_customers"),
        ({"dryrun": "true"}, 422, "dryrun"),
        ({"mapping": "{"}, 422, "mapping"),
        ({"known_at_time": "perhaps"}, 422, "known_at_time"),
    ],
)
def test_wishes_that_cannot_be_met(
    client: FlaskClient, head: dict[str, str], form: dict[str, str], status: int, field: str
) -> None:
    answer = send(client, head, "events", EVENTS, **form)
    assert answer.status_code == status and field in answer.get_json()["error"]["fields"], answer.get_json()


def test_files_that_cannot_be_read(client: FlaskClient, head: dict[str, str], settings: Settings) -> None:
    answer = send(client, head, "events", "user_id,amount\na,1.5\nb,2.5\n")
    assert answer.status_code == 409 and answer.get_json()["error"]["code"] == "confirmation_needed"
    assert send(client, head, "orders", "%PDF-1.7 \x00").status_code == 415
    assert send(client, head, "orders", ORDERS, kind="purchase").status_code == 422
    assert client.post("/api/v1/orders/import", headers=head, data={}).status_code == 422
    assert list(files.folder(settings).iterdir()) == []


def test_who_may(client: FlaskClient, cast: Any) -> None:
    for target, content in ROUTES.items():
        assert send(client, {}, target, content).status_code == 401
        assert send(client, cast.token("agent"), target, content).status_code == 403


def test_a_key_makes_a_load_happen_once(client: FlaskClient, head: dict[str, str], run_jobs: Run) -> None:
    named = {**head, "Idempotency-Key": "march"}
    first, second = (send(client, named, "events", EVENTS) for _ in range(2))
    assert first.get_json() == second.get_json() and second.headers["Idempotent-Replay"] == "true"
    assert len(run_jobs()) == 1


def test_a_time_column_with_one_bad_cell_is_named_and_can_be_mapped(
    client: FlaskClient, head: dict[str, str], run_jobs: Run
) -> None:
    days = [f"2024-03-0{n}T08:00:00Z" for n in range(1, 6)]
    content = "user_id,event,at\n" + "".join(f"u{n},login,{day}\n" for n, day in enumerate([*days, "soon"]))
    refused = send(client, head, "events", content)
    assert refused.status_code == 409
    message = refused.get_json()["error"]["message"]
    assert message.startswith("5 of 6 values in at can be read as times") and "bad rows" in message
    assert "No column holds times" not in message
    mapping = send(client, head, "events", content, dry_run="true").get_json()["mapping"]
    (column,) = (column for column in mapping["columns"] if column["name"] == "at")
    column.update(role="time", format="iso")
    for other in ("property", "kind", "reason"):
        column.pop(other, None)
    sent = send(client, head, "events", content, mapping=json.dumps(mapping), on_error="skip")
    assert sent.status_code == 202, sent.get_json()
    (job,) = run_jobs()
    counts = job["result"]["counts"]
    assert (counts["accepted"], counts["bad"]) == (5, 1)
