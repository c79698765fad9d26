"""Loading a file through the pages: sent once, looked at, put right, loaded, and taken back."""

from __future__ import annotations

import io
import json
import os
import re
from collections.abc import Callable
from html import unescape
from pathlib import Path

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from retainstream.config import ROOT
from retainstream.db import read_unit, unit_of_work
from retainstream.models import Customer, ImportBatch, JobRun
from retainstream.services.imports import files
from tests.web.conftest import Browser

As = Callable[[str], Browser]
Run = Callable[[], list[dict[str, object]]]
DATA = Path(os.environ.get("RETAINSTREAM_TEST_DATA") or ROOT.parent / "shared" / "data")
needs_data = pytest.mark.skipif(not (DATA / "telco.csv").exists(), reason="the real data sets are not on this machine")


def table(rows: int = 60, *, bad: int = 0) -> str:
    """Customers of whom every fourth left; the first `bad` have no readable age."""
    lines = ["customer_id,plan,price,age,churn"]
    for at in range(rows):
        age = "old" if at < bad else 20 + at
        lines.append(
            f"c{at:04d},{'basic' if at % 2 else 'plus'},{5 + at % 7}.50,{age},{'Yes' if at % 4 == 0 else 'No'}"
        )
    return "\n".join(lines) + "\n"


def send(page: Browser, text: str | bytes, name: str = "people.csv", **form: str) -> TestResponse:
    body = text.encode() if isinstance(text, str) else text
    return page.post("/data/import", {"file": (io.BytesIO(body), name), **form}, content_type="multipart/form-data")  # type: ignore[dict-item]


def fields(html: str) -> dict[str, list[str]]:
    """Return what the editor's form would send as it stands."""
    found: dict[str, list[str]] = {}
    for select in re.finditer(r'<select[^>]*name="([^"]+)"[^>]*>(.*?)</select>', html, re.DOTALL):
        chosen = re.search(r'<option value="([^"]*)" selected>', select[2])
        found[select[1]] = [chosen[1] if chosen else re.findall(r'<option value="([^"]*)"', select[2])[0]]
    for entry in re.finditer(r"<input ([^>]*)>", html):
        attributes = {key: unescape(value) for key, value in re.findall(r'([\w-]+)="([^"]*)"', entry[1])}
        box = attributes.get("type") == "checkbox"
        if "name" in attributes and attributes["name"] != "csrf_token" and (not box or " checked" in entry[1]):
            found.setdefault(attributes["name"], []).append(attributes.get("value", "on"))
    return {name: value for name, value in found.items() if name not in ("q", "theme", "next")}


def press(page: Browser, address: str, **changes: str | list[str]) -> TestResponse:
    """Send the editor's form as it stands, with some fields changed and one button pressed."""
    form: dict[str, object] = {**fields(page.get(address).text), **changes}
    return page.post(address, form)  # type: ignore[arg-type]


def load(page: Browser, run_jobs: Run, text: str, name: str = "people.csv") -> str:
    """Load a file to the end and return the address of its import."""
    address = send(page, text, name).location
    done = press(page, address, act="import")
    assert done.status_code == 303
    run_jobs()
    return done.location


def uploads(app: Flask) -> list[str]:
    return sorted(path.name for path in files.folder(app.config["RETAINSTREAM"]).iterdir())


def test_a_table_of_customers_goes_from_the_file_to_the_next_step(app: Flask, as_: As, run_jobs: Run) -> None:
    page = as_("analyst")
    assert "Import a file" in page.get("/data").text
    sent = send(page, table())
    assert sent.status_code == 303
    shown = page.get(sent.location).text
    assert "60 customers, of whom 25.0% left." in shown
    chosen = fields(shown)
    assert chosen["c0.role"] == ["identifier"] and chosen["c4.role"] == ["label"] and chosen["c4.left"] == ["Yes"]
    done = press(page, sent.location, act="import")
    assert uploads(app)[0].isalnum() and len(uploads(app)) == 1, "the draft's sheet goes when it is queued"
    assert "Waiting for its turn" in page.get(done.location).text
    run_jobs()
    result = page.get(done.location).text
    assert "60 customers are in." in result and 'action="/train"' in result
    assert uploads(app) == []
    over = page.get("/data").text
    assert "60 customers on record." in over and "people.csv" in over


def test_pressing_import_twice_loads_once(app: Flask, as_: As) -> None:
    page = as_("analyst")
    address = send(page, table()).location
    assert press(page, address, act="import").status_code == 303
    again = page.post(address, {"act": "import"}, page="/data/import")
    assert again.status_code == 404 and "no longer kept" in again.text
    with app.app_context(), read_unit() as session:
        assert session.query(ImportBatch).count() == 1


def test_a_draft_is_its_owners_alone(as_: As) -> None:
    address = send(as_("analyst"), table()).location
    answer = as_("owner").get(address)
    assert answer.status_code == 404 and "Choose the file again" in answer.text


def test_throwing_away_leaves_nothing(app: Flask, as_: As) -> None:
    page = as_("analyst")
    address = send(page, table()).location
    assert len(uploads(app)) == 2
    assert press(page, address, act="discard").location == "/data/import"
    assert uploads(app) == []


@pytest.mark.parametrize(
    ("name", "body", "status", "said"),
    [
        ("page.json", b"<!doctype html><html><body>Sign in</body></html>", 415, "page.json: The file is a web page"),
        ("empty.csv", b"", 415, "empty.csv: "),
        ("photo.png", b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40, 415, "photo.png: "),
    ],
)
def test_what_is_no_table_is_told_on_the_page(
    app: Flask, as_: As, name: str, body: bytes, status: int, said: str
) -> None:
    answer = send(as_("analyst"), body, name, target="events")
    assert answer.status_code == status and said in answer.text
    assert '<option value="events" selected>' in answer.text, "what was chosen stays"
    assert uploads(app) == []


def test_no_file_and_too_large_a_file_are_told_on_the_page(app: Flask, as_: As) -> None:
    page = as_("analyst")
    assert "Choose a file first." in page.post("/data/import", {"target": "guess"}).text
    token = page.token("/data/import")
    app.config["MAX_CONTENT_LENGTH"] = 2_000
    form = {"csrf_token": token, "file": (io.BytesIO(b"a,b\n" * 2_000), "big.csv")}
    answer = page.client.post("/data/import", data=form, content_type="multipart/form-data")
    assert answer.status_code == 413 and "larger than the limit of 200 MB" in answer.text


def test_an_edit_that_does_not_fit_is_told_beside_its_column_and_nothing_is_lost(as_: As) -> None:
    page = as_("analyst")
    address = send(page, table()).location
    answer = press(page, address, act="check", **{"c4.left": [], "c1.role": "feature"})
    assert answer.status_code == 422
    beside = answer.text[answer.text.index('id="col-4"') :]
    assert "at least one value that means the customer left" in beside[: beside.index("</li>")]
    assert fields(answer.text)["c1.role"] == ["feature"], "what was chosen stays"


def test_two_columns_cannot_both_say_who_left(as_: As) -> None:
    page = as_("analyst")
    address = send(page, table()).location
    answer = press(page, address, act="check", **{"c1.role": "identifier", "c2.role": "identifier"})
    assert answer.status_code == 422 and "Another column has this role already" in answer.text


def test_a_role_moves_from_one_column_to_another(as_: As) -> None:
    page = as_("analyst")
    address = send(page, table()).location
    assert press(page, address, act="check", **{"c3.role": "identifier"}).status_code == 303
    chosen = fields(page.get(address).text)
    assert chosen["c3.role"] == ["identifier"] and chosen["c0.role"] == ["ignored"]


def test_a_label_the_wrong_way_round_waits_for_an_answer(app: Flask, as_: As, run_jobs: Run) -> None:
    lines = ["id,churn,age"] + [f"c{at},{'0' if at % 5 == 0 else '1'},{at}" for at in range(60)]
    page = as_("analyst")
    address = send(page, "\n".join(lines)).location
    shown = page.get(address).text
    assert "Which value of churn means that a customer left?" in shown and "“0” means left" in shown
    assert 'value="import"' not in shown
    assert press(page, address, act="import").status_code == 409
    assert press(page, address, answer="flip").status_code == 303
    assert "60 customers, of whom 20.0% left." in page.get(address).text
    press(page, address, act="import")
    run_jobs()
    with app.app_context(), read_unit() as session:
        assert session.query(Customer).filter_by(churned=True).count() == 12


def test_which_column_is_the_label_is_answered_by_a_button(as_: As) -> None:
    lines = ["id,churned,cancelled,age"] + [f"c{at},{at % 3 // 2},{at % 4 // 3},{at}" for at in range(60)]
    page = as_("analyst")
    address = send(page, "\n".join(lines)).location
    assert "Which column says who left?" in page.get(address).text
    press(page, address, act="check", **{"c3.role": "ignored"})
    assert "Which column says who left?" in page.get(address).text, "another edit is no answer"
    press(page, address, label="2")
    chosen = fields(page.get(address).text)
    assert chosen["c2.role"] == ["label"] and "Which column says" not in page.get(address).text


def test_bad_rows_are_left_out_told_and_offered(as_: As, run_jobs: Run) -> None:
    page = as_("analyst")
    text = table(100).replace("c0003,basic,8.50,23", "c0003,basic,8.50,old")
    address = load(page, run_jobs, text)
    result = page.get(address).text
    assert "99 customers are in." in result and "1 row was not taken" in result
    offered = page.get(f"{address}/bad-rows.csv")
    assert offered.mimetype == "text/csv" and "c0003" in offered.text and "retainstream_reason" in offered.text


def test_an_edit_that_spoils_rows_is_not_imported_unseen(app: Flask, as_: As) -> None:
    page = as_("analyst")
    address = send(page, table()).location
    answer = press(page, address, act="import", **{"c1.role": "tenure"})
    assert answer.status_code == 409 and "60 rows cannot be read" in answer.text
    with app.app_context(), read_unit() as session:
        assert session.query(ImportBatch).count() == 0


def test_refusing_the_file_for_one_bad_row_says_why(as_: As, run_jobs: Run) -> None:
    page = as_("analyst")
    address = send(page, table(100).replace(",23,", ",old,", 1)).location
    done = press(page, address, act="import", on_error="reject").location
    run_jobs()
    result = page.get(done).text
    assert "people.csv was not imported." in result and "1 of 100 rows cannot be taken" in result


EVENTS = "user,at,event,device\n" + "\n".join(
    f"u{at % 9},2026-0{1 + at % 6}-1{at % 9} 10:00:00,{('login', 'watch')[at % 2]},{('tv', 'web')[at % 2]}"
    for at in range(90)
)


def test_events_are_known_as_such_and_lead_on_to_the_definition(as_: As, run_jobs: Run) -> None:
    page = as_("analyst")
    address = send(page, EVENTS, "log.csv").location
    chosen = fields(page.get(address).text)
    assert [chosen[f"c{at}.role"][0] for at in range(4)] == ["customer", "time", "kind", "property"]
    done = press(page, address, act="import").location
    run_jobs()
    result = page.get(done).text
    assert "90 events are in." in result and "/data/definitions" in result
    over = page.get("/data").text
    assert "Events by kind" in over and "watch" in over and 'href="/data/kinds.csv"' in over
    kinds = page.get("/data/kinds.csv").text.splitlines()
    assert kinds[0] == "kind,events,customers"
    assert sum(int(line.split(",")[1]) for line in kinds[1:]) > 0
    assert any(line.startswith("watch,") for line in kinds)


def test_the_target_can_be_changed(as_: As) -> None:
    page = as_("analyst")
    address = send(page, EVENTS, "log.csv").location
    assert press(page, address, target="customers").status_code == 303
    assert "90 customers" in page.get(address).text


def test_a_file_without_a_customer_asks_for_one(as_: As) -> None:
    page = as_("analyst")
    text = "when,amount\n" + "\n".join(f"2026-01-{1 + at % 28:02d},{at}.5" for at in range(60))
    address = send(page, text, "x.csv", target="events").location
    assert "Which column names the customer?" in page.get(address).text
    answer = press(page, address, act="check", kind="no such Kind!")
    assert answer.status_code == 422 and "Kind of event: Must be small letters" in answer.text
    press(page, address, act="check", kind="payment", **{"c1.role": "customer"})
    shown = page.get(address).text
    assert "Which column names the customer?" not in shown and fields(shown)["kind"] == ["payment"]


def test_an_undo_says_what_goes_and_asks_again_when_later_imports_rest_on_it(
    app: Flask, as_: As, run_jobs: Run
) -> None:
    page = as_("analyst")
    first = load(page, run_jobs, table())
    load(page, run_jobs, table().replace("c0001,basic", "c0001,plus"), "later.csv")
    asked = page.get(f"{first}/undo").text
    assert "60 customers that this file brought" in asked and "Import 2 came later" in asked
    refused = page.post(f"{first}/undo", {})
    assert (refused.status_code == 409 and "confirm" in fields(refused.text)) or 'name="confirm"' in refused.text
    assert page.post(f"{first}/undo", {"confirm": "yes"}).location == first
    assert "is being taken back" in page.get(first).text
    run_jobs()
    assert "people.csv was taken back." in page.get(first).text
    assert page.get(f"{first}/undo").status_code == 409


def test_a_waiting_import_can_be_stopped(as_: As, run_jobs: Run) -> None:
    page = as_("analyst")
    done = press(page, send(page, table()).location, act="import").location
    page.post(f"{done}/cancel", {}, page=done)
    assert "was cancelled" in page.get(done).text


def test_who_may_do_what(as_: As, run_jobs: Run) -> None:
    analyst, agent, viewer = as_("analyst"), as_("agent"), as_("viewer")
    address = load(analyst, run_jobs, table())
    assert viewer.get("/data").status_code == 403 and viewer.get(address).status_code == 403
    seen = agent.get("/data").text
    assert "people.csv" in seen and '/data/import"' not in seen
    one = agent.get(address).text
    assert "/undo" not in one and 'action="/train"' not in one
    assert agent.get("/data/import").status_code == 403
    assert agent.post(f"{address}/undo", {}, page="/data").status_code == 403


def test_nothing_on_record_teaches(as_: As) -> None:
    assert "Start with a table of your customers" in as_("analyst").get("/data").text
    assert "No imports yet" in as_("agent").get("/data").text


def test_the_list_of_imports_goes_on(app: Flask, as_: As) -> None:
    with app.app_context(), unit_of_work() as session:
        for at in range(25):
            session.add(
                ImportBatch(
                    state="applied",
                    source="api",
                    filename=f"f{at}.csv",
                    file_sha256="a",
                    size_bytes=1,
                    created_at=at + 1,
                    counts={"rows": 3, "new": 3},
                )
            )
    page = as_("analyst")
    first = page.get("/data").text
    assert "20 of 25 imports" in first
    following = re.search(r'href="(/data\?cursor=[^"]+)" rel="next"', first)
    assert following and "f0.csv" in page.get(following[1]).text


@needs_data
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("telco.csv", "7,043 customers, of whom 26.5% left."),
        ("iranian_churn.csv", "3,150 customers, of whom 15.7% left."),
        ("telecom_3333.csv", "3,333 customers, of whom 14.5% left."),
        ("cdnow_master.txt", "69,659 rows of orders."),
        ("collegemsg.txt", "59,835 events."),
        ("online_retail.csv.gz", "More than 20,000 rows of orders."),
        ("sparkify_log_2018_11.jsonl.gz", "8,056 events."),
        ("dirty/iranian_bom_yesno.csv", "and one question before they can come in."),
        ("dirty/bank_semicolon.csv", "customers"),
        ("dirty/telco_crlf.csv", "7,043 customers, of whom 26.5% left."),
    ],
)
def test_real_files_are_taken_for_what_they_are(app: Flask, as_: As, name: str, said: str) -> None:
    page = as_("analyst")
    sent = send(page, (DATA / name).read_bytes(), Path(name).name)
    assert sent.status_code == 303
    assert said in page.get(sent.location).text
    press(page, sent.location, act="check")
    sheet = files.folder(app.config["RETAINSTREAM"]) / f"{sent.location.rsplit('/', 1)[1]}.draft"
    assert json.loads(sheet.read_text())["edited"] is False, "a form that nobody touched changes nothing"


def test_rows_without_a_customer_are_told_and_are_no_question(as_: As, run_jobs: Run) -> None:
    page = as_("analyst")
    address = send(page, EVENTS + "\n,2026-01-05 10:00:00,login,tv\n", "log.csv").location
    shown = page.get(address).text
    assert "1 row names no customer" in shown and "No column seems to name the customer" not in shown
    done = press(page, address, act="import").location
    run_jobs()
    result = page.get(done).text
    assert "90 events are in." in result and "Untick" not in result


def test_an_edit_that_was_not_checked_is_imported_as_it_stands(app: Flask, as_: As, run_jobs: Run) -> None:
    page = as_("analyst")
    address = send(page, table()).location
    press(page, address, act="import", **{"c1.role": "ignored"})
    run_jobs()
    with app.app_context(), read_unit() as session:
        assert session.query(Customer).filter(Customer.plan.is_not(None)).count() == 0


def test_an_untouched_editor_leaves_the_proposal_as_it_was(app: Flask, as_: As) -> None:
    page = as_("analyst")
    address = send(page, table()).location
    for act in ("check", "import"):
        press(page, address, act=act)
    with app.app_context(), read_unit() as session:
        batch = session.query(ImportBatch).one()
        job = session.get(JobRun, batch.job_id)
        assert batch.source == "browser" and batch.on_error == "skip"
        assert job is not None and job.payload["refine"] is False, "the whole of a small file was read"


def test_a_column_of_another_kind_than_on_record_is_told_beside_it_and_can_be_left_out(as_: As, run_jobs: Run) -> None:
    page = as_("analyst")
    load(page, run_jobs, table())
    other = re.sub(r",(\d\d),(Yes|No)\n", lambda found: f",{('young', 'old')[int(found[1]) % 2]},{found[2]}\n", table())
    address = send(page, other, "other.csv").location
    shown = page.get(address).text
    assert "A column is of another kind than on record." in shown
    beside = shown[shown.index('id="col-3"') :]
    assert "told--serious" in beside[: beside.index("</li>")]
    assert press(page, address, act="import").status_code == 409
    assert press(page, address, act="import", **{"c3.role": "ignored"}).location == "/data/imports/2"
