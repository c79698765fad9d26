"""Survival of a box: lifelines' figures from the raw rows, late entry where the record begins, groups by the earliest value, and whom each figure opens."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from retainstream.config import Settings
from retainstream.db import read_unit, unit_of_work
from retainstream.errors import InvalidInput, NotReady
from retainstream.lib import clock
from retainstream.models import (
    AttributeDefinition,
    AttributeVersion,
    Customer,
    Identity,
    ModelVersion,
    ScoreHistory,
    ScoringRun,
    Segment,
    SegmentMember,
)
from retainstream.services import attributes, revisions
from retainstream.services.attributes import Wanted
from retainstream.services.customers import cells
from retainstream.services.events.rows import EventRows, SubscriptionRows
from retainstream.services.survival import curves, grouping
from retainstream.services.survival import lives as stays
from tests.history import DAY, START, Past, define, write_past
from tests.work import run_job

MONTH = 30.4375


def fitted(months: np.ndarray, left: np.ndarray, entry: np.ndarray | None = None) -> Any:
    """Return lifelines' curve."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from lifelines import KaplanMeierFitter

        return KaplanMeierFitter().fit(months, left, entry=entry)


def read(settings: Settings, by: str = "") -> curves.Survival:
    with read_unit() as session:
        return curves.read(session, settings, by)


def ids(key: str) -> set[int]:
    with read_unit() as session:
        found = cells.read(session, f"survival:{key}").ids
    assert len(found) == len(set(found))
    return set(found)


def labels(found: curves.Survival) -> dict[str, int]:
    return {group.label: group.curve.n for group in found.groups}


def customers(session: Session) -> dict[str, int]:
    return dict(session.execute(select(Identity.user_id, Identity.customer_id)).all())


@pytest.mark.usefixtures("past_box")
def test_the_curve_is_that_of_lifelines_on_the_raw_rows(settings: Settings, past: Past) -> None:
    run_job(settings, "analyse")
    found = read(settings)
    ends: dict[str, tuple[int, int | None, str | None]] = {}
    rows = past.subscriptions
    for who, start, end, why, known in zip(
        rows.user_ids, rows.started, rows.ended, rows.reasons, rows.received, strict=True
    ):
        if known is not None and known < past.data_end:
            ends[who] = (start, end if end is not None and end <= past.data_end else None, why)
    begun = [one for one in ends.values() if one[0] <= past.data_end]
    months = np.array([((past.data_end if end is None else end) - start) // DAY / MONTH for start, end, _ in begun])
    left = np.array([end is not None and why == "voluntary" for _, end, why in begun])
    oracle = fitted(months, left)
    curve = found.groups[0].curve
    assert curve.n == len(begun)
    assert found.lives.otherwise == sum(end is not None and why != "voluntary" for _, end, why in begun) > 0
    assert curve.survival == pytest.approx(oracle.survival_function_at_times(curve.time).to_numpy())
    limits = oracle.confidence_interval_.loc[curve.time].to_numpy()
    assert np.column_stack([curve.low, curve.high]) == pytest.approx(limits)
    assert curve.median == oracle.median_survival_time_


def old_company(seed: int = 3, n: int = 150) -> tuple[Past, np.ndarray, np.ndarray, np.ndarray]:
    """Return customers of whom half came in the two years before the record begins; those who left before it are not in the data."""
    rng = np.random.default_rng(seed)
    begin = rng.integers(-700, 200, n)
    end = begin + rng.geometric(1 / 250, n)
    seen = end > 0
    begin, end = begin[seen], end[seen]
    last = 300
    said = [(f"c{i:03d}", int(one), None, int(one)) for i, one in enumerate(begin)]
    said += [(f"c{i:03d}", int(begin[i]), int(end[i]), int(end[i])) for i in np.flatnonzero(end < last)]
    said.sort(key=lambda one: one[3])
    m = len(said)
    subscriptions = SubscriptionRows(
        user_ids=[one[0] for one in said], keys=[None] * m, plans=["basic" if one[0] < "c050" else "gold" for one in said],
        revenue_minor=[900] * m, currencies=["EUR"] * m, started=[START + one[1] * DAY for one in said],
        ended=[None if one[2] is None else START + one[2] * DAY for one in said],
        reasons=[None if one[2] is None else "voluntary" for one in said], received=[START + one[3] * DAY for one in said],
    )  # fmt: skip
    at = [START, START + last * DAY + DAY // 2]
    events = EventRows(["c000"] * 2, ["login"] * 2, at, at, [None] * 2, [None] * 2, [None] * 2)
    left = end < last
    return Past(events, subscriptions, at[1]), begin, np.where(left, end, last), left


@pytest.mark.usefixtures("minimal_app")
def test_who_came_before_the_record_begins_counts_from_then_on(settings: Settings) -> None:
    past, begin, end, left = old_company()
    with unit_of_work() as session:
        write_past(session, past)
        define(session)
    run_job(settings, "analyse")
    found = read(settings)
    months, entry = (end - begin) / MONTH, np.maximum(-begin, 0) / MONTH
    curve = found.groups[0].curve
    oracle = fitted(months, left, entry)
    assert curve.survival == pytest.approx(oracle.survival_function_at_times(curve.time).to_numpy())
    # Without late entry the curve would promise far more than half of them a stay of 200 days.
    naive, truth = fitted(months, left), np.exp(-200 / 250)
    at = 200 / MONTH
    assert abs(float(curve.at(np.array([at])).survival[0]) - truth) < abs(float(naive.predict(at)) - truth)
    step = found.groups[0].steps[2]
    at_risk = (entry < step.until) & (months >= step.until)
    assert step.at_risk == at_risk.sum() == len(ids(f"risk/-/Everybody/{step.until:g}"))


@pytest.mark.usefixtures("minimal_app")
def test_under_a_rule_of_inactivity_those_at_the_start_are_left_out_unless_they_signed_up_on_a_known_day(
    settings: Settings,
) -> None:
    days = {"old": (0, 9, 18, 26), "known": (1, 10, 20, 28), "new": (40, 48, 55), "gone": (41, 45), "end": (120,)}
    acts = sorted((START + day * DAY + 1, who) for who, each in days.items() for day in each)
    n = len(acts)
    at = [one for one, _ in acts]
    events = EventRows([who for _, who in acts], ["login"] * n, at, at, [None] * n, [None] * n, [None] * n)
    nothing = SubscriptionRows([], [], [], [], [], [], [], [])
    with unit_of_work() as session:
        write_past(session, Past(events, nothing, at[-1]))
        define(session, "inactivity", inactive_days=14)
        who = customers(session)
        session.execute(update(Customer).where(Customer.id == who["known"]).values(signup_at=START - 99 * DAY))
        revisions.bump(session, "customers")
    run_job(settings, "analyse")
    found = read(settings).lives
    assert found.unknown.tolist() == [who["old"]]
    assert ids("unknown") == {who["old"]}
    place = found.customer.tolist().index(who["known"])
    assert found.entry[place] == pytest.approx(100 / MONTH)
    assert found.months[place] == pytest.approx(127 / MONTH)
    # Nobody has been followed beyond the day from which a silence of 14 days could still be certain.
    assert who["end"] not in found.customer


def attribute(session: Session, kind: str, values: dict[int, Any], *, name: str = "region") -> None:
    """Give customers a value, as an import would; the next makes a new version beside the older."""
    (definition,) = attributes.allocate(session, [Wanted(name, name.title(), kind)])
    assert definition.slot is not None
    session.add_all(
        AttributeVersion(customer_id=one, valid_from=START - DAY, known_at=START, **{definition.slot: value})
        for one, value in values.items()
    )
    revisions.bump(session, "customers")


@pytest.mark.usefixtures("past_box")
def test_the_earliest_value_counts_and_those_without_one_are_told(settings: Settings) -> None:
    run_job(settings, "analyse")
    with unit_of_work() as session:
        everybody = sorted(customers(session).values())
        known = everybody[:600]
        attribute(session, "category", {one: "north" if one % 2 else "south" for one in known})
        attribute(session, "category", dict.fromkeys(known, "moved"))
    found = read(settings, "attribute.region")
    assert set(labels(found)) == {"north", "south"}
    assert found.without == len(found.lives) - sum(labels(found).values()) == len(ids("without/attribute.region"))
    assert not ids("without/attribute.region") & set(known)
    assert found.grouping.late == 0
    assert ids("all/attribute.region/north") == {
        one for one in known if one % 2 and one in set(found.lives.customer.tolist())
    }


@pytest.mark.usefixtures("past_box")
def test_many_levels_become_eight_groups_and_numbers_become_quarters(settings: Settings) -> None:
    run_job(settings, "analyse")
    with unit_of_work() as session:
        everybody = sorted(customers(session).values())
        levels = {one: f"level {min(place % 40, 11):02d}" for place, one in enumerate(everybody)}
        attribute(session, "category", levels)
        attribute(session, "number", {one: one / 7 for one in everybody}, name="spend")
        attribute(session, "boolean", {one: one % 2 for one in everybody}, name="opted")
    found = read(settings, "attribute.region")
    assert len(found.groups) == 8
    assert found.groups[-1].label == grouping.OTHER
    assert found.grouping.merged == 5
    assert sum(labels(found).values()) == len(found.lives)
    assert len(ids("all/attribute.region/Other")) == labels(found)["Other"]
    quarters = read(settings, "attribute.spend")
    sizes = list(labels(quarters).values())
    assert len(sizes) == 4
    assert max(sizes) - min(sizes) <= 20
    assert set(labels(read(settings, "attribute.opted"))) == {"Yes", "No"}


@pytest.mark.usefixtures("past_box")
def test_every_figure_opens_those_that_it_counts(settings: Settings) -> None:
    run_job(settings, "analyse")
    with unit_of_work() as session:
        everybody = sorted(customers(session).values())
        attribute(session, "category", {one: "a/b; c%" if one % 3 else "x" * 90 for one in everybody})
    for by in ("", "plan", "attribute.region"):
        found = read(settings, by)
        token = grouping.token(by) if by else "-"
        for group in found.groups:
            start = f"{token}/{group.token}"
            assert len(ids(f"all/{start}")) == group.curve.n
            assert len(ids(f"left/{start}/0/inf")) == group.curve.n_events
            assert len(ids(f"risk/{start}/0")) == group.start
            together: set[int] = set()
            for step in group.steps:
                between = ids(f"left/{start}/{step.since:g}/{step.until:g}")
                assert len(between) == step.left
                assert not between & together
                together |= between
                assert len(together) == step.left_by
                assert ids(f"left/{start}/0/{step.until:g}") == together
                assert len(ids(f"risk/{start}/{step.until:g}")) == step.at_risk
    with read_unit() as session:
        hazards = curves.tenure(session, settings)
    for start, end, events in zip(hazards.start, hazards.end, hazards.events, strict=True):
        assert len(ids(f"left/-/Everybody/{start:g}/{end:g}")) == events
    assert hazards.events.sum() == read(settings).lives.left.sum()


@pytest.mark.usefixtures("past_box")
def test_a_segment_is_told_as_of_today(settings: Settings) -> None:
    run_job(settings, "analyse")
    with unit_of_work() as session:
        everybody = sorted(customers(session).values())
        now = clock.now_us()
        session.add(Segment(id=1, name="Keen", rule={}, created_at=now, updated_at=now))
        session.flush()
        session.add_all(SegmentMember(segment_id=1, customer_id=one, entered_at=now) for one in everybody[:90])
        session.add(SegmentMember(segment_id=1, customer_id=everybody[90], entered_at=now, left_at=now))
        revisions.bump(session, "analyses")
    found = read(settings, "segment.1")
    assert found.grouping.present
    assert ids("all/segment.1/In%20it%20today") <= set(everybody[:90])


@pytest.mark.usefixtures("ahead_box")
def test_those_of_one_first_score_are_followed_from_it_on(settings: Settings) -> None:
    run_job(settings, "analyse")
    with pytest.raises(NotReady, match="first scored"):
        read(settings, "first_score")  # scored on the last day: nobody has been followed since
    with unit_of_work() as session:
        run = session.execute(select(ScoringRun)).scalar_one()
        run.as_of = scored = run.as_of - 120 * DAY
        session.execute(update(ModelVersion).values(as_of=scored - DAY))
        margins = dict(session.execute(select(ScoreHistory.customer_id, ScoreHistory.margin)).all())
        revisions.bump(session, "analyses")
    found = read(settings, "first_score")
    lives, place = found.lives, found.grouping.place
    inside = place >= 0
    ages = (scored - lives.came[inside]) // DAY / MONTH
    assert lives.entry[inside] == pytest.approx(ages)
    assert (lives.months[inside] > ages).all()
    rising = sorted(margins.values())
    for one, at in zip(lives.customer[inside].tolist(), place[inside].tolist(), strict=True):
        above = 1 - rising.index(margins[one]) / len(rising)
        assert (
            at == sum(above > edge for edge in (0.10, 0.25, 0.50)) or abs(above - (0.10, 0.25, 0.50)[min(at, 2)]) < 0.01
        )
    group = found.groups[0]
    assert len(ids(f"risk/first_score/{group.token}/{group.steps[-1].until:g}")) == group.steps[-1].at_risk
    with unit_of_work() as session:
        session.execute(update(ModelVersion).values(as_of=scored + DAY))
        revisions.bump(session, "analyses")
    with pytest.raises(InvalidInput):
        read(settings, "first_score")  # by a model that knew of later days


@pytest.mark.usefixtures("past_box")
def test_an_address_that_leads_nowhere_says_so(settings: Settings) -> None:
    run_job(settings, "analyse")
    nowhere = ["", "all", "all/-", "all/-/Nobody", "left/-/Everybody/3", "left/-/Everybody/3/1", "left/-/Everybody/a/b"]
    nowhere += ["risk/-/Everybody/nan", "risk/-/Everybody/-1", "without/colour", "all/colour/red", "unknown/1"]
    for key in nowhere:
        with pytest.raises(InvalidInput):
            ids(key)


@pytest.mark.usefixtures("past_box")
def test_it_says_what_is_missing(settings: Settings) -> None:
    with pytest.raises(NotReady, match="not been looked at"):
        read(settings)
    run_job(settings, "analyse")
    with pytest.raises(InvalidInput):
        read(settings, "colour")
    with unit_of_work() as session:
        session.add(AttributeDefinition(name="empty", title="Empty", kind="category", slot="t09", created_at=1))
        revisions.bump(session, "customers")
    with pytest.raises(NotReady, match="Empty"):
        read(settings, "attribute.empty")


@pytest.mark.usefixtures("scored")
def test_a_table_without_dates_gives_curves_by_tenure(settings: Settings) -> None:
    with unit_of_work() as session:
        session.execute(update(Customer).values(tenure_months=Customer.id % 40))
    run_job(settings, "analyse")
    found = read(settings)
    with read_unit() as session:
        rows = session.execute(select(Customer.tenure_months, Customer.churned)).all()
    oracle = fitted(np.array([row[0] for row in rows]), np.array([bool(row[1]) for row in rows]))
    curve = found.groups[0].curve
    assert found.lives.recorded_from is None
    assert curve.survival == pytest.approx(oracle.survival_function_at_times(curve.time).to_numpy())
    assert isinstance(found.lives, stays.Lives)
    assert set(labels(read(settings, "attribute.plan_name"))) == {"Basic", "Standard", "Premium"}
