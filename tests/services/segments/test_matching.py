"""Whom a rule means: the same people as a plain reading of the same tree, whatever is missing and whatever came in too late."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from retainstream.db import read_unit, unit_of_work
from retainstream.errors import NotReady
from retainstream.lib import clock
from retainstream.models import Customer, LatestScore
from retainstream.services import revisions
from retainstream.services.segments import matching, rules
from retainstream.services.segments.columns import Population
from tests.services.segments.people import DAY, END, KINDS, PLANS, TAGS, Person

_MOMENTS = st.integers(-50, 50).map(lambda days: datetime.fromtimestamp(END / 1e6 + days * 86_400, UTC).isoformat())
_PRESENCE = st.sampled_from(["known", "unknown"]).map(lambda op: (op, None))


def _numbers(low: float, high: float, *, whole: bool = False) -> st.SearchStrategy[tuple[str, Any]]:
    one: st.SearchStrategy[Any] = (
        st.integers(int(low), int(high)) if whole else st.floats(low, high).map(lambda x: round(x, 2))
    )
    single = st.tuples(st.sampled_from(["eq", "lt", "le", "gt", "ge"]), one)
    two = st.tuples(one, one).map(lambda pair: ("between", sorted(pair)))
    return st.one_of(single, two, _PRESENCE)


def _lists(words: tuple[str, ...], ops: tuple[str, ...]) -> st.SearchStrategy[tuple[str, Any]]:
    return st.tuples(st.sampled_from(ops), st.lists(st.sampled_from((*words, "nowhere")), min_size=1, max_size=3))


_DATES = st.one_of(
    st.tuples(st.sampled_from(["since", "before"]), _MOMENTS),
    st.tuples(st.sampled_from(["last_days", "older_days", "next_days"]), st.integers(0, 50)),
    _PRESENCE,
)
_TESTS: dict[str, st.SearchStrategy[tuple[str, Any]]] = {
    "plan": st.one_of(_lists(PLANS, ("in", "not_in")), _PRESENCE),
    "revenue": _numbers(0, 2500, whole=True),
    "tenure_months": _numbers(0, 12),
    "signup_at": _DATES,
    "churned": st.one_of(st.booleans().map(lambda value: ("is", value)), _PRESENCE),
    "tags": _lists(TAGS, ("has_any", "has_all", "has_none")),
    "attribute.watch_hours": _numbers(0, 10),
    "attribute.paperless": st.one_of(st.booleans().map(lambda value: ("is", value)), _PRESENCE),
    "attribute.renewal": _DATES,
    "attribute.city": st.one_of(_lists(("Oslo", "Lima"), ("in", "not_in")), _PRESENCE),
    "attribute.comment": st.one_of(st.tuples(st.just("contains"), st.sampled_from(["hello", "LE", "x"])), _PRESENCE),
    "attribute.overflowing": _numbers(0, 5),
    "churn_probability": _numbers(0, 1),
    "risk_band": st.one_of(_lists(("low", "very_high"), ("in", "not_in")), _PRESENCE),
}


@st.composite
def _leaf(draw: st.DrawFn) -> dict[str, Any]:
    if draw(st.integers(0, 4)) == 0:
        name = draw(st.sampled_from(["events.count", "events.sum", "events.days_since"]))
        found: dict[str, Any] = {"field": name, "kind": draw(st.sampled_from(KINDS))}
        if name != "events.days_since":
            found["days"] = draw(st.integers(1, 45))
        op, value = draw(_numbers(0, 20))
    else:
        name = draw(st.sampled_from(sorted(_TESTS)))
        found = {"field": name}
        op, value = draw(_TESTS[name])
    return found | {"op": op} | ({} if value is None else {"value": value})


trees = st.recursive(
    _leaf(),
    lambda inner: st.one_of(
        inner.map(lambda part: {"not": part}),
        st.tuples(st.sampled_from(["all", "any"]), st.lists(inner, min_size=1, max_size=3)).map(
            lambda pair: {pair[0]: pair[1]}
        ),
    ),
    max_leaves=6,
)


def plainly(tree: dict[str, Any], one: Person) -> bool:
    """Read a tree as it is written, for one customer."""
    if "all" in tree:
        return all(plainly(part, one) for part in tree["all"])
    if "any" in tree:
        return any(plainly(part, one) for part in tree["any"])
    if "not" in tree:
        return not plainly(tree["not"], one)
    value, op, wanted = _value(tree, one), tree["op"], tree.get("value")
    if op in ("known", "unknown"):
        return (value is None) == (op == "unknown")
    if value is None:
        return False
    if isinstance(value, list):
        there = [tag in value for tag in wanted]
        return {"has_any": any(there), "has_all": all(there), "has_none": not any(there)}[op]
    if op in ("in", "not_in"):
        return (value in wanted) == (op == "in")
    if op == "contains":
        return wanted.lower() in str(value).lower()
    if op in ("since", "before"):
        return (value >= clock.to_us(datetime.fromisoformat(wanted))) == (op == "since")
    return _compared(value, op, wanted)


def depth(tree: dict[str, Any]) -> int:
    inner = tree.get("all") or tree.get("any") or ([tree["not"]] if "not" in tree else [])
    return 1 + max(map(depth, inner)) if inner else 0


def _compared(value: Any, op: str, wanted: Any) -> bool:
    if op == "between":
        return bool(wanted[0] <= value <= wanted[1])
    if op == "last_days":
        return bool(END - wanted * DAY <= value < END + DAY)
    if op == "older_days":
        return bool(value < END - wanted * DAY)
    if op == "next_days":
        return bool(END <= value < END + (wanted + 1) * DAY)
    return bool(
        {
            "eq": value == wanted,
            "is": value == wanted,
            "lt": value < wanted,
            "le": value <= wanted,
            "gt": value > wanted,
            "ge": value >= wanted,
        }[op]
    )


def _value(tree: dict[str, Any], one: Person) -> Any:
    name = tree["field"]
    if not name.startswith("events."):
        return one.values[name]
    known = [
        (occurred, value)
        for kind, occurred, received, value in one.events
        if kind == tree["kind"] and occurred < END and received < END
    ]
    if name == "events.days_since":
        return (END - max(occurred for occurred, _ in known)) / DAY if known else None
    within = [value for occurred, value in known if occurred >= END - tree["days"] * DAY]
    return len(within) if name == "events.count" else sum(value or 0.0 for value in within)


@settings(max_examples=250, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(tree=trees)
def test_a_rule_means_whom_a_plain_reading_means(people: list[Person], tree: dict[str, Any]) -> None:
    assume(depth(tree) <= rules.DEEPEST)
    with read_unit() as session:
        population = Population(session)
        assert population.moment == END
        node = rules.parse(tree, population.fields)
        found = matching.ids(population, node).tolist()
    assert found == [one.id for one in people if plainly(tree, one)]
    assert rules.stored(node.to_json()) == node


def test_the_figures_are_those_of_the_active_ones(people: list[Person]) -> None:
    with read_unit() as session:
        look = matching.look(Population(session), rules.stored({"field": "plan", "op": "known"}))
    inside = [one for one in people if one.values["plan"] is not None]
    active = [one for one in inside if one.values["churned"] is not True]
    scores = {one.id: one.values["churn_probability"] for one in active if one.values["churn_probability"] is not None}
    priced = [one for one in active if one.values["revenue"] is not None]
    assert (look.n, look.active, look.scored, look.priced) == (len(inside), len(active), len(scores), len(priced))
    assert look.revenue_minor == sum(one.values["revenue"] for one in priced)  # type: ignore[misc]
    assert look.currency == "EUR"
    assert look.expected == pytest.approx(sum(scores.values()))  # type: ignore[arg-type]
    assert look.mean == pytest.approx(sum(scores.values()) / len(scores))  # type: ignore[arg-type]
    risk = sum(one.values["revenue"] * scores[one.id] for one in priced if one.id in scores)  # type: ignore[operator]
    assert look.at_risk_minor == round(risk)
    riskiest = sorted(active, key=lambda one: (-float(scores.get(one.id, -1)), one.id))  # type: ignore[arg-type]
    assert list(look.first) == [one.id for one in riskiest[:8]]


@pytest.mark.usefixtures("people")
def test_a_change_shows_at_once() -> None:
    rule = rules.stored({"field": "plan", "op": "in", "value": ["Basic"]})
    with read_unit() as session:
        before = matching.look(Population(session), rule).n
    with unit_of_work() as session:
        moved = session.query(Customer).filter(Customer.plan == "Premium").first()
        assert moved is not None
        moved.plan = "Basic"
        revisions.bump(session, "customers")
    with read_unit() as session:
        assert matching.look(Population(session), rule).n == before + 1


@pytest.mark.usefixtures("people")
def test_what_is_gone_is_told() -> None:
    with unit_of_work() as session:
        session.query(LatestScore).delete()
        revisions.bump(session, "scores")
    with read_unit() as session, pytest.raises(NotReady, match="nobody was scored yet"):
        matching.look(Population(session), rules.stored({"field": "risk_band", "op": "in", "value": ["high"]}))
    with read_unit() as session, pytest.raises(NotReady, match="not on record"):
        matching.look(Population(session), rules.stored({"field": "attribute.gone", "op": "known"}))


@pytest.mark.usefixtures("minimal_app")
def test_nobody_is_nobody() -> None:
    with read_unit() as session:
        look = matching.look(
            Population(session), rules.stored({"not": {"field": "tags", "op": "has_any", "value": ["x"]}})
        )
    assert (look.n, look.active, look.revenue_minor, look.expected, look.first) == (0, 0, None, None, ())
