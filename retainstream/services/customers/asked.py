"""Which list somebody asks for, as a query string says it: read, checked, and written back in one canonical form.

Pages, saved views and exports share this, so that an address always means the same list. Rows and counts are `lists` and `counted`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qs, urlencode

import marshmallow as ma
from sqlalchemy.orm import Session

from retainstream.errors import InvalidInput
from retainstream.schemas.customers import CustomerFilterSchema
from retainstream.services.customers import cells, groups
from retainstream.services.customers.filters import CustomerFilter
from retainstream.services.customers.lists import DEFAULT_ORDER, GROUP_ORDER, usual_order
from retainstream.services.preferences import BAND_NAMES

RANGES = ("min_probability", "max_probability", "min_revenue", "max_revenue", "min_tenure", "max_tenure")
FILTERS = ("q", "group", "cell", "segment", "status", "band", "plan", "tag", *RANGES, "sort", "columns")
"""Every parameter of a list."""
PLACES = ("after", "before", "at", "cursor", "page", "page_size", "limit")
"""Parameters that say where in a list somebody is."""
_MOST_COLUMNS = 60


@dataclass(frozen=True)
class Asked:
    """A list: what `CustomerFilter` says, in the words of the API, with its order and its columns.

    Attributes
    ----------
    bands : tuple of str
        Words of `BAND_NAMES`.
    min_probability, max_probability : float or None
        Between 0 and 1.
    min_revenue, max_revenue : int or None
        Minor units.
    group : str
        One of `groups.TITLES`, or empty.
    cells : tuple of str
        Addresses of figures, see `cells`: customers whom all of them count.
    columns : tuple of str
        Keys of columns; empty means those that are shown unless somebody chooses.
    """

    status: str = "active"
    q: str = ""
    bands: tuple[str, ...] = ()
    plans: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    min_probability: float | None = None
    max_probability: float | None = None
    min_revenue: int | None = None
    max_revenue: int | None = None
    min_tenure: float | None = None
    max_tenure: float | None = None
    sort: str = DEFAULT_ORDER
    columns: tuple[str, ...] = ()
    group: str = ""
    cells: tuple[str, ...] = ()

    def filter(self, session: Session, *, personal: bool) -> CustomerFilter:
        """Return the filter; `personal` has the search look at names and e-mails, too. Raises InvalidInput for an unknown group or cell."""
        wanted = CustomerFilter(
            status=self.status,
            q=self.q,
            plans=self.plans,
            bands=tuple(BAND_NAMES.index(word) for word in self.bands),
            tags=self.tags,
            personal=personal,
            **{name: getattr(self, name) for name in RANGES},
        )
        return cells.narrowed(session, groups.narrowed(session, wanted, self.group), self.cells)

    @property
    def narrows(self) -> bool:
        """Whether anything but the status and the search is filtered by."""
        return bool(self.bands or self.plans or self.tags or self.group or self.cells) or any(
            getattr(self, name) is not None for name in RANGES
        )

    def cleared(self) -> Asked:
        """Return the list of all active customers in the same order and columns."""
        return Asked(sort=self.ungrouped().sort, columns=self.columns)

    def ungrouped(self) -> Asked:
        """Return the list without its group; it does not keep an order that only a group has."""
        return replace(self, group="", sort=DEFAULT_ORDER if self.sort == GROUP_ORDER else self.sort)

    def pairs(self) -> list[tuple[str, str]]:
        """Return the canonical parameters; what is as it would be anyway is left out."""
        found = [("q", self.q)] if self.q else []
        if self.group:
            found.append(("group", self.group))
        if self.cells:
            found.append(("cell", ";".join(self.cells)))
        if self.status != "active":
            found.append(("status", self.status))
        found += [("band", word) for word in BAND_NAMES if word in self.bands]
        found += [("plan", plan) for plan in self.plans]
        if len(self.plans) == 1 and "," in self.plans[0]:
            found.append(("plan", ""))  # two values are never split at their commas
        found += [("tag", tag) for tag in self.tags]
        found += [(name, f"{value:.15g}") for name in RANGES if (value := getattr(self, name)) is not None]
        if self.sort != usual_order(self.group):
            found.append(("sort", self.sort))
        if self.columns:
            found.append(("columns", ",".join(self.columns)))
        return found

    def query(self, **places: str) -> str:
        """Return the canonical query string, with places in the list, such as a cursor, behind it."""
        return urlencode([*self.pairs(), *((name, value) for name, value in places.items() if value)])


def read(given: Mapping[str, Sequence[str]]) -> Asked:
    """Return the list that parameters ask for.

    Parameters
    ----------
    given : mapping of str to sequence of str
        All values of each parameter. `band`, `plan`, `tag`, `segment` and `columns` may come several times, or once with commas between; several plans are
        taken as they are, since a plan's name may hold a comma. Blank values and parameters that are none of the list's do not count.

    Raises
    ------
    InvalidInput
        Naming each parameter that is not as expected.
    """
    values = {name: [value.strip() for value in each if value.strip()] for name, each in given.items()}
    single = {name: values[name][0] for name in ("status", "q", "sort", "group", *RANGES) if values.get(name)}
    several = {name: ",".join(values.get(name, ())) for name in ("band", "tag", "segment")}
    several["cell"] = ";".join(values.get("cell", ()))
    try:
        loaded: dict[str, Any] = CustomerFilterSchema().load(single | {k: v for k, v in several.items() if v})
    except ma.ValidationError as bad:
        problems: dict[str, Any] = bad.normalized_messages()  # type: ignore[no-untyped-call]
        raise InvalidInput(
            "This list cannot be shown: a filter is not as expected.",
            fields={name: [str(each) for each in _sentences(told)] for name, told in problems.items()},
        ) from bad
    plans = values.get("plan", [])
    if len(given.get("plan", ())) == 1 and plans:
        plans = [part.strip() for part in plans[0].split(",") if part.strip()]
    columns = [key for each in values.get("columns", ()) for key in each.split(",") if key]
    return Asked(
        status=loaded["status"],
        q=" ".join(loaded["q"].split()),
        bands=tuple(word for word in BAND_NAMES if word in loaded["band"]),
        plans=tuple(dict.fromkeys(plans[:100])),
        tags=tuple(dict.fromkeys(loaded["tag"])),
        sort=loaded["sort"],
        cells=tuple(cells.checked(address) for address in loaded["cell"]),
        group=_group(values.get("group", [""])[0]),
        columns=tuple(dict.fromkeys(columns[:_MOST_COLUMNS])),
        **{name: loaded[name] for name in RANGES},
    )


def read_query(query: str) -> Asked:
    """Return the list that a query string asks for; raises InvalidInput as `read`."""
    return read(_parsed(query))


def _parsed(query: str) -> dict[str, list[str]]:
    try:
        return parse_qs(query, keep_blank_values=True, max_num_fields=1000)
    except ValueError as bad:
        raise InvalidInput("That is no query string of a list.", fields={"query": [str(bad)]}) from bad


def checked_query(query: str) -> str:
    """Return a query string, which somebody keeps, in its canonical form.

    An address that is opened forgives what it does not know; what is kept does not, since a misspelt filter would mean everybody for good. Only a place
    in the list, such as a cursor, is left out silently: an address that was copied from the page may hold one.

    Raises
    ------
    InvalidInput
        Naming each parameter that is unknown or not as expected.
    """
    given = _parsed(query.removeprefix("?"))
    unknown = [name for name in given if name not in FILTERS and name not in PLACES]
    if unknown:
        known = f"There is no such filter; there are: {', '.join(FILTERS)}."
        raise InvalidInput("This list cannot be kept.", fields={name[:80]: [known] for name in unknown})
    return read(given).query()


def without(asked: Asked, field: str, value: str) -> Asked:
    """Return the list without one value of `bands`, `plans`, `tags` or `cells`."""
    left: Any = tuple(one for one in getattr(asked, field) if one != value)
    return replace(asked, **{field: left})


def _group(name: str) -> str:
    if name and name not in groups.TITLES:
        raise InvalidInput(
            f"There is no group {name[:60]!r}.", fields={"group": [f"one of {', '.join(groups.TITLES)}"]}
        )
    return name


def _sentences(told: object) -> list[object]:
    if isinstance(told, dict):
        return [each for inner in told.values() for each in _sentences(inner)]
    return list(told) if isinstance(told, list) else [told]
