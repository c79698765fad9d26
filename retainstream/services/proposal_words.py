"""The sentences of a proposed churn definition. Its figures are `retainstream.ml.asof.proposal`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retainstream.lib.counting import counted

if TYPE_CHECKING:
    from retainstream.ml.asof.proposal import Candidate, Grounds, InactivityProposal, Lateness, SubscriptionProposal

_LATE_DAYS = 30


def of_inactivity(found: InactivityProposal) -> list[str]:
    """Return how many come back after the chosen silence, what else could be chosen, and what training would have."""
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
    return [*words, *_of_grounds(chosen.grounds), *_of_lateness(found.lateness, "Activity")]


def _first_settled(found: InactivityProposal) -> Candidate | None:
    """Return the smallest number of days after which few enough come back, whether or not it can be trained."""
    from retainstream.ml.asof.proposal import ACCEPTED_RETURNS

    few = (each for each in found.candidates if each.came_back is not None and each.came_back <= ACCEPTED_RETURNS)
    return next(few, None)


def _few_dates(found: Grounds) -> str:
    dates = "1 observation date" if found.training_dates == 1 else f"{found.training_dates} observation dates"
    return f"There would be {dates} to learn from, which is too few to go by."


def of_subscriptions(found: SubscriptionProposal) -> list[str]:
    """Return how subscriptions ended, and what training would have."""
    words = [
        f"{found.ends:,} subscriptions have ended; {found.chosen.departures:,} of their customers left in this way."
    ]
    if found.without_reason:
        words.append(f"{found.without_reason:,} ends came without a reason, and count as “other”.")
    if found.chosen.rule.kind == "cancel" and "other" in found.chosen.rule.reasons:
        words.append("Most ends that may be cancellations give no reason, so “other” counts as a cancellation too.")
    return [*words, *_of_grounds(found.chosen), *_of_lateness(found.lateness, "News of an end")]


def _of_grounds(found: Grounds) -> list[str]:
    words = []
    if found.churn_per_month is not None:
        words.append(
            f"{found.churn_per_month:.1%} of the active customers left in a month, over {found.months} whole months."
        )
    if found.trainable:
        unnoticed = found.rule.kind == "inactivity" and found.rule.already_silent == "count"
        silent = " or had left already, unnoticed" if unnoticed else ""
        words.append(
            f"Training would have {counted(found.rows, 'row')} on {counted(found.dates, 'date')}, {found.churners:,} of which left within the window{silent}."
        )
    else:
        words.append(f"It cannot be trained yet: {found.problem}")
    return words


def _of_lateness(late: Lateness, what: str) -> list[str]:
    if late.p99_days is None or late.settle_days == 0:
        return []
    words = [
        f"{what} arrives late: 99 of 100 rows within {late.p99_days:.1f} days, so an outcome waits {late.settle_days} days more."
    ]
    if late.p99_days > _LATE_DAYS:
        words.append("So late a record was probably loaded afterwards; load it as known at the time, if it was.")
    return words
