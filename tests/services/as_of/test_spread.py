"""How a feature spreads over all customers: counted, blank where nothing is known, and anew when the data changes."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from retainstream.db import read_unit, unit_of_work
from retainstream.errors import NotReady
from retainstream.ml.asof import dictionary
from retainstream.ml.features import FeatureSpec, Recipe
from retainstream.services import as_of
from tests.services.as_of import happened


def _spread(app: Flask, spec: FeatureSpec) -> as_of.Spread:
    with app.app_context(), read_unit() as session:
        return as_of.spread(session, app.config["RETAINSTREAM"], spec)


def _declared(aggregate: str, days: int | None = 30, **more: Any) -> FeatureSpec:
    return dictionary.declared("mine", "Mine", Recipe("events", aggregate, "login", days, more.get("property")))


@pytest.fixture
def people(app: Flask) -> None:
    """Forty customers: the n-th logs in n times in the last 30 days, each time in another room, and the first never."""
    with app.app_context(), unit_of_work() as session:
        for number in range(40):
            one = happened.customer(session, f"c{number}")
            for turn in range(number):
                happened.event(session, one, "login", 60 + turn / 2, room=turn % 4)
            happened.statement(session, one, f"k{number}", 0, plan="Gold" if number % 4 else "Free")
        happened.event(session, 1, "visit", 80)


def test_counts_quartiles_and_bins_cover_everybody(app: Flask, people: None) -> None:
    found = _spread(app, _declared("count", 90))
    assert (found.n, found.blanks, found.quartiles, found.different) == (40, 0, (0.0, 9.75, 19.5, 29.25, 39.0), 40)
    assert sum(each.count for each in found.bins) == 40
    assert all(earlier.high == later.low for earlier, later in zip(found.bins, found.bins[1:], strict=False))


def test_who_has_no_value_is_blank(app: Flask, people: None) -> None:
    found = _spread(app, _declared("days_since_last", None))
    assert (found.n, found.blanks) == (40, 1)
    assert sum(each.count for each in found.bins) == 39


def test_a_property_that_nobody_counted_yet_is_counted(app: Flask, people: None) -> None:
    found = _spread(app, _declared("distinct", 90, property="room"))
    assert found.quartiles is not None and found.quartiles[-1] == 4.0


def test_texts_have_levels_by_frequency(app: Flask, people: None) -> None:
    spec = FeatureSpec("plan", "category", "Plan", recipe=Recipe("subscriptions", "plan"))
    found = _spread(app, spec)
    assert (found.levels, found.different, found.quartiles, found.blanks) == ((("Gold", 30), ("Free", 10)), 2, None, 0)


def test_an_empty_column_has_no_quartiles(app: Flask, people: None) -> None:
    recipe = Recipe("events", "mean", "levitation", 30)
    found = _spread(app, FeatureSpec("none", "number", "None", recipe=recipe))
    assert (found.n, found.blanks, found.quartiles, found.bins) == (40, 40, None, ())


def test_new_events_are_seen(app: Flask, people: None) -> None:
    spec = _declared("count", 90)
    before = _spread(app, spec)
    assert _spread(app, spec) is before
    with app.app_context(), unit_of_work() as session:
        happened.event(session, 1, "login", 79)
    after = _spread(app, spec)
    assert before.quartiles is not None and after.quartiles is not None
    assert (before.quartiles[0], after.quartiles[0]) == (0.0, 1.0)


def test_events_need_events_and_profiles_do_not(app: Flask) -> None:
    with app.app_context(), unit_of_work() as session:
        happened.customer(session, "ada")
    with pytest.raises(NotReady):
        _spread(app, _declared("count"))
    attribute = FeatureSpec("age", "number", "Age", recipe=Recipe("profile", "value", "age"))
    assert _spread(app, attribute).blanks == 1
