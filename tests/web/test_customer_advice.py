"""What could be done next, on the page of a customer: in words, and only for those who may see it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from retainstream.db import unit_of_work
from retainstream.lib import clock
from retainstream.models import EventKind, Play
from retainstream.security.actor import SYSTEM
from retainstream.services import preferences
from retainstream.services.analyses.purchases import BOUGHT
from retainstream.services.desk import tried
from retainstream.services.desk.plays import PlayView
from retainstream.services.recommendations.advice import Advice, NextAction
from retainstream.services.recommendations.offers import Condition, Offer
from retainstream.web import customer_advice
from tests.web.conftest import Browser
from tests.web.stocked import stock

PAIR: dict[str, Any] = {
    "bought": "kettle", "product": "tea", "both": 19, "n_bought": 20, "n_product": 29, "n": 60,
    "support": 19 / 60, "confidence": 0.95, "interval": [0.764, 0.991], "lift": 1.966,
}  # fmt: skip


@pytest.fixture
def page(app: Flask, as_: Callable[[str], Browser]) -> Callable[[str, str], str]:
    """Return a function that opens a customer's page as somebody; there is a play, and no hold-out."""
    now = clock.now_us()
    with app.app_context():
        stock(30)
        with unit_of_work() as session:
            preferences.write(session, SYSTEM, {"hold_out_share": 0.0})
            steps = [{"text": "Ring <them>", "kind": "call"}]
            session.add(
                Play(
                    id=1,
                    name="Say hello",
                    description="",
                    features=["last_*"],
                    steps=steps,
                    created_at=now,
                    updated_at=now,
                )
            )
    return lambda who, user_id: as_(who).get(f"/customers/{user_id}").text


def test_the_page_tells_play_reason_offer_and_what_is_not_known(page: Callable[[str, str], str]) -> None:
    shown = page("agent", "cus_00000").split('id="advice"')[1].split("</section>")[0]
    for words in (
        "Say hello",
        "Fits because:",
        "Ring &lt;them&gt;",
        "Not tried yet",
        "An offer is in order",
        "before it loses money on average",
    ):
        assert words in shown
    assert "condition--met" in shown
    assert "condition--not-met" not in shown
    gone = page("viewer", "cus_00004").split('id="advice"')[1].split("</section>")[0]
    for words in ("This customer has left.", "An offer is not in order", "Has left", "There is no score in force"):
        assert words in gone
    assert "loses money" not in gone


def test_a_box_without_orders_says_nothing_of_what_is_bought(app: Flask, page: Callable[[str, str], str]) -> None:
    def said() -> str:
        return page("agent", "cus_00000").split('id="advice"')[1].split("</section>")[0]

    assert "bought together" not in said()
    with app.app_context(), unit_of_work() as session:
        session.add(EventKind(name=BOUGHT, created_at=0))
    assert "What is bought together is counted with the other analyses" in said()


def test_words_of_a_recommendation(app: Flask) -> None:
    play = PlayView(1, "Say hello", "", ("last_*",), ({"text": "Ring", "kind": "call"},), 0, 0, None)
    reason = {"feature": "last_login_days", "title": "", "sentence": "Not seen for 40 days: raises the score."}
    offer = Offer((Condition("net_gain", None, "there is no score in force"),), 1_250, 2_500, "USD")
    sold: dict[str, object] = {"as_of": "2026-11-20T00:00:00Z", "items": [PAIR], "note": ""}
    with app.test_request_context("/"):
        shown = customer_advice.present(Advice("ada", NextAction(play, reason, tried.NEVER), "", offer, sold))
        assert (shown.play, shown.steps, shown.followed) == ("Say hello", ("Ring",), "Not tried yet.")
        assert (shown.in_order, shown.at_most) == (False, "")
        assert shown.conditions[0].state == "unknown"
        assert shown.pairs[0].words == "95% of 20 who bought kettle (76% to 99%), 2.0 times as often as all 60 buyers"
        met = Offer((Condition("active", True, "has not left"),), 1_250, 2_500, "USD")
        assert customer_advice.present(Advice("ada", None, "", met, sold)).at_most.endswith(
            "on average: 50% of a month’s price."
        )
        without_price = Offer((Condition("active", True, "has not left"),), 1_250, None, "USD")
        assert customer_advice.present(Advice("ada", None, "", without_price, sold)).at_most.endswith("on average.")
