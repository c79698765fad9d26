"""The feature dictionary's pages: search, one feature with its values, and the editor of one's own."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from flask import Flask

from retainstream.db import read_unit, unit_of_work
from retainstream.services import as_of, feature_dictionary
from retainstream.web import data_features_form as forms
from retainstream.web import data_features_view as views
from tests.services.as_of import happened
from tests.web.conftest import Browser
from tests.web.stocked import stock

SignIn = Callable[[str], Browser]
PAGE = "/data/features"
TICKETS = {
    "title": "Support tickets, 30 days",
    "event": "ticket",
    "aggregate": "count",
    "window_days": "30",
    "unit": "tickets",
}
FRAGMENT = {"HX-Request": "true"}


@pytest.fixture
def people(app: Flask) -> None:
    """Twelve customers: the n-th opens n tickets and watches once; each has a plan."""
    with app.app_context(), unit_of_work() as session:
        for number in range(12):
            one = happened.customer(session, f"c{number}")
            for turn in range(number):
                happened.event(session, one, "ticket", 60 + turn / 2, channel=f"way {turn % 3}")
            happened.event(session, one, "watch", 80, value=1.5)
            happened.statement(session, one, f"k{number}", 0, plan="=Gold" if number % 3 else "Free")


def test_an_empty_box_teaches_where_features_come_from(as_: SignIn) -> None:
    page = as_("viewer").get(PAGE).text
    assert "No feature yet." in page and "Features come with the data" in page
    assert "Declare a feature" not in page


@pytest.mark.usefixtures("people")
def test_the_dictionary_is_searched_and_paged(app: Flask, as_: SignIn) -> None:
    with app.app_context(), read_unit() as session:
        specs = as_of.dictionary(session)
    browser = as_("viewer")
    first = browser.get(PAGE).text
    found = set(re.findall(r'<span class="list__sub mono">([^<]+)</span>', first))
    assert f"{len(specs)} features can be learnt from." in first
    following = re.search(r'href="([^"]+)" rel="next"', first)
    pages = [first] if following is None else [first, browser.get(following[1].replace("&amp;", "&")).text]
    for page in pages:
        found |= set(re.findall(r'<span class="list__sub mono">([^<]+)</span>', page))
    assert found == {spec.name for spec in specs}
    part = browser.get(f"{PAGE}?q=TICKET+since", headers=FRAGMENT).text
    assert "<html" not in part and "ticket_days_since_last" in part and "watch" not in part
    assert "No feature is like that" in browser.get(f"{PAGE}?q=levitation").text
    assert "<td" not in browser.get(f"{PAGE}?origin=declared").text
    assert browser.get(f"{PAGE}?from=-5&origin=nonsense").status_code == 200


def test_shares_are_those_of_the_model_in_service(app: Flask, as_: SignIn) -> None:
    with app.app_context():
        stock(10)
    page = as_("viewer").get(PAGE).text
    assert "3 of them move the scores" in page
    names = re.findall(r'<span class="list__sub mono">([^<]+)</span>', page)
    assert names[:3] == ["last_login_days", "watch_time_hours", "payment_failures"]
    assert "52.0%" in page


def test_an_attribute_of_profiles_has_values_without_events(app: Flask, as_: SignIn) -> None:
    with app.app_context():
        stock(20)
    part = as_("viewer").get(f"{PAGE}/by-name/payment_failures/values", headers=FRAGMENT).text
    assert "The middle half of the customers lies between" in part


@pytest.mark.usefixtures("people")
def test_a_feature_is_shown_with_its_values(as_: SignIn) -> None:
    browser = as_("viewer")
    page = browser.get(f"{PAGE}/by-name/ticket_count_90").text
    assert "Number of “ticket”, 90 days back." in page
    assert 'hx-get="/data/features/by-name/ticket_count_90/values"' in page
    assert "Withdraw it" not in page
    whole = browser.get(f"{PAGE}/by-name/ticket_count_90/values").text
    part = browser.get(f"{PAGE}/by-name/ticket_count_90/values", headers=FRAGMENT).text
    for text in (whole, part):
        assert "The middle half of the customers lies between 2.75 and 8.25" in text
        assert '<svg class="plot"' in text and "12 customers" in text
    texts = browser.get(f"{PAGE}/by-name/plan/values", headers=FRAGMENT).text
    assert "67% have “=Gold”, the most frequent of 2" in texts
    assert browser.get(f"{PAGE}/by-name/plan/values.csv").text == "value,customers\n'=Gold,8\nFree,4\n"
    numbers = browser.get(f"{PAGE}/by-name/ticket_count_90/values.csv").text.splitlines()
    assert numbers[0] == "from,to,customers" and sum(int(line.split(",")[2]) for line in numbers[1:]) == 12
    assert browser.get(f"{PAGE}/by-name/levitation").status_code == 404


@pytest.mark.usefixtures("people")
def test_a_feature_is_previewed_declared_changed_and_withdrawn(app: Flask, as_: SignIn) -> None:
    browser = as_("analyst")
    recipe = {"aggregate": "distinct", "event": "ticket", "window_days": "90", "property": "channel"}
    part = browser.post(f"{PAGE}/preview", recipe, page=f"{PAGE}/new", headers=FRAGMENT).text
    assert "12 customers" in part and "<dt>Greatest</dt><dd>3</dd>" in part
    made = browser.post(PAGE, TICKETS, page=f"{PAGE}/new")
    assert (made.status_code, made.location) == (303, f"{PAGE}/by-name/support_tickets_30_days")
    page = browser.get(made.location).text
    assert "version 1, is declared" in page and "Declared here, version 1" in page and "tickets" in page
    again = browser.get(f"{PAGE}/new?of=support_tickets_30_days").text
    assert 'value="Support tickets, 30 days"' in again
    browser.post(PAGE, {**TICKETS, "name": "support_tickets_30_days", "window_days": "60"}, page=f"{PAGE}/new")
    with app.app_context(), read_unit() as session:
        assert feature_dictionary.versions(session) == {"support_tickets_30_days": 2}
    gone = browser.post(f"{PAGE}/by-name/support_tickets_30_days/withdraw", {}, page=f"{PAGE}/new")
    assert gone.status_code == 303
    assert browser.get(f"{PAGE}/by-name/support_tickets_30_days").status_code == 404
    assert browser.get(f"{PAGE}/new?of=ticket_count_90").status_code == 404


@pytest.mark.usefixtures("people")
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"title": ""}, "Expected a title"),
        ({"title": "!!!"}, "Expected a name of small letters"),
        ({"name": "Not Good"}, "Expected small letters, digits and _"),
        ({"name": "ticket_count_90"}, "Ticket_count_90 is taken by another feature."),
        ({"window_days": "0"}, "Expected a whole number of days from 1 to 730."),
        ({"window_days": "9" * 40}, "Expected a whole number of days from 1 to 730."),
        ({"aggregate": "distinct"}, "Expected the property whose different values"),
        ({"aggregate": "distinct", "property": 'a"b'}, "Expected letters, digits, spaces"),
        ({"aggregate": "levitate"}, "Expected one of"),
        ({"event": "levitation"}, "No event of the kind"),
        ({"unit": "x" * 41}, "Length must be between 1 and 40."),
    ],
)
def test_what_cannot_be_declared_is_said_beside_the_field(as_: SignIn, changes: dict[str, str], words: str) -> None:
    answer = as_("analyst").post(PAGE, {**TICKETS, **changes, "sensitive": "yes"}, page=f"{PAGE}/new")
    assert answer.status_code == 422
    assert words in answer.text.replace("&#39;", "'")
    assert 'id="feature-sensitive" name="sensitive" value="yes" checked' in answer.text
    assert 'value="tickets"' in answer.text or "unit" in changes


@pytest.mark.usefixtures("people")
def test_the_preview_says_what_is_missing_and_stores_nothing(app: Flask, as_: SignIn) -> None:
    browser = as_("analyst")
    wrong = browser.post(
        f"{PAGE}/preview", {"aggregate": "distinct", "window_days": ""}, page=f"{PAGE}/new", headers=FRAGMENT
    )
    assert wrong.status_code == 200
    assert "Property:" in wrong.text and "Window days:" in wrong.text and "Title" not in wrong.text
    whole = browser.post(f"{PAGE}/preview", TICKETS, page=f"{PAGE}/new")
    assert (
        whole.status_code == 200 and "12 customers" in whole.text and 'value="Support tickets, 30 days"' in whole.text
    )
    with app.app_context(), read_unit() as session:
        assert feature_dictionary.versions(session) == {}


def test_an_empty_box_previews_nothing_but_says_why(as_: SignIn) -> None:
    part = as_("analyst").post(
        f"{PAGE}/preview", {"aggregate": "count", "window_days": "30"}, page=f"{PAGE}/new", headers=FRAGMENT
    )
    assert "There are no events and no subscriptions yet" in part.text


@pytest.mark.usefixtures("people")
def test_a_viewer_may_read_and_nothing_else(as_: SignIn) -> None:
    viewer = as_("viewer")
    assert viewer.get(PAGE).status_code == 200
    assert viewer.get(f"{PAGE}/new").status_code == 403
    for address in (PAGE, f"{PAGE}/preview", f"{PAGE}/by-name/x/withdraw"):
        assert viewer.post(address, TICKETS, page="/").status_code == 403


@pytest.mark.parametrize(
    ("title", "name"),
    [("Support tickets, 30 days", "support_tickets_30_days"), ("30 Größe!", "groe"), ("Café ☕ visits", "cafe_visits"),
     ("日本", ""), ("x" * 80, "x" * 64)],
)  # fmt: skip
def test_a_title_gives_a_name(title: str, name: str) -> None:
    assert forms.named_after(title) == name


@pytest.mark.parametrize(
    ("value", "words"), [(0.0, "0"), (12.0, "12"), (1234.5, "1,234"), (0.012345, "0.0123"), (2.75, "2.75")]
)
def test_figures_have_the_digits_that_matter(value: float, words: str) -> None:
    assert views.figure(value) == words
