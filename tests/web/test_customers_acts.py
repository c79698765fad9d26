"""What is done with the list of customers: tags for many at once, the file that holds it, and views that are kept."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable

from flask import Flask

from retainstream.db import read_unit, unit_of_work
from retainstream.models import AuditEntry, Customer, Identity, SavedView
from tests.web.conftest import Browser
from tests.web.test_customers import listed, total

SignIn = Callable[[str], Browser]


# Tags for many


def tags_of(app: Flask) -> dict[int, list[str]]:
    with app.app_context(), read_unit() as session:
        return {customer.id: customer.tags for customer in session.query(Customer) if customer.tags}


def test_ticked_customers_are_tagged_at_once(filled: Flask, as_: SignIn) -> None:
    browser = as_("agent")
    form = {
        "of": "band=very_high",
        "act": "add",
        "tag": "  call   back ",
        "user_id": ["cus_00000", "cus_00002", "cus_00010"],
    }
    answer = browser.post("/customers/tags", form, page="/customers")
    assert answer.location == "/customers?band=very_high"
    assert "Tagged 2 customers “call back”." in browser.get(answer.location).text
    found = tags_of(filled)
    assert found == {1: ["call back", "vip"], 2: ["vip"], 3: ["call back", "vip"], 11: ["call back"]}
    with filled.app_context(), read_unit() as session:
        entry = session.query(AuditEntry).filter_by(action="customers.tag").one()
        assert (entry.target_id, entry.fields) == ("2", ["tags"])


def test_a_tag_is_taken_from_the_whole_list(filled: Flask, as_: SignIn) -> None:
    browser = as_("agent")
    form = {"of": "tag=vip&q=cus_0000", "act": "remove", "tag": "vip", "all": "1"}
    assert browser.post("/customers/tags", form, page="/customers").status_code == 303
    assert tags_of(filled) == {3: ["call back"]}
    browser.post("/customers/tags", {"of": "status=all", "act": "add", "tag": "all", "all": "1"}, page="/customers")
    assert len(tags_of(filled)) == 200


def test_tagging_does_not_make_scores_out_of_date(filled: Flask, as_: SignIn) -> None:
    browser = as_("agent")
    browser.post("/customers/tags", {"of": "", "act": "add", "tag": "x", "all": "1"}, page="/customers")
    assert "out of date" not in browser.get("/customers").text


BAD_TAGS: tuple[tuple[dict[str, str], str], ...] = (
    ({"tag": "a,b", "user_id": "cus_00000"}, "1 to 60 characters without commas"),
    ({"tag": "x" * 61, "user_id": "cus_00000"}, "1 to 60 characters without commas"),
    ({"tag": "fine"}, "at least one customer"),
)


def test_a_bad_tag_keeps_what_was_typed_and_ticked(filled: Flask, as_: SignIn) -> None:
    browser = as_("agent")
    for form, words in BAD_TAGS:
        answer = browser.post("/customers/tags", {"of": "q=cus_0000", "act": "add", **form}, page="/customers")
        assert answer.status_code == 422
        assert words in answer.text
        assert f'value="{form["tag"]}"' in answer.text
        assert ("checked" in answer.text.split("<tbody>")[1].split("</tr>")[0]) == ("user_id" in form)
    assert tags_of(filled).keys() == {1, 2, 3}


def test_a_viewer_neither_sees_nor_does_what_takes_a_permission(filled: Flask, as_: SignIn) -> None:
    browser = as_("viewer")
    page = browser.get("/customers").text
    for absent in ("customers.csv", 'class="tick"', "/customers/tags", "view-shared"):
        assert absent not in page
    assert browser.post("/customers/tags", {"tag": "x", "all": "1"}, page="/customers").status_code == 403
    assert browser.get("/customers.csv").status_code == 403
    assert "customers.csv" not in as_("agent").get("/customers").text


# Files


def test_the_file_is_the_list(filled: Flask, as_: SignIn) -> None:
    browser = as_("analyst")
    with filled.app_context(), unit_of_work() as session:
        session.get_one(Customer, 1).tags = ["=cmd()", "vip"]
        session.get_one(Identity, 3).name = "+1 evil"
    query = "band=high&band=very_high&sort=-revenue&columns=name,risk,revenue,tags,attribute.payment_failures"
    page = browser.get(f"/customers?{query}").text
    assert f'href="/customers.csv?{query.replace("&", "&amp;").replace(",", "%2C")}"' in page
    answer = browser.get(f"/customers.csv?{query}")
    assert answer.mimetype == "text/csv"
    rows = list(csv.reader(io.StringIO(answer.text)))
    assert rows[0] == [
        "user_id", "risk_band", "churn_probability", "risk_percentile", "monthly_revenue", "currency", "tags", "name",
        "payment_failures",
    ]  # fmt: skip
    assert [row[0] for row in rows[1:51]] == listed(page)
    assert len(rows) - 1 == total(filled, query)
    by_id = {row[0]: row for row in rows}
    assert by_id["cus_00000"][6] == "'=cmd(), vip"
    assert by_id["cus_00002"][7] == "'+1 evil"
    usual = list(csv.reader(io.StringIO(browser.get("/customers.csv?q=cus_00003").text)))
    assert usual[0][:3] == ["user_id", "name", "risk_band"]
    assert usual[1][:2] == ["cus_00003", "Name 3"]
    with filled.app_context(), read_unit() as session:
        entry = session.query(AuditEntry).filter_by(action="customer.export").order_by(AuditEntry.id).first()
        assert entry
        assert entry.target_id == str(len(rows) - 1)


# Views


def test_a_view_is_kept_opened_and_deleted(filled: Flask, as_: SignIn) -> None:
    browser = as_("viewer")
    kept = browser.post(
        "/customers/views", {"of": "sort=-revenue&band=very_high&after=x", "name": "Worth  a call"}, page="/customers"
    )
    assert kept.location == "/customers?band=very_high&sort=-revenue"
    page = browser.get(kept.location).text
    assert (
        'href="/customers?band=very_high&amp;sort=-revenue" aria-current="page"><span class="view__name">Worth a call<'
        in page
    )
    assert "Worth a call" not in as_("agent").get("/customers").text
    with filled.app_context(), read_unit() as session:
        number = session.query(SavedView).one().id
    assert as_("agent").post(f"/customers/views/{number}/delete", {}, page="/customers").status_code == 404
    assert browser.post(f"/customers/views/{number}/delete", {}, page="/customers").status_code == 303
    assert "Deleted the view “Worth a call”." in browser.get("/customers").text


def test_a_shared_view_is_seen_by_all_and_deleted_by_its_owner_or_an_administrator(filled: Flask, as_: SignIn) -> None:
    as_("agent").post("/customers/views", {"of": "tag=vip", "name": "Ours", "shared": "1"}, page="/customers")
    viewer = as_("viewer")
    page = viewer.get("/customers").text
    assert "Ours" in page
    assert "Delete the view Ours" not in page
    viewer.post("/customers/views/1/delete", {}, page="/customers")
    assert "Only the one who made this view can delete it" in viewer.get("/customers").text
    assert viewer.post("/customers/views", {"name": "x", "shared": "1"}, page="/customers").status_code == 403
    assert as_("owner").post("/customers/views/1/delete", {}, page="/customers").status_code == 303
    assert "Ours" not in viewer.get("/customers").text


def test_a_view_needs_a_name(filled: Flask, as_: SignIn) -> None:
    browser = as_("viewer")
    for name in ("", " ", "x" * 61):
        answer = browser.post("/customers/views", {"of": "band=high", "name": name}, page="/customers")
        assert answer.status_code == 422
        assert "a name of 1 to 60" in answer.text
        assert "At high risk." in answer.text
