"""RFM: only what was known, ties together, one name for everybody, moves that sum; and a pandas one-liner as the judge."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retainstream.ml import rfm
from retainstream.ml.rfm import DAY, GROUPS, NAMES, RfmScores, migration, rfm_scores, rfm_values, rule_table, tied_parts

purchases = st.lists(
    st.tuples(st.integers(0, 12), st.integers(0, 90), st.integers(-500, 5000), st.integers(0, 8), st.integers(0, 40)),
    min_size=1,
    max_size=80,
)


def _columns(rows):
    customer, day, amount, order, late = (np.array(column, dtype=np.int64) for column in zip(*rows, strict=True))
    return {
        "customer": customer,
        "occurred": day * DAY + 7,
        "amount": amount,
        "order": order,
        "received": (day + late) * DAY + 7,
    }


def _same(a, b):
    return all(np.array_equal(x, y) for x, y in zip(vars(a).values(), vars(b).values(), strict=True))


def test_every_triple_of_scores_has_exactly_one_name():
    for triple in itertools.product(range(1, 6), repeat=3):
        names = [
            group.name
            for group in GROUPS
            for box in group.boxes
            if all(a <= s <= b for s, (a, b) in zip(triple, (box.recency, box.frequency, box.money), strict=True))
        ]
        assert len(names) == 1, triple
        assert NAMES[rfm._CUBE[triple]] == names[0]
    assert len(set(NAMES)) == 10


def test_the_printed_table_is_the_one_in_force():
    assert rule_table() in rfm.__doc__


@given(purchases, st.randoms(use_true_random=False))
def test_the_order_of_rows_makes_no_difference(rows, random):
    shuffled = rows[:]
    random.shuffle(shuffled)
    one, other = (rfm_values(**_columns(some), as_of=60 * DAY) for some in (rows, shuffled))
    assert _same(one, other)
    assert _same(rfm_scores(one), rfm_scores(other))


@given(purchases, purchases)
def test_what_is_not_yet_known_changes_nothing(rows, others):
    as_of = 60 * DAY
    later = [(c, d if d + late >= 60 else 60 + d, a, o, late) for c, d, a, o, late in others]
    assert _same(
        rfm_values(**_columns(rows), as_of=as_of),
        rfm_values(**_columns(rows + later), as_of=as_of),
    )


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=60), st.integers(2, 10))
def test_ties_stay_together_and_larger_values_are_never_in_a_lower_part(values, parts):
    array = np.array(values)
    found = tied_parts(array, parts)
    assert found.min() >= 1 and found.max() <= parts
    for a, b in itertools.pairwise(np.argsort(array, kind="stable")):
        assert found[a] <= found[b]
        assert array[a] != array[b] or found[a] == found[b]


def test_parts_are_equally_large_without_ties_and_the_middle_when_all_are_equal():
    assert np.bincount(tied_parts(np.random.default_rng(0).permutation(1000)))[1:].tolist() == [200] * 5
    assert tied_parts(np.zeros(17)).tolist() == [3] * 17
    assert tied_parts(np.array([np.nan, 1.0, 2.0]), 2).tolist() == [0, 1, 2]


def test_returns_lower_the_money_and_are_no_sign_of_life():
    values = rfm_values(
        np.array([900_000_000, 900_000_000, 5, 5, 5]),
        np.array([1, 50, 10, 10, 20]) * DAY,
        60 * DAY,
        amount=np.array([1000, -400, 300, 200, 100]),
        order=np.array([1, 2, 3, 3, 4]),
    )
    assert values.customer.tolist() == [5, 900_000_000]
    assert values.recency_days.tolist() == [40, 59]
    assert values.frequency.tolist() == [2, 1]
    assert values.money.tolist() == [600, 600]


def test_activities_without_amounts_share_the_middle_score_of_money():
    scores = rfm_scores(rfm_values(np.array([1, 1, 2]), np.array([1, 2, 3]) * DAY, 9 * DAY))
    assert scores.money.tolist() == [3, 3]


def test_amounts_with_fractions_are_refused():
    with pytest.raises(ValueError, match="minor unit"):
        rfm_values(np.array([1]), np.array([1]), 2, amount=np.array([9.99]))


def test_nobody_is_an_answer():
    nobody = rfm_scores(rfm_values(np.array([1]), np.array([9]) * DAY, 3 * DAY))
    assert nobody.counts() == dict.fromkeys(NAMES, 0)
    assert migration(nobody, nobody).population == 0


@given(purchases, st.integers(1, 60), st.integers(0, 40))
def test_migration_sums_to_the_population_and_its_cells_open(rows, day, more):
    columns = _columns(rows)
    since = [None, (day + more - 30) * DAY]  # the later day looks back 30 days, so that somebody leaves
    earlier, later = (
        rfm_scores(rfm_values(**columns, as_of=at * DAY, since=s))
        for at, s in zip((day, day + more), since, strict=True)
    )
    moves = migration(earlier, later)
    assert moves.counts.sum() == moves.population == len(set(earlier.customer) | set(later.customer))
    assert moves.counts[:-1].sum(axis=1).tolist() == list(earlier.counts().values())
    assert moves.counts[:, :-1].sum(axis=0).tolist() == list(later.counts().values())
    assert moves.counts[-1, -1] == 0
    assert moves.entered == len(set(later.customer) - set(earlier.customer))
    assert moves.left == len(set(earlier.customer) - set(later.customer))
    names = (*NAMES, None)
    for row, column in zip(*np.nonzero(moves.counts), strict=True):
        assert len(moves.members(names[row], names[column])) == moves.counts[row, column]


def test_days_the_wrong_way_round_are_refused():
    empty = np.empty(0, dtype=np.int64)
    with pytest.raises(ValueError, match="later"):
        migration(RfmScores(empty, empty, empty, empty, empty, 2), RfmScores(empty, empty, empty, empty, empty, 1))


@pytest.mark.real_data
def test_online_retail_agrees_with_one_line_of_pandas(real_data):
    lines = pd.read_csv(
        real_data / "online_retail.csv.gz",
        usecols=["InvoiceNo", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID"],
        dtype={"InvoiceNo": str},
        parse_dates=["InvoiceDate"],
    ).dropna(subset="CustomerID")
    lines["pence"] = (lines["Quantity"] * lines["UnitPrice"] * 100).round().astype("int64")
    lines["at"] = lines["InvoiceDate"].astype("datetime64[us]").astype("int64")
    as_of = pd.Timestamp("2011-11-01")
    values = rfm_values(
        lines["CustomerID"].to_numpy("int64"),
        lines["at"].to_numpy(),
        as_of.value // 1000,
        amount=lines["pence"].to_numpy(),
        order=pd.factorize(lines["InvoiceNo"])[0],
    )
    known = lines[lines["InvoiceDate"] < as_of]
    bought = (
        known[known["pence"] >= 0].groupby("CustomerID").agg(last=("InvoiceDate", "max"), f=("InvoiceNo", "nunique"))
    )
    frame = bought.assign(r=-(as_of - bought["last"]).dt.days, m=known.groupby("CustomerID")["pence"].sum())[
        ["r", "f", "m"]
    ]
    fifths = np.ceil((frame.rank() - 0.5) * 5 / len(frame)).astype(int)  # the one line

    scores = rfm_scores(values)
    assert len(frame) > 3800
    assert values.customer.tolist() == frame.index.astype(int).tolist()
    assert np.array_equal(np.column_stack([-values.recency_days, values.frequency, values.money]), frame.to_numpy())
    assert np.array_equal(np.column_stack([scores.recency, scores.frequency, scores.money]), fifths.to_numpy())
    assert sum(scores.counts().values()) == len(frame) and min(scores.counts().values()) > 0
