"""What the RFM page shows: the map, the named groups and the table of moves, from the services' answers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from urllib.parse import urlencode

from retainstream.lib import clock
from retainstream.services.rfm import cells
from retainstream.services.rfm.reading import NOW, Day, Group, Moves, Standing
from retainstream.services.rfm.values import ACTIVE_DAYS, PURCHASES
from retainstream.web.revenue_words import amount
from retainstream.web.template_tools import last_day, percent, whole

PAGE = "/segments/rfm"
_SCALE = 9
_VALUED = ("Champions", "Loyal")
_SLIPPING = ("At risk", "Previously loyal")


@dataclass(frozen=True)
class Cell:
    """A count that opens whom it counts; `heat` from 0 to 9."""

    count: int
    share: str
    address: str
    said: str
    heat: int = 0
    same: bool = False


@dataclass(frozen=True)
class Row:
    """A row of the map or of the moves, with its sum."""

    name: str
    cells: tuple[Cell, ...]
    total: Cell


@dataclass(frozen=True)
class GroupView:
    """A named group; `width` is its share of everybody as a length in per cent."""

    name: str
    meaning: str
    count: int
    address: str
    share: str
    width: str
    money: str
    risk: str
    scored: str


@dataclass(frozen=True)
class MovesView:
    """The table of moves. `columns` are the groups of the later day; the last one is who left."""

    title: str
    before: str
    after: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    totals: tuple[Cell, ...]
    population: Cell
    csv: str


@dataclass(frozen=True)
class RfmView:
    """The page. `map_rows` fall from the latest fifth to the earliest; `days` are (name, words) to choose from."""

    headline: str
    lead: str
    meaning: str
    map_rows: tuple[Row, ...]
    map_totals: tuple[Cell, ...]
    everybody: Cell
    groups: tuple[GroupView, ...]
    money_title: str
    money_short: str
    risk_known: bool
    note: str
    days: tuple[tuple[str, str], ...]
    moves: MovesView | None


def view(found: Standing, known: list[Day], moves: Moves | None) -> RfmView:
    """Return the page."""
    grid = found.grid
    most = max((n for row in grid for n in row), default=0)
    rows = tuple(
        Row(
            _FIFTHS[r - 1],
            tuple(_on_map(found, f"r{r}f{f}", n, most, f"recency {r}, frequency {f}") for f, n in enumerate(grid[r - 1], 1)),
            _on_map(found, f"r{r}", sum(grid[r - 1]), 0, f"recency {r}"),
        )
        for r in range(5, 0, -1)
    )  # fmt: skip
    bought = found.meaning == PURCHASES
    return RfmView(
        headline=_headline(found),
        lead=f"{whole(found.n)} customers by how lately, how often and for how much. Data to {last_day(clock.iso(found.as_of))}.",
        meaning=_meaning(found),
        map_rows=rows,
        map_totals=tuple(
            _on_map(found, f"f{f}", sum(row[f - 1] for row in grid), 0, f"frequency {f}") for f in range(1, 6)
        ),
        everybody=_on_map(found, cells.ALL, found.n, 0, "everybody"),
        groups=tuple(_group(found, one) for one in found.groups),
        money_title="Paid so far" if bought else "Revenue a month",
        money_short="Paid" if bought else "A month",
        risk_known=any(one.scored for one in found.groups),
        note=_note(found),
        days=tuple((one.name, _words(one)) for one in reversed(known)),
        moves=None if moves is None else _moves(moves),
    )


_FIFTHS = ("Longest ago", "Long ago", "Some time ago", "Lately", "Latest")


def address(key: str) -> str:
    """Return the list of those whom a figure counts."""
    return f"/customers?{urlencode({'cell': f'rfm:{key}', 'status': 'all'})}"


def month_words(name: str) -> str:
    """Return the day of a name for people: "the end of Mar 2024", or "now"."""
    if name == NOW:
        return "now"
    return f"the end of {_month(name)}"


def _month(name: str) -> str:
    return f"{date.fromisoformat(f'{name}-01'):%b %Y}"


def _words(one: Day) -> str:
    return f"Now ({last_day(clock.iso(one.as_of))})" if one.name == NOW else f"The end of {_month(one.name)}"


def _headline(found: Standing) -> str:
    valued, slipping = (sum(one.n for one in found.groups if one.name in names) for names in (_VALUED, _SLIPPING))
    said = f"{whole(valued)} customer{'' if valued == 1 else 's'} come often and were here lately"
    said = said.replace("customer come", "customer comes").replace("comes often and were", "comes often and was")
    if not slipping:
        return f"{said}; nobody of them is slipping away"
    return f"{said}; {whole(slipping)} {'who mattered is' if slipping == 1 else 'who mattered are'} slipping away"


def _meaning(found: Standing) -> str:
    if found.meaning == PURCHASES:
        money = (
            "what was paid, refunds taken off"
            if found.currency
            else "no amounts are on record, so all share the middle score"
        )
        return f"In force here: purchases. Recency is the time since the last one, frequency how many there were, money {money}."
    money = "revenue a month" if found.currency else "no prices are on record, so all share the middle score"
    return (
        "In force here: activity of those who are customers, because there are few or no purchases on record. Recency is the time since the last event"
        f", frequency the days with activity in the last {ACTIVE_DAYS}, money {money}."
    )


def _note(found: Standing) -> str:
    tied = "Each score is the fifth among all customers, 5 the best; equal figures share a score, so fifths may be of unequal size."
    risk = (
        " Risk is the mean churn probability of those who have one." if any(one.scored for one in found.groups) else ""
    )
    return f"{tied}{risk}"


def _on_map(found: Standing, key: str, n: int, most: int, words: str) -> Cell:
    share = n / found.n if found.n else 0.0
    heat = round(_SCALE * n / most) if most else 0
    return Cell(n, percent(share, 0), address(key), f"{words}: {whole(n)} customers, {percent(share)}", heat)


def _group(found: Standing, one: Group) -> GroupView:
    share = one.n / found.n if found.n else 0.0
    return GroupView(
        one.name,
        one.meaning,
        one.n,
        address(one.name),
        percent(share),
        f"{100 * share:.1f}%",
        "–" if found.currency is None or one.money_minor is None else amount(one.money_minor, found.currency),
        percent(one.probability),
        f"of {whole(one.scored)} scored" if 0 < one.scored < 0.95 * one.n else "",
    )


def _moves(found: Moves) -> MovesView:
    from retainstream.ml.rfm import NAMES

    counts = found.table.counts.tolist()
    rows, columns = (*NAMES, cells.ENTERED), (*NAMES, cells.LEFT)

    def cell(before: str, after: str, n: int, of: int) -> Cell:
        share = n / of if of else 0.0
        said = f"{_side(before)} before, {_side(after)} after: {whole(n)}"
        where = address(cells.move_key(before, after, found))
        return Cell(n, percent(share, 0), where, said, round(_SCALE * share), before == after)

    changed = sum(n for at, row in enumerate(counts[:-1]) for to, n in enumerate(row[:-1]) if at != to)
    stayed = int(found.table.counts[:-1, :-1].sum())
    query = urlencode({"from": found.before.name, "to": found.after.name})
    return MovesView(
        title=f"{whole(changed)} of {whole(stayed)} who were there on both days changed group; {whole(found.table.entered)} came, {whole(found.table.left)} left",
        before=month_words(found.before.name),
        after=month_words(found.after.name),
        columns=(*NAMES, "Not there any more"),
        rows=tuple(
            Row(
                _side(before),
                tuple(cell(before, after, n, sum(row)) for after, n in zip(columns, row, strict=True)),
                cell(before, cells.ANY, sum(row), 0),
            )
            for before, row in zip(rows, counts, strict=True)
        ),
        totals=tuple(
            cell(cells.ANY, after, sum(row[at] for row in counts), 0) for at, after in enumerate(columns)
        ),
        population=cell(cells.ANY, cells.ANY, found.table.population, 0),
        csv=f"{PAGE}/migration.csv?{query}",
    )  # fmt: skip


def _side(name: str) -> str:
    return {cells.ENTERED: "Not there yet", cells.LEFT: "not there any more", cells.ANY: "anywhere"}.get(name, name)
