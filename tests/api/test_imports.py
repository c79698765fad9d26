"""Loading a table through HTTP: preview, refusals, the job, the list, the bad rows, undo, and who may."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from retainstream.config import Settings
from retainstream.services.imports import files
from retainstream.services.imports.badrows import ADDED_COLUMNS

Run = Callable[[], list[dict[str, Any]]]
GOOD = "customer_id,plan,monthly_charge,logins,churn\n" + "".join(
    f"C{i:04d},{'basic' if i % 3 else 'gold'},{10 + i % 7}.50,{i % 40},{'Yes' if i % 5 == 0 else 'No'}\n"
    for i in range(200)
)
BAD = GOOD.replace("C0007,basic,10.50,7,No", "C0007,basic,10.50,=seven,No").replace("C0009,gold", ",gold")


def send(client: FlaskClient, head: dict[str, str], text: str | bytes, name: str = "table.csv", **form: str) -> Any:
    data = text.encode() if isinstance(text, str) else text
    return client.post("/api/v1/customers/import", headers=head, data={"file": (io.BytesIO(data), name), **form})


def count(client: FlaskClient, head: dict[str, str]) -> int:
    return int(client.get("/api/v1/customers/imports", headers=head).get_json()["total"])


@pytest.fixture
def head(cast: Any) -> dict[str, str]:
    return dict(cast.token("analyst"))


def test_a_dry_run_answers_the_preview_and_loads_nothing(
    client: FlaskClient, head: dict[str, str], settings: Settings
) -> None:
    answer = send(client, head, GOOD, dry_run="true")
    assert answer.status_code == 200
    body = answer.get_json()
    assert body["counts"] == {
        "rows": 200,
        "good": 200,
        "bad": 0,
        "duplicates": 0,
        "erased": 0,
        "new": 200,
        "changed": 0,
        "unchanged": 0,
    }
    assert body["base_rate"] == 0.2
    roles = {column["name"]: column["role"] for column in body["mapping"]["columns"]}
    assert roles["customer_id"] == "identifier" and roles["churn"] == "label" and roles["plan"] == "plan"
    assert body["sample"][0]["customer_id"] == "C0000"
    assert count(client, head) == 0
    assert list(files.folder(settings).iterdir()) == []


def test_an_import_shows_itself_and_its_customers_once_applied(
    client: FlaskClient, head: dict[str, str], run_jobs: Run, settings: Settings
) -> None:
    answer = send(client, head, GOOD)
    assert answer.status_code == 202
    assert answer.headers["Location"] == f"/api/v1/jobs/{answer.get_json()['job']['id']}"
    (upload,) = files.folder(settings).iterdir()
    assert upload.stat().st_mode & 0o777 == 0o600
    number = answer.get_json()["import_id"]
    assert client.get(f"/api/v1/customers/imports/{number}", headers=head).get_json()["state"] == "queued"
    (job,) = run_jobs()
    assert job["state"] == "succeeded", job
    assert job["result"]["counts"]["new"] == 200
    shown = client.get(f"/api/v1/customers/imports/{number}", headers=head).get_json()
    assert shown["state"] == "applied" and shown["counts"]["good"] == 200
    assert not upload.exists()


def test_the_same_file_twice_changes_nothing(client: FlaskClient, head: dict[str, str], run_jobs: Run) -> None:
    send(client, head, GOOD)
    run_jobs()
    again = send(client, head, GOOD)
    (job,) = run_jobs()
    assert again.status_code == 202
    assert {name: job["result"]["counts"][name] for name in ("new", "changed", "unchanged")} == {
        "new": 0,
        "changed": 0,
        "unchanged": 200,
    }


def test_an_edited_mapping_is_used_and_a_wrong_one_names_the_place(
    client: FlaskClient, head: dict[str, str], run_jobs: Run
) -> None:
    mapping = send(client, head, GOOD, dry_run="1").get_json()["mapping"]
    mapping["columns"] = [column for column in mapping["columns"] if column["name"] != "logins"]
    number = send(client, head, GOOD, mapping=json.dumps(mapping)).get_json()["import_id"]
    run_jobs()
    kept = client.get(f"/api/v1/customers/imports/{number}", headers=head).get_json()["mapping"]
    assert next(column for column in kept["columns"] if column["name"] == "logins")["role"] == "ignored"
    mapping["columns"][0]["role"] = "king"
    refused = send(client, head, GOOD, mapping=json.dumps(mapping))
    assert refused.status_code == 422
    assert list(refused.get_json()["error"]["fields"]) == ["mapping.columns[0].role"]
    assert send(client, head, GOOD, mapping="{").status_code == 422
    assert send(client, head, GOOD, mapping="[" * 100_000).status_code == 422
    assert send(client, head, GOOD, mapping='{"columns": "\\ud800"}').status_code == 422


def test_bad_rows_reject_the_whole_file_and_come_back_with_reasons(
    client: FlaskClient, head: dict[str, str], run_jobs: Run
) -> None:
    mapping = send(client, head, GOOD, dry_run="true").get_json()["mapping"]
    number = send(client, head, BAD, mapping=json.dumps(mapping)).get_json()["import_id"]
    (job,) = run_jobs()
    assert job["state"] == "failed" and job["error"]["code"] == "rows_rejected"
    assert "2 of 200" in job["error"]["message"]
    shown = client.get(f"/api/v1/customers/imports/{number}", headers=head).get_json()
    assert shown["state"] == "failed" and shown["counts"]["bad"] == 2
    assert [(error["line"], error["code"]) for error in shown["errors"]] == [
        (9, "not_a_number"),
        (11, "missing_identifier"),
    ]
    answer = client.get(f"/api/v1/customers/imports/{number}/errors.csv", headers=head)
    rows = list(csv.reader(io.StringIO(answer.get_data(as_text=True), newline="")))
    assert rows[0] == ["customer_id", "plan", "monthly_charge", "logins", "churn", *ADDED_COLUMNS]
    assert rows[1][:6] == ["C0007", "basic", "10.50", "'=seven", "No", "9"] and "logins: expected" in rows[1][6]
    assert len(rows) == 3
    mended = answer.get_data().replace(b"'=seven", b"7").replace(b"\r\n,", b"\r\nC0009,")
    again = send(client, head, mended, mapping=json.dumps(mapping))
    assert again.status_code == 202
    (job,) = run_jobs()
    assert job["state"] == "succeeded" and job["result"]["counts"]["new"] == 2


def test_skip_takes_the_good_rows(client: FlaskClient, head: dict[str, str], run_jobs: Run) -> None:
    mapping = send(client, head, GOOD, dry_run="true").get_json()["mapping"]
    number = send(client, head, BAD, mapping=json.dumps(mapping), on_error="skip").get_json()["import_id"]
    (job,) = run_jobs()
    assert job["state"] == "succeeded" and job["result"]["counts"]["new"] == 198 and job["result"]["counts"]["bad"] == 2
    assert len(client.get(f"/api/v1/customers/imports/{number}", headers=head).get_json()["errors"]) == 2


def test_an_inverted_label_waits_for_an_answer(
    client: FlaskClient, head: dict[str, str], run_jobs: Run, settings: Settings
) -> None:
    inverted = GOOD.replace(",Yes\n", ",kept\n").replace(",No\n", ",Yes\n").replace(",kept\n", ",No\n")
    asked = send(client, head, inverted)
    assert asked.status_code == 409
    error = asked.get_json()["error"]
    assert error["code"] == "confirmation_needed"
    assert error["detail"]["preview"]["base_rate"] == 0.8
    assert list(files.folder(settings).iterdir()) == []
    assert send(client, head, inverted, label="flip", dry_run="true").get_json()["base_rate"] == 0.2
    assert send(client, head, inverted, label="confirm").status_code == 202
    assert run_jobs()[-1]["state"] == "succeeded"


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"<!DOCTYPE html><html><body>not found</body></html>", "HTML"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "LFS"),
        (b"", "empty"),
        (b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4, "PNG"),
    ],
)
def test_what_is_no_table_is_refused_in_one_sentence(
    client: FlaskClient, head: dict[str, str], content: bytes, word: str, settings: Settings
) -> None:
    answer = send(client, head, content, "data.json")
    assert answer.status_code == 415
    assert word in answer.get_json()["error"]["message"]
    assert list(files.folder(settings).iterdir()) == []


def test_an_attribute_of_another_kind_is_a_conflict_that_a_dry_run_shows(
    client: FlaskClient, head: dict[str, str], run_jobs: Run
) -> None:
    send(client, head, GOOD)
    run_jobs()
    other = "customer_id,logins,churn\n" + "".join(
        f"D{i},{'often' if i % 2 else 'seldom'},{'Yes' if i % 4 == 0 else 'No'}\n" for i in range(60)
    )
    refused = send(client, head, other)
    assert refused.status_code == 409 and "logins" in refused.get_json()["error"]["fields"]
    tried = send(client, head, other, dry_run="true").get_json()
    assert "kind_conflict" in [warning["code"] for warning in tried["warnings"]]


def test_undo_takes_the_import_back(client: FlaskClient, head: dict[str, str], run_jobs: Run) -> None:
    number = send(client, head, GOOD).get_json()["import_id"]
    assert client.post(f"/api/v1/customers/imports/{number}/undo", headers=head).status_code == 409
    run_jobs()
    answer = client.post(f"/api/v1/customers/imports/{number}/undo", headers=head)
    assert answer.status_code == 202
    assert client.post(f"/api/v1/customers/imports/{number}/undo", headers=head).status_code == 409
    assert run_jobs()[-1]["state"] == "succeeded"
    shown = client.get(f"/api/v1/customers/imports/{number}", headers=head).get_json()
    assert shown["state"] == "undone" and shown["kept_customers"] == []
    assert client.post("/api/v1/customers/imports/999/undo", headers=head).status_code == 404


def test_the_list_pages_and_knows_its_etag(client: FlaskClient, head: dict[str, str], run_jobs: Run) -> None:
    for _ in range(3):
        send(client, head, GOOD)
    run_jobs()
    first = client.get("/api/v1/customers/imports?limit=2", headers=head)
    body = first.get_json()
    assert [item["id"] for item in body["items"]] == [3, 2] and body["total"] == 3
    rest = client.get(f"/api/v1/customers/imports?limit=2&cursor={body['next_cursor']}", headers=head).get_json()
    assert [item["id"] for item in rest["items"]] == [1] and rest["next_cursor"] is None
    assert client.get("/api/v1/customers/imports?page=2&page_size=2", headers=head).get_json()["items"] == rest["items"]
    same = client.get("/api/v1/customers/imports?limit=2", headers={**head, "If-None-Match": first.headers["ETag"]})
    assert same.status_code == 304
    assert client.get("/api/v1/customers/imports?cursor=nonsense", headers=head).status_code == 422


def test_a_repeated_call_with_its_key_queues_one_import(client: FlaskClient, head: dict[str, str]) -> None:
    keyed = {**head, "Idempotency-Key": "load-1"}
    first, second = send(client, keyed, GOOD), send(client, keyed, GOOD)
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.get_json() == second.get_json()
    assert count(client, head) == 1


def test_a_cancelled_import_is_shown_as_such(client: FlaskClient, head: dict[str, str]) -> None:
    answer = send(client, head, GOOD).get_json()
    assert client.delete(f"/api/v1/jobs/{answer['job']['id']}", headers=head).status_code == 202
    assert (
        client.get(f"/api/v1/customers/imports/{answer['import_id']}", headers=head).get_json()["state"] == "cancelled"
    )


def test_who_may(client: FlaskClient, cast: Any, app: Flask) -> None:
    assert send(client, cast.token("agent"), GOOD).status_code == 403
    assert send(client, {}, GOOD).status_code == 401
    assert client.get("/api/v1/customers/imports", headers=cast.token("agent")).status_code == 200
    assert client.get("/api/v1/customers/imports", headers=cast.token("viewer")).status_code == 403
    assert client.post("/api/v1/customers/import", headers=cast.token("analyst"), data={}).status_code == 422
    assert send(client, cast.token("analyst"), GOOD, on_error="perhaps").get_json()["error"]["fields"].keys() == {
        "on_error"
    }


def test_the_real_files_load_and_the_web_page_is_refused(
    client: FlaskClient, head: dict[str, str], run_jobs: Run, real_data: Any
) -> None:
    expected = {
        "telco.csv": 7043,
        "dirty/telco_crlf.csv": 7043,
        "iranian_churn.csv": 3150,
        "telecom_3333.csv": 3333,
        "dirty/bank_semicolon.csv": 10000,
    }
    for name, rows in expected.items():
        number = send(client, head, (real_data / name).read_bytes(), name).get_json()["import_id"]
        (job,) = run_jobs()
        assert job["state"] == "succeeded", (name, job["error"])
        assert job["result"]["counts"]["good"] == rows
        client.post(f"/api/v1/customers/imports/{number}/undo", headers=head)
        assert run_jobs()[0]["state"] == "succeeded"
    data = (real_data / "dirty/iranian_bom_yesno.csv").read_bytes()
    assert send(client, head, data, "iranian.csv").status_code == 409
    assert send(client, head, data, "iranian.csv", label="flip").status_code == 202
    assert run_jobs()[0]["state"] == "succeeded"
    page = (real_data / "dirty/sparkify_html_page_saved_as.json").read_bytes()
    assert send(client, head, page, "sparkify.json").status_code == 415


def test_undo_asks_when_later_imports_rest_on_it(client: FlaskClient, head: dict[str, str], run_jobs: Run) -> None:
    first = send(client, head, GOOD).get_json()["import_id"]
    run_jobs()
    send(client, head, GOOD)
    run_jobs()
    address = f"/api/v1/customers/imports/{first}/undo"
    asked = client.post(address, headers=head)
    assert asked.status_code == 409
    error = asked.get_json()["error"]
    assert error["code"] == "confirmation_needed" and error["detail"] == {"imports": [first + 1], "rows": 200}
    assert client.post(f"{address}?confirm=perhaps", headers=head).status_code == 422
    assert client.post(f"{address}?confirm=true", headers=head).status_code == 202
    assert run_jobs()[-1]["result"]["kept"] == 0
