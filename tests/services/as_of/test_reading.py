"""What the door to time lets through: visible rows of visible customers, as columns, each with the instant from which it counts."""

from __future__ import annotations

import numpy as np
import pytest
from flask import Flask

from retainstream.config import Settings
from retainstream.db import read_unit, unit_of_work
from retainstream.errors import NotReady
from retainstream.ml.asof.builder import features
from retainstream.ml.asof.columns import NEVER, History
from retainstream.models import AttributeVersion, Feed
from retainstream.services import as_of, revisions
from retainstream.services.attributes import Wanted, allocate
from tests.services.as_of import happened
from tests.services.as_of.happened import DAY, START

pytestmark = pytest.mark.usefixtures("minimal_app")


def _read(settings: Settings, **options: object) -> History:
    with read_unit() as session:
        return as_of.history(session, settings, **options)  # type: ignore[arg-type]


def test_events_come_sorted_by_when_they_happened_then_by_arrival(minimal_app: Flask, settings: Settings) -> None:
    with unit_of_work() as session:
        ada, ben = happened.customer(session, "ada"), happened.customer(session, "ben")
        late = happened.event(session, ben, "watch", 1, late=3, value=2.5, device="tv")
        first = happened.event(session, ada, "login", 0)
        tie = happened.event(session, ada, "watch", 1, device="tv")
        other = happened.event(session, ada, "login", 2, device="phone")
    found = _read(settings)
    log = found.events
    assert found.customers.tolist() == [ada, ben]
    assert log.order.tolist() == [first, late, tie, other]
    assert log.customer.tolist() == [ada, ben, ada, ada]
    assert [log.kinds[code] for code in log.kind] == ["login", "watch", "watch", "login"]
    assert log.received.tolist() == [START, START + 4 * DAY, START + DAY, START + 2 * DAY]
    np.testing.assert_array_equal(log.value, [np.nan, 2.5, np.nan, np.nan])
    device = log.properties["device"]
    assert device[0] == -1 and device[1] == device[2] >= 0 and device[3] not in (-1, device[1])
    dtypes = (log.customer.dtype, log.kind.dtype, log.occurred.dtype, log.value.dtype, log.order.dtype, device.dtype)
    assert dtypes == (np.int64, np.int16, np.int64, np.float64, np.int64, np.int64)


def test_only_some_customers_are_read_as_they_are_among_all(settings: Settings) -> None:
    with unit_of_work() as session:
        people = [happened.customer(session, f"u{n}") for n in range(4)]
        for n in range(40):
            happened.event(session, people[n % 4], "watch", n % 7, value=float(n), device=f"d{n % 3}")
        happened.statement(session, people[2], "s", 0, plan="Basic", revenue_minor=900)
        happened.statement(session, people[3], "t", 0, plan="Gold", revenue_minor=1900)
    some, everybody = _read(settings, customer_ids=[people[2], people[0], 10**9]), _read(settings)
    assert some.customers.tolist() == [people[0], people[2]]
    rows = np.isin(everybody.events.customer, some.customers)
    assert some.events.order.tolist() == everybody.events.order[rows].tolist()
    assert some.events.properties["device"].tolist() == everybody.events.properties["device"][rows].tolist()
    assert some.subscriptions.plans == ("Basic",) and len(some.subscriptions) == 1


def test_prices_are_comparable_whatever_the_decimals_of_their_currency(settings: Settings) -> None:
    prices = {"EUR": 950, "JPY": 950, "KRW": 9_900, "KWD": 3_500, None: 100}
    with unit_of_work() as session:
        ada = happened.customer(session, "ada")
        for currency, minor in prices.items():
            happened.statement(session, ada, f"in {currency}", 0, revenue_minor=minor, currency=currency)
    # Hundredths of the unit: 9.50 euros, 950 yen, 9,900 won, 3.500 dinars.
    np.testing.assert_allclose(_read(settings).subscriptions.price_minor, [950, 95_000, 990_000, 350, 100], rtol=1e-15)


def test_a_cut_that_leaves_nothing_out_is_no_copy(settings: Settings) -> None:
    with unit_of_work() as session:
        ada = happened.customer(session, "ada")
        for day in range(4):
            happened.event(session, ada, "login", day)
    log = _read(settings).events
    assert log.cut(START + 4 * DAY) is log
    assert log.cut(START + 3 * DAY).occurred.tolist() == [START, START + DAY, START + 2 * DAY]


def test_what_an_unfinished_load_brought_does_not_exist(settings: Settings) -> None:
    with unit_of_work() as session:
        ada, load = happened.customer(session, "ada"), happened.batch(session)
        hidden = happened.customer(session, "hidden", batch_id=load)
        kept = happened.event(session, ada)
        loaded = happened.event(session, ada, batch_id=load)
        theirs = happened.event(session, hidden)
        happened.statement(session, ada, "s", 0, batch_id=load)
    before = _read(settings)
    assert before.customers.tolist() == [ada]
    assert before.events.order.tolist() == [kept] and len(before.subscriptions) == 0
    with unit_of_work() as session:
        happened.turn(session, load, "applied")
    after = _read(settings)
    assert after.customers.tolist() == [ada, hidden]
    assert after.events.order.tolist() == [kept, loaded, theirs] and len(after.subscriptions) == 1
    with unit_of_work() as session:
        happened.turn(session, load, "undoing")
    assert _read(settings).events.order.tolist() == [kept]


def test_statements_keep_what_holds_them_together(settings: Settings) -> None:
    with unit_of_work() as session:
        ada = happened.customer(session, "ada")
        happened.statement(session, ada, "s", 5, 40, received=30, end_reason="payment_failed", plan="Gold")
        happened.statement(session, ada, "s", 5, plan="Basic", revenue_minor=500)
        happened.statement(session, ada, "t", 60)
    log = _read(settings).subscriptions
    assert log.received.tolist() == [START + 5 * DAY, START + 30 * DAY, START + 60 * DAY]
    assert log.subscription[0] == log.subscription[1] != log.subscription[2]
    assert log.ended.tolist() == [NEVER, START + 40 * DAY, NEVER]
    assert log.reason.tolist() == [-1, 1, -1]
    assert log.plans == ("Basic", "Gold") and log.plan.tolist() == [0, 1, -1]
    np.testing.assert_array_equal(log.price_minor, [500, np.nan, np.nan])


def test_versions_of_attributes_count_from_when_they_were_known(settings: Settings) -> None:
    wanted = [Wanted("city", "City", "category"), Wanted("seats", "Seats", "integer"), Wanted("seen", "Seen", "date")]
    wanted += [Wanted("note", "Note", "text"), Wanted("code", "Code", "category", feature=False)]
    with unit_of_work() as session:
        ada, load = happened.customer(session, "ada"), happened.batch(session)
        city, seats, seen, _, code = (item.slot for item in allocate(session, wanted))
        rows = [
            (3, None, {city: "Rome", seats: 2.0}),
            (1, None, {city: "Bonn", seen: float(START)}),
            (2, load, {city: "Oslo"}),
        ]
        for day, held, cells in rows:
            known = START + day * DAY
            version = AttributeVersion(customer_id=ada, batch_id=held, valid_from=known, known_at=known)
            for slot, value in cells.items():
                setattr(version, str(slot), value)
            session.add(version)
            session.flush()
    log = _read(settings).profiles
    assert log.known.tolist() == [START + DAY, START + 3 * DAY]
    assert log.levels["city"] == ("Bonn", "Rome") and log.values["city"].tolist() == [0, 1]
    np.testing.assert_array_equal(log.values["seats"], [np.nan, 2.0])
    np.testing.assert_array_equal(log.values["seen"], [START, np.nan])
    assert [spec.name for spec in log.specs] == ["city", "seats"]
    assert code is not None and set(log.values) == {"city", "seats", "seen", "code"}


def test_the_data_ends_with_its_last_complete_day_and_never_in_the_future(settings: Settings) -> None:
    with unit_of_work() as session:
        ada, load = happened.customer(session, "ada"), happened.batch(session)
        with pytest.raises(NotReady):
            as_of.data_end(session)
        happened.event(session, ada, day=10.5)
        happened.event(session, ada, day=400_000)
        happened.event(session, ada, day=20.5, batch_id=load)
        assert as_of.data_end(session) == START + 10 * DAY
        happened.event(session, ada, day=2.5)
        assert as_of.data_end(session, now=START + 3 * DAY + 5) == START + 2 * DAY
        happened.turn(session, load, "applied")
        assert as_of.data_end(session) == START + 20 * DAY
        happened.statement(session, ada, "s", 30, 400_000)
        assert as_of.data_end(session) == START + 30 * DAY
        assert as_of.data_as_of(session) == START + 30 * DAY


def test_feeds_know_how_far_the_data_goes_until_something_was_taken_away(settings: Settings) -> None:
    with unit_of_work() as session:
        ada, load = happened.customer(session, "ada"), happened.batch(session, "applied")
        happened.event(session, ada, day=10.5)
        happened.event(session, ada, day=12.5, batch_id=load)
        session.query(Feed).update({"last_occurred_at": START + 12 * DAY + 5, "last_received_at": START + 13 * DAY})
        assert as_of.data_end(session) == START + 12 * DAY
        assert as_of.data_as_of(session) == START + 13 * DAY
        happened.turn(session, load, "undone")
        assert as_of.data_end(session) == START + 10 * DAY


def test_what_was_announced_tells_nothing_of_how_far_the_data_goes_once_its_day_has_passed(settings: Settings) -> None:
    """Else everybody would look silent since the last real row as soon as somebody is erased and the rows are asked instead of the feeds."""
    with unit_of_work() as session:
        ada = happened.customer(session, "ada")
        happened.event(session, ada, day=10.5)
        happened.event(session, ada, day=100.5, late=-90.0)
        happened.statement(session, ada, "s", 5, 200)
        session.query(Feed).update({"last_occurred_at": START + 10 * DAY + 5})
        now = START + 300 * DAY
        by_feeds = as_of.data_end(session, now=now)
        revisions.bump(session, "removals")
        assert as_of.data_end(session, now=now) == by_feeds == START + 10 * DAY


def test_the_history_of_many_is_the_same_whichever_way_it_is_read(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with unit_of_work() as session:
        people = [happened.customer(session, f"m{k}") for k in range(6)]
        for k in range(24):
            happened.event(session, people[k % 6], ("login", "watch")[k % 2], k / 2, late=k % 3, value=float(k))
        for k, one in enumerate(people):
            happened.statement(session, one, f"m{k}", k, plan=f"P{k % 4}")
    some, moment = [people[4], people[1], people[2]], happened.START + 20 * happened.DAY
    found = []
    for many in (5_000, 1):
        monkeypatch.setattr(as_of, "_MANY", many)
        with read_unit() as session:
            history = as_of.history(session, settings, customer_ids=[*some, 999])
            specs = as_of.dictionary(session)
        assert history.customers.tolist() == sorted(some)
        assert len(history.events) == 12
        found.append(features(history, specs, moment, sorted(some)))
    assert found[0].equals(found[1])
