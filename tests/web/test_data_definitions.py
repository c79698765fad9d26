"""The data page about churn definitions: the list, a proposal from the box's own data, the form, and the figures of what is typed."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import pytest
from flask import Flask

from retainstream.db import read_unit, unit_of_work
from retainstream.services import churn_definitions, proposals
from retainstream.web import data_definitions_form as forms
from tests.services.as_of import happened
from tests.web.conftest import Browser
from tests.web.stocked import stock

SignIn = Callable[[str], Browser]
PAGE = "/data/definitions"
SILENT = {"kind": "inactivity", "name": "Gone quiet", "horizon_days": "30", "lead_days": "0", "inactive_days": "33"}


@pytest.fixture
def people(app: Flask) -> None:
    """Eighty customers who log in every few days for up to 300 days, and each stop at some time."""
    with app.app_context(), unit_of_work() as session:
        happened.people_who_go_quiet(session)


def _in_force(app: Flask) -> tuple[str, int, dict[str, object]]:
    with app.app_context(), read_unit() as session:
        found = churn_definitions.in_force(session)
        assert found is not None
        return found.name, found.version, dict(found.parameters)


def test_an_empty_box_says_that_it_is_open_and_who_may_say(as_: SignIn) -> None:
    page = as_("viewer").get(PAGE).text
    assert "still open" in page and "An analyst or administrator chooses it here" in page
    assert ">Propose</button>" not in page
    page = as_("analyst").get(f"{PAGE}/propose?kind=").text
    assert "no events and no subscriptions yet" in page and "How a feed is sent" in page


@pytest.mark.usefixtures("people")
def test_a_proposal_is_drawn_chosen_from_and_made(app: Flask, as_: SignIn) -> None:
    browser = as_("analyst")
    page = browser.get(f"{PAGE}/propose?horizon_days=30&lead_days=0").text
    proposed = re.search(r"Proposed: silent for (\d+) days", page)
    assert proposed
    assert page.count('<svg class="plot"') == 2 and "Half of the pauses are over within" in page
    assert f"After {proposed[1]} days of silence" in page
    assert page.count("Download as CSV") == 2
    assert f'name="inactive_days" inputmode="numeric" maxlength="6" autocomplete="off" value="{proposed[1]}"' in page
    chosen = browser.get(f"{PAGE}/propose?kind=inactivity&horizon_days=30&lead_days=0&inactive_days=60").text
    assert 'value="Silent for 60 days"' in chosen and "After 60 days of silence" in chosen
    assert browser.post(PAGE, {**SILENT, "then": "activate"}).status_code == 303
    assert _in_force(app) == ("Gone quiet", 1, {"inactive_days": 33, "already_silent": "count", "settle_days": 0})
    page = browser.get(PAGE).text
    assert "“Gone quiet” is what counts as leaving." in page
    assert "No model has learnt it yet." in page and 'action="/train"' in page


@pytest.mark.usefixtures("people")
def test_a_proposal_is_taken_and_learnt_with_one_press(app: Flask, as_: SignIn) -> None:
    browser = as_("analyst")
    page = browser.get(f"{PAGE}/propose").text
    assert re.search(
        r'<button class="button button--act" type="submit" form="definition" name="then" value="train">', page
    )
    assert page.count("button--act") == 1
    assert browser.post(PAGE, {**SILENT, "then": "train"}).location == "/"
    assert _in_force(app)[0] == "Gone quiet"
    home = browser.get("/").text
    assert "“Gone quiet”, version 1, is in force, and a training that learns it is queued." in home
    assert "A model is learning who leaves." in home
    assert browser.post(PAGE, {**SILENT, "then": "train"}).location == PAGE
    assert "already queued or running" in browser.get(PAGE).text


@pytest.mark.usefixtures("people")
def test_a_name_that_is_taken_becomes_the_next_version(app: Flask, as_: SignIn) -> None:
    browser = as_("analyst")
    browser.post(PAGE, {**SILENT, "then": "activate"})
    browser.post(PAGE, {**SILENT, "inactive_days": "40", "settle_days": "5", "then": "keep"})
    assert _in_force(app)[1] == 1
    page = browser.get(PAGE).text
    assert "Gone quiet · v2" in page and page.count("Put in force") == 1
    assert browser.post(f"{PAGE}/2/activate", {}, page=PAGE).status_code == 303
    assert _in_force(app) == ("Gone quiet", 2, {"inactive_days": 40, "already_silent": "count", "settle_days": 5})
    assert browser.post(f"{PAGE}/9/activate", {}, page=PAGE).status_code == 404


@pytest.mark.usefixtures("people")
def test_what_is_typed_is_weighed_and_not_stored(app: Flask, as_: SignIn) -> None:
    browser = as_("analyst")
    sent = {**SILENT, "activity": "login"}
    whole = browser.post(f"{PAGE}/preview", sent, page=PAGE)
    with app.app_context():
        weighed = proposals.weigh(app.config["RETAINSTREAM"], {
            "kind": "inactivity", "horizon_days": 30, "inactive_days": 33, "activity": ["login"],
        })  # fmt: skip
        with read_unit() as session:
            assert churn_definitions.listed(session).total == 0
    assert whole.status_code == 200 and 'value="Gone quiet"' in whole.text
    assert f"{weighed['churn_per_month']:.1%}" in whole.text and str(weighed["sentence"]) in whole.text
    part = browser.post(f"{PAGE}/preview", sent, page=PAGE, headers={"HX-Request": "true"}).text
    assert "<html" not in part and str(weighed["sentence"]) in part
    wrong = browser.post(f"{PAGE}/preview", {**sent, "inactive_days": "x"}, page=PAGE, headers={"HX-Request": "true"})
    assert "Gone after: a whole number of days from 1 to 730" in wrong.text


@pytest.mark.usefixtures("people")
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": ""}, "Expected a name"),
        ({"name": "x" * 101}, "Length must be between 1 and 100."),
        ({"inactive_days": ""}, "from 1 to 730"),
        ({"horizon_days": "-3"}, "from 1 to 730"),
        ({"settle_days": "²"}, "from 0 to 90"),
        ({"activity": "levitation"}, "levitation"),
    ],
)
def test_what_cannot_be_made_is_said_beside_the_field(as_: SignIn, changes: dict[str, str], words: str) -> None:
    answer = as_("analyst").post(PAGE, {**SILENT, **changes})
    assert answer.status_code == 422
    assert words in answer.text
    for name, value in {**SILENT, **changes}.items():
        assert f'value="{value}"' in answer.text, name


@pytest.mark.parametrize("kind", ["", "boredom"])
def test_a_kind_that_is_none_is_refused(as_: SignIn, kind: str) -> None:
    assert as_("analyst").post(PAGE, {**SILENT, "kind": kind}).status_code == 422


@pytest.mark.usefixtures("people")
def test_the_figures_come_as_csv(as_: SignIn) -> None:
    browser = as_("analyst")
    page = browser.get(f"{PAGE}/propose").text
    addresses = [
        address.replace("&amp;", "&") for address in re.findall(r'href="(/data/definitions/proposal\.csv[^"]+)"', page)
    ]
    tables = {}
    for address in addresses:
        answer = browser.get(address)
        assert answer.mimetype == "text/csv"
        tables[parse_qs(urlsplit(address).query)["table"][0]] = list(csv.DictReader(io.StringIO(answer.text)))
    assert set(tables) == {"gaps", "returning", "candidates"}
    assert {"inactive_days", "came_back", "churn_per_month"} <= set(tables["candidates"][0])
    assert browser.get("/data/definitions/proposal.csv?table=secrets").status_code == 422


def test_subscriptions_are_proposed_by_way_of_leaving(app: Flask, as_: SignIn) -> None:
    with app.app_context(), unit_of_work() as session:
        for number in range(40):
            customer = happened.customer(session, f"s{number}")
            happened.statement(session, customer, f"k{number}", 0)
            ended = 40.0 + 5 * number
            happened.statement(session, customer, f"k{number}", 0, ended, received=ended + 1.5, end_reason="voluntary")
    browser = as_("analyst")
    page = browser.get(f"{PAGE}/propose").text
    assert "Proposed: cancels" in page and '<svg class="plot"' not in page
    assert 'id="reason-voluntary" name="reasons" value="voluntary" checked' in page
    form = {
        "kind": "cancel",
        "name": "Leaves",
        "horizon_days": "30",
        "reasons": "voluntary",
        "grace_days": "7",
        "settle_days": "",
    }
    assert browser.post(PAGE, {**form, "then": "activate"}).status_code == 303
    assert _in_force(app)[2] == {"reasons": ["voluntary"], "grace_days": 7, "settle_days": 2}


@pytest.mark.usefixtures("people")
def test_a_window_that_cannot_be_is_said_beside_its_field(as_: SignIn) -> None:
    answer = as_("analyst").get(f"{PAGE}/propose?horizon_days=0&lead_days=ten")
    assert answer.status_code == 422
    assert "from 1 to 730" in answer.text and "from 0 to 365" in answer.text and 'value="ten"' in answer.text


@pytest.mark.usefixtures("people")
def test_another_proposal_under_way_is_said_and_not_an_error(as_: SignIn) -> None:
    browser = as_("analyst")
    with proposals._alone:
        page = browser.get(f"{PAGE}/propose")
        part = browser.post(f"{PAGE}/preview", SILENT, page=PAGE, headers={"HX-Request": "true"})
    assert page.status_code == part.status_code == 200
    assert "Another proposal is being made" in page.text and "Another proposal is being made" in part.text


def test_the_model_in_service_and_the_definition_in_force_are_told_apart(app: Flask, as_: SignIn) -> None:
    with app.app_context():
        stock(10)
    page = as_("viewer").get(PAGE).text
    assert "learnt by 1 model version" in page and "The model in service learnt" not in page
    analyst = as_("analyst")
    made = {"kind": "cancel", "name": "Cancels", "horizon_days": "30", "grace_days": "0", "settle_days": "0"}
    analyst.post(PAGE, {**made, "then": "activate"})
    page = as_("viewer").get(PAGE).text
    assert "The model in service learnt “churn · v1”." in page
    assert 'action="/train"' not in page


def test_a_viewer_may_read_and_nothing_else(as_: SignIn) -> None:
    viewer = as_("viewer")
    assert viewer.get(PAGE).status_code == 200
    assert viewer.get(f"{PAGE}/propose").status_code == 403
    assert viewer.get(f"{PAGE}/proposal.csv").status_code == 403
    for address in (PAGE, f"{PAGE}/preview", f"{PAGE}/1/activate"):
        assert viewer.post(address, SILENT, page="/").status_code == 403


def test_a_definition_survives_the_way_through_the_form() -> None:
    body = {"kind": "inactivity", "name": "A", "horizon_days": 60, "lead_days": 7, "inactive_days": 45,
            "already_silent": "leave_out", "activity": ["watch"], "settle_days": 2}  # fmt: skip
    assert forms.body_of(forms.of_definition(body)) == (body, {})
    body = {"kind": "cancel", "name": "B", "horizon_days": 30, "lead_days": 0, "reasons": ["other"], "grace_days": 7}
    assert forms.body_of(forms.of_definition(body)) == (body, {})
