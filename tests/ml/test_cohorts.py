"""Retention grids count what was known at a moment, and each cell opens its customers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retainstream.ml.cohorts import (
    NO_END,
    Contracts,
    GridClock,
    Periods,
    activity_grid,
    activity_members,
    contract_grid,
    contract_members,
)

LAST = 9  # periods 0 to 9; in the properties the running one is 9


def contracts(rows: list[tuple[int, int, int, int, int]]) -> Contracts:
    """Rows of customer, start, end, start known at, end known at."""
    return Contracts(*np.array(rows, np.int64).reshape(-1, 5).T)


def periods(rows: list[tuple[int, int, int]]) -> Periods:
    return Periods(*np.array(rows, np.int64).reshape(-1, 3).T)


def same(one: object, other: object) -> bool:
    """Equal to the bit, missing values included."""
    return all(
        np.asarray(part).tobytes() == np.asarray(vars(other)[name]).tobytes() for name, part in vars(one).items()
    )


# ---------------------------------------------------------------------------------------------- by hand, with late rows

# Periods are months 0 to 3; month m ends at 100 * (m + 1). Each act is known when it happens, but for two.
ACTS = [
    (1, 0, 10),
    (1, 1, 150),
    (1, 3, 320),
    (2, 0, 50),
    (2, 2, 250),
    (3, 1, 120),
    (3, 2, 350),  # happened in month 2, arrived in month 3
    (4, 1, 130),
    (4, 0, 340),  # happened in month 0, arrived in month 3: the customer turns out to be of an older cohort
    (5, 3, 310),
]


def test_activity_by_hand_before_the_late_rows_arrive():
    """At 300, months 0 to 2 are over: cohort 0 is {1, 2}, cohort 1 is {3, 4}."""
    grid = activity_grid(periods(ACTS), GridClock(as_of=300, last_complete=2, last=2))
    assert grid.cohorts.tolist() == [0, 1] and grid.sizes.tolist() == [2, 2]
    assert grid.retained.tolist() == [[2, 1, 1], [2, 0, 0]]
    assert grid.share[0].tolist() == [1, 0.5, 0.5]
    assert grid.share[1, :2].tolist() == [1, 0] and np.isnan(grid.share[1, 2])
    assert (grid.age_sizes.tolist(), grid.age_retained.tolist()) == ([4, 4, 2], [4, 1, 1])


def test_activity_by_hand_with_the_late_rows_and_a_running_month():
    """At 360, month 3 is running: cohort 0 is {1, 2, 4}, cohort 1 is {3}, cohort 3 is {5}."""
    clock = GridClock(as_of=360, last_complete=2, last=3)
    grid = activity_grid(periods(ACTS), clock)
    assert grid.cohorts.tolist() == [0, 1, 3] and grid.sizes.tolist() == [3, 1, 1]
    assert grid.retained.tolist() == [[3, 2, 1, 1], [1, 1, 0, 0], [1, 0, 0, 0]]
    assert grid.reached.tolist() == [[True] * 4, [True] * 3 + [False], [True] + [False] * 3]
    assert grid.mature.tolist() == [[True] * 3 + [False], [True] * 2 + [False] * 2, [False] * 4]
    # Sums leave the running month out.
    assert (grid.age_sizes.tolist(), grid.age_retained.tolist()) == ([4, 4, 3, 0], [4, 3, 1, 0])
    assert grid.age_share[:3] == pytest.approx([1, 3 / 4, 1 / 3]) and np.isnan(grid.age_share[3])
    assert activity_members(periods(ACTS), clock, 0, 1).tolist() == [1, 4]
    assert activity_members(periods(ACTS), clock, 0, 1, retained=False).tolist() == [2]


def test_the_past_can_be_read_again_as_it_was():
    clock = GridClock(as_of=300, last_complete=2, last=2)
    known = [row for row in ACTS if row[2] < 300]
    assert same(activity_grid(periods(ACTS), clock), activity_grid(periods(known), clock))


def test_activity_since_joining():
    """1 and 2 joined in month 0, 3 in month 2 (an act before does not count), 4 is known to join only later, 5 never."""
    joined = periods([(1, 0, 1), (2, 0, 1), (2, 3, 1), (3, 2, 2), (4, 0, 400)])
    grid = activity_grid(periods(ACTS), GridClock(360, 2, 3), joined)
    assert grid.cohorts.tolist() == [0, 2] and grid.sizes.tolist() == [2, 1]
    assert grid.retained.tolist() == [[2, 1, 1, 1], [1, 0, 0, 0]]
    assert grid.left_out == 2
    quiet = periods([*joined_rows(joined), (9, 0, 1)])
    assert activity_grid(periods(ACTS), GridClock(360, 2, 3), quiet).retained[0].tolist() == [2, 1, 1, 1]
    assert activity_members(periods(ACTS), GridClock(360, 2, 3), 0, 0, quiet, retained=False).tolist() == [9]


def joined_rows(joined: Periods) -> list[tuple[int, int, int]]:
    return list(zip(joined.customer.tolist(), joined.period.tolist(), joined.known_at.tolist(), strict=True))


def test_contracts_by_hand():
    """Customer 1 runs on; 2 leaves in month 1; 3 leaves in its first month; 4 changes plan in month 1; 5 returns in month 3."""
    rows = contracts(
        [
            (1, 0, NO_END, 5, 0),
            (2, 0, 1, 6, 140),
            (3, 1, 1, 120, 160),
            (4, 0, 1, 7, 150),
            (4, 1, NO_END, 150, 0),
            (5, 0, 1, 8, 170),
            (5, 3, NO_END, 330, 0),
        ]
    )
    clock = GridClock(as_of=360, last_complete=2, last=3)
    grid = contract_grid(rows, clock)
    assert grid.cohorts.tolist() == [0, 1] and grid.sizes.tolist() == [4, 1]
    assert grid.retained.tolist() == [[4, 2, 2, 2], [0, 0, 0, 0]]
    assert contract_members(rows, clock, 0, 1).tolist() == [1, 4]
    assert contract_members(rows, clock, 0, 3, retained=False).tolist() == [2, 5]
    # At 145 only the end of customer 2 has become known.
    assert contract_grid(rows, GridClock(145, 0, 1)).retained.tolist() == [[4, 3], [1, 0]]


# ---------------------------------------------------------------------------------------------- what must always hold

TIME = st.integers(0, 50)
ROWS = st.lists(
    st.tuples(st.integers(-3, 6), st.integers(-2, 11), st.integers(0, 8) | st.none(), TIME, TIME).map(
        lambda row: (row[0], row[1], NO_END if row[2] is None else row[1] + row[2], row[3], row[4])
    ),
    max_size=25,
)
ACTIVITY = st.lists(st.tuples(st.integers(-3, 6), st.integers(-2, 11), TIME), max_size=40)
CLOCK = GridClock(as_of=30, last_complete=LAST - 1, last=LAST)


def stays_by_walking(rows: list[tuple[int, int, int, int, int]]) -> dict[int, tuple[int, int]]:
    """Cohort, and first period at whose end the customer is gone, by looking at one period after the other."""
    found = {}
    known = [row for row in rows if row[3] < 30 and row[1] <= LAST]
    for customer in {row[0] for row in known}:
        spans = [
            (start, end if end_known < 30 else NO_END) for who, start, end, _, end_known in known if who == customer
        ]
        cohort = end = min(start for start, _ in spans)
        while end <= LAST and any(start <= end < stop for start, stop in spans):
            end += 1
        found[customer] = (cohort, end)
    return found


@settings(max_examples=150)
@given(ROWS)
def test_contract_cells_count_who_is_there_and_never_rise(rows):
    grid, stays = contract_grid(contracts(rows), CLOCK), stays_by_walking(rows)
    assert grid.cohorts.tolist() == sorted({cohort for cohort, _ in stays.values()})
    for i, cohort in enumerate(grid.cohorts.tolist()):
        assert grid.sizes[i] == sum(start == cohort for start, _ in stays.values())
        for age in range(LAST - cohort + 1):
            there = sorted(who for who, (start, end) in stays.items() if start == cohort and end > cohort + age)
            assert grid.retained[i, age] == len(there)
            assert contract_members(contracts(rows), CLOCK, cohort, age).tolist() == there
    assert (np.diff(grid.retained, axis=1) <= 0).all() and (grid.retained[:, :1] <= grid.sizes[:, None]).all()
    assert (grid.mature <= grid.reached).all() and (np.isnan(grid.share) == ~grid.reached).all()


@settings(max_examples=60)
@given(ROWS, ROWS, st.randoms(use_true_random=False))
def test_contracts_known_later_change_nothing_to_the_bit(rows, later, random):
    more = rows + [(who, start, end, 30 + known, end_known) for who, start, end, known, end_known in later]
    more = random.sample(more, len(more))
    assert same(contract_grid(contracts(rows), CLOCK), contract_grid(contracts(more), CLOCK))
    unended = [row if row[4] < 30 else (*row[:2], NO_END, row[3], 0) for row in rows]
    assert same(contract_grid(contracts(rows), CLOCK), contract_grid(contracts(unended), CLOCK))


@settings(max_examples=100)
@given(ACTIVITY, ACTIVITY, st.randoms(use_true_random=False))
def test_activity_is_a_pivot_of_what_was_known(rows, later, random):
    grid = activity_grid(periods(rows), CLOCK)
    frame = pd.DataFrame(rows, columns=["customer", "period", "known_at"])
    frame = frame[(frame.known_at < 30) & (frame.period <= LAST)]
    frame["cohort"] = frame.groupby("customer").period.transform("min")
    counts = frame.groupby(["cohort", "period"]).customer.nunique()
    assert grid.cohorts.tolist() == sorted(set(frame.cohort))
    assert grid.retained.sum() == counts.sum()
    for (cohort, period), count in counts.items():
        place = grid.cohorts.tolist().index(cohort)
        assert grid.retained[place, period - cohort] == count
        assert len(activity_members(periods(rows), CLOCK, cohort, period - cohort)) == count
    assert (grid.retained[:, 0] == grid.sizes).all() if len(grid.sizes) else grid.retained.size == 0
    more = rows + [(who, period, 30 + known) for who, period, known in later]
    assert same(grid, activity_grid(periods(random.sample(more, len(more))), CLOCK))


# ---------------------------------------------------------------------------------------------- the rest


def test_intervals_are_wilsons():
    """Newcombe (1998), Statistics in Medicine 17, table I, method 3: 15/148 gives 0.0624 to 0.1605, 0/20 gives 0 to 0.1611."""
    rows = [(who, 0, 0 if who >= 15 else NO_END, 0, 0) for who in range(148)]
    rows += [(who, 1, 1, 0, 0) for who in range(200, 220)]
    low, high = contract_grid(contracts(rows), GridClock(10, 1, 1)).intervals()
    assert (low[0, 0], high[0, 0]) == pytest.approx((0.0624, 0.1605), abs=5e-5)
    assert (low[1, 0], high[1, 0]) == pytest.approx((0, 0.1611), abs=5e-5)
    assert np.isnan(low[1, 1])


def test_nothing_known_is_an_empty_grid():
    assert contract_grid(contracts([(1, 0, NO_END, 99, 0)]), CLOCK).retained.shape == (0, 0)
    assert activity_grid(periods([]), CLOCK).age_share.shape == (0,)
    assert activity_grid(periods(ACTS), CLOCK, periods([])).sizes.tolist() == []


def test_what_makes_no_sense_is_refused():
    with pytest.raises(ValueError, match="before it starts"):
        contract_grid(contracts([(1, 5, 4, 0, 0)]), CLOCK)
    with pytest.raises(ValueError, match="complete"):
        GridClock(as_of=0, last_complete=3, last=2)
    with pytest.raises(ValueError, match="not in the grid"):
        contract_members(contracts([]), CLOCK, 8, 2)
    with pytest.raises(ValueError, match="whole numbers"):
        activity_grid(Periods(np.array([1]), np.array([0.5]), np.array([0])), CLOCK)
    with pytest.raises(ValueError, match="one length"):
        activity_grid(Periods(np.array([1]), np.array([0, 1]), np.array([0])), CLOCK)
    with pytest.raises(ValueError, match="too far apart"):
        activity_grid(Periods(np.array([0, 2**62]), np.array([0, 0]), np.array([0, 0])), CLOCK)
