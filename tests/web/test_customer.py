"""The page of one customer: the score of every kind, what roles may do, edits and their undo, acts, tags, what-if, export, and erasing."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from urllib.parse import quote

import pytest
from flask import Flask
from sqlalchemy import select, update

from retainstream.config import Settings
from retainstream.db import read_unit, unit_of_work
from retainstream.lib import clock
from retainstream.models import AliasMove, AuditEntry, Customer, Exposure, Identity, LatestScore, ModelVersion
from retainstream.security.actor import SYSTEM
from retainstream.services import preferences
from tests.web.conftest import Browser
from tests.web.stocked import add_customers, stock

SignIn = Callable[[str], Browser]
FIRST = "/customers/cus_00000"


@pytest.fixture
def stocked(app: Flask) -> None:
    """Sixty customers with a snapshot model whose bytes are not there: the page must say what is stored all the same."""
    with app.app_context():
        stock(60)


@pytest.fixture
def real(scored: Settings, app: Flask) -> str:
    """A box whose model can be loaded; returns the identifier of the customer with the highest score."""
    assert scored.database_file.exists()
    with app.app_context(), read_unit() as session:
        query = select(Identity.user_id).join(LatestScore, LatestScore.customer_id == Identity.customer_id)
        found = session.scalar(query.order_by(LatestScore.margin.desc()).limit(1))
    assert found is not None
    return found


def rename(app: Flask, user_id: str) -> str:
    """Give the first customer another identifier, and return its address."""
    with app.app_context(), unit_of_work() as session:
        session.execute(update(Identity).where(Identity.user_id == "cus_00000").values(user_id=user_id))
    return "/customers/" + quote(user_id)


def field(page: str, name: str) -> str:
    """Return the value of a form's field."""
    found = re.search(rf'name="{re.escape(name)}"[^>]*value="([^"]*)"', page)
    assert found, name
    return found[1]


@pytest.mark.usefixtures("stocked")
def test_score_says_likeness_and_no_time_for_a_snapshot(as_: SignIn) -> None:
    page = as_("viewer").get(FIRST).text
    assert "Like those who left" in page
    assert "within" not in re.sub(r"<[^>]+>", "", page)
    assert 'aria-label="churn probability 95%"' in page
    assert "Very high risk" in page
    assert "confidence 0.96" in page
    assert "£" not in page
    assert "$9.99" in page


@pytest.mark.usefixtures("stocked")
def test_reasons_have_signs_in_words_and_a_centre_line(as_: SignIn) -> None:
    page = as_("viewer").get(FIRST).text
    reasons = re.findall(r'class="why__way (\w+)">', page)
    assert reasons == ["raises", "raises", "lowers"]
    bars = re.findall(r'x="([\d.]+)%" y="7" width="([\d.]+)%"', page)
    assert [float(x) for x, _ in bars[:2]] == [50.0, 50.0]
    start, width = (float(part) for part in bars[2])
    assert start + width == pytest.approx(50.0)


def test_withheld_probabilities_are_never_shown(app: Flask, as_: SignIn) -> None:
    with app.app_context():
        stock(60, calibrated=False)
    page = as_("viewer").get(FIRST).text
    assert "Top 1%" in page
    assert "confidence" not in page
    assert "riskier than" in page
    assert "churn probability" not in page.lower()


@pytest.mark.usefixtures("stocked")
def test_somebody_who_left_has_no_score_and_says_so(as_: SignIn) -> None:
    page = as_("viewer").get("/customers/cus_00004").text
    assert "This customer has left." in page
    assert "Why this score" not in page
    assert 'id="what-if"' not in page


def test_unscored_customer_is_told_what_comes(app: Flask, as_: SignIn) -> None:
    with app.app_context(), unit_of_work() as session:
        add_customers(session, 3)
        session.execute(update(Customer).values(plan=None, revenue_minor=None, currency=None, tenure_months=None))
    page = as_("viewer").get(FIRST).text
    assert "Not scored yet" in page
    assert "Score now" not in page
    analyst = as_("analyst")
    assert "Score now" in analyst.get(FIRST).text
    analyst.post("/customer/score/cus_00000", {}, page=FIRST)
    assert "There is no model in service yet" in analyst.get(FIRST).text
    assert "No plan" not in page
    assert 'class="head__lead">' not in page
    assert "no price is known" in page


@pytest.mark.usefixtures("stocked")
def test_unknown_identifier_is_a_page_that_says_so(as_: SignIn) -> None:
    answer = as_("viewer").get("/customers/nobody/at?all")
    assert answer.status_code == 404
    assert "There is no customer with the identifier" in answer.text
    beyond = as_("viewer").get(f"{FIRST}/nonsense")
    assert beyond.status_code == 404
    assert "nothing called &#39;nonsense&#39; is kept about them" in beyond.text


@pytest.mark.usefixtures("stocked")
@pytest.mark.parametrize("user_id", ["a/b//c", "50% & <b>bold</b>", "Zoë #1?x=y", "edit/cus_00001", "x" * 200, "مرحبا"])
def test_identifiers_of_all_kinds_have_a_page_with_acts(app: Flask, as_: SignIn, user_id: str) -> None:
    address = rename(app, user_id)
    browser = as_("owner")
    page = browser.get(address)
    assert page.status_code == 200
    assert "<b>bold" not in page.text
    for act in ("edit", "erase", "timeline", "moves", "scores"):
        assert browser.get(address.replace("/customers/", f"/customer/{act}/", 1)).status_code == 200
    assert (
        browser.post(address.replace("/customers/", "/customer/tags/", 1), {"add": "vip"}, page=address).status_code
        == 303
    )
    assert "vip" in browser.get(address).text


@pytest.mark.usefixtures("stocked")
def test_viewer_sees_no_act_and_no_person(as_: SignIn) -> None:
    browser = as_("viewer")
    page = browser.get(FIRST).text
    for hidden in ("Name 0", "Note an act", "Erase", "Export", "Add a tag", "/customer/edit/", "Who changed what"):
        assert hidden not in page
    assert "without events" in page
    for address in ("/customer/edit/cus_00000", "/customer/erase/cus_00000", "/customer/export/cus_00000"):
        assert browser.get(address).status_code == 403
    token = browser.token("/")
    for act in ("tags", "act", "score", "edit", "undo", "erase"):
        answer = browser.client.post(f"/customer/{act}/cus_00000", data={"csrf_token": token})
        assert answer.status_code == 403, act


@pytest.mark.usefixtures("stocked")
def test_roles_have_the_buttons_that_they_may_press(as_: SignIn) -> None:
    agent, analyst, owner = (as_(who).get(FIRST).text for who in ("agent", "analyst", "owner"))
    assert "Name 0" in agent
    assert "Note an act" in agent
    assert ("Export all" in agent, "Export all" in analyst) == (False, True)
    assert ("Erase for good" in analyst, "Erase for good" in owner) == (False, True)


@pytest.mark.usefixtures("stocked")
def test_edit_is_written_audited_and_taken_back(app: Flask, as_: SignIn) -> None:
    browser = as_("owner")
    form = browser.get("/customer/edit/cus_00000").text
    sent = {
        "updated_at": field(form, "updated_at"),
        "plan": "Gold",
        "amount": "12.50",
        "currency": "eur",
        "name": "",
        "a.payment_failures": "7",
    }
    assert browser.post("/customer/edit/cus_00000", sent).status_code == 303
    page = browser.get(FIRST).text
    assert "Gold · €12.50 a month" in page
    assert "Name 0" not in page.split('id="toasts"')[0]
    assert "customer.change" in page
    assert "Undo" in page
    undo = {name: field(page, name) for name in ("updated_at", "values")}
    assert set(json.loads(undo["values"].replace("&#34;", '"'))) == {"plan", "revenue", "name", "attributes"}
    assert "Undo</button>" not in browser.get(FIRST).text, "it is offered once"
    undo["values"] = undo["values"].replace("&#34;", '"')
    assert browser.post("/customer/undo/cus_00000", undo, page=FIRST).status_code == 303
    back = browser.get(FIRST).text
    assert "Taken back" in back
    assert "Basic · $9.99 a month" in back
    assert "Name 0" in back


@pytest.mark.usefixtures("stocked")
def test_undo_does_not_write_over_what_was_changed_since(as_: SignIn) -> None:
    browser = as_("owner")
    old = field(browser.get("/customer/edit/cus_00000").text, "updated_at")
    browser.post("/customer/edit/cus_00000", {"updated_at": old, "plan": "Gold"})
    undo = {"updated_at": old, "values": '{"plan": "Basic"}'}
    browser.post("/customer/undo/cus_00000", undo, page=FIRST)
    page = browser.get(FIRST).text
    assert "changed meanwhile" in page
    assert "Gold" in page


@pytest.mark.usefixtures("stocked")
@pytest.mark.parametrize(
    ("typed", "complaint"),
    [
        ({"amount": "lots"}, "an amount such as 19.90"),
        ({"amount": "5", "currency": "EURO"}, "three capital letters"),
        ({"a.watch_time_hours": "many"}, "a number"),
        ({"a.payment_failures": "1.5"}, "a whole number"),
        ({"signup_at": "the 31st"}, "a date such as"),
        ({"email": "x"}, "Length must be between"),
    ],
)
def test_bad_edits_come_back_with_what_was_typed(as_: SignIn, typed: dict[str, str], complaint: str) -> None:
    browser = as_("owner")
    version = field(browser.get("/customer/edit/cus_00000").text, "updated_at")
    answer = browser.post("/customer/edit/cus_00000", {"updated_at": version, "plan": "Platinum", **typed})
    assert answer.status_code == 422
    assert complaint in answer.text
    assert 'value="Platinum"' in answer.text
    assert "Platinum" not in browser.get(FIRST).text


@pytest.mark.usefixtures("stocked")
def test_an_edit_of_an_older_state_is_refused(as_: SignIn) -> None:
    browser = as_("owner")
    old = field(browser.get("/customer/edit/cus_00000").text, "updated_at")
    browser.post("/customer/edit/cus_00000", {"updated_at": old, "plan": "Gold"})
    answer = browser.post("/customer/edit/cus_00000", {"updated_at": old, "plan": "Silver"})
    assert answer.status_code == 409
    assert "changed meanwhile" in answer.text
    assert 'value="Silver"' in answer.text


@pytest.mark.usefixtures("stocked")
def test_tags_come_and_go(as_: SignIn) -> None:
    browser = as_("agent")
    browser.post("/customer/tags/cus_00000", {"add": "late payer"}, page=FIRST)
    assert 'aria-label="Remove the tag late payer"' in browser.get(FIRST).text
    browser.post("/customer/tags/cus_00000", {"add": "no, commas"}, page=FIRST)
    assert "no comma" in browser.get(FIRST).text
    browser.post("/customer/tags/cus_00000", {"remove": "late payer"}, page=FIRST)
    assert "late payer" not in browser.get(FIRST).text


@pytest.mark.usefixtures("stocked")
def test_a_tag_makes_no_score_out_of_date_and_an_edit_does(as_: SignIn) -> None:
    browser = as_("agent")
    before = field(browser.get("/customer/edit/cus_00000").text, "updated_at")
    browser.post("/customer/tags/cus_00000", {"add": "vip"}, page=FIRST)
    page = browser.get(FIRST).text
    assert "Remove the tag vip" in page
    assert "out of date" not in page
    assert "changed after the score was made" not in page
    assert field(browser.get("/customer/edit/cus_00000").text, "updated_at") == before
    browser.post("/customer/edit/cus_00000", {"updated_at": before, "plan": "Gold"})
    assert "out of date" in browser.get(FIRST).text


def keep_out(app: Flask, share: float) -> None:
    with app.app_context(), unit_of_work() as session:
        preferences.write(session, SYSTEM, {"hold_out_share": share})


def acts(app: Flask) -> int:
    with app.app_context(), read_unit() as session:
        return len(session.scalars(select(Exposure)).all())


@pytest.mark.usefixtures("stocked")
def test_an_act_is_noted_and_shown_in_the_timeline(app: Flask, as_: SignIn) -> None:
    keep_out(app, 0.0)
    browser = as_("agent")
    browser.post("/customer/act/cus_00000", {"kind": "call"}, page=FIRST)
    page = browser.get(FIRST).text
    assert "Call noted" in page
    browser.post("/customer/act/cus_00000", {"kind": "offer", "day": "2999-01-01"}, page=FIRST)
    assert "An act cannot lie in the future" in browser.get(FIRST).text
    assert browser.post("/customer/act/cus_00000", {"kind": "hug"}, page=FIRST).status_code == 422
    assert acts(app) == 1


@pytest.mark.usefixtures("stocked")
def test_the_hold_out_is_respected_unless_it_happened_all_the_same(app: Flask, as_: SignIn) -> None:
    keep_out(app, 0.5)
    with app.app_context(), read_unit() as session:
        from retainstream.services import exposures

        held = next(f"cus_{n:05d}" for n in range(60) if exposures.held_out(session, f"cus_{n:05d}"))
    browser = as_("agent")
    page = browser.get(f"/customers/{held}").text
    assert "permanent hold-out" in page
    browser.post(f"/customer/act/{held}", {"kind": "call"}, page=f"/customers/{held}")
    assert "Nothing was noted" in browser.get(f"/customers/{held}").text
    assert acts(app) == 0
    browser.post(f"/customer/act/{held}", {"kind": "call", "override": "yes"}, page=f"/customers/{held}")
    assert acts(app) == 1


@pytest.mark.usefixtures("stocked")
def test_erasing_is_confirmed_and_final(app: Flask, as_: SignIn) -> None:
    browser = as_("owner")
    page = browser.get("/customer/erase/cus_00000").text
    assert "Erase 1 customer, keep 1 month of counts." in page
    answer = browser.post("/customer/erase/cus_00000", {})
    assert answer.status_code == 422
    assert "nothing was erased" in answer.text
    assert browser.get(FIRST).status_code == 200
    assert browser.post("/customer/erase/cus_00000", {"confirm": "yes"}).status_code == 303
    assert browser.get(FIRST).status_code == 404
    assert "was erased for good" in browser.get("/").text


@pytest.mark.usefixtures("stocked")
def test_export_holds_the_person_and_is_audited(app: Flask, as_: SignIn) -> None:
    answer = as_("analyst").get("/customer/export/cus_00000")
    found = json.loads(answer.text)
    assert found["customer"]["name"] == "Name 0"
    told = {"events", "subscriptions", "exposures", "tasks", "notes", "rfm_group", "lifetime_value", "health"}
    assert set(found) == {"exported_at", "customer", *told}
    assert answer.headers["Cache-Control"] == "no-store"
    with app.app_context(), read_unit() as session:
        assert session.scalar(select(AuditEntry.action).order_by(AuditEntry.id.desc())) == "customer.export"


@pytest.mark.usefixtures("stocked")
def test_score_of_a_replaced_model_is_marked(app: Flask, as_: SignIn) -> None:
    with app.app_context(), unit_of_work() as session:
        first = session.scalars(select(ModelVersion)).one()
        columns = {c.name: getattr(first, c.name) for c in ModelVersion.__table__.columns if c.name != "id"}
        session.add(newer := ModelVersion(**columns))
        session.flush()
        session.add(AliasMove(alias="champion", model_version_id=newer.id, moved_at=clock.now_us(), reason="test"))
    page = as_("viewer").get(FIRST).text
    assert "This score may be out of date." in page
    assert "Another model is in service by now" in page


def test_what_if_changes_the_score_and_stores_nothing(app: Flask, real: str, as_: SignIn) -> None:
    browser = as_("viewer")
    address = f"/customers/{real}"
    page = browser.get(address).text
    assert "Against other customers" in page
    assert re.search(r"(higher|lower) than for \d+% of customers", page)
    assert '<option value="last_login_days">' in page
    picked = browser.get(f"{address}?feature=last_login_days").text
    assert "what-if__result" not in picked, "nothing was changed yet"
    stored = scores_of(app)
    changed = browser.get(f"{address}?w.last_login_days=0&w.watch_time_hours=90").text
    sides = re.findall(r'([\d.]+)% <span class="band', changed.split("what-if__result")[1])
    before, after = (float(side) for side in sides[:2])
    assert after < before
    shown = re.search(r'kpi__figure">([\d.]+)%', changed)
    assert shown
    assert float(shown[1]) == pytest.approx(before, abs=0.51), "it starts from the score in force"
    assert "what-if__result" not in browser.get(address).text
    assert scores_of(app) == stored


def scores_of(app: Flask) -> list[tuple[int, float]]:
    with app.app_context(), read_unit() as session:
        rows = session.execute(select(LatestScore.customer_id, LatestScore.margin).order_by(LatestScore.customer_id))
        return [(one, margin) for one, margin in rows]


def test_what_if_by_htmx_answers_its_part_and_keeps_the_address(real: str, as_: SignIn) -> None:
    browser = as_("viewer")
    answer = browser.get(f"/customer/what-if/{real}?w.last_login_days=3", headers={"HX-Request": "true"})
    assert "<html" not in answer.text
    assert answer.headers["HX-Replace-Url"] == f"/customers/{real}?w.last_login_days=3"
    wrong = browser.get(f"/customer/what-if/{real}?w.last_login_days=soon", headers={"HX-Request": "true"}).text
    assert "Expected a number." in wrong
    assert 'value="soon"' in wrong
    without = browser.get(
        f"/customer/what-if/{real}?w.last_login_days=3&without=last_login_days", headers={"HX-Request": "true"}
    )
    assert "w.last_login_days" not in without.text
    plain = browser.get(f"/customer/what-if/{real}?w.last_login_days=3")
    assert plain.status_code == 303


def test_unknown_features_of_a_what_if_are_passed_over(real: str, as_: SignIn) -> None:
    page = as_("viewer").get(f"/customers/{real}?w.shoe_size=43&feature=hat").text
    assert "shoe_size" not in page.split("<main")[1]


def test_a_cursor_of_another_list_is_refused(real: str, as_: SignIn) -> None:
    assert as_("viewer").get(f"/customer/timeline/{real}?cursor=zzz").status_code == 422
