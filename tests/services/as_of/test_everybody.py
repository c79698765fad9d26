"""One feature for everybody is what the builder makes of all of history; a kind's figures are what a plain count finds. On disk or not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import settings as bounded
from hypothesis import strategies as st
from sqlalchemy import delete, select

from retainstream.app import create_minimal_app
from retainstream.config import Settings
from retainstream.db import db, read_unit, unit_of_work
from retainstream.ml.asof import dictionary
from retainstream.ml.asof.builder import features
from retainstream.ml.features import FeatureSpec, Recipe
from retainstream.models import Customer
from retainstream.services import as_of, revisions
from retainstream.services.as_of import cache, everybody
from tests.services.as_of import happened

pytestmark = pytest.mark.usefixtures("minimal_app")
KINDS = ("login", "watch", "payment_failed")
MOMENT = happened.START + 60 * happened.DAY
SPECS = (
    *dictionary.catalogue(
        dict.fromkeys(KINDS, dictionary.KindFacts(9, 9, 9)), properties=("device",), subscriptions=True
    ),
    *(
        FeatureSpec(aggregate, "number", aggregate, recipe=Recipe("events", aggregate, "watch", days))
        for aggregate, days in (("mean", 20), ("max", 40), ("days_since_first", None))
    ),
)
_EVENTS = st.lists(
    st.tuples(
        st.integers(0, 4),  # customer
        st.sampled_from(KINDS),
        st.floats(-40, 70).map(lambda day: round(day, 2)),
        st.sampled_from([0.0, 0.0, 3.0, 30.0]),  # late by
        st.sampled_from([None, 0.1, 5.0]),
        st.sampled_from(["tv", "phone", None]),
    ),
    max_size=25,
)


def _fill(people: list[int], rows: list[Any]) -> None:
    with unit_of_work() as session:
        for whose, kind, day, late, value, device in rows:
            more = {} if device is None else {"device": device}
            happened.event(session, people[whose], kind, day, late=late, value=value, **more)


def _box() -> list[int]:
    with unit_of_work() as session:
        people = [happened.customer(session, f"u{k}") for k in range(5)]
        for k, one in enumerate(people[:3]):
            happened.statement(session, one, f"s{k}", 5.0 * k, plan=("Gold", "Free")[k % 2], revenue_minor=999)
        happened.statement(session, people[0], "s0", 5.0, received=61, plan="Later", revenue_minor=5)
    return people


def _hide(people: list[int]) -> None:
    """Bring in a load that is not applied."""
    with unit_of_work() as session:
        load = happened.batch(session)
        happened.event(session, people[0], "login", 50, batch_id=load)
        happened.customer(session, "hidden", batch_id=load)


def _ids(session: Any) -> np.ndarray:
    return np.array(session.scalars(select(Customer.id).where(Customer.visible()).order_by(Customer.id)).all())


@bounded(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@example(  # something in this window, in the one before it, long ago, and of another kind
    before=[(0, kind, day, 0.0, 5.0, "tv") for kind in KINDS for day in (-30.0, 10.0, 20.0, 45.0, 59.0)],
    after=[
        (0, "watch", 25.0, 3.0, 0.1, "phone"),
        (1, "login", 15.0, 30.0, None, None),
        (1, "watch", 40.0, 30.0, 1.0, "tv"),
    ],
)
@given(before=_EVENTS, after=_EVENTS)
def test_every_feature_is_the_builders(before: list[Any], after: list[Any], tmp_path_factory: Any) -> None:
    settings = Settings(instance=str(tmp_path_factory.mktemp("box")), jobs=False)
    with create_minimal_app(settings).app_context(), pytest.MonkeyPatch.context() as eager:
        db.create_all()
        people = _box()
        _fill(people, before)
        eager.setattr(cache, "WORTH_KEEPING", 1)
        with read_unit() as session:
            everybody.fetch(session, settings)
            assert everybody.lacking(session, settings) == 0
        _hide(people)
        _fill(people, after)
        with read_unit() as session:
            ids = _ids(session)
            whole = features(as_of.history(session, settings), SPECS, MOMENT, ids)
            for spec in SPECS:
                values, levels = everybody.feature(session, settings, ids, spec, MOMENT)
                told: Any = values if spec.kind != "category" else [levels[code] if code >= 0 else None for code in values]  # fmt: skip
                wanted = whole[spec.name].to_numpy()
                if spec.kind == "category":
                    assert [one if isinstance(one, str) else None for one in wanted] == told
                else:
                    np.testing.assert_array_equal(told, wanted, err_msg=spec.name)
        db.engine.dispose()


def test_a_kind_is_counted_within_its_window_and_as_far_as_it_was_known(settings: Settings) -> None:
    people = _box()
    _hide(people)
    rows = [
        (0, "login", 59, 0.0, 2.0, None),
        (0, "login", 59.5, 1.0, 8.0, None),  # came in after the moment
        (0, "login", 40, 0.0, None, None),
        (1, "login", 10, 0.0, 4.0, None),
        (1, "watch", 59, 0.0, 4.0, None),
        (2, "login", 60, 0.0, 1.0, None),  # at the moment: not before it
    ]
    _fill(people, rows)
    with read_unit() as session:
        ids = _ids(session)

        def told(figure: everybody.Figure, days: int | None) -> list[float]:
            return everybody.of_kind(session, settings, ids, figure, "login", days, MOMENT).tolist()

        assert told("count", 30) == [2, 0, 0, 0, 0]
        assert told("count", None) == [2, 1, 0, 0, 0]
        assert told("sum", 30) == [2.0, 0, 0, 0, 0]
        np.testing.assert_allclose(told("days_since", None), [1, 50, np.nan, np.nan, np.nan])
        np.testing.assert_array_equal(everybody.of_kind(session, settings, ids, "count", "none such", 9, MOMENT), 0)


def test_whoever_is_gone_is_not_counted(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "WORTH_KEEPING", 1)
    people = _box()
    _fill(people, [(whose, "login", 59, 0.0, None, None) for whose in (1, 2)])
    with read_unit() as session:
        everybody.fetch(session, settings)
    with unit_of_work() as session:
        session.execute(delete(Customer).where(Customer.id == people[1]))
        revisions.bump(session, "removals", "customers")
    with read_unit() as session:
        ids = _ids(session)
        assert people[1] not in ids
        assert everybody.of_kind(session, settings, ids, "count", "login", 30, MOMENT).tolist() == [0, 1, 0, 0]


def test_what_lies_on_disk_is_not_lacking(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "WORTH_KEEPING", 1)
    with unit_of_work() as session:
        one = happened.customer(session, "u")
        happened.event(session, one, device="tv")
    plan = next(spec for spec in SPECS if spec.name == "plan")
    with read_unit() as session:
        assert everybody.lacking(session, settings) == 1
        assert everybody.lacking(session, settings, plan) == 0  # it asks for no event
        everybody.fetch(session, settings)
        assert everybody.lacking(session, settings) == 0
        browser = FeatureSpec("b", "number", "B", recipe=Recipe("events", "distinct", "login", 30, "browser"))
        assert everybody.lacking(session, settings, browser) == 1  # nobody counted this property yet
    with unit_of_work() as session:
        happened.event(session, one)
    with read_unit() as session:
        assert everybody.lacking(session, settings) == 1
