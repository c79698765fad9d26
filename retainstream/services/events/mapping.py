"""What each column of a file of events, subscriptions or orders means, as data: frozen classes, and their JSON form that a person may edit.

Deciding what a column means is `proposal`; reading rows by a mapping is `reading`. Tables of customers have a mapping of their own
(`retainstream.services.imports.mapping`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping as AnyMapping
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, cast, get_args

from retainstream.errors import InvalidInput
from retainstream.services.events.moments import FORMATS
from retainstream.services.imports.values import DEFAULT_BLANKS

Target = Literal["events", "subscriptions", "orders"]
TARGETS: tuple[str, ...] = get_args(Target)
VERSION = 1
REASONS = ("voluntary", "payment_failed", "trial_ended", "other")
MAX_PROPERTIES = 24
LONGEST_KIND = 64
ROLES: dict[str, tuple[str, ...]] = {
    "events": ("customer", "time", "received", "kind", "value", "key", "property", "ignored"),
    "orders": ("customer", "time", "received", "key", "order", "product", "quantity", "price", "amount", "currency", "property", "ignored"),
    "subscriptions": ("customer", "key", "plan", "price", "currency", "started", "ended", "reason", "received", "ignored"),
}  # fmt: skip
NEEDED: dict[str, tuple[str, ...]] = {
    "events": ("customer", "time"),
    "orders": ("customer", "time"),
    "subscriptions": ("customer", "started"),
}
MOMENTS = ("time", "received", "started", "ended")
NUMBERS = ("value", "quantity", "price", "amount")
# Roles of orders that are kept as properties under their own name.
KEPT_AS_PROPERTY = ("order", "product", "quantity", "currency")
KINDS = ("text", "number", "boolean")
CUSTOMER_FORMATS = ("as_is", "drop_point_zero")
EMPTY = "It is empty."
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_CURRENCY = re.compile(r"[A-Z]{3}")
_MANY = ("property", "ignored")


@dataclass(frozen=True)
class EventColumn:
    """The meaning of one column.

    Attributes
    ----------
    name : str
        The tidied header.
    role : str
        One of ``ROLES`` of the target.
    property : str or None
        Snake-case name under which a property is kept.
    kind : {"text", "number", "boolean"}
        How a property is read; a cell that is no such value stays text.
    format : str or None
        For times one of ``moments.FORMATS``; for the customer ``drop_point_zero`` reads 17850.0 as 17850.
    decimal : "." or ","
    reason : str or None
        Why the column is ignored.
    """

    name: str
    role: str
    property: str | None = None
    kind: str = "text"
    format: str | None = None
    decimal: str = "."
    reason: str | None = None


@dataclass(frozen=True)
class EventMapping:
    """The meaning of a whole file.

    Attributes
    ----------
    kind : str or None
        Kind of every event where no column tells it (events only).
    known_at_time : bool
        Whether each row counts as known when it happened (history), and not only from the time of loading.
    currency : str or None
        ISO 4217 code of the amounts where no column tells it.
    cancelled_prefix : str or None
        Order numbers that begin with it, and go on with digits, are cancellations (orders only).
    reasons : dict of str to str
        Word in the file, in small letters, to one of ``REASONS`` (subscriptions only).
    no_reason : str or None
        What an end without a reason is taken for (subscriptions only).
    blanks : tuple of str
        Texts that mean "missing".
    """

    target: Target
    columns: tuple[EventColumn, ...]
    kind: str | None = None
    known_at_time: bool = False
    currency: str | None = None
    cancelled_prefix: str | None = None
    reasons: dict[str, str] = field(default_factory=dict)
    no_reason: str | None = None
    blanks: tuple[str, ...] = DEFAULT_BLANKS
    version: int = VERSION

    def role(self, role: str) -> EventColumn | None:
        """Return the column with a role that only one column can have, or None."""
        return next((column for column in self.columns if column.role == role), None)

    @property
    def properties(self) -> list[EventColumn]:
        """The columns that are kept as properties, in the order of their names there."""
        kept = [column for column in self.columns if column.role == "property" or column.role in KEPT_AS_PROPERTY]
        return sorted(kept, key=property_name) if self.target != "subscriptions" else []

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form; ``mapping_from`` of it gives the same mapping."""
        result: dict[str, Any] = {"version": self.version, "target": self.target}
        result["columns"] = [_column_to_dict(column) for column in self.columns]
        for name in ("kind", "known_at_time", "currency", "cancelled_prefix", "no_reason"):
            result[name] = getattr(self, name)
        result["reasons"] = dict(self.reasons)
        result["blanks"] = list(self.blanks)
        return result


def property_name(column: EventColumn) -> str:
    """Return the name under which a column is kept among the properties."""
    return column.property if column.role == "property" and column.property else column.role


def mapping_from(data: Any, target: str, names: Sequence[str]) -> EventMapping:
    """Read and check a mapping that was sent for a file with these columns; one that it does not name is ignored.

    Raises
    ------
    InvalidInput
        With the path of everything that is wrong in it.
    """
    errors: list[tuple[str, str]] = []
    mapping = _read(data, target, errors)
    if mapping is not None and not errors:
        _check_together(mapping, names, errors)
    if errors or mapping is None:
        complaints: dict[str, list[str]] = {}
        for path, sentence in errors:
            complaints.setdefault(f"mapping.{path}" if path else "mapping", []).append(sentence)
        raise InvalidInput("The mapping does not fit.", fields=complaints)
    by_name = {column.name: column for column in mapping.columns}
    complete = [
        by_name.get(name) or EventColumn(name, "ignored", reason="The mapping does not name it.") for name in names
    ]
    return replace(mapping, columns=tuple(complete))


def _column_to_dict(column: EventColumn) -> dict[str, Any]:
    result: dict[str, Any] = {"name": column.name, "role": column.role}
    defaults = {"property": None, "kind": "text", "format": None, "decimal": ".", "reason": None}
    result |= {name: getattr(column, name) for name, usual in defaults.items() if getattr(column, name) != usual}
    return result


def _read(data: Any, target: str, errors: list[tuple[str, str]]) -> EventMapping | None:
    """Read the parts one by one, noting what is wrong with each."""
    if not isinstance(data, AnyMapping):
        errors.append(("", "The mapping must be an object."))
        return None
    if _is_broken_text(data):
        errors.append(("", "No halves of surrogate pairs: the mapping holds text that is no Unicode."))
        return None
    known = {item.name for item in fields(EventMapping)}
    errors += [(str(key), "This name is not known here.") for key in data if key not in known]
    if data.get("version", VERSION) != VERSION:
        errors.append(("version", f"Only version {VERSION} is known."))
    if data.get("target", target) != target:
        errors.append(("target", f"Must be {target}: the file was sent there."))
    raw = data.get("columns")
    columns: list[EventColumn] = []
    if not isinstance(raw, list) or not raw:
        errors.append(("columns", "A list of at least one column is needed."))
    else:
        columns = [_read_column(item, f"columns[{at}]", target, errors) for at, item in enumerate(raw)]
    _check_plain(data, errors)
    if errors:
        return None
    return EventMapping(
        target=cast(Target, target),
        columns=tuple(columns),
        kind=data.get("kind"),
        known_at_time=data.get("known_at_time", False),
        currency=data.get("currency"),
        cancelled_prefix=data.get("cancelled_prefix"),
        reasons={word.strip().casefold(): reason for word, reason in data.get("reasons", {}).items()},
        no_reason=data.get("no_reason"),
        blanks=tuple(data.get("blanks", DEFAULT_BLANKS)),
    )


def _is_broken_text(data: Any) -> bool:
    try:
        json.dumps(data, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False


def _check_plain(data: AnyMapping[str, Any], errors: list[tuple[str, str]]) -> None:
    """Check everything of a mapping but its columns."""
    if not isinstance(data.get("known_at_time", False), bool):
        errors.append(("known_at_time", "Must be true or false."))
    checks: tuple[tuple[str, re.Pattern[str], str], ...] = (
        ("kind", _NAME, f"Must be small letters, digits and underscores, at most {LONGEST_KIND}, with a letter first."),
        ("currency", _CURRENCY, "Must be a three-letter code such as EUR, or null."),
        ("cancelled_prefix", re.compile(r"[^\d\s]{1,5}"), "Must be one to five letters or signs, or null."),
    )
    for name, pattern, sentence in checks:
        value = data.get(name)
        if value is not None and not (isinstance(value, str) and pattern.fullmatch(value)):
            errors.append((name, sentence))
    if data.get("no_reason") not in (None, *REASONS):
        errors.append(("no_reason", f"Must be one of {', '.join(REASONS)}, or null."))
    reasons = data.get("reasons", {})
    if not isinstance(reasons, AnyMapping):
        errors.append(("reasons", "Must be an object of words and reasons."))
    else:
        errors += [
            (f"reasons.{word}", f"Must be one of {', '.join(REASONS)}.")
            for word, reason in reasons.items()
            if reason not in REASONS
        ]
    blanks = data.get("blanks", list(DEFAULT_BLANKS))
    if not isinstance(blanks, list) or not all(isinstance(item, str) and len(item) <= 40 for item in blanks):
        errors.append(("blanks", "Must be a list of short texts."))


def _read_column(data: Any, path: str, target: str, errors: list[tuple[str, str]]) -> EventColumn:
    if not isinstance(data, AnyMapping):
        errors.append((path, "Must be an object."))
        return EventColumn("", "ignored")
    before = len(errors)
    known = [item.name for item in fields(EventColumn)]
    errors += [(f"{path}.{key}", "This name is not known here.") for key in data if key not in known]
    for key in known:
        required = key in ("name", "role")
        if not isinstance(data.get(key), str) and (required or data.get(key) is not None):
            errors.append((f"{path}.{key}", "Must be a text."))
    if len(errors) > before:
        return EventColumn("", "ignored")
    column = EventColumn(**{key: data[key] for key in known if data.get(key) is not None})
    errors.extend((f"{path}.{key}", sentence) for key, sentence in _check_column(column, target))
    return column


def _check_column(column: EventColumn, target: str) -> list[tuple[str, str]]:
    errors: list[tuple[str, str]] = []
    for key, value, allowed in (
        ("role", column.role, ROLES[target]),
        ("kind", column.kind, KINDS),
        ("decimal", column.decimal, (".", ",")),
    ):
        if value not in allowed:
            errors.append((key, f"Must be one of {', '.join(allowed)}."))
    if column.role == "property" and not (column.property and _NAME.fullmatch(column.property)):
        sentence = "A property needs a name of small letters, digits and underscores, at most 64, with a letter first."
        errors.append(("property", sentence))
    if column.role in MOMENTS and column.format not in FORMATS:
        errors.append(("format", f"A time needs one of {', '.join(FORMATS)}."))
    if column.role == "customer" and column.format not in (None, *CUSTOMER_FORMATS):
        errors.append(("format", f"A customer takes one of {', '.join(CUSTOMER_FORMATS)}."))
    return errors


def _check_together(mapping: EventMapping, names: Sequence[str], errors: list[tuple[str, str]]) -> None:
    """Check what no column shows alone: unknown and repeated columns, repeated roles, and what a target cannot do without."""
    seen: dict[tuple[str, str], int] = {}
    there = set(names)
    for index, column in enumerate(mapping.columns):
        if column.name not in there and column.role != "ignored":
            errors.append((f"columns[{index}].name", f"The file has no column called {column.name!r}."))
        keys = [("name", column.name)]
        keys += [("role", column.role)] if column.role not in _MANY else []
        if column.role == "property" or column.role in KEPT_AS_PROPERTY:
            keys.append(("property", property_name(column)))
        for key, value in keys:
            first = seen.setdefault((key, value), index)
            if first != index:
                errors.append((f"columns[{index}].{key}", f"{value!r} is already used by columns[{first}]."))
    errors += [
        ("columns", f"One column must have the role {role}.")
        for role in NEEDED[mapping.target]
        if ("role", role) not in seen
    ]
    if len(mapping.properties) > MAX_PROPERTIES:
        errors.append(("columns", f"At most {MAX_PROPERTIES} columns can be kept as properties."))
    if mapping.target == "events" and (mapping.kind is None) == (("role", "kind") not in seen):
        sentence = "Needed when no column has the role kind." if mapping.kind is None else "A column has the role kind."
        errors.append(("kind", sentence))
