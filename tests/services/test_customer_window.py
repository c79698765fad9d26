"""Pages of customers in both directions hold the same list, whichever way the database goes to find them; tags and columns for many."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from retainstream.db import read_unit, unit_of_work
from retainstream.errors import Forbidden, InvalidInput
from retainstream.lib.pagination import PageRequest
from retainstream.models import Customer
from retainstream.security.actor import COMMAND, Actor
from retainstream.security.permissions import Permission
from retainstream.services import revisions
from retainstream.services.customers import asked, counted, lists, tagging, window
from retainstream.services.customers.filters import CustomerFilter, count
from tests.web.stocked import stock

FILTERS = (
    CustomerFilter(),
    CustomerFilter(status="left"),
    CustomerFilter(status="all", plans=("Basic",)),
    CustomerFilter(bands=(0, 1)),
    CustomerFilter(bands=(3,)),
    CustomerFilter(q="cus_0001", status="all"),
    CustomerFilter(min_probability=0.3, max_tenure=40),
    CustomerFilter(tags=("nobody has it",)),
)


@pytest.fixture
def box(minimal_app: Flask) -> Flask:
    """60 customers; some have no plan, no revenue, no tenure."""
    stock(60)
    with unit_of_work() as session:
        for number in range(1, 60, 7):
            customer = session.get_one(Customer, number)
            customer.plan = customer.revenue_minor = customer.tenure_months = None
        revisions.bump(session, "customers")
    return minimal_app


def walk(session: Session, wanted: CustomerFilter, sort: str) -> None:
    whole, _ = lists.page_of_ids(session, wanted, sort, PageRequest(limit=500))
    assert len(whole) == count(session, wanted) == counted.total(session, wanted)
    pages = [window.read(session, wanted, sort, limit=17)]
    while pages[-1].following:
        pages.append(window.read(session, wanted, sort, limit=17, after=pages[-1].following))
    assert [one for page in pages for one in page.ids] == whole, sort
    for earlier, page in zip(reversed(pages[:-1]), reversed(pages), strict=False):
        assert page.preceding
        back = window.read(session, wanted, sort, limit=17, before=page.preceding)
        assert back.ids == earlier.ids, sort
        assert back.following
    assert pages[0].preceding is None


@pytest.mark.parametrize(("few", "many"), [(2_000, 20_000), (0, 20_000), (0, 0)])
def test_every_page_is_reached_on_and_back(box: Flask, monkeypatch: pytest.MonkeyPatch, few: int, many: int) -> None:
    monkeypatch.setattr(window, "FEW", few)
    monkeypatch.setattr(window, "MANY", many)
    with read_unit() as session:
        for wanted in FILTERS:
            for sort in lists.ORDERS:
                walk(session, wanted, sort)


def test_a_page_lies_after_or_before(box: Flask) -> None:
    with read_unit() as session, pytest.raises(InvalidInput):
        window.read(session, CustomerFilter(), "-risk", after="a", before="b")


def test_a_count_is_kept_until_the_data_change(box: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    counts: list[CustomerFilter] = []

    def counting(session: Session, wanted: CustomerFilter) -> int:
        counts.append(wanted)
        return count(session, wanted)

    monkeypatch.setattr(counted, "count", counting)
    wanted = CustomerFilter(min_tenure=12.5)
    for _ in range(3):
        with read_unit() as session:
            before = counted.total(session, wanted)
    assert len(counts) == 1
    with unit_of_work() as session:
        session.get_one(Customer, 2).tenure_months = 55.0
        revisions.bump(session, "customers")
    with read_unit() as session:
        assert counted.total(session, wanted) == before + 1
        assert counted.total(session, CustomerFilter(min_tenure=12.5, status="all")) > before + 1


def test_a_customer_with_as_many_tags_as_one_may_have_is_passed_over(box: Flask) -> None:
    full = [f"tag {number:02d}" for number in range(tagging.MOST_TAGS)]
    with unit_of_work() as session:
        session.get_one(Customer, 1).tags = full
    with unit_of_work() as session:
        assert tagging.tag(session, COMMAND, [1, 2, 2], "é new", add=True) == 1
        assert tagging.tag(session, COMMAND, [1, 2], "tag 07", add=False) == 1
    with read_unit() as session:
        assert session.get_one(Customer, 1).tags == [tag for tag in full if tag != "tag 07"]
        assert session.get_one(Customer, 2).tags == ["é new"]


def test_tags_take_the_permission(box: Flask) -> None:
    with unit_of_work() as session, pytest.raises(Forbidden):
        tagging.tag(session, Actor("user", frozenset({Permission.CUSTOMERS_READ})), [1], "x", add=True)


@pytest.mark.parametrize(
    ("given", "canonical"),
    [
        ("", ""),
        ("sort=-risk&status=active&q=+", ""),
        ("tag=b,a&band=very_high,low", "band=low&band=very_high&tag=b&tag=a"),
        ("plan=A%2C+b&plan=", "plan=A%2C+b&plan="),
        ("plan=A,b", "plan=A&plan=b"),
        ("min_probability=0.30000000000000004&max_revenue=100", "min_probability=0.3&max_revenue=100"),
        ("after=x&columns=risk&columns=plan,risk", "columns=risk%2Cplan"),
    ],
)
def test_an_address_has_one_canonical_form(given: str, canonical: str) -> None:
    assert asked.checked_query(given) == canonical
    assert asked.checked_query(canonical) == canonical
