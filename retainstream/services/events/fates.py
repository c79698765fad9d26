"""What can become of a row, and how it is counted."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Fates:
    """What became of the rows of a chunk.

    Attributes
    ----------
    per_row : list of str
        `accepted`, `duplicate` (its key is on record: the first one stays), `unknown_customer`, `erased`, `no_customer`, `too_many_kinds`;
        of statements also `other_customer` (the key belongs to a subscription of somebody else).
    counts : Counter
        Rows by fate, and of the accepted ones `late` (received more than a day after it happened), `out_of_order` (happened before what its
        feed had brought until then), `future` (more than five minutes ahead: counts once its time has come); `new_customers`, `new_kinds`.
    """

    per_row: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
