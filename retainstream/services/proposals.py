"""A proposed churn definition, in figures and in words, from the customers' own histories. Nothing is stored; the newest answers are kept in memory."""

from __future__ import annotations

import copy
from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import select
from sqlalchemy.orm import Session

from retainstream.config import Settings
from retainstream.errors import InvalidInput, NotReady
from retainstream.lib import clock
from retainstream.models import EventKind
from retainstream.services import as_of, revisions

if TYPE_CHECKING:
    from retainstream.ml.asof.columns import History
    from retainstream.ml.asof.proposal import Candidate, Grounds, InactivityProposal, Lateness, SubscriptionProposal
    from retainstream.ml.asof.rules import ChurnRule, RuleKind

_NAMES = {
    "cancel": "Cancels",
    "payment_failure": "Payment fails",
    "trial_end": "Trial ends",
    "non_renewal": "Does not renew",
}
_LATE_DAYS = 30
_MOST_KEPT = 16
_kept: dict[Hashable, dict[str, object]] = {}
"""Answers by the state of the data, the end of the data and the question: the same question takes seconds on millions of events, and comes again."""


def propose(session: Session, settings: Settings, asked: Mapping[str, Any]) -> dict[str, object]:
    """Return a proposed definition with the figures behind it.

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
    """
    end = as_of.data_end(session)
    kind, activity = asked.get("kind"), tuple(dict.fromkeys(asked.get("activity") or ()))
    known = set(session.scalars(select(EventKind.name))) if activity else set()
    if strangers := sorted(set(activity) - known):
        raise InvalidInput(
            "The activity is not on record.",
            fields={"activity": [f"no event of the kind {strangers[0]!r} is on record"]},
        )
    window: dict[str, int] = {"horizon_days": asked.get("horizon_days") or 30, "lead_days": asked.get("lead_days") or 0}
    key = (str(session.get_bind().engine.url), *_state(session), end, kind, activity, *window.values())
    found = _kept.get(key)
    if found is None:
        found = _proposed(as_of.history(session, settings, properties=()), end, window, kind, activity)
        if len(_kept) >= _MOST_KEPT:
            _kept.clear()
        _kept[key] = found
    return copy.deepcopy(found)


def _state(session: Session) -> tuple[int, ...]:
    counters = revisions.read(session)
    return tuple(counters[name] for name in ("events", "removals", "customers"))


def _proposed(
    past: History, end: int, window: dict[str, int], kind: str | None, activity: tuple[str, ...]
) -> dict[str, object]:
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
        "sentences": _words_of_inactivity(found),
        "gaps": {
            "gaps": int(counted.ended.sum()),
            "median_days": counted.quantile(0.5),
            "p95_days": counted.quantile(0.95),
            "followed_days": counted.followed_days,
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
        "sentences": _words_of_subscriptions(found),
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


def _words_of_inactivity(found: InactivityProposal) -> list[str]:
    from retainstream.ml.asof.proposal import ACCEPTED_RETURNS

    chosen, n = found.chosen, found.chosen.grounds.rule.inactive_days
    accepted = f"{ACCEPTED_RETURNS:.0%}"
    words = []
    if chosen.came_back is None:
        words.append(
            f"No silence of {n} days was watched for long enough to say how many customers come back after it."
        )
    else:
        words.append(
            f"Of {chosen.silences:,} silences that reached {n} days, {chosen.came_back:.0%} ended with the customer coming back,"
            f" as far as the record shows (up to {found.silences.followed_days} days; silences that still go on are allowed for)."
        )
    later = _first_settled(found)
    if later is not None and later is not chosen:
        words.append(
            f"After {later.grounds.rule.inactive_days} days at most {accepted} would come back, but that cannot be trained yet:"
            f" {later.grounds.problem or _few_dates(later.grounds)}"
        )
    if chosen.came_back is not None and chosen.came_back > ACCEPTED_RETURNS:
        words.append(
            f"That is more than {accepted}: about {round(chosen.came_back * 10)} in 10 customers who are called gone are only away,"
            " so read the score as the chance of a long pause."
        )
        longest = next((each.grounds for each in reversed(found.candidates) if each.grounds.trainable), chosen.grounds)
        if longest.rule.inactive_days != n and longest is not (later and later.grounds):
            words.append(
                f"{longest.rule.inactive_days} days could be trained, too, but not well. {_few_dates(longest)}"
            )
    return [*words, *_words_of_grounds(chosen.grounds), *_words_of_lateness(found.lateness, "Activity")]


def _first_settled(found: InactivityProposal) -> Candidate | None:
    """Return the smallest number of days after which few enough come back, whether or not it can be trained."""
    from retainstream.ml.asof.proposal import ACCEPTED_RETURNS

    few = (each for each in found.candidates if each.came_back is not None and each.came_back <= ACCEPTED_RETURNS)
    return next(few, None)


def _few_dates(found: Grounds) -> str:
    dates = "1 observation date" if found.training_dates == 1 else f"{found.training_dates} observation dates"
    return f"There would be {dates} to learn from, which is too few to go by."


def _words_of_subscriptions(found: SubscriptionProposal) -> list[str]:
    words = [
        f"{found.ends:,} subscriptions have ended; {found.chosen.departures:,} of their customers left in this way."
    ]
    if found.without_reason:
        words.append(f"{found.without_reason:,} ends came without a reason, and count as “other”.")
    if found.chosen.rule.kind == "cancel" and "other" in found.chosen.rule.reasons:
        words.append("Most ends that may be cancellations give no reason, so “other” counts as a cancellation too.")
    return [*words, *_words_of_grounds(found.chosen), *_words_of_lateness(found.lateness, "News of an end")]


def _words_of_grounds(found: Grounds) -> list[str]:
    words = []
    if found.churn_per_month is not None:
        words.append(
            f"{found.churn_per_month:.1%} of the active customers left in a month, over {found.months} whole months."
        )
    if found.trainable:
        counted = found.rule.kind == "inactivity" and found.rule.already_silent == "count"
        silent = " or had left already, unnoticed" if counted else ""
        words.append(
            f"Training would have {found.rows:,} rows on {found.dates} dates, {found.churners:,} of which left within the window{silent}."
        )
    else:
        words.append(f"It cannot be trained yet: {found.problem}")
    return words


def _words_of_lateness(late: Lateness, what: str) -> list[str]:
    if late.p99_days is None or late.settle_days == 0:
        return []
    words = [
        f"{what} arrives late: 99 of 100 rows within {late.p99_days:.1f} days, so an outcome waits {late.settle_days} days more."
    ]
    if late.p99_days > _LATE_DAYS:
        words.append("So late a record was probably loaded afterwards; load it as known at the time, if it was.")
    return words
