"""Finding the column that says who left, and which of its values means it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from retainstream.services.imports.badrows import is_added
from retainstream.services.imports.columns import ColumnProfile
from retainstream.services.imports.names import (
    KEPT_VALUES,
    LEFT_VALUES,
    is_outcome_detail,
    is_prediction,
    label_strength,
    words_of,
)
from retainstream.services.imports.values import Blanks, boolean_pair, plain_word

_MAX_VALUES = 6
_STRAY_SHARE = 0.05  # of the filled rows: values beside yes and no that are taken for slips and reported row by row
_SINGLE_PARTNERS = ("no", "yes", "0", "1", "f", "t", "false", "true", "n", "y")
_NEGATIONS = frozenset(["not", "non", "no", "never", "un", "in", "de"])
_LETTERS = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True)
class LabelCandidate:
    """A column that may say who left.

    Attributes
    ----------
    strength : float
        How clearly header and values speak of leaving; larger is clearer.
    certain : bool
        False when the header names leaving but the values do not say which is which; the rarer value is then taken.
    """

    position: int
    strength: float
    churned: tuple[str, ...]
    kept: tuple[str, ...]
    certain: bool


def find_candidates(columns: Iterable[ColumnProfile]) -> list[LabelCandidate]:
    """Return every column that may be the label, the clearest first."""
    found = [candidate for column in columns if (candidate := _candidate(column)) is not None]
    return sorted(found, key=lambda candidate: (-candidate.strength, candidate.position))


def choose_label(
    candidates: Sequence[LabelCandidate], sample: Sequence[list[str | None]]
) -> tuple[LabelCandidate | None, list[int], list[int]]:
    """Choose the clearest candidate; two that are equally clear and disagree are left to a person.

    Returns
    -------
    (label or None, copies, ambiguous)
        `copies` are positions of columns that say the same as the clearest candidate on every sampled row; `ambiguous` are
        the positions of equally good candidates when none was chosen.
    """
    if not candidates:
        return None, [], []
    best = candidates[0]
    copies = [other.position for other in candidates[1:] if _agree(best, other, sample)]
    rivals = [
        other.position
        for other in candidates[1:]
        if other.strength >= best.strength - 0.4 and other.position not in copies
    ]
    if rivals:
        return None, copies, [best.position, *rivals]
    return best, copies, []


def value_direction(text: str) -> int:
    """1 when a value itself says that the customer left ("Attrited Customer"), -1 when it says they stayed, else 0."""
    words = _LETTERS.findall(text.casefold())
    joined = "".join(words)
    if joined in LEFT_VALUES or joined in KEPT_VALUES:
        return 1 if joined in LEFT_VALUES else -1
    direction = 0
    for index, word in enumerate(words):
        found = 1 if word in LEFT_VALUES else -1 if word in KEPT_VALUES else 0
        if found:
            direction = -found if index and words[index - 1] in _NEGATIONS else found
    return direction


def _candidate(column: ColumnProfile) -> LabelCandidate | None:
    spelt = _spellings(column)
    if is_added(column.name) or not 1 <= len(spelt) <= _MAX_VALUES or not column.filled:
        return None
    values = list(column.counts)
    words = words_of(column.name)
    detail = is_outcome_detail(words, numeric=False) and boolean_pair(values) is None
    if is_prediction(words) or (detail and not any(value_direction(value) for value in values)):
        return None
    name = label_strength(words)
    directions = [value_direction(value) for value in values]
    if len(values) >= 2 and all(directions) and len(set(directions)) == 2:
        churned = tuple(value for value, direction in zip(values, directions, strict=True) if direction > 0)
        kept = tuple(value for value, direction in zip(values, directions, strict=True) if direction < 0)
        strength = max(abs(name), 1.5) if name else 1.5
        return LabelCandidate(column.position, strength + (0.5 if name > 0.5 else 0.0), churned, kept, True)
    if abs(name) < 1.0:
        return None
    return _by_name(column, spelt, name)


def _spellings(column: ColumnProfile) -> dict[str, tuple[str, ...]]:
    """Group the texts that differ only in case, white space or a trailing dot or ``.0``; the commonest group first."""
    texts: dict[str, list[str]] = {}
    rows: dict[str, int] = {}
    for text, count in column.counts.items():
        word = plain_word(text)
        texts.setdefault(word, []).append(text)
        rows[word] = rows.get(word, 0) + count
    return {word: tuple(texts[word]) for word in sorted(texts, key=lambda word: -rows[word])}


def _by_name(column: ColumnProfile, spelt: dict[str, tuple[str, ...]], name: float) -> LabelCandidate | None:
    """Read yes and no under a header that names leaving (or staying, which turns them round)."""
    strength = abs(name) if name > 0 else 1.2
    pair = _yes_and_no(column, spelt, clearly_named=name >= 3.0)
    if pair is not None:
        left, stayed = pair if name > 0 else pair[::-1]
        return LabelCandidate(
            column.position, strength, spelt.get(left, (left,)), spelt.get(stayed, (stayed,)), certain=True
        )
    if len(spelt) == 2 and abs(name) >= 3.0:
        common, rare = spelt
        spoken = (value_direction(spelt[common][0]), value_direction(spelt[rare][0]))
        # Without a word of its own, the rarer value is taken.
        left, stayed = (common, rare) if spoken[0] > 0 or spoken[1] < 0 else (rare, common)
        return LabelCandidate(column.position, strength - 0.3, spelt[left], spelt[stayed], any(spoken))
    return None


def _yes_and_no(
    column: ColumnProfile, spelt: dict[str, tuple[str, ...]], *, clearly_named: bool
) -> tuple[str, str] | None:
    """Return the words for yes and no. Under a clear header a few strays beside them are slips, to be told row by row."""
    words = list(spelt)
    if len(words) == 1:
        return next((pair for other in _SINGLE_PARTNERS if (pair := boolean_pair([words[0], other]))), None)
    strays = sum(column.counts[text] for word in words[2:] for text in spelt[word])
    if strays and not (clearly_named and strays <= _STRAY_SHARE * column.filled):
        return None
    return boolean_pair(words[:2])


def _agree(first: LabelCandidate, second: LabelCandidate, sample: Sequence[list[str | None]]) -> bool:
    blank = Blanks()
    seen = 0
    for left, right in zip(sample[first.position], sample[second.position], strict=True):
        if left is None or right is None or blank(left) or blank(right):
            continue
        seen += 1
        if (left in first.churned) != (right in second.churned):
            return False
    return seen > 0
