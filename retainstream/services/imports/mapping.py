"""What each column of a file means, as data: frozen classes, and their JSON form that a person may edit and send back."""

from __future__ import annotations

import re
from collections.abc import Mapping as AnyMapping
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from retainstream.services.imports.values import DATE_FORMATS, DEFAULT_BLANKS

VERSION = 1
_ATTRIBUTE = re.compile(r"[a-z][a-z0-9_]{0,63}")
_CURRENCY = re.compile(r"[A-Z]{3}")
ROLES = (
    "identifier", "label", "plan", "monthly_revenue", "signup", "churn_date", "tenure", "feature", "date", "personal", "ignored",
)  # fmt: skip
KINDS = ("number", "integer", "boolean", "category", "text", "date")
PERSONAL_FIELDS = ("name", "email", "phone", "other")
UNITS = ("days", "weeks", "months", "years", "%")
SINGLE_ROLES = ("identifier", "label", "plan", "monthly_revenue", "signup", "churn_date", "tenure")
IDENTIFIER_FORMATS = ("as_is", "drop_point_zero")
_KINDS_OF_ROLE = {"monthly_revenue": ("number", "integer"), "tenure": ("number", "integer"), "signup": ("date",),
                  "churn_date": ("date",), "date": ("date",)}  # fmt: skip


class MappingError(ValueError):
    """A mapping that can't be used. `errors` is a list of (path, sentence), such as ``("columns[3].role", "...")``."""

    def __init__(self, errors: Sequence[tuple[str, str]]) -> None:
        self.errors = list(errors)
        super().__init__("; ".join(f"{path}: {message}" for path, message in self.errors))


@dataclass(frozen=True)
class ColumnMapping:
    """The meaning of one column.

    Attributes
    ----------
    name : str
        The tidied header.
    role : str
        One of ``ROLES``.
    attribute : str
        Snake-case name, unique in the mapping, under which the value is kept.
    kind : str
        One of ``KINDS``: how the text is read.
    feature : bool
        Whether a model may learn from it.
    field : str or None
        For personal details: one of ``PERSONAL_FIELDS``.
    format : str or None
        For dates one of ``DATE_FORMATS``; for identifiers ``drop_point_zero`` reads 17850.0 as 17850.
    decimal : "." or ","
    reason : str or None
        Why the column is ignored.
    churned_values, kept_values : tuple of str
        For the label: texts that mean the customer left, or stayed. Compared without case and surrounding white space.
    unit : str or None
        ``days``, ``weeks``, ``months``, ``years`` or ``%`` where it is known.
    """

    name: str
    role: str
    attribute: str
    title: str = ""
    kind: str = "text"
    feature: bool = False
    field: str | None = None
    format: str | None = None
    decimal: str = "."
    reason: str | None = None
    churned_values: tuple[str, ...] = ()
    kept_values: tuple[str, ...] = ()
    unit: str | None = None


@dataclass(frozen=True)
class Mapping:
    """The meaning of a whole file.

    Attributes
    ----------
    identifier_made : bool
        True when the file has no identifier and row ids come from the content.
    label_confirmed : bool
        True when a person has said that the label is the right way round.
    currency : str or None
        ISO 4217 code of the monthly revenue.
    known_at_time : bool
        Whether values are taken as known at the times that the file itself names (history), and not at the time of import.
    blanks : tuple of str
        Texts that mean "missing".
    """

    columns: tuple[ColumnMapping, ...]
    identifier_made: bool = False
    label_confirmed: bool = False
    currency: str | None = None
    known_at_time: bool = False
    blanks: tuple[str, ...] = DEFAULT_BLANKS
    version: int = VERSION

    def role(self, role: str) -> ColumnMapping | None:
        """Return the column with a role that only one column can have, or None."""
        return next((column for column in self.columns if column.role == role), None)

    @property
    def identifier(self) -> ColumnMapping | None:
        """The identifier's column; None when ids are made."""
        return self.role("identifier")

    @property
    def label(self) -> ColumnMapping | None:
        """The label's column; None for a file that is only to be scored."""
        return self.role("label")

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form; ``from_dict`` of it gives the same mapping."""
        result: dict[str, Any] = {"version": self.version}
        result["columns"] = [_column_to_dict(column) for column in self.columns]
        for name in ("identifier_made", "label_confirmed", "currency", "known_at_time"):
            result[name] = getattr(self, name)
        result["blanks"] = list(self.blanks)
        return result

    @classmethod
    def from_dict(cls, data: Any) -> Mapping:
        """Read and check the JSON form.

        Raises
        ------
        MappingError
            With the path and a sentence for everything that is wrong.
        """
        errors: list[tuple[str, str]] = []
        if not isinstance(data, AnyMapping):
            raise MappingError([("", "The mapping must be an object.")])
        _check_keys(data, {item.name for item in fields(cls)}, "", errors)
        if data.get("version", VERSION) != VERSION:
            errors.append(("version", f"Only version {VERSION} is known."))
        raw = data.get("columns")
        columns: list[ColumnMapping] = []
        if not isinstance(raw, list) or not raw:
            errors.append(("columns", "A list of at least one column is needed."))
        else:
            columns = [_column_from_dict(item, f"columns[{index}]", errors) for index, item in enumerate(raw)]
        flags = ("identifier_made", "label_confirmed", "known_at_time")
        errors += [(name, "Must be true or false.") for name in flags if not isinstance(data.get(name, False), bool)]
        currency = data.get("currency")
        if currency is not None and not (isinstance(currency, str) and _CURRENCY.fullmatch(currency)):
            errors.append(("currency", "Must be a three-letter code such as EUR, or null."))
        blanks = data.get("blanks", list(DEFAULT_BLANKS))
        if not _is_texts(blanks) or any(len(item) > 40 for item in blanks):
            errors.append(("blanks", "Must be a list of short texts."))
        if not errors:
            errors.extend(_check_together(columns, bool(data.get("identifier_made", False))))
        if errors:
            raise MappingError(errors)
        return cls(
            columns=tuple(columns),
            identifier_made=data.get("identifier_made", False),
            label_confirmed=data.get("label_confirmed", False),
            currency=currency,
            known_at_time=data.get("known_at_time", False),
            blanks=tuple(blanks),
        )

    def check_columns(self, names: Sequence[str]) -> None:
        """Check that the mapping is about a file with these columns; a column of the file that it does not name is ignored.

        Raises
        ------
        MappingError
            When the mapping names a column that the file does not have.
        """
        known = set(names)
        missing = [
            (f"columns[{index}].name", f"The file has no column called {column.name!r}.")
            for index, column in enumerate(self.columns)
            if column.name not in known and column.role != "ignored"
        ]
        if missing:
            raise MappingError(missing)

    def flipped(self) -> Mapping:
        """Return the mapping with the label the other way round, and confirmed."""
        columns = tuple(
            replace(column, churned_values=column.kept_values, kept_values=column.churned_values)
            if column.role == "label"
            else column
            for column in self.columns
        )
        return replace(self, columns=columns, label_confirmed=True)


_TEXT_KEYS = ("name", "role", "attribute", "title", "kind", "field", "format", "decimal", "reason", "unit")
_LIST_KEYS = ("churned_values", "kept_values")


def _column_to_dict(column: ColumnMapping) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for item in fields(column):
        value = getattr(column, item.name)
        if item.name in ("name", "role", "attribute", "title", "kind", "feature") or value not in (None, ()):
            result[item.name] = list(value) if isinstance(value, tuple) else value
    return result


def _column_from_dict(data: Any, path: str, errors: list[tuple[str, str]]) -> ColumnMapping:
    if not isinstance(data, AnyMapping):
        errors.append((path, "Must be an object."))
        return ColumnMapping("", "ignored", "")
    before = len(errors)
    _check_keys(data, {item.name for item in fields(ColumnMapping)}, f"{path}.", errors)
    for key in _TEXT_KEYS:
        required = key in ("name", "role", "attribute")
        if not isinstance(data.get(key), str) and (required or data.get(key) is not None):
            errors.append((f"{path}.{key}", "Must be a text."))
    errors += [(f"{path}.{key}", "Must be a list of texts.") for key in _LIST_KEYS if not _is_texts(data.get(key, []))]
    if not isinstance(data.get("feature", False), bool):
        errors.append((f"{path}.feature", "Must be true or false."))
    if len(errors) > before:
        return ColumnMapping("", "ignored", "")
    values = {key: data[key] for key in _TEXT_KEYS if data.get(key) is not None}
    column = ColumnMapping(
        feature=data.get("feature", False),
        churned_values=tuple(data.get("churned_values", [])),
        kept_values=tuple(data.get("kept_values", [])),
        **values,
    )
    errors.extend((f"{path}.{key}", message) for key, message in _check_column(column))
    return column


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _check_keys(data: AnyMapping[Any, Any], known: set[str], path: str, errors: list[tuple[str, str]]) -> None:
    errors.extend((f"{path}{key}", "This name is not known here.") for key in data if key not in known)


def _check_column(column: ColumnMapping) -> list[tuple[str, str]]:
    errors: list[tuple[str, str]] = []
    choices: tuple[tuple[str, str | None, tuple[str, ...]], ...] = (
        ("role", column.role, ROLES),
        ("kind", column.kind, KINDS),
        ("decimal", column.decimal, (".", ",")),
        ("unit", column.unit, UNITS),
        ("field", column.field, PERSONAL_FIELDS),
    )
    for key, value, allowed in choices:
        if value is not None and value not in allowed:
            errors.append((key, f"Must be one of {', '.join(allowed)}."))
    if not _ATTRIBUTE.fullmatch(column.attribute):
        errors.append(("attribute", "Must be small letters, digits and underscores, at most 64, with a letter first."))
    if column.role == "personal" and column.field is None:
        errors.append(("field", f"A personal detail needs one of {', '.join(PERSONAL_FIELDS)}."))
    kinds = _KINDS_OF_ROLE.get(column.role)
    if kinds and column.kind not in kinds:
        errors.append(("kind", f"A column with the role {column.role} must be read as {' or '.join(kinds)}."))
    if column.kind == "date" and column.role != "ignored" and column.format not in DATE_FORMATS:
        errors.append(("format", f"A date needs one of {', '.join(DATE_FORMATS)}."))
    if column.role == "identifier" and column.format not in (None, *IDENTIFIER_FORMATS):
        errors.append(("format", f"An identifier takes one of {', '.join(IDENTIFIER_FORMATS)}."))
    if column.feature and column.role not in ("feature", "plan", "monthly_revenue", "tenure"):
        errors.append(("feature", f"A column with the role {column.role} can't be a feature."))
    if column.feature and column.kind in ("text", "date"):
        errors.append(("feature", f"A column read as {column.kind} can't be a feature."))
    if column.role == "label":
        errors.extend(_check_label(column))
    return errors


def _check_label(column: ColumnMapping) -> list[tuple[str, str]]:
    churned = {value.strip().casefold() for value in column.churned_values}
    kept = {value.strip().casefold() for value in column.kept_values}
    if not churned:
        return [("churned_values", "The label needs at least one value that means the customer left.")]
    if not kept:
        return [("kept_values", "The label needs at least one value that means the customer stayed.")]
    if churned & kept:
        return [("kept_values", "A value can't mean both that the customer left and that they stayed.")]
    return []


def _check_together(columns: Sequence[ColumnMapping], identifier_made: bool) -> list[tuple[str, str]]:
    errors: list[tuple[str, str]] = []
    seen: dict[tuple[str, str], int] = {}
    for index, column in enumerate(columns):
        keys = [("name", column.name), ("attribute", column.attribute)]
        keys += [("role", column.role)] if column.role in SINGLE_ROLES else []
        for key, value in keys:
            first = seen.setdefault((key, value), index)
            if first != index:
                errors.append((f"columns[{index}].{key}", f"{value!r} is already used by columns[{first}]."))
    has_identifier = ("role", "identifier") in seen
    if has_identifier == identifier_made:
        message = (
            "Must be false when a column is the identifier." if has_identifier else "Must be true when no column is."
        )
        errors.append(("identifier_made", message))
    return errors
