"""How well a name fits what somebody typed. The smaller a rank, the better; None does not fit."""

from __future__ import annotations

import re

EXACT, BEGINS, WORD, ALSO, WITHIN = range(5)
_WORDS = re.compile(r"[^\W_]+")


def folded(text: str) -> str:
    """Return a text as it is compared: without upper case, and with single spaces."""
    return " ".join(text.casefold().split())


def rank(asked: str, name: str, also: str = "") -> int | None:
    """Return how well a name fits.

    Parameters
    ----------
    asked : str
        What somebody typed, `folded`. Nothing fits everything as the beginning of its name.
    name : str
        What a thing is called.
    also : str
        Other words that it is looked for by.

    Returns
    -------
    int or None
        EXACT, BEGINS (the name), WORD (every word asked for begins one of the name), ALSO (or one of the other words), WITHIN (inside the name).
    """
    title = folded(name)
    if title == asked:
        return EXACT
    if title.startswith(asked):
        return BEGINS
    wanted = _WORDS.findall(asked)
    if wanted:
        own, other = _WORDS.findall(title), _WORDS.findall(folded(also))
        if _all_begin(wanted, own):
            return WORD
        if _all_begin(wanted, own + other):
            return ALSO
    return WITHIN if asked in title else None


def _all_begin(wanted: list[str], words: list[str]) -> bool:
    return all(any(word.startswith(part) for word in words) for part in wanted)
