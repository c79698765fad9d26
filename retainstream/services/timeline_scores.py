"""What the scores of a timeline were: figure, band, and how far each moved from the one before. What moved it is `score_moves`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy.orm import Session

from retainstream.config import Settings
from retainstream.services import score_moves
from retainstream.services.customers import record
from retainstream.services.timeline import Entry

Answer = Mapping[str, Any]
FACTS = ("churn_probability", "risk_band", "margin", "hindsight")


def told(session: Session, settings: Settings, user_id: str, entries: Sequence[Entry]) -> tuple[Entry, ...]:
    """Return entries of a customer's timeline, those of scores with `FACTS` and `move` among their facts; null where a score is kept no longer.

    `move` is null for a first score, and otherwise says from which run, day and band the score came, with the differences: `probability` (null where
    either is withheld) and `margin`, in log-odds. Scores by other definitions, and those that nobody could have had then, are not compared.
    """
    if not any(entry.source == "score" for entry in entries):
        return tuple(entries)
    customer, _ = record.require(session, user_id)
    past: Any = score_moves.history(session, settings, customer.id, moves=0)["items"]
    figures = dict(_figures(past))
    nothing = {**dict.fromkeys(FACTS), "move": None}
    return tuple(
        replace(entry, facts=entry.facts | figures.get(entry.facts["run_id"], nothing))
        if entry.source == "score"
        else entry
        for entry in entries
    )


def earlier(past: Sequence[Answer], place: int) -> Answer | None:
    """Return the score that the one at a place of a history (newest first) is compared with; None for a first one."""
    item = past[place]
    same = (
        one
        for one in past[place + 1 :]
        if one["definition"]["id"] == item["definition"]["id"] and one["hindsight"] == item["hindsight"]
    )
    return next(same, None)


def _figures(past: Sequence[Answer]) -> Iterable[tuple[int, dict[str, Any]]]:
    for place, item in enumerate(past):
        before = earlier(past, place)
        yield item["run_id"], {**{name: item[name] for name in FACTS}, "move": before and _move(before, item)}


def _move(before: Answer, now: Answer) -> dict[str, Any]:
    chances = before["churn_probability"], now["churn_probability"]
    return {
        "from_run_id": before["run_id"],
        "from_as_of": before["as_of"],
        "from_risk_band": before["risk_band"],
        "probability": None if None in chances else chances[1] - chances[0],
        "margin": now["margin"] - before["margin"],
    }
