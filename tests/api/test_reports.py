"""Reports over HTTP: kept, changed, made and fetched by scripts; and the list of customers as an Excel file."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import openpyxl
import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.conftest import Cast
from tests.web.stocked import stock

REPORTS = "/api/v1/reports"
LIST = {"name": "High", "subject": "customers", "parameters": "?sort=-revenue&band=high", "format": "xlsx"}
WEEKLY = {"every": "week", "weekday": 0, "hour": 7}
Run = Callable[[], list[dict[str, object]]]


@pytest.fixture(autouse=True)
def box(app: Flask) -> None:
    with app.app_context():
        stock(60)


def kept(client: FlaskClient, cast: Cast, who: str = "analyst", **other: Any) -> str:
    answer = client.post(REPORTS, json={**LIST, **other}, headers=cast.token(who))
    assert answer.status_code == 201, answer.json
    return str(answer.headers["Location"])


def test_a_report_is_kept_made_and_fetched(client: FlaskClient, cast: Cast, run_jobs: Run) -> None:
    mine = cast.token("analyst")
    address = kept(client, cast, schedule=WEEKLY)
    told = client.get(address, headers=mine).json
    assert (told["parameters"], told["schedule"]) == ("band=high&sort=-revenue", WEEKLY)
    assert told["next_at"].endswith("07:00:00Z") and told["last_file"] is None and told["owner"] == "Analyst"
    made = client.post(f"{address}/make", headers=mine)
    assert made.status_code == 202 and made.json["job"]["kind"] == "report"
    assert client.post(f"{address}/make", headers=mine).status_code == 409
    assert client.get(address, headers=mine).json["job_id"] == made.json["job"]["id"]
    assert [job["state"] for job in run_jobs()] == ["succeeded"]
    (file,) = client.get(f"{address}/files", headers=mine).json["items"]
    assert (file["state"], file["n_rows"], file["holds"], file["may_read"]) == ("made", 3, "personal", True)
    answer = client.get(f"{address}/files/{file['id']}", headers=mine)
    sheet = openpyxl.load_workbook(io.BytesIO(answer.data)).active
    answer.close()
    assert answer.mimetype.endswith("spreadsheetml.sheet") and sheet.max_row == 4
    assert [sheet["A1"].value, sheet["A2"].value] == ["user_id", "cus_00003"]
    trail = client.get("/api/v1/audit?action=report.download", headers=cast.token("owner")).json["items"]
    assert len(trail) == 1


def test_a_report_rests_goes_on_and_is_deleted(client: FlaskClient, cast: Cast) -> None:
    mine, address = cast.token("analyst"), kept(client, cast, schedule=WEEKLY)

    def change(**what: Any) -> dict[str, Any]:
        answer = client.patch(address, json=what, headers=mine)
        assert answer.status_code == 200, answer.json
        return answer.json

    rests = change(paused=True)
    assert rests["paused"] and rests["next_at"] is None and rests["schedule"] == WEEKLY
    assert not change(paused=False)["paused"]
    by_hand = change(schedule=None, format="csv", name="Renamed")
    assert (by_hand["schedule_words"], by_hand["next_at"], by_hand["name"]) == ("By hand", None, "Renamed")
    assert client.patch(address, json={"paused": True}, headers=mine).status_code == 422
    assert client.delete(address, headers=mine).json == {"deleted": True, "name": "Renamed"}
    assert client.get(address, headers=mine).status_code == 404


@pytest.mark.parametrize(
    ("other", "field"),
    [
        ({"name": " "}, "name"),
        ({"subject": "weather"}, "subject"),
        ({"parameters": "band=purple"}, "band"),
        ({"parameters": "plans=Basic"}, "plans"),
        ({"subject": "home"}, "parameters"),
        ({"format": "docx"}, "format"),
        ({"schedule": {"every": "week", "hour": 7}}, "weekday"),
        ({"schedule": {"every": "day", "hour": 30}}, "schedule.hour"),
    ],
)
def test_what_is_no_report_is_refused_by_field(
    client: FlaskClient, cast: Cast, other: dict[str, Any], field: str
) -> None:
    answer = client.post(REPORTS, json={**LIST, **other}, headers=cast.token("analyst"))
    assert answer.status_code == 422 and field in answer.json["error"]["fields"]


def test_roles_see_what_they_may_and_change_their_own(client: FlaskClient, cast: Cast, run_jobs: Run) -> None:
    people = kept(client, cast)
    home = kept(client, cast, "owner", name="Overview", subject="home", parameters="", format="html")
    client.post(f"{home}/make", headers=cast.token("analyst"))
    run_jobs()
    seen = {who: len(client.get(REPORTS, headers=cast.token(who)).json["items"]) for who in cast.users}
    assert seen == {"owner": 2, "analyst": 2, "agent": 1, "viewer": 1}
    assert client.get(people, headers=cast.token("agent")).status_code == 404
    assert client.get(f"{home}/files/1", headers=cast.token("viewer")).text.startswith("<!doctype html>")
    assert client.get(f"{people}/files/1", headers=cast.token("owner")).status_code == 404, "another report's file"
    assert client.patch(home, json={"name": "Mine"}, headers=cast.token("analyst")).status_code == 403
    assert client.patch(people, json={"name": "Ours"}, headers=cast.token("owner")).status_code == 200
    for who in ("agent", "viewer"):
        assert client.post(REPORTS, json=LIST, headers=cast.token(who)).status_code == 403
        assert client.post(f"{home}/make", headers=cast.token(who)).status_code == 403


def test_erasing_over_http_takes_the_files_from_the_disk(
    app: Flask, client: FlaskClient, cast: Cast, run_jobs: Run
) -> None:
    address = kept(client, cast, format="csv")
    client.post(f"{address}/make", headers=cast.token("analyst"))
    run_jobs()
    folder = app.config["RETAINSTREAM"].instance_path / "reports"
    assert len(list(folder.rglob("*.csv"))) == 1
    assert client.delete("/api/v1/customers/cus_00020", headers=cast.token("owner")).status_code == 200
    assert list(folder.rglob("*.csv")) == []
    (file,) = client.get(f"{address}/files", headers=cast.token("analyst")).json["items"]
    assert file["state"] == "removed" and "was erased" in file["error"] and not file["may_read"]
    assert client.get(f"{address}/files/1", headers=cast.token("analyst")).status_code == 404


def test_the_list_as_excel_has_the_rows_and_columns_of_the_csv(client: FlaskClient, cast: Cast) -> None:
    mine, query = cast.token("analyst"), "?band=high&sort=-revenue"
    answer = client.get(f"/api/v1/customers/export.xlsx{query}", headers=mine)
    book = openpyxl.load_workbook(io.BytesIO(answer.data))
    answer.close()
    rows = [list(row) for row in book.active.iter_rows(values_only=True)]
    lines = client.get(f"/api/v1/customers/export.csv{query}", headers=mine).text.splitlines()
    assert rows[0] == lines[0].split(",") and [row[0] for row in rows[1:]] == [line.split(",")[0] for line in lines[1:]]
    first = dict(zip(rows[0], rows[1], strict=True))
    assert first["monthly_revenue"] == 24.99 and first["churned"] is False and first["scored_at"].year >= 2024
    assert client.get("/api/v1/customers/export.xlsx", headers=cast.token("agent")).status_code == 403
