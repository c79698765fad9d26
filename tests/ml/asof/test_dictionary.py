"""The catalogue's content and order, the words that readers get, and what a declared feature may say."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from retainstream.ml.asof.dictionary import RECENCY, KindFacts, catalogue, declared
from retainstream.ml.features import FeatureSpec, Recipe, feature_set_hash
from retainstream.ml.wording import top_reasons

STREAMING = {
    "login": KindFacts(1000, 100, 0),
    "watch": KindFacts(2000, 90, 2000),
    "payment_failed": KindFacts(10, 8, 0),
    "search": KindFacts(500, 70, 0),
}
NAMED = ("watch_time_hours", "subscription_age_months", "device_count", "last_login_days", "payment_failures")


def names(specs: tuple[FeatureSpec, ...]) -> list[str]:
    return [spec.name for spec in specs]


def test_the_five_named_features_come_first_where_their_sources_are() -> None:
    specs = catalogue(STREAMING, properties={"device", "country"}, subscriptions=True)
    assert tuple(names(specs)[:5]) == NAMED
    assert specs[0].recipe == Recipe("events", "sum", "watch", 30)
    assert specs[4].recipe == Recipe("events", "count", "payment_failed", 90)


def test_a_shop_without_subscriptions_has_none_of_the_features_of_one() -> None:
    found = names(catalogue({"purchase": KindFacts(10, 5, 10), "refund": KindFacts(1, 1, 1)}))
    assert not set(NAMED) & set(found)
    assert RECENCY in found and "tenure_days" in found and "plan" not in found
    assert {"purchase_sum_30", "purchase_sum_90", "purchase_sum_change_30", "refund_count_90"} <= set(found)
    assert "refund_active_days_30" not in found


def test_a_box_with_billing_only_knows_no_activity() -> None:
    found = names(catalogue({"payment_failed": KindFacts(3, 2, 0)}, subscriptions=True))
    assert RECENCY not in found and "active_days_30" not in found
    assert {"payment_failures", "tenure_days", "plan"} <= set(found)


def test_events_of_no_particular_kind_are_not_named_twice() -> None:
    found = catalogue({"event": KindFacts(10, 5, 0), "log_in": KindFacts(10, 5, 0)})
    by_name = {spec.name: spec for spec in found}
    assert by_name["event_count_7"].title == "Events in the last 7 days"
    assert by_name["event_count_7"].wording_down == "Fewer events than usual in the last 7 days"
    assert by_name["event_count_change_30"].title.startswith("Change in events,")
    assert by_name["log_in_count_7"].title == "Log in events in the last 7 days"
    assert not any("event event" in f"{spec.title} {spec.wording_up}".lower() for spec in found)


def test_an_empty_box_has_no_features() -> None:
    assert catalogue({}) == ()
    assert catalogue({"login": KindFacts(0, 0, 0)}) == ()


def test_no_name_and_no_recipe_is_there_twice() -> None:
    attributes = (FeatureSpec("plan", "category", "Plan"), FeatureSpec("age", "number", "Age", sensitive=True))
    specs = catalogue(STREAMING, properties={"device"}, subscriptions=True, profile=attributes)
    assert len(set(names(specs))) == len(specs) == len({spec.recipe for spec in specs})
    by_name = {spec.name: spec for spec in specs}
    assert by_name["profile_plan"].recipe == Recipe("profile", "value", "plan")
    assert by_name["age"].sensitive


def test_kinds_without_values_have_no_sums_and_at_most_nine_features() -> None:
    specs = catalogue(STREAMING)
    of_search = [spec for spec in specs if spec.recipe is not None and spec.recipe.event == "search"]
    assert len(of_search) <= 9
    assert not any("sum" in spec.name for spec in of_search)


def test_the_kinds_of_most_customers_get_features_and_ties_do_not_depend_on_order() -> None:
    facts = {f"kind_{place}": KindFacts(100, 10 if place < 5 else 20, 0) for place in (3, 1, 7, 5, 9)}
    specs = catalogue(facts, max_kinds=3)
    own = {spec.recipe.event for spec in specs if spec.recipe is not None} - {None}
    assert own == {"kind_5", "kind_7", "kind_9"}
    assert specs == catalogue(dict(sorted(facts.items())), max_kinds=3)
    tied = catalogue(facts, max_kinds=4)
    assert {spec.recipe.event for spec in tied if spec.recipe is not None} - own == {None, "kind_1"} - own


def test_a_specification_survives_json_and_the_hash_covers_its_recipe() -> None:
    specs = catalogue(STREAMING, properties={"device"}, subscriptions=True)
    assert tuple(FeatureSpec.from_dict(spec.to_dict()) for spec in specs) == specs
    changed = (replace(specs[0], recipe=Recipe("events", "sum", "watch", 31)), *specs[1:])
    assert feature_set_hash(changed) != feature_set_hash(specs)


def test_words_read_well_in_a_reason() -> None:
    specs = [spec for spec in catalogue(STREAMING) if spec.name in ("last_login_days", "search_count_30")]
    frame = pd.DataFrame({"last_login_days": [19.0], "search_count_30": [1.0]})
    reasons = top_reasons(
        frame, np.array([[2.0, 1.0]]), specs, reference={"last_login_days": 3.0, "search_count_30": 4}
    )[0]
    assert [reason.sentence for reason in reasons] == [
        "Longer since the last log-in than usual (19 days, usually about 3 days): raises the score, 67% of the total.",
        "Fewer search events than usual in the last 30 days (1, usually about 4): raises the score, 33% of the total.",
    ]


def test_every_number_has_words_for_both_sides() -> None:
    for spec in catalogue(STREAMING, properties={"device"}, subscriptions=True):
        assert spec.kind == "category" or (spec.wording_up and spec.wording_down), spec.name


def test_a_declared_feature_has_default_words_and_unit() -> None:
    spec = declared("big_watch", " Longest view ", Recipe("events", "max", "watch", 60), kinds={"watch"})
    assert (spec.title, spec.kind, spec.unit) == ("Longest view", "number", None)
    assert spec.wording_up == "A larger greatest watch value than usual in the last 60 days"
    days = declared("quiet", "Quiet", Recipe("events", "days_since_last", "watch"), wording_up="Quiet for long")
    assert (days.unit, days.wording_up, days.wording_down) == ("days", "Quiet for long", "More recent watch than usual")
    assert declared("tvs", "TVs", Recipe("events", "distinct", "watch", 730, "device"), unit="TVs").kind == "integer"


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("name", {"name": "Watch"}),
        ("name", {"name": "w" * 65}),
        ("name", {"name": "taken_one"}),
        ("title", {"title": "  "}),
        ("title", {"title": "t" * 121}),
        ("unit", {"unit": ""}),
        ("wording_up", {"wording_up": "w" * 201}),
        ("source", {"recipe": Recipe("profile", "value", "age")}),
        ("aggregate", {"recipe": Recipe("events", "tenure")}),
        ("aggregate", {"recipe": Recipe("events", "median", "watch", 30)}),
        ("event", {"recipe": Recipe("events", "count", "sing", 30)}),
        ("window_days", {"recipe": Recipe("events", "count", "watch", 0)}),
        ("window_days", {"recipe": Recipe("events", "count", "watch", 731)}),
        ("window_days", {"recipe": Recipe("events", "count", "watch")}),
        ("window_days", {"recipe": Recipe("events", "count", "watch", True)}),
        ("window_days", {"recipe": Recipe("events", "days_since_last", "watch", 30)}),
        ("property", {"recipe": Recipe("events", "distinct", "watch", 30)}),
        ("property", {"recipe": Recipe("events", "distinct", "watch", 30, "colour")}),
        ("property", {"recipe": Recipe("events", "count", "watch", 30, "device")}),
    ],
)
def test_a_refusal_names_the_field(field: str, change: dict[str, Any]) -> None:
    asked: dict[str, Any] = {
        "name": "mine",
        "title": "Mine",
        "recipe": Recipe("events", "count", "watch", 30),
        **change,
    }
    with pytest.raises(ValueError, match=f"^{re.escape(field)}: "):
        declared(
            asked.pop("name"),
            asked.pop("title"),
            asked.pop("recipe"),
            kinds={"watch"},
            properties={"device"},
            taken={"taken_one"},
            **asked,
        )
