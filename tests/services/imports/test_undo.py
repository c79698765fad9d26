"""Undoing imports: everything is as before, what was touched since stays, and a second attempt goes on."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import select, text

from retainstream import dialect
from retainstream.config import Settings
from retainstream.db import read_unit, unit_of_work
from retainstream.errors import ConfirmationNeeded
from retainstream.models import AttributeVersion, Customer, Identity, ImportBatch
from retainstream.security.actor import SYSTEM
from retainstream.services import attributes
from retainstream.services.imports import batches, turns
from retainstream.services.jobs import JobLost
from tests.services.imports.loading import DATA, Loader, csv_of, rows_in, searched, seen

COLUMNS = ["customer_id", "email", "plan", "usage", "churn"]
Row = tuple[Any, ...]
MAPPING = {
    "columns": [
        {"name": "customer_id", "role": "identifier", "attribute": "customer_id"},
        {"name": "email", "role": "personal", "field": "email", "attribute": "email"},
        {"name": "plan", "role": "plan", "attribute": "plan", "kind": "category", "feature": True},
        {"name": "usage", "role": "feature", "attribute": "usage", "kind": "integer", "feature": True},
        {"name": "churn", "role": "label", "attribute": "churn", "churned_values": ["yes"], "kept_values": ["no"]},
    ],
    "label_confirmed": True,
}


def person(
    number: int, usage: int | None = 1, plan: str = "gold", churn: str = "no", email: str = "a@example.com"
) -> Row:
    return (f"P{number}", email, plan, usage, churn)


@pytest.fixture
def loader(minimal_app: Flask, settings: Settings) -> Loader:
    return Loader(settings)


def load(loader: Loader, *rows: Row) -> int:
    number, job = loader.load(csv_of(COLUMNS, list(rows)), MAPPING)
    assert job["state"] == "succeeded", job
    return number


def edit(user_id: str, **values: Any) -> None:
    with unit_of_work() as session:
        customer = session.scalar(select(Customer).join(Identity).where(Identity.user_id == user_id))
        assert customer is not None
        attributes.write_edit(session, customer, values=values, profile={})


ROWS = st.dictionaries(
    st.integers(0, 8),
    st.tuples(
        st.one_of(st.none(), st.integers(0, 3)),
        st.sampled_from(["gold", "basic", ""]),
        st.sampled_from(["yes", "no", ""]),
        st.sampled_from(["a@example.com", "b@example.com", ""]),
    ),
    min_size=1,
    max_size=9,
)


@hypothesis_settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(first=ROWS, second=ROWS, third=ROWS)
def test_import_and_undo_is_as_before(loader: Loader, first: Any, second: Any, third: Any) -> None:
    with unit_of_work() as session:
        session.execute(text("DELETE FROM customers"))
    load(loader, *(person(key, *row) for key, row in first.items()))
    states, rows, numbers = [seen()], [rows_in(*DATA)], []
    for table in (second, third):
        numbers.append(load(loader, *(person(key, *row) for key, row in table.items())))
        states.append(seen())
        rows.append(rows_in(*DATA))
    for step in (1, 0):
        job = loader.undo(numbers[step])
        assert job["result"]["kept"] == 0
        assert seen() == states[step] and rows_in(*DATA) == rows[step]


def test_an_edit_since_keeps_the_customer_and_is_listed(loader: Loader) -> None:
    first = load(loader, person(1, 1), person(2, 2))
    second = load(loader, person(1, 10), person(2, 20), person(3, 30), person(4, 40, churn="yes"))
    edit("P1", usage=11)
    edit("P3", usage=33)
    job = loader.undo(second)
    assert job["result"]["kept"] == 2
    now = seen()
    assert {user: one["attributes"]["usage"] for user, one in now.items()} == {"P1": 11, "P2": 2, "P3": 33}
    with read_unit() as session:
        assert batches.present(session, SYSTEM, second)["kept_customers"] == ["P1", "P3"]
        chain = (
            session.execute(
                select(AttributeVersion.previous_id)
                .join(Identity, Identity.customer_id == AttributeVersion.customer_id)
                .where(Identity.user_id == "P1")
                .order_by(AttributeVersion.id)
            )
            .scalars()
            .all()
        )
        assert chain[-1] == session.scalar(
            select(AttributeVersion.id).where(AttributeVersion.batch_id == first).order_by(AttributeVersion.id)
        )
    loader.undo(first)
    assert set(seen()) == {"P1", "P3"}


def test_details_that_an_undo_puts_back_are_no_longer_what_somebody_read(loader: Loader) -> None:
    load(loader, person(1, email="first@example.com"))
    number = load(loader, person(1, email="second@example.com"))
    with unit_of_work() as session:
        session.execute(text("UPDATE identities SET updated_at = 1"))
    assert loader.undo(number)["state"] == "succeeded"
    with read_unit() as session:
        found = session.scalars(select(Identity).where(Identity.user_id == "P1")).one()
        assert found.email == "first@example.com" and (found.updated_at or 0) > 1


def test_a_later_import_keeps_its_rows_and_can_be_undone_after(loader: Loader) -> None:
    first = load(loader, person(1, 1), person(2, 2))
    second = load(loader, person(1, 10, churn="yes", email="new@example.com"))
    job = loader.undo(first, confirm=True)
    assert job["result"]["kept"] == 1
    now = seen()
    assert set(now) == {"P1"}
    assert (now["P1"]["attributes"]["usage"], now["P1"]["churned"], now["P1"]["personal"][1]) == (
        10,
        True,
        "new@example.com",
    )
    loader.undo(second)
    assert seen() == {} and rows_in(*DATA) == dict.fromkeys(DATA, 0)


def test_an_undo_asks_before_it_takes_what_later_imports_confirmed(loader: Loader) -> None:
    everyone = [person(n, n) for n in range(60)]
    for rows in (everyone, everyone, [person(5, 50)], [person(99)]):
        load(loader, *rows)
    with pytest.raises(ConfirmationNeeded) as asked:
        loader.undo(1)
    assert asked.value.message == (
        "Imports 2 and 3 came later and held 61 rows that were on record already; undoing import 1 would take those customers "
        "away from them too. Undo them first, or send confirm=true."
    )
    assert len(seen()) == 61
    loader.undo(4)
    loader.undo(3)
    with pytest.raises(
        ConfirmationNeeded, match=r"^Import 2 came later and held 60 rows .* away from it too\. Undo it first"
    ):
        loader.undo(1)
    loader.undo(2)
    assert loader.undo(1)["state"] == "succeeded" and seen() == {}


def test_an_import_that_was_queued_before_the_undo_counts_as_well(loader: Loader) -> None:
    first = load(loader, person(1, 1), person(2, 2))
    loader.queue(csv_of(COLUMNS, [person(1, 1), person(2, 2)]), MAPPING)
    job = loader.undo(first)
    assert job["state"] == "failed" and job["error"]["code"] == "confirmation_needed"
    assert len(seen()) == 2
    assert loader.undo(first, confirm=True)["state"] == "succeeded" and seen() == {}


def test_undo_hides_everything_at_once(loader: Loader, monkeypatch: pytest.MonkeyPatch) -> None:
    first = load(loader, person(1, 1))
    before = seen()
    second = load(loader, person(1, 5, churn="yes"), *(person(n) for n in range(2, 40)))
    looks: list[bool] = []
    purge = turns.purge

    def look(unit: Any, batch_id: int, tick: Any = None) -> int:
        looks.append(seen() == before)
        return purge(unit, batch_id, tick)

    monkeypatch.setattr(turns, "purge", look)
    loader.undo(second)
    assert looks == [True] and seen() == before and first == 1


def test_a_killed_undo_is_finished_by_the_next_attempt(loader: Loader, monkeypatch: pytest.MonkeyPatch) -> None:
    number = load(loader, *(person(n) for n in range(30)))
    purge = turns.purge

    def die(unit: Any, batch_id: int, tick: Any = None) -> int:
        raise JobLost("killed here")

    monkeypatch.setattr(turns, "purge", die)
    with unit_of_work() as session:
        batches.queue_undo(session, SYSTEM, number)
    loader.run()
    assert seen() == {} and rows_in("customers")["customers"] == 30
    with unit_of_work() as session:
        session.execute(text("UPDATE job_runs SET state = 'queued' WHERE kind = 'undo'"))
    monkeypatch.setattr(turns, "purge", purge)
    assert loader.run()["state"] == "succeeded"
    assert rows_in(*DATA) == dict.fromkeys(DATA, 0)
    with read_unit() as session:
        assert session.get_one(ImportBatch, number).state == "undone"


def test_an_import_finishes_a_dead_undo_first(loader: Loader, monkeypatch: pytest.MonkeyPatch) -> None:
    number = load(loader, *(person(n) for n in range(30)))
    with unit_of_work() as session:
        session.get_one(ImportBatch, number).state = "undoing"
    load(loader, person(1, 7))
    assert {user: one["attributes"]["usage"] for user, one in seen().items()} == {"P1": 7}
    with read_unit() as session:
        assert session.get_one(ImportBatch, number).state == "undone"


def index_pages() -> list[bytes]:
    with read_unit() as session:
        return list(session.scalars(text("SELECT block FROM customer_search_data WHERE id > 10")))


def test_an_undo_takes_its_customers_out_of_the_search_and_leaves_the_others(
    loader: Loader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "CHUNK", 40)
    load(loader, *(person(n, email=f"stays{n}@example.com") for n in range(70)))
    before = index_pages()
    second = load(loader, *(person(n, email=f"GOES{n}@example.com") for n in range(200, 330)))
    assert len(searched("goes")) == 130 and len(searched("@example.com")) == 200
    loader.undo(second)
    assert searched("goes") == set() and searched("P210") == set()
    assert searched("@example.com") == {f"P{n}" for n in range(70)} and searched("stays12@") == {"P12"}
    assert sum(map(len, index_pages())) <= sum(map(len, before)), "entries of undone customers live on in the index"


def test_a_purge_that_was_cut_off_leaves_nobody_in_the_index(loader: Loader, monkeypatch: pytest.MonkeyPatch) -> None:
    load(loader, *(person(n, email=f"stays{n}@example.com") for n in range(30)))
    before = index_pages()
    second = load(loader, *(person(n, email=f"goes{n}@example.com") for n in range(100, 160)))
    tidy = dialect.tidy_search

    def die(session: Any, *, begin: bool) -> bool:
        raise JobLost("killed here")

    monkeypatch.setattr(dialect, "tidy_search", die)
    with unit_of_work() as session:
        batches.queue_undo(session, SYSTEM, second)
    loader.run()
    assert searched("goes") == set() and sum(map(len, index_pages())) > sum(map(len, before))
    monkeypatch.setattr(dialect, "tidy_search", tidy)
    turns.settle_others(unit_of_work)
    assert len(searched("stays")) == 30 and sum(map(len, index_pages())) <= sum(map(len, before))


def test_the_index_goes_on_to_wipe_what_is_deleted_after_a_unit_was_rolled_back(loader: Loader) -> None:
    load(loader, *(person(n, email=f"stays{n}@example.com") for n in range(30)))
    with pytest.raises(ZeroDivisionError), unit_of_work() as session, dialect.unindexing_many(session):
        session.execute(text("DELETE FROM customers WHERE id < 10"))
        _ = 1 / 0
    assert len(searched("stays")) == 30
    before = sum(map(len, index_pages()))
    with unit_of_work() as session:
        session.execute(text("DELETE FROM customers WHERE id > 20"))
    assert sum(map(len, index_pages())) < before and len(searched("stays")) == 20
