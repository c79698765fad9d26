"""What the list of customers shows, as frozen dataclasses made from the services' answers. No database and no request here.

The filter in words is `customers_words`, what people type `customers_form`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from retainstream.services.customers.asked import Asked
from retainstream.services.customers.counted import Choices
from retainstream.services.customers.sheet import Column, top_reason
from retainstream.services.customers.window import Window
from retainstream.web.customers_words import BANDS, STATUSES, Chip, address, chips, lead, other_order, title
from retainstream.web.template_tools import ago, cash, day, moment, percent

PAGE = 50
HEALTH_LOOK = {"critical": "very_high", "weak": "high", "fair": "medium", "good": "low"}
"""Band of health -> the look of the risk band that it stands beside."""
_RIGHT = frozenset({"revenue", "tenure", "activity", "signup", "created", "confidence", "scored", "lifetime_value"})
_FIRST_FALLS = frozenset({"risk", "revenue", "tenure", "signup", "created"})
Item = Mapping[str, Any]
LinkTo = Callable[[str], str]


@dataclass(frozen=True)
class Header:
    """The head of a column: where it sorts to (nowhere when empty), and `ascending` or `descending` when the list is sorted by it."""

    key: str
    title: str
    address: str
    sorted: str
    right: bool


@dataclass(frozen=True)
class Cell:
    """One cell. `kind` is `risk`, `tags`, `reason`, or empty for a plain text; `bar` is the width of the risk's bar in per cent."""

    label: str
    text: str
    kind: str = ""
    right: bool = False
    band: str = ""
    word: str = ""
    bar: int | None = None
    words: tuple[str, ...] = ()
    detail: str = ""


@dataclass(frozen=True)
class Row:
    """One customer; `address` is empty while there is no page of a customer."""

    number: int
    user_id: str
    address: str
    name: str
    left: bool
    cells: tuple[Cell, ...]
    ticked: bool = False


@dataclass(frozen=True)
class Option:
    """One thing to choose in a menu: the value, its words, and whether it is chosen."""

    value: str
    words: str
    on: bool


@dataclass(frozen=True)
class ViewLink:
    """A saved view: its list, whether that is the one shown now, and whose it is."""

    id: int
    name: str
    address: str
    here: bool
    owner: str
    shared: bool
    may_delete: bool


@dataclass(frozen=True)
class Pager:
    """Where in the list the page stands, and the ways on; empty where there is none."""

    words: str
    first: str
    preceding: str
    following: str


@dataclass(frozen=True)
class Menus:
    """What the menus offer: filters, columns and views."""

    statuses: tuple[Option, ...]
    bands: tuple[Option, ...]
    plans: tuple[Option, ...]
    tags: tuple[Option, ...]
    segments: tuple[Option, ...]
    columns: tuple[Option, ...]
    views: tuple[ViewLink, ...]


@dataclass(frozen=True)
class ListView:
    """The whole page. `empty` is `none` without any customer on record, `nothing` when no customer matches."""

    title: str
    lead: str
    total: int
    query: str
    chips: tuple[Chip, ...]
    other_order: Chip | None
    clear: str
    headers: tuple[Header, ...]
    rows: tuple[Row, ...]
    pager: Pager
    menus: Menus
    empty: str
    hidden: tuple[tuple[str, str], ...]
    others: tuple[tuple[str, str], ...]
    priced: bool
    tenured: bool


def headers(columns: Sequence[Column], asked: Asked) -> tuple[Header, ...]:
    """Return the heads of the table, that of the customer first. The head of the present order turns it round."""
    every = (Column("customer", "Customer", ("user_id",), "user_id"), *columns)
    return tuple(_header(column, asked) for column in every)


def _header(column: Column, asked: Asked) -> Header:
    current = asked.sort.removeprefix("-") == column.sort
    falling = asked.sort.startswith("-")
    down = not falling if current else column.sort in _FIRST_FALLS
    target = address(replace(asked, sort=f"{'-' if down else ''}{column.sort}")) if column.sort else ""
    state = ("descending" if falling else "ascending") if current and column.sort else ""
    unit = f" ({column.unit})" if column.unit else ""
    return Header(column.key, column.title + unit, target, state, _is_right(column))


def rows(
    items: Sequence[Item], columns: Sequence[Column], link: LinkTo | None, ticked: frozenset[str] = frozenset()
) -> tuple[Row, ...]:
    """Return the rows; `link` gives the address of a customer's page."""
    named = any(column.key == "name" for column in columns)
    return tuple(
        Row(
            number,
            str(item["user_id"]),
            link(str(item["user_id"])) if link else "",
            "" if named else str(item.get("name") or ""),
            item["churned"] is True,
            tuple(cell(item, column) for column in columns),
            str(item["user_id"]) in ticked,
        )
        for number, item in enumerate(items, start=1)
    )


def cell(item: Item, column: Column, *, today: datetime | None = None) -> Cell:
    """Return what stands in a column for a customer."""
    if column.key == "risk":
        return _risk(item, column.title)
    if column.key == "health":
        return _health(item, column.title)
    if column.key == "reason":
        return Cell(column.title, top_reason(dict(item)) or "–", "reason")
    if column.key == "tags":
        return Cell(column.title, "" if item["tags"] else "–", "tags", words=tuple(item["tags"]))
    if column.attribute:
        return Cell(
            column.title, _attribute(item["attributes"].get(column.attribute), column.kind), right=_is_right(column)
        )
    return Cell(column.title, _text(item, column.key, today), right=_is_right(column), detail=_detail(item, column.key))


def _text(item: Item, key: str, today: datetime | None) -> str:
    if key == "revenue":
        return cash(item["revenue"])
    if key == "lifetime_value":
        return cash(item["lifetime"])
    if key == "tenure":
        return "–" if item["tenure_months"] is None else _months(item["tenure_months"])
    if key == "activity":
        return ago(item["last_activity_at"], today=today)
    if key in ("signup", "created", "scored"):
        return day(item[f"{key}_at"], today=today)
    if key == "confidence":
        return "–" if item["confidence"] is None else f"{item['confidence']:.2f}"
    if key == "status":
        return {True: "Left", False: "Active", None: "Not known"}[item["churned"]]
    return str(item.get(key) or "–")


def _detail(item: Item, key: str) -> str:
    return moment(item["last_activity_at"]) if key == "activity" and item["last_activity_at"] else ""


def _risk(item: Item, label: str) -> Cell:
    """Return band, number and bar: the probability, or how many are less at risk where probabilities are withheld."""
    probability, percentile, band = item["churn_probability"], item["risk_percentile"], item["risk_band"]
    if band is None:
        return Cell(label, "Not scored", "risk")
    if probability is None:
        words = f"riskier than {min(99, int(100 * (percentile or 0.0)))}%"
        return Cell(
            label, percent(percentile, 0), "risk", band=band, word=BANDS[band], bar=_width(percentile), detail=words
        )
    digits = 0 if 0.1 <= probability < 0.995 else 1
    return Cell(
        label,
        percent(probability, digits),
        "risk",
        band=band,
        word=BANDS[band],
        bar=_width(probability),
        detail="probability",
    )


def _health(item: Item, label: str) -> Cell:
    """Return band, points and bar of a health score; the colours are those of the risk bands that it stands beside."""
    score, name = item["health_score"], item["health_band"]
    if score is None:
        return Cell(label, "Not known", "risk")
    points = f"{score:.0f}"
    look = HEALTH_LOOK[name]
    return Cell(label, points, "risk", band=look, word=name.capitalize(), bar=_width(score / 100), detail=points)


def _width(share: float | None) -> int:
    return max(2, min(100, round(100 * (share or 0.0))))


def _months(value: float) -> str:
    if value >= 24:
        return f"{value / 12:.1f} years"
    return f"{value:.0f} month{'' if round(value) == 1 else 's'}"


def _attribute(value: Any, kind: str) -> str:
    from retainstream.lib import clock

    if value is None:
        return "–"
    if isinstance(value, bool):
        return "Yes" if value else "No"
    if kind == "date" and isinstance(value, int):
        return str(clock.iso(value))[:10]
    return f"{value:,.6g}" if isinstance(value, int | float) else str(value)


def _is_right(column: Column) -> bool:
    return column.key in _RIGHT or column.kind in ("number", "integer")


def pager(asked: Asked, window: Window, shown: int, at: int, total: int) -> Pager:
    """Return the ways on. `at` is the number of the page's first row, counted from one."""
    if not window.following and not window.preceding:
        return Pager("" if not shown else f"All {shown:,} shown" if shown > 1 else "", "", "", "")
    last = min(total, at + shown - 1)
    words = f"{min(at, last):,}–{last:,} of {total:,}"
    back = address(asked, before=window.preceding, at=str(max(1, at - PAGE))) if window.preceding else ""
    on = address(asked, after=window.following, at=str(at + shown)) if window.following else ""
    return Pager(words, address(asked) if window.preceding else "", back, on)


def menus(
    asked: Asked,
    choices: Choices,
    every: Sequence[Column],
    columns: Sequence[Column],
    views: Sequence[Item],
    segments: Sequence[tuple[str, str]] = (),
) -> Menus:
    """Return the menus; what is chosen is offered even when no customer has it any longer. `segments` are (address, name) each."""
    shown = {column.key for column in columns}
    return Menus(
        statuses=tuple(Option(key, words, key == asked.status) for key, words in STATUSES),
        bands=tuple(Option(key, words, key in asked.bands) for key, words in reversed(BANDS.items())),
        plans=_options(choices.plans, asked.plans),
        tags=_options(choices.tags, asked.tags),
        segments=tuple(Option(address, name, address in asked.cells) for address, name in segments),
        columns=tuple(Option(column.key, column.title, column.key in shown) for column in every),
        views=tuple(
            ViewLink(
                int(item["id"]),
                str(item["name"]),
                f"/customers?{item['parameters']}" if item["parameters"] else "/customers",
                item["parameters"] == asked.query(),
                "" if item["mine"] else str(item["owner"]),
                bool(item["shared"]),
                bool(item["may_delete"]),
            )
            for item in views
        ),
    )


def _options(known: Sequence[str], chosen: Sequence[str]) -> tuple[Option, ...]:
    return tuple(Option(value, value, value in chosen) for value in dict.fromkeys([*chosen, *known]))


def list_view(
    asked: Asked,
    *,
    total: int,
    choices: Choices,
    window: Window,
    at: int,
    columns: Sequence[Column],
    rows: tuple[Row, ...],
    menus: Menus,
    currency: str,
    titles: Mapping[str, str],
) -> ListView:
    """Return the page. `titles` names the asked cells. `hidden` are the parameters that the form of filters carries along, `others` all but the columns."""
    kept = [(name, value) for name, value in asked.pairs() if name in ("group", "sort", "columns")]
    ticked = {option.value for option in menus.segments}  # these the form asks for by its own boxes
    kept += [("cell", address) for address in asked.cells if address not in ticked]
    empty = "" if total else "nothing" if choices.customers else "none"
    return ListView(
        title=title(total, asked),
        lead=lead(asked, currency, titles, priced=choices.priced) if choices.customers else "",
        total=total,
        query=asked.query(),
        chips=chips(asked, currency, titles),
        other_order=other_order(asked),
        clear=address(asked.cleared()),
        headers=headers(columns, asked),
        rows=rows,
        pager=pager(asked, window, len(rows), at, total),
        menus=menus,
        empty=empty,
        hidden=tuple(kept),
        others=tuple(pair for pair in asked.pairs() if pair[0] != "columns"),
        priced=choices.priced,
        tenured=choices.tenured,
    )
