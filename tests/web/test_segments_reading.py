"""A rule that is opened in the builder and kept again means the same people; what the form holds comes back as it was typed."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, assume, given, settings

from retainstream.db import read_unit, unit_of_work
from retainstream.services.segments import matching, rules
from retainstream.services.segments.columns import Population
from retainstream.web import segments_draft, segments_reading
from retainstream.web.segments_draft import Bracket, Condition
from tests.services.segments.people import Person, add_people
from tests.services.segments.test_matching import depth, trees


@pytest.fixture
def people(minimal_app: Flask) -> list[Person]:
    """Customers who lack this and that."""
    assert minimal_app
    with unit_of_work() as session:
        return add_people(session, 40)


def as_sent(draft: Bracket, path: str = "r") -> dict[str, list[str]]:
    """Return the fields that a browser sends for a draft."""
    form = {f"{path}.how": [draft.how]}
    for number, part in enumerate(draft.parts):
        inner = f"{path}.{number}"
        if isinstance(part, Bracket):
            form |= as_sent(part, inner)
        else:
            form |= {f"{inner}.{name}": [getattr(part, name)] for name in ("field", "op", "kind", "days", "to")}
            form[f"{inner}.value"] = list(part.values)
    return form


@settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(tree=trees)
def test_a_rule_that_is_opened_and_kept_means_the_same(people: list[Person], tree: dict[str, Any]) -> None:
    assume(depth(tree) <= 3)
    assert people
    with read_unit() as session:
        population = Population(session)
        node = rules.parse(tree, population.fields)
        draft = segments_reading.draft_of(node, population.fields, "EUR")
        assert segments_draft.read(as_sent(draft)) == draft
        again, places = segments_reading.rule_of(draft, population.fields, "EUR")
        assert segments_reading.rule_of(draft, population.fields, "EUR", only_complete=True)[0] == again
        kept = rules.parse(again, population.fields)
        assert matching.ids(population, kept).tolist() == matching.ids(population, node).tolist()
    assert set(places.values()) >= {f"r.{number}" for number in range(len(draft.parts))}


def test_parts_are_added_and_taken_away_by_path(people: list[Person]) -> None:
    assert people
    with read_unit() as session:
        fields = Population(session).fields
    draft, focus = segments_draft.acted(Bracket("all"), "add:r", {"r.add": ["plan"]}, fields)
    assert (draft, focus) == (Bracket("all", (Condition("plan", "in"),)), "r.0")
    draft, focus = segments_draft.acted(draft, "group:r", {}, fields)
    draft, focus = segments_draft.acted(draft, "add:r.1", {"r.1.add": ["events.count"]}, fields)
    assert focus == "r.1.0"
    assert segments_draft.at(draft, focus) == Condition("events.count", "ge", kind="login", days="30")
    assert segments_draft.incomplete(draft) == 2
    draft, focus = segments_draft.acted(draft, "remove:r.1.0", {}, fields)
    assert (draft.parts[1], focus) == (Bracket("any"), "r.1")
    assert segments_draft.acted(draft, "remove:r", {}, fields)[0] == draft
    assert segments_draft.acted(draft, "add:r", {"r.add": ["rfm.name"]}, fields)[0] == draft


def test_amounts_and_shares_are_read_as_people_write_them(people: list[Person]) -> None:
    assert people
    with read_unit() as session:
        fields = Population(session).fields
    for field, text, value in (
        ("revenue", "€1,234.50", 123_450),
        ("revenue", "9,99", 999),
        ("churn_probability", "12.5%", 0.125),
        ("tenure_months", "1 000", 1000),
        ("tenure_months", "many", "many"),
    ):
        rule, _ = segments_reading.rule_of(Bracket("all", (Condition(field, "ge", (text,)),)), fields, "EUR")
        assert rule["all"][0]["value"] == value
