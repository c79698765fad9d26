"""Rules about features and events: features of the model in service and declared ones, as of the end of the data, from disk or from the tables."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from retainstream.config import Settings
from retainstream.db import read_unit, unit_of_work
from retainstream.errors import InvalidInput, NotReady
from retainstream.ml.asof import dictionary
from retainstream.models import AliasMove, ChurnDefinition, Event, ModelVersion, Subscription
from retainstream.security.actor import SYSTEM
from retainstream.services import feature_dictionary, registry, revisions
from retainstream.services.as_of import cache
from retainstream.services.segments import behaviour, matching, rules, saved
from retainstream.services.segments.columns import Numbers, Population
from retainstream.services.segments.fields import DECLARED, FEATURES, catalogue
from tests.services.segments.people import DAY, END, KINDS, Person
from tests.work import run_job

LOGINS = {"field": "feature.login_count_30", "op": "ge", "value": 1}
OFTEN = {"name": "often", "title": "Often here", "aggregate": "count", "event": "login", "window_days": 5, "unit": "visits"}  # fmt: skip


def serve(kind: str = "forward") -> None:
    """Put a model in service whose features are those of these customers' events."""
    facts = dict.fromkeys(KINDS, dictionary.KindFacts(9, 9, 9))
    with unit_of_work() as session:
        session.add(ChurnDefinition(id=7, version=1, kind="cancel", name="c", parameters={}, created_at=1))
        session.flush()
        features = registry.store_feature_set(session, dictionary.catalogue(facts, subscriptions=True))
        version = ModelVersion(
            kind=kind, artifact_sha256="a" * 64, definition_id=7, feature_set_id=features.id, servable=True, verdict={},
            parameters={}, report={}, data_window={}, seed=0, calibrated=True, libraries={}, trained_at=1,
        )  # fmt: skip
        session.add(version)
        session.flush()
        session.add(AliasMove(alias="champion", model_version_id=version.id, moved_at=1, reason="test"))
        revisions.bump(session, "model")


def picked(rule: dict[str, Any]) -> list[int]:
    with read_unit() as session:
        population = Population(session)
        found: list[int] = matching.ids(population, rules.parse(rule, population.fields)).tolist()
        return found


def logins(one: Person, days: int) -> int:
    known = [(occurred, received) for kind, occurred, received, _ in one.events if kind == "login"]
    return sum(END - days * DAY <= occurred < END and received < END for occurred, received in known)


def test_a_feature_is_that_of_the_model_as_of_the_end_of_the_data(people: list[Person]) -> None:
    with read_unit() as session:
        assert not any(key.startswith("feature.") for key in catalogue(session))
    serve()
    with read_unit() as session:
        field = catalogue(session)["feature.last_login_days"]
    assert (field.group, field.type, field.unit, field.missing) == (FEATURES, "number", "days", "")
    assert picked(LOGINS) == [one.id for one in people if logins(one, 30) >= 1]
    assert picked({"field": "feature.login_count_30", "op": "unknown"}) == []  # none is a count of 0
    never = [one.id for one in people if not logins(one, 10_000)]
    assert picked({"field": "feature.last_login_days", "op": "unknown"}) == never
    # An event that came in after the as-of counts for nothing, and one of earlier times at once.
    with unit_of_work() as session:
        session.add(Event(customer_id=never[0], kind_id=1, feed_id=1, occurred_at=END - DAY, received_at=END + 9, key=b"1" * 16))  # fmt: skip
        revisions.bump(session, "events")
    assert never[0] not in picked(LOGINS)
    with unit_of_work() as session:
        session.add(Event(customer_id=never[0], kind_id=1, feed_id=1, occurred_at=END - DAY, received_at=END - DAY, key=b"2" * 16))  # fmt: skip
        revisions.bump(session, "events")
    assert never[0] in picked(LOGINS)


def test_a_price_is_the_number_that_was_written(people: list[Person]) -> None:
    serve()
    with read_unit() as session:
        assert "no subscription" in catalogue(session)["feature.monthly_price"].missing
    with unit_of_work() as session:
        for number, price in ((1, 999), (2, 1000)):
            session.add(
                Subscription(
                    key=bytes([number]) * 16, customer_id=people[number].id, feed_id=1, plan=f"Plan {number}",
                    revenue_minor=price, currency="EUR", started_at=END - 9 * DAY, received_at=END - 9 * DAY,
                )
            )  # fmt: skip
        revisions.bump(session, "events")
    first, second = people[1].id, people[2].id
    assert picked({"field": "feature.monthly_price", "op": "eq", "value": 9.99}) == [first]
    assert picked({"field": "feature.monthly_price", "op": "ge", "value": 9.99}) == [first, second]
    assert picked({"field": "feature.plan", "op": "in", "value": ["Plan 2"]}) == [second]
    with read_unit() as session:
        population = Population(session)
        assert population.levels(population.fields["feature.plan"]) == [("Plan 1", 1), ("Plan 2", 1)]


def test_a_declared_feature_can_be_asked_for_while_it_is_in_force(people: list[Person]) -> None:
    with unit_of_work() as session:
        feature_dictionary.declare(session, SYSTEM, OFTEN)
    with read_unit() as session:
        field = catalogue(session)["feature.often"]
    assert (field.group, field.title, field.unit) == (DECLARED, "Often here", "visits")
    rule = {"field": "feature.often", "op": "ge", "value": 1}
    assert picked(rule) == [one.id for one in people if logins(one, 5)]
    with unit_of_work() as session:
        feature_dictionary.declare(session, SYSTEM, {**OFTEN, "window_days": 20})
    assert picked(rule) == [one.id for one in people if logins(one, 20)]
    with unit_of_work() as session:
        feature_dictionary.withdraw(session, SYSTEM, "often")
    with read_unit() as session, pytest.raises(NotReady, match="not on record here any more"):
        matching.look(Population(session), rules.stored(rule))


def test_the_model_in_service_says_which_version_is_meant(people: list[Person]) -> None:
    serve()
    with unit_of_work() as session:
        feature_dictionary.declare(session, SYSTEM, {**OFTEN, "name": "login_count_30", "window_days": 5})
    assert picked(LOGINS) == [one.id for one in people if logins(one, 30)]


@pytest.mark.usefixtures("people")
def test_a_snapshot_has_no_features_but_attributes() -> None:
    serve("snapshot")
    with read_unit() as session:
        fields = catalogue(session)
        assert not any(key.startswith("feature.") for key in fields)
        assert "attributes" in fields["features"].missing
        with pytest.raises(InvalidInput):
            rules.parse(LOGINS, fields)


def test_very_many_new_events_are_left_to_the_analyses(
    people: list[Person], monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    serve()
    monkeypatch.setattr(behaviour, "PATIENCE", 10)
    with read_unit() as session, pytest.raises(NotReady, match="events came in that the analyses have not worked up"):
        matching.look(Population(session), rules.stored(LOGINS))
    # A count of events has no need to wait.
    counted = {"field": "events.count", "kind": "login", "days": 30, "op": "ge", "value": 1}
    wanted = [one.id for one in people if logins(one, 30)]
    assert picked(counted) == wanted
    monkeypatch.setattr(cache, "WORTH_KEEPING", 1)
    with unit_of_work() as session:
        kept = saved.create(session, SYSTEM, {"name": "a", "rule": LOGINS}, time_zone="UTC", look=False)
    told = run_job(settings, "segments")
    assert (told["entered"], "skipped_segments" in told) == (len(wanted), False)
    assert picked(kept.rule) == wanted


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    key=st.sampled_from(["events.count", "events.sum", "events.days_since"]),
    kind=st.sampled_from([*KINDS, "nothing"]),
    days=st.integers(1, 45),
)
@pytest.mark.usefixtures("people")
def test_the_tables_and_the_disk_say_the_same(key: str, kind: str, days: int) -> None:
    window = None if key == "events.days_since" else days
    found = []
    for patience in (-1, 10**9):
        with pytest.MonkeyPatch.context() as patch, read_unit() as session:
            patch.setattr(behaviour, "PATIENCE", patience)
            ids = Population(session).ids
            found.append(behaviour.figures(session, ids, key, kind, window, END))
    np.testing.assert_allclose(*found)


def test_columns_stay_while_only_later_events_come(people: list[Person]) -> None:
    serve()

    def column() -> Any:
        with read_unit() as session:
            population = Population(session)
            found = population.column(population.fields["feature.login_count_30"])
        assert isinstance(found, Numbers)
        return found

    before = column()
    with unit_of_work() as session:
        session.add(Event(customer_id=2, kind_id=1, feed_id=1, occurred_at=END + 5, received_at=END + 6, key=b"3" * 16))
        revisions.bump(session, "events")
    assert column() is before
