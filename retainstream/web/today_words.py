"""Words of the desk: how acts, outcomes and standings are called, and the sentences of Today. No database and no request here."""

from __future__ import annotations

from typing import NamedTuple

from retainstream.lib.money import money
from retainstream.services.desk.queue import Today
from retainstream.services.desk.sla import Kept
from retainstream.services.desk.tried import AFTER_DAYS, Tried
from retainstream.web.template_tools import cash, percent

KINDS = {"call": "Call", "email": "E-mail", "message": "Message", "offer": "Offer", "visit": "Visit", "other": "Other"}


class OutcomeWords(NamedTuple):
    """How an outcome is called, what it means, and reasons that are offered while one is typed; any other line will do."""

    word: str
    means: str
    reasons: tuple[str, ...]


OUTCOMES = {
    "saved": OutcomeWords(
        "Stays",
        "The customer stays.",
        ("Took an offer", "Changed the plan", "Trouble solved", "Was not going to leave"),
    ),
    "left": OutcomeWords(
        "Leaves",
        "They say that they leave, or have left.",
        ("Too expensive", "Does not use it", "Went to somebody else", "Misses something", "Did not say why"),
    ),
    "unreachable": OutcomeWords(
        "Not reached", "Nobody answered.", ("No answer", "Left a message", "Number or address is wrong")
    ),
    "wrong": OutcomeWords(
        "Wrong here",
        "They should not have been on the list.",
        ("Had left already", "Already in touch", "Asked not to be contacted", "The data is wrong", "A test account"),
    ),
}
"""Outcomes in the order of the keys 1 to 4."""
STATES = {"open": "Open", "done": "Done", "dropped": "Dropped"}
STANDINGS = {
    "awake": "open",
    "overdue": "overdue",
    "due_today": "due today",
    "upcoming": "due later",
    "snoozed": "asleep",
}
_EMPTY = {
    "no_customers": (
        "Today’s list will be here",
        "Import your customers, then train a model: whoever is worth reaching stands here every morning, with the reasons as a call script.",
    ),
    "no_scores": (
        "Nobody is scored yet",
        "Once a model is in service and has scored your customers, those worth reaching stand here, the largest expected gain first.",
    ),
    "nothing_pays": (
        "Nobody is worth a call today",
        "Reaching any customer costs more than it is expected to bring, at your costs and their risk.",
    ),
    "all_taken": (
        "Everybody worth reaching is taken care of",
        "Whoever would pay to reach has a task, was reached lately and rests, or belongs to the hold-out.",
    ),
    "capacity_used": (
        "The day is full",
        "What was done, is due or was taken today fills what the team can do in a day. More customers are proposed tomorrow.",
    ),
}


_WORTH = {"lifetime_value": "lifetime value", "revenue": "revenue", "set_value": "nothing else"}
_TOLD_FROM = {"lifetime_value": " (by lifetime value)", "revenue": " (by revenue)", "set_value": ""}


def title(today: Today, whose: str, owner: str, segment: str = "") -> str:
    """Return the head of the list; `owner` and `segment` are names, where it is somebody's part or that of a segment."""
    count = today.total
    tasks = f"{count:,} task{'' if count == 1 else 's'}"
    if whose == "mine":
        return f"{tasks} of yours" if count else "You have nothing to do here"
    if whose == "unassigned":
        return f"{count:,} that nobody has taken" if count else "Everything is taken"
    if owner:
        return f"{tasks} of {owner}" if count else f"{owner} has no open task"
    of = f" of “{segment}”" if segment else ""
    if not count:
        return f"Nobody{of} to reach today"
    return f"{count:,} customer{'' if count == 1 else 's'}{of} to reach today"


def lead(today: Today) -> str:
    """Return the sentence under the head: what the list is ranked by, and what reaching all of it is expected to gain."""
    if today.measure is None or not today.total:
        return ""
    if today.measure == "rank":
        return f"Ranked by risk and {_WORTH[today.valued_by]}. The model’s probabilities are withheld, so no expected gain can be told."
    gain = cash(money(today.expected_gain_minor, today.currency), short=True)
    return f"Reaching all of them is expected to gain {gain}: the chance that an offer keeps somebody × the risk × what they are worth{_TOLD_FROM[today.valued_by]} − the cost."


def empty(today: Today, whose: str) -> tuple[str, str]:
    """Return the title and the text of a part of the list that holds nothing."""
    if whose.startswith("segment:"):
        return (
            "Nobody of this segment",
            "Nobody of it has an open task, or stands among those whom the team can reach today.",
        )
    if whose not in ("team", "unassigned"):
        return "No open task", "Take customers from the team’s list, or make a task on the page of a customer."
    return _EMPTY.get(today.empty, ("Nothing here", "Nobody is proposed just now."))


def why_nobody(today: Today) -> str:
    """Return why nobody is proposed although there are tasks; nothing where somebody is."""
    return f"{_EMPTY[today.empty][0]}: {_lower(_EMPTY[today.empty][1])}" if today.empty and today.total else ""


def beyond(today: Today, proposed: int) -> tuple[str, str] | None:
    """Return how many more would be worth reaching than today's capacity has room for, and the rest of the sentence; None where it has room for all."""
    more = today.counts.proposed_total - proposed
    if more <= 0 or today.measure is None:
        return None
    one = more == 1
    rest = (
        f"{'is' if one else 'are'} worth reaching, beyond what the team can do in a day. "
        f"{'That one stands' if one else 'They stand'} here as soon as there is room."
    )
    return f"{more:,} more", rest


def kept(of: Kept) -> str:
    """Return how long ended tasks took."""
    if of.median_hours is None:
        return "no task ended in the last 30 days"
    return f"median {span(of.median_hours)} from taking to end"


def span(hours: float) -> str:
    """Return a length of time in its fitting unit."""
    if hours < 1:
        return f"{max(1, round(60 * hours))} min"
    return f"{hours:.0f} h" if hours < 48 else f"{hours / 24:.0f} days"


def followed(tried: Tried) -> str:
    """Return what came of a play, as one sentence that never says more than counts."""
    if not tried.done:
        return "Not tried yet." if not tried.open else f"Not tried to the end yet; {tried.open:,} open."
    stays = tried.outcomes["saved"]
    words = f"Tried {tried.done:,} time{'' if tried.done == 1 else 's'}, {stays:,} said to stay"
    if tried.judged:
        words += f"; {percent(tried.left_share, 0)} of {tried.judged:,} had left {AFTER_DAYS} days later"
    return f"{words}. Not a causal figure."


def outcome(key: str | None) -> str:
    """Return the word of an outcome; nothing for none."""
    return OUTCOMES[key][0] if key in OUTCOMES else ""


def initials(name: str) -> str:
    """Return the letters that stand for a person."""
    words = name.split() or ["?"]
    return (words[0][0] + (words[-1][0] if len(words) > 1 else "")).upper()


def _lower(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]
