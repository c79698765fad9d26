"""Recency, frequency and money as of a day: fifths of each, ten named groups, and who moved between two days.

The named groups are boxes of scores (1 the lowest fifth, 5 the highest) that fill the cube of all 125 without overlapping:

| group | R | F | M | who they are |
| --- | --- | --- | --- | --- |
| Champions | 4-5 | 4-5 | 4-5 | lately, often and much |
| Loyal | 4-5 | 4-5 | 1-3 | often and lately, for smaller sums |
| Loyal | 3 | 4-5 | 1-5 | often, and not long ago |
| Active | 4-5 | 3 | 1-5 | lately, about as often as most |
| Promising | 4-5 | 1-2 | 3-5 | lately and seldom so far, but for good sums |
| New | 4-5 | 1-2 | 1-2 | lately, seldom and little so far |
| Needs attention | 3 | 1-3 | 1-5 | neither lately nor often: on the brink |
| At risk | 2 | 3-5 | 1-5 | came often, has been away for some time |
| At risk | 2 | 1-2 | 4-5 | spent much, has been away for some time |
| Almost lost | 2 | 1-2 | 1-3 | seldom and little, and away for some time |
| Previously loyal | 1 | 4-5 | 1-5 | came often, has been away the longest |
| Previously loyal | 1 | 3 | 4-5 | spent much, has been away the longest |
| Dormant | 1 | 1-2 | 1-5 | seldom, and away the longest |
| Dormant | 1 | 3 | 1-3 | little, and away the longest |

A name speaks of the three scores alone: "New" is one who came lately and seldom, whether or not the first purchase was lately.
Who is in a saved segment, and what is done about a group, is not this module's work.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

DAY = 86_400_000_000
"""Microseconds of a day; moments are UTC microseconds."""
FIFTHS = 5
_DENSE = 8  # ids are counted in an array as long as the largest when it is no longer than so many times the rows


@dataclass(frozen=True)
class Box:
    """Scores of one row of the table, ends included."""

    recency: tuple[int, int]
    frequency: tuple[int, int]
    money: tuple[int, int]
    meaning: str


@dataclass(frozen=True)
class Group:
    """A named group: everybody in one of its boxes."""

    name: str
    boxes: tuple[Box, ...]


GROUPS: tuple[Group, ...] = (
    Group("Champions", (Box((4, 5), (4, 5), (4, 5), "lately, often and much"),)),
    Group(
        "Loyal",
        (
            Box((4, 5), (4, 5), (1, 3), "often and lately, for smaller sums"),
            Box((3, 3), (4, 5), (1, 5), "often, and not long ago"),
        ),
    ),
    Group("Active", (Box((4, 5), (3, 3), (1, 5), "lately, about as often as most"),)),
    Group("Promising", (Box((4, 5), (1, 2), (3, 5), "lately and seldom so far, but for good sums"),)),
    Group("New", (Box((4, 5), (1, 2), (1, 2), "lately, seldom and little so far"),)),
    Group("Needs attention", (Box((3, 3), (1, 3), (1, 5), "neither lately nor often: on the brink"),)),
    Group(
        "At risk",
        (
            Box((2, 2), (3, 5), (1, 5), "came often, has been away for some time"),
            Box((2, 2), (1, 2), (4, 5), "spent much, has been away for some time"),
        ),
    ),
    Group("Almost lost", (Box((2, 2), (1, 2), (1, 3), "seldom and little, and away for some time"),)),
    Group(
        "Previously loyal",
        (
            Box((1, 1), (4, 5), (1, 5), "came often, has been away the longest"),
            Box((1, 1), (3, 3), (4, 5), "spent much, has been away the longest"),
        ),
    ),
    Group(
        "Dormant",
        (
            Box((1, 1), (1, 2), (1, 5), "seldom, and away the longest"),
            Box((1, 1), (3, 3), (1, 3), "little, and away the longest"),
        ),
    ),
)
NAMES: tuple[str, ...] = tuple(group.name for group in GROUPS)


def rule_table() -> str:
    """Return the rules as the Markdown table that is printed above."""
    lines = ["| group | R | F | M | who they are |", "| --- | --- | --- | --- | --- |"]
    for group in GROUPS:
        for box in group.boxes:
            spans = (f"{a}-{b}" if a < b else str(a) for a, b in (box.recency, box.frequency, box.money))
            lines.append(f"| {' | '.join((group.name, *spans, box.meaning))} |")
    return "\n".join(lines)


def _group_cube() -> np.ndarray:
    """Place in GROUPS for each triple of scores, int8 of shape (6, 6, 6); -1 where there is no such score."""
    cube = np.full((FIFTHS + 1,) * 3, -1, dtype=np.int8)
    for place, group in enumerate(GROUPS):
        for box in group.boxes:
            cells = tuple(slice(a, b + 1) for a, b in (box.recency, box.frequency, box.money))
            cube[cells] = place
    return cube


_CUBE = _group_cube()


@dataclass(frozen=True)
class RfmValues:
    """What scores are made of, by rising customer id; arrays of shape (n,).

    Attributes
    ----------
    customer : int64 array
    recency_days : int64 array, 0 or more
        Whole days from the last purchase to ``as_of``, rounded down.
    frequency : int64 array, 1 or more
        Purchases.
    money : int64 array
        Sum of the amounts, in the currency's minor unit; where there are no amounts, 0 for everybody, so that all share the middle score.
    as_of : int
        UTC microseconds.
    """

    customer: np.ndarray
    recency_days: np.ndarray
    frequency: np.ndarray
    money: np.ndarray
    as_of: int


def rfm_values(
    customer: np.ndarray,
    occurred: np.ndarray,
    as_of: int,
    *,
    amount: np.ndarray | None = None,
    order: np.ndarray | None = None,
    received: np.ndarray | None = None,
    since: int | None = None,
) -> RfmValues:
    """Sum up what was known on the day.

    Parameters
    ----------
    customer : int64 array of shape (m,), 0 or more
        One row for each purchase, line of a purchase, or activity.
    occurred : int64 array of shape (m,)
        UTC microseconds.
    as_of : int
        UTC microseconds; only rows with ``occurred`` and ``received`` before it are read.
    amount : int64 array of shape (m,), optional
        Minor units of the currency. A negative amount (a return, a credit) lowers ``money``, and is neither a purchase nor a sign of life.
    order : int64 array of shape (m,), optional
        Rows of a customer with the same number are one purchase; without it each row is one.
    received : int64 array of shape (m,), optional
        When each row became known; without it, when it happened.
    since : int, optional
        UTC microseconds; rows before it are not read either.

    Returns
    -------
    RfmValues
        Customers with a purchase among the rows read; the order of rows makes no difference.

    Raises
    ------
    ValueError
        When amounts are not whole numbers: sums of fractions depend on the order of rows.
    """
    if amount is not None and amount.dtype.kind not in "iu":
        raise ValueError("Amounts are whole numbers of the currency's minor unit.")
    known = occurred < as_of
    if received is not None:
        known &= received < as_of
    if since is not None:
        known &= occurred >= since
    who, place = _numbered(customer[known])
    bought = np.ones(len(place), dtype=bool) if amount is None else amount[known] >= 0
    last = np.full(len(who), np.iinfo(np.int64).min)
    np.maximum.at(last, place[bought], occurred[known][bought])
    money = np.zeros(len(who), dtype=np.int64)
    if amount is not None:
        np.add.at(money, place, amount[known])
    buyers = place[bought] if order is None else _once(place[bought], order[known][bought])
    times = np.bincount(buyers, minlength=len(who)).astype(np.int64)
    kept = times > 0
    return RfmValues(who[kept], (as_of - last[kept]) // DAY, times[kept], money[kept], as_of)


def _numbered(customer: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ids by rising number, and each row's place among them; by counting when ids are dense, else by sorting."""
    if not len(customer):
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    if customer.min() >= 0 and customer.max() < _DENSE * len(customer):
        there = np.bincount(customer) > 0
        return np.flatnonzero(there), (np.cumsum(there) - 1)[customer]
    who, place = np.unique(customer, return_inverse=True)
    return who, place


def _once(place: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Each customer's place once for each of its orders."""
    orders, number = _numbered(order)
    many = max(len(orders), 1)
    return _distinct(place.astype(np.int64) * many + number) // many


def _distinct(values: np.ndarray) -> np.ndarray:
    """Values once each, rising; sorting is quicker here than numpy's own ``unique``, which hashes."""
    ordered = np.sort(values)
    return np.asarray(ordered[np.append(np.ones(min(len(ordered), 1), dtype=bool), ordered[1:] != ordered[:-1])])


def tied_parts(values: np.ndarray, parts: int = FIFTHS) -> np.ndarray:
    """Return in which of equally large parts each value lies, 1 the lowest; equal values always share a part.

    A value's part is the ceiling of parts x (values below it + half of those equal to it, itself included) / n, in whole numbers and so
    without rounding. When all are equal, all are in the middle. Missing values (NaN) get 0 and count for nobody's rank.

    Parameters
    ----------
    values : array of shape (n,), numbers
    parts : int > 0

    Returns
    -------
    int64 array of shape (n,), 0 to ``parts``
    """
    found = np.zeros(len(values), dtype=np.int64)
    known = np.flatnonzero(~np.isnan(values)) if values.dtype.kind == "f" else np.arange(len(values))
    if not len(known):
        return found
    order = known[np.argsort(values[known], kind="stable")]
    ordered = values[order]
    first = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
    size = np.diff(np.append(first, len(order)))
    part = -((-parts * (2 * first + size)) // (2 * len(order)))
    found[order] = np.repeat(part, size)
    return found


@dataclass(frozen=True)
class RfmScores:
    """Scores and groups of the customers of one day; arrays of shape (n,), by rising customer id.

    Attributes
    ----------
    customer : int64 array
    recency, frequency, money : int64 arrays, 1 to 5
        5 is latest, most often, most.
    group : int8 array
        Place in ``NAMES``.
    as_of : int
        UTC microseconds.
    """

    customer: np.ndarray
    recency: np.ndarray
    frequency: np.ndarray
    money: np.ndarray
    group: np.ndarray
    as_of: int

    def counts(self) -> dict[str, int]:
        """Return the number of customers by group, in the order of NAMES, empty groups too."""
        return dict(zip(NAMES, np.bincount(self.group, minlength=len(NAMES)).tolist(), strict=True))

    def members(self, name: str) -> np.ndarray:
        """Return the ids in a group; int64, rising. Raises ValueError for a name that is none."""
        return np.asarray(self.customer[self.group == NAMES.index(name)])


def rfm_scores(values: RfmValues) -> RfmScores:
    """Score each customer within the fifths of all, and name the group.

    Equal values have equal scores, whatever the order of rows; where many are equal the fifths are not of one size.
    """
    recency = tied_parts(-values.recency_days)
    frequency, money = tied_parts(values.frequency), tied_parts(values.money)
    return RfmScores(values.customer, recency, frequency, money, _CUBE[recency, frequency, money], values.as_of)


@dataclass(frozen=True)
class Migration:
    """Who moved from group to group between two days.

    Attributes
    ----------
    counts : int64 array of shape (11, 11)
        Row: group on the earlier day, the last row being those not there yet (entered). Column: group on the later day, the last column being
        those no longer there (left). The last cell is 0. All cells sum to the customers of either day.
    customer : int64 array of shape (n,)
        Customers of either day, rising.
    before, after : int8 arrays of shape (n,)
        Their row and column.
    """

    counts: np.ndarray
    customer: np.ndarray
    before: np.ndarray
    after: np.ndarray

    @property
    def population(self) -> int:
        """Customers of either day."""
        return len(self.customer)

    @property
    def entered(self) -> int:
        """Customers of the later day who were not there on the earlier."""
        return int(self.counts[-1].sum())

    @property
    def left(self) -> int:
        """Customers of the earlier day who are no longer there."""
        return int(self.counts[:, -1].sum())

    def members(self, before: str | None, after: str | None) -> np.ndarray:
        """Return the ids of one cell; None stands for not being there. Raises ValueError for a name that is none."""
        row, column = (len(NAMES) if name is None else NAMES.index(name) for name in (before, after))
        return np.asarray(self.customer[(self.before == row) & (self.after == column)])


def migration(earlier: RfmScores, later: RfmScores) -> Migration:
    """Count moves; every customer of either day is in exactly one cell. Raises ValueError when the days are the wrong way round."""
    if earlier.as_of > later.as_of:
        raise ValueError("The earlier day of a migration is later than the other.")
    size = len(NAMES) + 1
    everybody = _distinct(np.concatenate([earlier.customer, later.customer]))
    sides = []
    for day in (earlier, later):
        side = np.full(len(everybody), len(NAMES), dtype=np.int8)
        side[np.searchsorted(everybody, day.customer)] = day.group
        sides.append(side)
    cells = np.bincount(sides[0].astype(np.int64) * size + sides[1], minlength=size * size)
    return Migration(cells.reshape(size, size), everybody, sides[0], sides[1])
