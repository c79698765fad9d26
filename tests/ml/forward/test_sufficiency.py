"""How much is enough, when it should be there, and whether a panel agrees with the churn that was counted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from retainstream.ml.asof.columns import DAY_US, History
from retainstream.ml.asof.dates import LATER, TooLittleHistory
from retainstream.ml.asof.dictionary import KindFacts, catalogue
from retainstream.ml.asof.panel import Panel, assemble, split
from retainstream.ml.asof.rules import ChurnRule
from retainstream.ml.forward.sufficiency import enough, history_too_short, prevalence, stopped_kinds
from retainstream.ml.simulator import Service, Simulation
from retainstream.ml.simulator.record import history_of

END = 1_767_225_600_000_000
SPECS = catalogue({"login": KindFacts(1, 1, 0)}, properties=(), subscriptions=True)
CANCEL = ChurnRule("cancel", 30, settle_days=5)


@pytest.fixture(scope="module")
def history() -> History:
    return history_of(Simulation(Service(customers=2_500, months=14, end=END, seed=2)))


@pytest.fixture(scope="module")
def panel(history: History) -> Panel:
    return assemble(history, SPECS, CANCEL, data_end=END)


def _few(panel: Panel, customers: int) -> Panel:
    return panel.take(np.isin(panel.customer, np.unique(panel.customer)[:customers]))


def test_many_customers_are_enough(panel: Panel) -> None:
    found = enough(panel, split(panel))
    assert found.verdict.ok and found.sufficient_on is None


def test_few_customers_are_told_what_is_missing_and_when_it_should_be_there(panel: Panel) -> None:
    small = _few(panel, 800)
    found = enough(small, split(small))
    assert not found.verdict.ok and found.verdict.code == "too_few_churners"
    assert found.verdict.needs["missing"] > 0
    assert found.verdict.message.count("missing") == 1
    assert END < found.sufficient_on < END + 90 * DAY_US  # as soon as the test window takes in a second date


def test_no_date_is_promised_that_would_never_come() -> None:
    """The later windows take in six dates at most: where too few leave in those, waiting alone does not help."""
    whole = history_of(Simulation(Service(customers=300, months=40, end=END, seed=2)))
    for months in (12, 6, 0):
        moment = END - months * 30 * DAY_US
        panel = assemble(whole.cut(moment), SPECS, CANCEL, data_end=moment)
        found = enough(panel, split(panel))
        assert not found.verdict.ok and found.sufficient_on is None, found.verdict.message
        assert "longer horizon" in found.verdict.message


def test_where_few_leave_in_a_month_more_months_make_up_for_it() -> None:
    """Five to seven of 650 customers leave in a month: never twenty in two dates, but in four or six."""
    whole = history_of(Simulation(Service(customers=650, months=40, end=END, seed=2)))
    found = {}
    for later in LATER:
        panel = assemble(whole, SPECS, CANCEL, data_end=END, later=later)
        parts = split(panel)
        found[later] = enough(panel, parts)
        assert len(parts.parts["test"]["dates"]) == len(parts.parts["calibrate"]["dates"]) == later
        assert len(parts.parts["train"]["dates"]) == 20
    assert not found[2].verdict.ok and found[2].verdict.needs["have"] < 15
    assert found[6].verdict.ok
    early = END - 23 * 30 * DAY_US
    panel = assemble(whole.cut(early), SPECS, CANCEL, data_end=early, later=LATER[-1])
    promised = enough(panel, split(panel))
    assert not promised.verdict.ok and early < promised.sufficient_on < END
    then = promised.sufficient_on + 60 * DAY_US  # a pace is a pace: give it two months
    assert any(
        enough(grown, split(grown)).verdict.ok
        for grown in (assemble(whole.cut(then), SPECS, CANCEL, data_end=then, later=later) for later in LATER)
    )


def test_a_short_history_says_when_it_will_be_long_enough() -> None:
    found = history_too_short(TooLittleHistory("Too short.", 120, 80), END)
    assert found.sufficient_on == END + 40 * DAY_US
    assert "2026-02-10" in found.verdict.message and "40 days" in found.verdict.message


@pytest.mark.parametrize(
    "rule",
    [
        CANCEL,
        ChurnRule("payment_failure", 30, settle_days=5),
        ChurnRule("cancel", 30, lead_days=7, settle_days=5),
        ChurnRule("inactivity", 30, inactive_days=21),
        ChurnRule("inactivity", 30, inactive_days=21, already_silent="leave_out"),
    ],
)
def test_a_panel_as_it_is_agrees_with_the_churn_that_was_counted(history: History, rule: ChurnRule) -> None:
    verdict = prevalence(history, assemble(history, SPECS, rule, data_end=END))
    assert verdict.ok, verdict.message
    assert verdict.needs["panel"] == pytest.approx(verdict.needs["observed"], rel=0.15)


def test_a_balanced_panel_does_not(history: History, panel: Panel) -> None:
    """Somebody threw most of the stayers away, as some textbooks say."""
    rng = np.random.default_rng(0)
    balanced = panel.take((panel.y == 1) | (rng.random(len(panel)) < 0.1))
    verdict = prevalence(history, balanced)
    assert not verdict.ok and verdict.code == "prevalence_disagrees"


def test_a_kind_that_stopped_while_others_go_on_is_named(history: History) -> None:
    assert stopped_kinds(history, END) == ()
    log = history.events
    login = log.kinds.index("login")
    cut = log.take((log.kind != login) | (log.occurred < END - 10 * DAY_US))
    assert stopped_kinds(replace(history, events=cut), END) == ("login",)
    closed = log.take(log.occurred < END - 10 * DAY_US)  # everything ended: a closed history, not a feed that broke
    assert stopped_kinds(replace(history, events=closed), END) == ()


def test_a_rare_kind_that_pauses_has_not_stopped(history: History) -> None:
    """One event a day, missing for six days: by its pace six are missing, and chance may do that."""
    log = history.events
    login = np.flatnonzero(log.kind == log.kinds.index("login"))
    days = log.occurred[login] // DAY_US
    first_of_day = login[np.unique(days, return_index=True)[1]]
    rare = np.zeros(len(log), bool)
    rare[first_of_day] = True
    kept = (log.kind != log.kinds.index("login")) | (rare & (log.occurred < END - 6 * DAY_US))
    assert stopped_kinds(replace(history, events=log.take(kept)), END) == ()
    longer = (log.kind != log.kinds.index("login")) | (rare & (log.occurred < END - 14 * DAY_US))
    assert stopped_kinds(replace(history, events=log.take(longer)), END) == ("login",)
