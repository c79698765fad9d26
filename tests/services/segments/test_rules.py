"""Rules as JSON: what is wrong is named by its place, what is right comes back as it was, and days begin in the box's time zone."""

from __future__ import annotations

from typing import Any

import pytest

from retainstream.db import read_unit
from retainstream.errors import InvalidInput
from retainstream.services.segments import fields, rules
from retainstream.services.segments.rules import Group, Leaf
from tests.services.segments.people import Person

pytestmark = pytest.mark.usefixtures("people")
GOOD = {"field": "plan", "op": "in", "value": ["Basic"]}


def parse(tree: object, time_zone: str = "UTC") -> rules.Node:
    with read_unit() as session:
        return rules.parse(tree, fields.catalogue(session), time_zone=time_zone)


def nested(depth: int) -> dict[str, Any]:
    return {"all": [nested(depth - 1)]} if depth else GOOD


@pytest.mark.parametrize(
    ("tree", "place"),
    [
        ([], "rule"),
        ({"all": []}, "rule.all"),
        ({"all": [GOOD, {"any": [GOOD, {"field": "height", "op": "eq", "value": 1}]}]}, "rule.all.1.any.1.field"),
        ({"all": [GOOD, GOOD, {"field": "revenue", "op": "ge", "value": "much"}]}, "rule.all.2.value"),
        ({"not": {"field": "revenue", "op": "in", "value": ["1"]}}, "rule.not.op"),
        ({"field": "revenue", "op": "ge", "value": 9.5}, "rule.value"),
        ({"field": "revenue", "op": "between", "value": [2, 1]}, "rule.value"),
        ({"field": "tenure_months", "op": "ge", "value": float("nan")}, "rule.value"),
        ({"field": "tenure_months", "op": "ge", "value": True}, "rule.value"),
        ({"field": "churn_probability", "op": "gt", "value": 70}, "rule.value"),
        ({"field": "churned", "op": "is", "value": "yes"}, "rule.value"),
        ({"field": "plan", "op": "in", "value": []}, "rule.value"),
        ({"field": "plan", "op": "known", "value": ["Basic"]}, "rule.value"),
        ({"field": "signup_at", "op": "since", "value": "yesterday"}, "rule.value"),
        ({"field": "signup_at", "op": "last_days", "value": 9999}, "rule.value"),
        ({"field": "events.count", "op": "ge", "value": 1, "days": 30}, "rule.kind"),
        ({"field": "events.count", "op": "ge", "value": 1, "kind": "login"}, "rule.days"),
        ({"field": "events.days_since", "op": "ge", "value": 1, "kind": "login", "days": 3}, "rule.days"),
        ({**GOOD, "days": 3}, "rule.days"),
        ({**GOOD, "weight": 3}, "rule.weight"),
        ({"all": [GOOD], "any": [GOOD]}, "rule"),
        ({"field": "health.band", "op": "in", "value": ["weak"]}, "rule.field"),
        (nested(7), "rule" + ".all.0" * 7),
        ({"any": [{"all": [GOOD] * 26}, {"all": [GOOD] * 25}]}, "rule"),
        ({"any": [GOOD] * 51}, "rule.any"),
    ],
)
def test_what_is_wrong_is_named_by_its_place(tree: object, place: str) -> None:
    with pytest.raises(InvalidInput) as told:
        parse(tree)
    assert place in told.value.fields, told.value.fields


def test_everything_wrong_is_told_at_once() -> None:
    with pytest.raises(InvalidInput) as told:
        parse({"all": [{"field": "nothing"}, {"field": "plan", "op": "gt"}]})
    assert set(told.value.fields) == {"rule.all.0.field", "rule.all.1.op"}


def test_six_levels_and_fifty_conditions_are_taken() -> None:
    assert parse(nested(6)).to_json() == nested(6)
    assert len(list(rules.leaves(parse({"any": [GOOD] * 50})))) == 50


def test_a_day_begins_where_the_box_stands() -> None:
    tree = {"field": "signup_at", "op": "since", "value": "2024-06-01"}
    assert parse(tree, "Europe/Berlin").to_json()["value"] == "2024-06-01T00:00:00+02:00"
    # A date without a time of day is the same day everywhere.
    own = {"field": "attribute.renewal", "op": "since", "value": "2024-06-01"}
    assert parse(own, "Europe/Berlin").to_json()["value"] == "2024-06-01T00:00:00+00:00"


def test_a_field_says_why_it_cannot_be_asked_for(people: list[Person]) -> None:
    assert people
    with read_unit() as session:
        found = fields.catalogue(session)
    assert found["rfm.name"].missing
    assert found["events.count"].kinds == ("login", "purchase")
    assert not found["attribute.overflowing"].missing
    with pytest.raises(InvalidInput) as told:
        parse({"field": "lifetime.value", "op": "ge", "value": 1})
    assert "not been made yet" in told.value.fields["rule.field"][0]


def test_a_rule_is_said_in_words() -> None:
    node = parse({"all": [GOOD, {"not": {"any": [GOOD, GOOD]}}, {"any": [GOOD, GOOD]}]})
    assert rules.in_words(node, lambda leaf: leaf.field) == "plan and none of (plan or plan) and (plan or plan)"
    assert isinstance(node, Group)
    assert [leaf.op for leaf in rules.leaves(node)] == ["in"] * 5
    assert isinstance(node.parts[0], Leaf)
