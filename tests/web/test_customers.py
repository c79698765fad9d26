"""The list of customers: what its address means, in words, rows, figures and files."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import update

from retainstream.db import read_unit, unit_of_work
from retainstream.lib import clock
from retainstream.models import Customer, Event, EventKind, Feed, Identity, LatestScore
from retainstream.security.actor import SYSTEM
from retainstream.services import revisions
from retainstream.services.customers import asked
from retainstream.services.customers.filters import count
from retainstream.services.segments import saved
from tests.conftest import Cast
from tests.web.conftest import Browser
from tests.web.stocked import add_customers, stock

SignIn = Callable[[str], Browser]
HTMX = {"HX-Request": "true"}


def listed(page: str) -> list[str]:
    """Return the identifiers in the rows of a page."""
    return re.findall(r'class="who__id"[^>]*>([^<]+)<', page)


def head(page: str) -> str:
    found = re.search(r"<h1>([^<]+)</h1>", page)
    assert found
    return found[1]


def total(app: Flask, query: str) -> int:
    with app.app_context(), read_unit() as session:
        return count(session, asked.read_query(query).filter(session, personal=True))


def test_an_empty_box_says_how_customers_get_in(as_: SignIn) -> None:
    page = as_("analyst").get("/customers").text
    assert head(page) == "No customers"
    assert "Your customers will be listed here" in page
    assert "ask an administrator" in as_("viewer").get("/customers").text


def test_the_list_begins_with_those_most_at_risk(filled: Flask, as_: SignIn) -> None:
    page = as_("agent").get("/customers").text
    assert head(page) == "160 customers"
    assert "Everybody who has not left, the riskiest first." in page
    assert listed(page)[0] == "cus_00000"
    assert len(listed(page)) == 50
    assert "1–50 of 160" in page
    first = page.split("<tbody>")[1].split("</tr>")[0]
    for words in ("Very high", "95%", "$9.99", "0 months", "Name 0", "vip"):
        assert words in first
    assert 'href="/customers/cus_00000"' in first or 'href="/customers/' not in first


FILTERS = (
    ("band=high&band=very_high", "At high or very high risk."),
    ("band=high,very_high", "At high or very high risk."),
    ("status=left", "Left."),
    ("status=all", "Active and left alike."),
    ("plan=Basic&plan=Family", "On Basic or Family."),
    ("plan=Basic,Family", "On Basic or Family."),
    ("tag=vip&tag=call+back", "Tagged vip and call back."),
    ("min_probability=0.2&max_probability=0.455", "Probability 20% to 45.5%."),
    ("min_revenue=1999", "Paying from $19.99 a month."),
    ("max_tenure=5", "Up to 5 months with you."),
    ("q=cus_0001", "Matching “cus_0001”."),
    ("q=Name+7&band=high", "At high risk, matching “Name 7”."),
    ("group=leaving_soon", "In “Leaving soon, worth most”, most expected loss first."),
)


def test_the_head_counts_what_is_listed_and_says_the_filter(filled: Flask, as_: SignIn) -> None:
    browser = as_("agent")
    for query, words in FILTERS:
        page = browser.get(f"/customers?{query}").text
        expected = total(filled, query)
        assert head(page).split()[0].replace(",", "") == (str(expected) if expected else "No")
        assert words in page
        everybody = []
        address: str | None = f"/customers?{query}"
        while address:
            text = browser.get(address).text
            everybody += listed(text)
            following = re.search(r'rel="next" href="([^"]+)"', text)
            address = following[1].replace("&amp;", "&") if following else None
        assert len(everybody) == len(set(everybody)) == expected


def test_a_filter_is_taken_away_by_its_chip(filled: Flask, as_: SignIn) -> None:
    browser = as_("viewer")
    page = browser.get("/customers?band=high&band=very_high&plan=Basic&sort=-revenue").text
    chips = re.findall(r'class="chip chip--on[^"]*" href="([^"]+)"', page)
    assert chips == [
        "/customers?band=very_high&amp;plan=Basic&amp;sort=-revenue",
        "/customers?band=high&amp;plan=Basic&amp;sort=-revenue",
        "/customers?band=high&amp;band=very_high&amp;sort=-revenue",
    ]
    assert ">Clear all</a>" in page


def test_a_plan_with_a_comma_stays_one_plan(filled: Flask, as_: SignIn) -> None:
    with filled.app_context(), unit_of_work() as session:
        session.get_one(Customer, 1).plan = "Basic, monthly"
        revisions.bump(session, "customers")
    browser = as_("viewer")
    sent = browser.get("/customers?plan=&plan=Basic, monthly")
    assert sent.location == "/customers?plan=Basic%2C+monthly&plan=" or sent.status_code == 200
    page = browser.get("/customers?plan=Basic%2C+monthly&plan=").text
    assert head(page) == "1 customer"
    assert "On Basic, monthly." in page


def test_headers_sort_and_say_so(filled: Flask, as_: SignIn) -> None:
    browser = as_("viewer")
    page = browser.get("/customers?sort=-revenue&band=low").text
    assert page.count("aria-sort=") == 1
    head_of_revenue = page.split('id="sort-revenue"')[0].rsplit("<th", 1)[1]
    assert 'aria-sort="descending"' in head_of_revenue
    assert 'id="sort-revenue" href="/customers?band=low&amp;sort=revenue"' in page
    assert 'id="sort-plan" href="/customers?band=low&amp;sort=plan"' in page
    prices = [float(found) for found in re.findall(r"\$(\d+\.\d\d)", page.split("<tbody>")[1])]
    assert prices == sorted(prices, reverse=True)


def test_pages_lead_on_and_back(filled: Flask, as_: SignIn) -> None:
    browser = as_("viewer")
    seen = []
    address: str | None = "/customers?sort=-tenure"
    while address:
        page = browser.get(address).text
        seen.append(listed(page))
        found = re.search(r'rel="next" href="([^"]+)"', page)
        address = found[1].replace("&amp;", "&") if found else None
    assert [len(each) for each in seen] == [50, 50, 50, 10]
    assert "151–160 of 160" in page
    for expected in reversed(seen[:-1]):
        found = re.search(r'rel="prev" href="([^"]+)"', page)
        assert found
        page = browser.get(found[1].replace("&amp;", "&")).text
        assert listed(page) == expected
    assert 'rel="prev"' not in page
    assert "1–50 of 160" in page


def test_what_people_type_becomes_the_address_of_the_list(filled: Flask, as_: SignIn) -> None:
    browser = as_("viewer")
    typed = (
        "/customers?q=&plan=&status=active&from_percent=20&to_percent=&from_amount=%2412,50&to_amount=20&max_tenure="
    )
    answer = browser.get(typed)
    assert answer.status_code == 303
    assert answer.location == "/customers?min_probability=0.2&min_revenue=1250&max_revenue=2000"
    page = browser.get(answer.location).text
    assert 'name="from_percent" form="finder" inputmode="decimal" autocomplete="off" maxlength="20" value="20"' in page
    assert 'value="12.5"' in page


BAD_FILTERS = (
    ("from_percent=lots", "Expected a number."),
    ("from_percent=120", "Expected a number from 0 to 100."),
    ("to_amount=1e400", "Expected a number"),
    ("min_tenure=-1", "Must be greater than"),
    ("band=purple", "some of low"),
    ("sort=shoe_size", "Must be one of"),
    ("group=nobody", "leaving_soon"),
)


def test_a_bad_filter_is_told_and_the_rest_holds(filled: Flask, as_: SignIn) -> None:
    browser = as_("viewer")
    for query, words in BAD_FILTERS:
        answer = browser.get(f"/customers?plan=Basic&{query}")
        assert answer.status_code == 422
        assert words in answer.text, query
        assert "On Basic." in answer.text


def test_a_foreign_cursor_is_refused_in_words(filled: Flask, as_: SignIn) -> None:
    answer = as_("viewer").get("/customers?after=abc")
    assert answer.status_code == 422
    assert "The cursor does not belong to this list." in answer.text


def test_a_fragment_brings_the_list_and_the_true_address(filled: Flask, as_: SignIn) -> None:
    browser = as_("agent")
    answer = browser.get("/customers?q=Name+7&from_percent=&plan=", headers={**HTMX, "HX-Trigger": "q"})
    assert "<html" not in answer.text
    assert answer.headers["HX-Replace-Url"] == "/customers?q=Name+7"
    assert 'id="customers-head" hx-swap-oob="true"' in answer.text
    assert head(answer.text) == f"{total(filled, 'q=Name+7')} customers"
    assert browser.get("/customers?sort=plan", headers=HTMX).headers["HX-Push-Url"] == "/customers?sort=plan"


def test_names_are_found_only_by_those_who_may_see_them(filled: Flask, as_: SignIn) -> None:
    assert head(as_("agent").get("/customers?q=Name+11").text) == f"{total(filled, 'q=Name+11')} customers"
    page = as_("viewer").get("/customers?q=Name+11").text
    assert head(page) == "No customer matches"
    assert "Clear the filters" in page
    assert "Name 0" not in as_("viewer").get("/customers").text


def test_columns_are_chosen_in_the_address(filled: Flask, as_: SignIn) -> None:
    browser = as_("analyst")
    answer = browser.get(
        "/customers?band=high&columns=status&columns=email&columns=attribute.last_login_days&columns=gone"
    )
    page = answer.text
    heads = re.findall(r"<th [^>]*>(?:<a[^>]*>)?([^<]+)<", page)
    assert heads == ["Customer", "Status", "E-mail", "Days since last log-in (days)"]
    assert "Days since" not in browser.get("/customers").text.split("<thead>")[1].split("</thead>")[0]
    narrow = as_("viewer").get("/customers?columns=email,plan").text
    assert re.findall(r"<th [^>]*>(?:<a[^>]*>)?([^<]+)<", narrow) == ["Customer", "Plan"]


def test_last_activity_is_the_newest_event_that_counts(filled: Flask, as_: SignIn) -> None:
    now = clock.now_us()
    with filled.app_context(), unit_of_work() as session:
        session.add(EventKind(id=1, name="login", created_at=now))
        session.add(Feed(id=1, name="app", created_at=now, n_rows=0, muted=False, arrivals=[]))
        session.flush()
        for key, days in enumerate((3, 5, -2)):
            session.add(
                Event(
                    customer_id=1, kind_id=1, feed_id=1, occurred_at=now - days * clock.DAY_US, received_at=now,
                    key=bytes([key]) * 16,
                )
            )  # fmt: skip
        revisions.bump(session, "events")
    page = as_("viewer").get("/customers?q=cus_00000").text
    assert ">3 days ago</td>" in page


def test_withheld_probabilities_are_ranks(app: Flask, as_: SignIn) -> None:
    with app.app_context():
        stock(60, calibrated=False)
    page = as_("analyst").get("/customers").text
    assert "riskier than 99%" in page
    assert "Probability, %" not in page


def test_odd_customers_are_shown_as_they_are(app: Flask, as_: SignIn) -> None:
    long = "x" * 120 + "/?&#<b>" + "é" * 60
    with app.app_context(), unit_of_work() as session:
        add_customers(session, 3)
        session.get_one(Identity, 1).user_id = long
        for number in (1, 2, 3):
            customer = session.get_one(Customer, number)
            customer.plan = customer.revenue_minor = customer.currency = customer.tenure_months = None
        session.get_one(Customer, 2).churned = None
    page = as_("agent").get("/customers?sort=user_id").text
    assert "Not scored" in page
    assert "&lt;b&gt;" in page
    assert "Revenue / month" not in page.split("<thead>")[1].split("</thead>")[0]
    assert head(page) == "3 customers"


def test_a_group_opens_in_its_own_order_and_the_card_holds_its_first_rows(filled: Flask, as_: SignIn) -> None:
    browser = as_("viewer")
    row = browser.get("/").text.split('id="row-leaving_soon"')[1].split("</section>")[0]
    cards = re.findall(r'class="card__name card__open" href="/customers/([^"]+)"', row)
    page = browser.get("/customers?group=leaving_soon").text
    assert len(cards) == len(set(cards)) >= 5
    assert listed(page)[: len(cards)] == cards
    assert "In “Leaving soon, worth most”, most expected loss first." in page
    assert "Sorted by" not in page
    assert 'class="chip chip--on chip--link" href="/customers"' in page  # leaving the group leaves its order, too


def test_without_prices_a_group_goes_by_risk_and_says_so(filled: Flask, as_: SignIn) -> None:
    with filled.app_context(), unit_of_work() as session:
        session.execute(update(Customer).values(revenue_minor=None))
        revisions.bump(session, "customers")
    browser = as_("viewer")
    page = browser.get("/customers?group=leaving_soon").text
    assert "In “Leaving soon, worth most”, the riskiest first." in page
    assert listed(page) == listed(browser.get("/customers?group=leaving_soon&sort=-risk").text)


def test_a_group_sorted_otherwise_leads_back_to_its_order(filled: Flask, as_: SignIn) -> None:
    browser = as_("viewer")
    page = browser.get("/customers?group=leaving_soon&sort=-risk").text
    assert listed(page) != listed(browser.get("/customers?group=leaving_soon").text)
    back = re.search(r'class="chip chip--link" href="([^"]+)">Sorted by risk', page)
    assert back and back[1] == "/customers?group=leaving_soon"
    assert "a group only" in browser.get("/customers?sort=group").text


def test_counts_follow_the_data(filled: Flask, as_: SignIn) -> None:
    browser = as_("viewer")
    before = int(head(browser.get("/customers?band=low").text).split()[0])
    with filled.app_context(), unit_of_work() as session:
        score = session.query(LatestScore).filter_by(band=0).first()
        assert score
        score.band = 1
        revisions.bump(session, "scores")
    assert int(head(browser.get("/customers?band=low").text).split()[0]) == before - 1


@pytest.mark.parametrize(
    "query",
    [
        "band=high&band=very_high",
        "band=high,very_high&band=low",
        "plan=Basic&plan=Family",
        "plan=Basic,Family",
        "plan=Basic&plan=",
        "tag=vip&tag=call+back",
        "status=all&cell=segment:1&cell=segment:2",
    ],
)
def test_an_address_means_the_same_customers_on_the_page_and_by_the_api(
    filled: Flask, as_: SignIn, client: FlaskClient, cast: Cast, query: str
) -> None:
    with filled.app_context(), unit_of_work() as session:
        for name, plans in (("One", ["Basic", "Family"]), ("Two", ["Family", "Premium"])):
            rule = {"field": "plan", "op": "in", "value": plans}
            saved.create(session, SYSTEM, {"name": name, "rule": rule}, time_zone="UTC", look=False)
    shown = whole(head(as_("analyst").get(f"/customers?{query}").text))
    answer = client.get(f"/api/v1/customers?{query}&limit=1", headers=cast.token("analyst"))
    assert answer.json is not None
    assert 0 < answer.json["total"] == shown < 160


def whole(words: str) -> int:
    found = re.search(r"[\d,]+", words)
    assert found
    return int(found[0].replace(",", ""))


@pytest.mark.parametrize("query", ["limit=1&limit=2", "status=all&status=left", "min_probability=0&min_probability=1"])
def test_what_can_be_meant_only_once_is_not_cut_to_its_first(client: FlaskClient, cast: Cast, query: str) -> None:
    answer = client.get(f"/api/v1/customers?{query}", headers=cast.token("analyst"))
    assert answer.status_code == 422
    assert list(answer.get_json()["error"]["fields"]) == [query.split("=", maxsplit=1)[0]]
