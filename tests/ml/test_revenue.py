"""The revenue bridge adds up to the last unit, follows its rules, and each figure opens its customers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retainstream.ml.revenue import KINDS, NO_END, Bridge, Subscriptions, bridge

Span = tuple[int, int, int, int]  # customer, start, end, revenue


def known(spans: list[Span]) -> Subscriptions:
    """Everything known as it happens."""
    customer, start, end, revenue = np.array(spans, np.int64).reshape(-1, 4).T
    return Subscriptions(customer, start, end, revenue, start, end)


def months(spans: list[Span], count: int, *, as_of: int | None = None, trailing: int = 12) -> Bridge:
    """The bridge over months of 100, the first from 0 to 100, all of them over."""
    edges = np.arange(count + 1) * 100
    end = int(edges[-1])
    return bridge(known(spans), edges, as_of=end + 1 if as_of is None else as_of, data_end=end, trailing=trailing)


def figures(found: Bridge, period: int) -> dict[str, int]:
    return {
        kind: int(found.movements[period, place]) for place, kind in enumerate(KINDS) if found.counts[period, place]
    }


def same(one: object, other: object) -> bool:
    """Equal to the bit, missing values included."""
    return all(
        same(part, vars(other)[name])
        if hasattr(part, "__dataclass_fields__")
        else np.asarray(part).tobytes() == np.asarray(vars(other)[name]).tobytes()
        for name, part in vars(one).items()
    )


# ---------------------------------------------------------------------------------------------- by hand


def test_every_kind_of_movement_by_hand():
    spans = [
        (1, -50, NO_END, 1000),  # there throughout
        (2, -50, 120, 700),  # leaves in month 1 ...
        (2, 310, NO_END, 500),  # ... and comes back in month 3
        (3, 30, 150, 400),  # new in month 0, dearer in month 1, cheaper in month 2
        (3, 150, 250, 900),
        (3, 250, NO_END, 300),
        (4, -80, -10, 100),  # a customer of long ago returns in month 2, with two subscriptions
        (4, 210, NO_END, 200),
        (4, 220, NO_END, 50),
    ]
    found = months(spans, 4)
    assert found.opening.tolist() == [1700, 2100, 1900, 1550]
    assert found.closing.tolist() == [2100, 1900, 1550, 2050]
    assert figures(found, 0) == {"new": 400}
    assert figures(found, 1) == {"expansion": 500, "churn": -700}
    assert figures(found, 2) == {"contraction": -600, "reactivation": 250}
    assert figures(found, 3) == {"reactivation": 500}
    assert found.opening_customers.tolist() == [2, 3, 2, 3] and found.closing_customers.tolist() == [3, 2, 3, 4]
    assert found.net_retention == pytest.approx([1, 1900 / 2100, 1300 / 1900, 1])
    assert found.gross_retention == pytest.approx([1, 1400 / 2100, 1300 / 1900, 1])
    rows = found.table.of(2, "reactivation")
    assert (rows.customer.tolist(), rows.before.tolist(), rows.after.tolist()) == ([4], [0], [250])


def test_within_a_period_only_the_result_counts():
    spans = [
        (1, -5, 40, 500),  # leaves and returns at the same price: nothing
        (1, 60, NO_END, 500),
        (2, -5, 40, 500),  # leaves and returns at a lower price: contraction
        (2, 60, NO_END, 450),
        (3, 10, 90, 800),  # joins and leaves: not seen
        (4, -5, NO_END, 300),  # one subscription up, another down by as much: nothing
        (4, -5, 50, 100),
        (4, 50, NO_END, 100),
        (5, 10, 30, 100),  # joins, leaves and joins again: new
        (5, 80, NO_END, 100),
    ]
    found = months(spans, 2)
    assert figures(found, 0) == {"new": 100, "contraction": -50}
    assert figures(found, 1) == {}


def test_who_was_there_only_within_an_earlier_month_comes_back():
    assert figures(months([(3, 10, 90, 800), (3, 120, NO_END, 700)], 2), 1) == {"reactivation": 700}


def test_a_free_trial_that_becomes_paid_is_new():
    found = months([(1, 10, 130, 0), (1, 130, NO_END, 900)], 2)
    assert (figures(found, 0), figures(found, 1)) == ({}, {"new": 900})
    assert found.opening_customers.tolist() == [0, 0]
    back_to_free = months([(1, -10, 130, 900), (1, 130, NO_END, 0)], 2)
    assert figures(back_to_free, 1) == {"churn": -900}


def test_midnight_belongs_to_the_month_that_begins():
    """An end at 100 pays for month 0 and leaves in month 1; a start at 100 is of month 1."""
    found = months([(1, -5, 100, 500), (2, 100, NO_END, 300), (3, 50, 50, 900)], 2)
    assert found.closing.tolist() == [500, 300]
    assert (figures(found, 0), figures(found, 1)) == ({}, {"new": 300, "churn": -500})


def test_trailing_retention_by_hand():
    """Over two months: of 1 (1000, grows to 1500), 2 (400, falls to 300), 3 (600, leaves); 4 is not of the base."""
    spans = [
        (1, -5, 150, 1000),
        (1, 150, NO_END, 1500),
        (2, -5, 120, 400),
        (2, 120, NO_END, 300),
        (3, -5, 50, 600),
        (4, 20, NO_END, 5000),
    ]
    found = months(spans, 3, trailing=2)
    assert np.isnan(found.net_trailing[0]) and np.isnan(found.gross_trailing[0])
    assert found.net_trailing[1] == pytest.approx(1800 / 2000)
    assert found.gross_trailing[1] == pytest.approx(1300 / 2000)
    # From the end of month 0 (1, 2 and 4 pay 6400) to the end of month 2.
    assert found.net_trailing[2] == pytest.approx(6800 / 6400)
    assert found.gross_trailing[2] == pytest.approx(6300 / 6400)


def test_trailing_over_one_period_is_the_periods_own():
    rng = np.random.default_rng(3)
    start = rng.integers(-300, 900, 300)
    spans = np.column_stack(
        [rng.integers(0, 120, 300), start, start + rng.integers(0, 400, 300), rng.integers(0, 900, 300)]
    )
    found = months(spans.tolist(), 9, trailing=1)
    assert found.net_trailing == pytest.approx(found.net_retention, nan_ok=True)
    assert found.gross_trailing == pytest.approx(found.gross_retention, nan_ok=True)


def test_no_revenue_has_no_retention():
    found = months([(1, 10, NO_END, 100)], 1)
    assert np.isnan(found.net_retention[0]) and np.isnan(found.gross_retention[0])
    empty = months([], 3, trailing=1)
    assert empty.closing.tolist() == [0, 0, 0] and len(empty.table.period) == 0
    assert np.isnan(empty.net_trailing).all()


def test_sums_are_exact_beyond_what_floating_point_holds():
    """2**53 + 1 is no double: an amount summed as one would lose the last unit."""
    found = months([(1, 10, NO_END, 2**53), (2, 20, 150, 1), (3, 130, NO_END, 1), (4, 140, NO_END, 2)], 2)
    assert found.closing.tolist() == [2**53 + 1, 2**53 + 3]
    assert figures(found, 0) == {"new": 2**53 + 1}


# ---------------------------------------------------------------------------------------------- as known at a moment


def test_a_late_cancellation_changes_a_month_only_for_those_who_look_later():
    start, end = np.array([10, 20]), np.array([80, NO_END])
    late = Subscriptions(np.array([1, 2]), start, end, np.array([500, 300]), start, np.array([230, 0]))
    edges = np.array([0, 100, 200])
    closed = bridge(late, edges, as_of=201, data_end=200)
    assert closed.closing.tolist() == [800, 800]
    assert bridge(late, edges, as_of=230, data_end=200).closing.tolist() == [800, 800]
    assert bridge(late, edges, as_of=231, data_end=200).closing.tolist() == [300, 300]


def test_a_subscription_that_arrives_late_is_there_only_for_those_who_look_later():
    one = np.array([1])
    late = Subscriptions(one, np.array([10]), np.array([NO_END]), np.array([500]), np.array([230]), np.array([0]))
    edges = np.array([0, 100, 200])
    assert bridge(late, edges, as_of=230, data_end=200).closing.tolist() == [0, 0]
    assert bridge(late, edges, as_of=231, data_end=200).closing.tolist() == [500, 500]


def test_a_running_month_is_as_far_as_it_went():
    """A cancellation announced for later in the month has not happened yet."""
    spans = known([(1, -5, 180, 500), (2, 120, NO_END, 300), (3, 170, NO_END, 900)])
    announced = Subscriptions(spans.customer, spans.start, spans.end, spans.revenue, np.full(3, -9), np.full(3, -9))
    found = bridge(announced, np.array([0, 100, 200]), as_of=150, data_end=140)
    assert found.complete.tolist() == [True, False]
    assert found.closing.tolist() == [500, 800]
    assert figures(found, 1) == {"new": 300}


# ---------------------------------------------------------------------------------------------- what must always hold

MOMENT = st.integers(-150, 650)
SPANS = st.lists(
    st.tuples(
        st.integers(1, 5),
        MOMENT,
        st.none() | st.integers(0, 400),
        st.sampled_from([0, 1, 5, 900, 2**55]),
        MOMENT,
        MOMENT,
    ).map(lambda row: (row[0], row[1], NO_END if row[2] is None else row[1] + row[2], *row[3:])),
    max_size=20,
)
EDGES = np.array([0, 100, 200, 300, 400, 500])
AS_OF = 450


def rows(spans: list[tuple[int, ...]]) -> Subscriptions:
    return Subscriptions(*np.array(spans, np.int64).reshape(-1, 6).T)


def read(spans: list[tuple[int, ...]]) -> Bridge:
    return bridge(rows(spans), EDGES, as_of=AS_OF, data_end=420, trailing=3)


def as_known(spans: list[tuple[int, ...]]) -> list[Span]:
    some = [row for row in spans if row[1] < AS_OF and row[4] < AS_OF]
    return [
        (who, at, end if end < AS_OF and end_known < AS_OF else NO_END, pays)
        for who, at, end, pays, _, end_known in some
    ]


@settings(max_examples=150)
@given(SPANS)
def test_the_bridge_sums_exactly_and_its_table_is_its_figures(spans):
    found = read(spans)
    assert (found.opening + found.movements.sum(axis=1)).tolist() == found.closing.tolist()
    assert found.closing[:-1].tolist() == found.opening[1:].tolist()
    arriving = found.counts[:, KINDS.index("new")] + found.counts[:, KINDS.index("reactivation")]
    leaving = found.counts[:, KINDS.index("churn")]
    assert (found.opening_customers + arriving - leaving).tolist() == found.closing_customers.tolist()
    for period in range(5):
        for place, kind in enumerate(KINDS):
            part = found.table.of(period, kind)
            assert int((part.after - part.before).sum()) == found.movements[period, place]
            assert len(set(part.customer.tolist())) == len(part.customer) == found.counts[period, place]


@settings(max_examples=150)
@given(SPANS)
def test_the_bridge_is_what_comes_of_looking_at_each_customer(spans):
    found, seen = read(spans), as_known(spans)
    expected = []
    for period in range(5):
        opens, closes = 100 * period, 100 * period + 100
        for who in range(1, 6):
            mine = [row for row in seen if row[0] == who]
            before, after = (sum(pays for _, at, end, pays in mine if at < b <= end) for b in (opens, closes))
            if before == 0 < after:
                earlier = any(at < opens and at < end and pays for _, at, end, pays in mine)
                expected.append((period, who, "reactivation" if earlier else "new", before, after))
            elif before != after:
                kind = "churn" if after == 0 else "expansion" if after > before else "contraction"
                expected.append((period, who, kind, before, after))
    table = found.table
    columns = (table.period, table.customer, table.kind, table.before, table.after)
    made = [(p, who, KINDS[kind], a, b) for p, who, kind, a, b in zip(*(c.tolist() for c in columns), strict=True)]
    assert made == expected


@settings(max_examples=80)
@given(SPANS, SPANS, st.randoms(use_true_random=False))
def test_what_is_known_later_changes_nothing_to_the_bit(spans, later, random):
    more = spans + [(*row[:4], AS_OF + abs(row[4]), row[5]) for row in later]
    assert same(read(spans), read(random.sample(more, len(more))))
    unended = [row if row[5] < AS_OF else (*row[:2], NO_END, *row[3:]) for row in spans]
    assert same(read(spans), read(unended))


@pytest.mark.parametrize(
    ("spans", "words"), [([(1, 50, 49, 5)], "before it starts"), ([(1, 50, 60, -5)], "less than nothing")]
)
def test_impossible_spans_are_refused(spans, words):
    with pytest.raises(ValueError, match=words):
        months(spans, 2)


def test_impossible_questions_are_refused():
    with pytest.raises(ValueError, match="boundaries"):
        bridge(known([]), np.array([0, 100, 100]), as_of=0, data_end=0)
    with pytest.raises(ValueError, match="boundaries"):
        bridge(known([]), np.array([0]), as_of=0, data_end=0)
    one, price = np.array([1]), np.array([9.99])
    with pytest.raises(ValueError, match="whole numbers"):
        bridge(Subscriptions(one, one, one, price, one, one), np.array([0, 100]), as_of=0, data_end=0)
    with pytest.raises(ValueError, match="not in"):
        months([], 1).table.of(0, "growth")
