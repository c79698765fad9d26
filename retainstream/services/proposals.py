"""A proposed churn definition from the customers' own histories, or one that is weighed; its sentences are `proposal_words`.

Nothing is stored; the newest answers are kept in memory.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar, cast

from sqlalchemy import select
from sqlalchemy.orm import Session

from retainstream.config import Settings
from retainstream.db import read_unit
from retainstream.errors import Busy, InvalidInput, NotReady
from retainstream.lib import clock
from retainstream.models import EventKind
from retainstream.services import as_of, churn_definitions, proposal_words, revisions

if TYPE_CHECKING:
    from retainstream.ml.asof.columns import History
    from retainstream.ml.asof.proposal import Grounds, Lateness
    from retainstream.ml.asof.rules import ChurnRule, RuleKind

_NAMES = {
    "cancel": "Cancels",
    "payment_failure": "Payment fails",
    "trial_end": "Trial ends",
    "non_renewal": "Does not renew",
}
_MOST_KEPT = 32
_kept: dict[Hashable, dict[str, object]] = {}
"""Answers by the state of the data, the end of the data and the question: the same question takes seconds on millions of events, and comes again."""
_alone = threading.Lock()
_AGAIN_IN = 15
"""Seconds after which a refused caller may ask again."""


@dataclass(frozen=True)
class _State:
    """Of which data something is asked, and how far those reach, in microseconds UTC."""

    database: str
    counters: tuple[int, ...]
    end: int

    @classmethod
    def of(cls, session: Session) -> _State:
        """Return the present one; raises NotReady without a history."""
        counters = revisions.read(session)
        known = tuple(counters[name] for name in ("events", "removals", "customers"))
        return cls(str(session.get_bind().engine.url), known, as_of.data_end(session))


@dataclass(frozen=True)
class _Question:
    """What a proposal is asked for."""

    kind: str | None
    horizon_days: int
    lead_days: int
    activity: tuple[str, ...]


@dataclass(frozen=True)
class _Weighing:
    """A rule that is to be weighed; `measure` when it is to wait for as long as news has taken."""

    rule: ChurnRule
    measure: bool


Asked = TypeVar("Asked", _Question, _Weighing)


def propose(settings: Settings, asked: Mapping[str, Any]) -> dict[str, object]:
    """Return a proposed definition with the figures behind it. Opens units of its own, which are closed before anything is computed.

    Parameters
    ----------
    asked : mapping
        `kind` (inactivity where there are no subscriptions, else cancel, when left out), `horizon_days` (30), `lead_days` (0), `activity`.

    Returns
    -------
    dict
        The API's form; `definition` is a ready body for POST /churn-definitions.

    Raises
    ------
    NotReady
        Without events and subscriptions, and without what the kind needs.
    InvalidInput
        When `activity` names an unknown kind of event, or is given with a kind that is about subscriptions.
    Busy
        While this process computes another one: each holds the whole history in memory, so that they must not pile up.
    """
    return _answered(settings, lambda session: _question(session, asked), _proposed)


def weigh(settings: Settings, wanted: Mapping[str, Any]) -> dict[str, object]:
    """Return what a definition would say and what training would have under it; nothing is stored. Units as of `propose`.

    Parameters
    ----------
    wanted : mapping
        As for `churn_definitions.create`, without a name.

    Raises
    ------
    NotReady, Busy
        As `propose`.
    InvalidInput
        For a definition that cannot be made.
    """
    measure = wanted.get("settle_days") is None
    return _answered(settings, lambda session: _Weighing(churn_definitions.checked(session, wanted), measure), _weighed)


def settle_days(settings: Settings, wanted: Mapping[str, Any]) -> int:
    """Return for how many whole days the outcomes of a definition must wait, by how late news of leaving has come so far.

    Parameters
    ----------
    wanted : mapping
        As for `churn_definitions.create`.

    Returns
    -------
    int
        0 to 90: what covers 99 of 100 rows; 0 where there is nothing to measure it by.

    Raises
    ------
    InvalidInput
        For a definition that cannot be made.
    """
    with read_unit() as session:
        rule = churn_definitions.checked(session, wanted)
        past = as_of.history(session, settings, properties=())
    return _lateness(rule, past).settle_days


def _answered(
    settings: Settings, ask: Callable[[Session], Asked], work: Callable[[History, int, Asked], dict[str, object]]
) -> dict[str, object]:
    """Return the kept answer to a question, or make and keep it, unless another one is being made."""
    with read_unit() as session:
        found = _kept.get((_State.of(session), ask(session)))
    if found is not None:
        return copy.deepcopy(found)
    if not _alone.acquire(blocking=False):
        raise Busy("Another proposal is being made; ask again when it is done.", retry_after=_AGAIN_IN)
    try:
        with read_unit() as session:
            state, question = _State.of(session), ask(session)  # anew: something may have arrived in between
            past = as_of.history(session, settings, properties=())
        made = work(past, state.end, question)
    finally:
        _alone.release()
    if len(_kept) >= _MOST_KEPT:
        _kept.clear()
    _kept[state, question] = made
    return copy.deepcopy(made)


def _question(session: Session, asked: Mapping[str, Any]) -> _Question:
    activity = tuple(dict.fromkeys(asked.get("activity") or ()))
    known = set(session.scalars(select(EventKind.name))) if activity else set()
    if strangers := sorted(set(activity) - known):
        raise InvalidInput(
            "The activity is not on record.",
            fields={"activity": [f"no event of the kind {strangers[0]!r} is on record"]},
        )
    return _Question(asked.get("kind"), asked.get("horizon_days") or 30, asked.get("lead_days") or 0, activity)


def _lateness(rule: ChurnRule, past: History) -> Lateness:
    from retainstream.ml.asof.proposal import lateness_of_ends, lateness_of_events

    return lateness_of_events(rule, past) if rule.kind == "inactivity" else lateness_of_ends(past)


def _weighed(past: History, end: int, asked: _Weighing) -> dict[str, object]:
    from retainstream.ml.asof import proposal

    rule = replace(asked.rule, settle_days=_lateness(asked.rule, past).settle_days) if asked.measure else asked.rule
    found = proposal.weigh(rule, past, data_end=end)
    return {
        **_figures(found.grounds),
        "sentence": churn_definitions.describe(rule),
        "maturity_days": rule.maturity_us // clock.DAY_US,
        "data_end": clock.iso(end),
        "came_back": found.came_back,
        "silences": found.silences,
        "departures": found.grounds.departures,
    }


def _proposed(past: History, end: int, asked: _Question) -> dict[str, object]:
    kind, activity = asked.kind, asked.activity
    window = {"horizon_days": asked.horizon_days, "lead_days": asked.lead_days}
    if kind is None:
        kind = "cancel" if len(past.subscriptions) and not activity else "inactivity"
    if activity and kind != "inactivity":
        raise InvalidInput(
            "Only inactivity is about activity.", fields={"activity": ["belongs to the kind inactivity"]}
        )
    if kind == "inactivity":
        return _of_inactivity(past, end, window, activity)
    return _of_subscriptions(past, end, window, cast("RuleKind", kind))


def _of_inactivity(past: History, end: int, window: dict[str, int], activity: tuple[str, ...]) -> dict[str, object]:
    from retainstream.ml.asof.proposal import propose_inactivity

    if not len(past.events):
        raise NotReady(
            "There are no events yet, so nobody can be seen to fall silent: send some, or load a file of them."
        )
    found = propose_inactivity(past, data_end=end, activity=activity, **window)
    chosen = found.chosen
    counted = found.silences
    return {
        **_head(chosen.grounds, found.lateness, past, end),
        "sentences": proposal_words.of_inactivity(found),
        "gaps": {
            "gaps": int(counted.ended.sum()),
            "median_days": counted.quantile(0.5),
            "p95_days": counted.quantile(0.95),
            "followed_days": counted.followed_days,
            "distribution": [
                {"from_days": low, "to_days": high, "gaps": count} for low, high, count in counted.spread()
            ],
            "returning": [{"days": days, "came_back": share} for days, share in counted.curve()],
        },
        "candidates": [
            {
                **_figures(each.grounds),
                "inactive_days": each.grounds.rule.inactive_days,
                "came_back": each.came_back,
                "silences": each.silences,
            }
            for each in found.candidates
        ],
        "reasons": [],
    }


def _of_subscriptions(past: History, end: int, window: dict[str, int], kind: RuleKind) -> dict[str, object]:
    from retainstream.ml.asof.proposal import propose_subscription

    if not len(past.subscriptions):
        raise NotReady(
            "There are no subscriptions yet: send some, or load a file of them; or ask for the kind inactivity."
        )
    found = propose_subscription(past, kind, data_end=end, **window)
    return {
        **_head(found.chosen, found.lateness, past, end),
        "sentences": proposal_words.of_subscriptions(found),
        "gaps": None,
        "candidates": [],
        "reasons": [
            {
                **_figures(each),
                "kind": each.rule.kind,
                "reason": "any" if each.rule.kind == "non_renewal" else " or ".join(each.rule.reasons),
                "ends": each.departures,
            }
            for each in found.by_kind
        ],
    }


def _head(chosen: Grounds, late: Lateness, past: History, end: int) -> dict[str, object]:
    starts = [
        int(instants.min())
        for instants in (past.events.occurred, past.subscriptions.started)
        if len(instants) and int(instants.min()) < end
    ]
    return {
        "kind": chosen.rule.kind,
        "definition": _body(chosen.rule),
        "trainable": chosen.trainable,
        "data_start": clock.iso(min(starts)) if starts else None,
        "data_end": clock.iso(end),
        "lateness": {"p99_days": late.p99_days, "n": late.n, "settle_days": late.settle_days},
    }


def _body(rule: ChurnRule) -> dict[str, object]:
    """Return what POST /churn-definitions takes."""
    name = f"Silent for {rule.inactive_days} days" if rule.inactive_days else _NAMES[rule.kind]
    return {
        "name": name,
        "kind": rule.kind,
        "horizon_days": rule.horizon_days,
        "lead_days": rule.lead_days,
        **rule.parameters(),
        "activate": True,
    }


def _figures(found: Grounds) -> dict[str, object]:
    return {
        "churn_per_month": found.churn_per_month,
        "months": found.months,
        "rows": found.rows,
        "churners": found.churners,
        "dates": found.dates,
        "training_dates": found.training_dates,
        "fits": found.fits,
        "trainable": found.trainable,
        "needed_days": found.needed_days,
        "problem": found.problem,
    }
