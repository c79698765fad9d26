"""What a reader of a model's card must know before trusting it: notes of the training and findings of the sentry, in sentences. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from retainstream.web.template_tools import whole

Answer = Mapping[str, Any]
_LEFT_OUT = {
    "already_left": "had left before the date",
    "announced": "had announced their end already",
    "purged": "rows between two windows, kept out so that no outcome reaches into the next",
}


@dataclass(frozen=True)
class Note:
    """Something that a reader of the card must know; `warn` where it asks for a decision."""

    text: str
    warn: bool


def notes(told: Answer) -> tuple[Note, ...]:
    """Return notes of the training and findings of the sentry, those that ask for a decision first."""
    report, window = told["report"] or {}, told["data_window"] or {}
    titles = {str(one["name"]): str(one["title"]) for one in told["features"]}
    found = [Note(_giveaway(one, titles), True) for one in report.get("giveaways") or ()]
    found += [Note(_suspect(one), True) for one in window.get("suspects") or ()]
    found += [Note(f"Left out. {_suspect(one)}", True) for one in window.get("dated_after") or ()]
    if window.get("excluded"):
        found.append(Note(f"Left out as asked: {listed(_names(window['excluded'], titles))}.", False))
    found += [
        Note(sentence_of(str(text)), False) for text in [*(report.get("notes") or ()), *(window.get("notes") or ())]
    ]
    forward = report.get("forward") or {}
    if forward.get("random_splits") and told["auc"] is not None:
        claimed = max(one["auc"] for one in forward["random_splits"])
        found.append(
            Note(
                f"A careless test that ignores time would have claimed an AUC of {claimed:.3f} instead of {told['auc']:.3f}.",
                False,
            )
        )
    if window.get("treated"):
        found.append(Note(f"{whole(window['treated'])} rows of customers on whom somebody acted are kept out.", False))
    for reason, count in (window.get("left_out") or {}).items():
        if count:
            found.append(Note(f"{whole(count)} left out: {_LEFT_OUT.get(reason, reason.replace('_', ' '))}.", False))
    return tuple(found)


def _giveaway(one: Answer, titles: Mapping[str, str]) -> str:
    name = titles.get(str(one["feature"]), str(one["feature"]))
    return (
        f"“{name}” seems to give the answer away: alone it reaches an AUC of {one['single_auc']:.3f}. With it the model has"
        f" {one['auc_with']:.3f}, without it {one['auc_without']:.3f}. If it is written after a customer left, train without it."
    )


def _suspect(one: Answer) -> str:
    said = sentence_of(str(one["message"]))
    if one.get("auc_with") is None or one.get("auc_without") is None:
        return said
    return f"{said} With it a small model reaches an AUC of {one['auc_with']:.3f}, without it {one['auc_without']:.3f}."


def _names(found: Sequence[Any], titles: Mapping[str, str]) -> list[str]:
    return [titles.get(str(one), str(one)) for one in found]


def listed(words: Sequence[str]) -> str:
    """Return words as a list in a sentence."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else ""


def sentence_of(words: str) -> str:
    """Return words with a full stop, unless they end a sentence already."""
    return words if words.endswith((".", "!", "?")) else f"{words}."
