"""What a person should know before a file is imported. Nothing here stops anything; ``needs_confirmation`` asks for an answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np

from retainstream.services.imports.badrows import is_added
from retainstream.services.imports.columns import ColumnProfile
from retainstream.services.imports.evidence import Sign, cast_sample, giveaways_from_sample, label_signs
from retainstream.services.imports.labels import choose_label, find_candidates
from retainstream.services.imports.mapping import ColumnMapping, Mapping
from retainstream.services.imports.profile import TableProfile
from retainstream.services.imports.proposal import UNREAD_LABEL

Severity = Literal["info", "warning", "serious"]

_NEAR_CONSTANT = 0.995
_EVENTS_SHARE = 0.2
_LEFT_OUT = {
    "title": "a title above the table",
    "description": "a second header line",
    "repeated_header": "a repeated header",
    "totals": "a totals row",
}


@dataclass(frozen=True)
class ImportWarning:  # noqa: A001 (Python's own is about modules and is never used here)
    """One thing to know.

    Attributes
    ----------
    code : str
        ``no_identifier``, ``exact_duplicates``, ``duplicate_identifiers``, ``ambiguous_label``, ``no_label``, ``one_class``,
        ``label_values_unclear``, ``label_inverted``, ``giveaway``, ``near_constant``, ``near_unique``, ``numbers_as_text``,
        ``description_row``, ``header_missing``, ``header_whitespace``, ``latin1_fallback`` or ``ragged_rows``.
    severity : "info", "warning" or "serious"
    column : str or None
        Header of the column that it is about.
    detail : dict
        Figures behind the message, ready for JSON.
    needs_confirmation : bool
        True when the import must wait for a person's answer.
    """

    code: str
    severity: Severity
    column: str | None
    message: str
    detail: dict[str, Any] = field(default_factory=dict)
    needs_confirmation: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return asdict(self)


def warnings_for(profile: TableProfile, mapping: Mapping) -> list[ImportWarning]:
    """Return all warnings about a file under a mapping, those that need an answer first, then by severity.

    Parameters
    ----------
    profile : TableProfile
    mapping : Mapping
        As proposed or as edited; it must name only columns of the profile.
    """
    found = [*_about_file(profile), *_about_rows(profile, mapping), *_about_columns(profile, mapping)]
    found += _about_label(profile, mapping)
    rank = {"serious": 0, "warning": 1, "info": 2}
    return sorted(found, key=lambda warning: (not warning.needs_confirmation, rank[warning.severity]))


def _about_file(profile: TableProfile) -> list[ImportWarning]:
    found: list[ImportWarning] = []
    if not profile.has_header:
        message = "The first row holds values and no names: the columns are called column_1, column_2 and so on."
        found.append(ImportWarning("header_missing", "warning", None, message))
    untidy = [column.name for column in profile.columns if profile.has_header and column.name != column.original]
    if untidy:
        message = f"{_many(len(untidy), 'column name')} had surplus white space, no text or a repeat and {_was(len(untidy))} tidied."
        found.append(ImportWarning("header_whitespace", "info", None, message, {"columns": untidy[:50]}))
    if profile.encoding_guessed:
        name = "Latin-1" if profile.encoding == "latin-1" else "Windows-1252"
        message = f"The file is not UTF-8 and was read as {name}: check names with accents, or save it as UTF-8."
        found.append(ImportWarning("latin1_fallback", "warning", None, message, {"encoding": profile.encoding}))
    for kind, count in Counter(row.kind for row in profile.left_out).items():
        rows = [row for row in profile.left_out if row.kind == kind]
        lines = [row.line for row in rows][:20]
        message = f"Line {lines[0]:,} is {_LEFT_OUT[kind]} and no customer: it is left out."
        if count > 1:
            message = f"{_many(count, 'line')}, line {lines[0]:,} first, are each {_LEFT_OUT[kind]} and no customer: they are left out."
        cells = [cell for cell in rows[0].cells if cell][:10]
        found.append(
            ImportWarning("description_row", "warning", None, message, {"kind": kind, "lines": lines, "cells": cells})
        )
    if profile.ragged:
        first = profile.ragged_examples[0]
        message = f"{_many(profile.ragged, 'row')} {_do(profile.ragged)} not fit the header: line {first.line:,} has {first.found} cells, {first.expected} are expected."
        if first.problem == "not_json":
            message = f"{_many(profile.ragged, 'line')} can't be read as JSON objects, line {first.line:,} first."
        lines = [row.line for row in profile.ragged_examples]
        found.append(ImportWarning("ragged_rows", "serious", None, message, {"count": profile.ragged, "lines": lines}))
    return found


def _about_rows(profile: TableProfile, mapping: Mapping) -> list[ImportWarning]:
    found: list[ImportWarning] = []
    identifier = mapping.identifier
    if identifier is None:
        message = (
            "No column identifies the customers: every row gets an identifier made from its content, "
            "so a row that changes later counts as a new customer."
        )
        found.append(ImportWarning("no_identifier", "warning", None, message))
    if profile.exact_duplicates:
        count, share = profile.exact_duplicates, profile.exact_duplicates / max(profile.rows, 1)
        rest = (
            "they are kept, because without an identifier two customers may well look the same"
            if identifier is None
            else "each is imported once"
        )
        message = f"{_many(count, 'row')} ({share:.1%}) {'repeats' if count == 1 else 'repeat'} an earlier row exactly; {rest}."
        found.append(
            ImportWarning("exact_duplicates", "warning", None, message, {"count": count, "share": round(share, 6)})
        )
    if identifier is not None:
        found.extend(_about_identifier(profile, profile.column(identifier.name)))
    return found


def _about_identifier(profile: TableProfile, column: ColumnProfile) -> list[ImportWarning]:
    if column.distinct_exact:
        repeats = max(column.filled - column.distinct, 0)
        different = f"{column.distinct:,}"
    else:
        repeats, different = column.filled - column.distinct, f"at least {column.distinct:,}"
    conflicting = max(repeats - profile.exact_duplicates, 0)
    if conflicting == 0:
        return []
    events = repeats > _EVENTS_SHARE * column.filled
    message = f"{column.name} repeats: {_many(column.filled, 'row')} for {different} customers."
    message += (
        " This looks like a list of events, not one row per customer: only the first row of each would be taken."
        if events
        else " Later rows with other content are errors."
    )
    detail = {"repeats": repeats, "looks_like_events": events}
    return [ImportWarning("duplicate_identifiers", "serious", column.name, message, detail, needs_confirmation=False)]


def _about_columns(profile: TableProfile, mapping: Mapping) -> list[ImportWarning]:
    found: list[ImportWarning] = []
    known = {column.name: column for column in profile.columns}
    for item in mapping.columns:
        if item.name not in known or is_added(item.name):
            continue  # an ignored column that this file does not have, or one of ours
        column = known[item.name]
        if item.feature and column.counts and column.rows >= 50:
            value, count = next(iter(column.counts.items()))
            if count >= _NEAR_CONSTANT * column.rows:
                message = f"{item.name} is {value!r} in {count / column.rows:.2%} of rows: it can tell little."
                found.append(
                    ImportWarning("near_constant", "info", item.name, message, {"value": value[:80], "count": count})
                )
        if item.role in ("ignored", "feature") and item.kind in ("text", "category", "integer") and column.rows >= 20:
            near = column.distinct_exact and column.distinct >= 0.95 * column.rows and not column.is_row_counter
            if near and (item.kind != "integer" or column.unique):
                message = (
                    f"{item.name} has its own value in nearly every row: it names customers and does not describe them."
                )
                found.append(ImportWarning("near_unique", "info", item.name, message, {"distinct": column.distinct}))
        found.extend(_about_numbers(item, column))
    return found


def _about_numbers(item: ColumnMapping, column: ColumnProfile) -> list[ImportWarning]:
    """Numbers with blanks or notations among them: what a spreadsheet or a data frame would have taken for text."""
    if item.role in ("ignored", "identifier", "label", "personal") or item.kind == "date" or not column.numbers:
        return []
    others = column.filled - column.numbers
    odd = column.blanks + column.numbers - column.plain_numbers
    if item.kind in ("number", "integer") and (
        others or (0 < column.blanks <= 0.2 * column.rows) or odd > column.blanks
    ):
        parts = [f"{_many(column.blanks, 'blank')} read as missing"] if column.blanks else []
        notation = column.numbers - column.plain_numbers
        parts += [f"{_many(notation, 'number')} with separators or signs"] if notation > 0 else []
        parts += (
            [f"{_many(others, 'text')} that can't be read as a number (each an error of its row)"] if others else []
        )
        detail = {
            "blanks": column.blanks,
            "with_signs": max(notation, 0),
            "not_numbers": others,
            "decimal": item.decimal,
        }
        severity: Severity = "warning" if others else "info"
        return [
            ImportWarning(
                "numbers_as_text", severity, item.name, f"{item.name} holds numbers, and {', '.join(parts)}.", detail
            )
        ]
    if item.kind in ("category", "text") and 0.8 <= column.number_share < 1:
        message = f"{item.name} holds numbers in {column.number_share:.1%} of its filled rows, but also texts; it is read as text."
        return [ImportWarning("numbers_as_text", "warning", item.name, message, {"not_numbers": others})]
    return []


def _about_label(profile: TableProfile, mapping: Mapping) -> list[ImportWarning]:
    label = mapping.label
    if label is None:
        _, _, ambiguous = choose_label(find_candidates(profile.columns), profile.sample)
        if len(ambiguous) > 1:
            titles = [profile.columns[position].name for position in ambiguous]
            message = f"More than one column may say who left ({', '.join(titles)}): choose one, or import without."
            return [
                ImportWarning("ambiguous_label", "serious", None, message, {"columns": titles}, needs_confirmation=True)
            ]
        unread = next((item for item in mapping.columns if item.reason == UNREAD_LABEL), None)
        if unread is not None:
            values = ", ".join(repr(value) for value in list(profile.column(unread.name).counts)[:6])
            message = (
                f"{unread.name} is named as if it said who left, but not which of its values mean it ({values}): give it the role "
                "label in the mapping, with churned_values and kept_values. As it is, no model can learn from this file."
            )
            return [ImportWarning("no_label", "serious", unread.name, message)]
        message = "No column says who left: the customers can be scored by an existing model, but no model can learn from this file."
        return [ImportWarning("no_label", "info", None, message)]
    sample = cast_sample(profile, mapping)
    outcome = np.asarray(sample.label.values) if sample.label is not None else np.zeros(0, np.int8)
    known = outcome[outcome >= 0]
    if len(known) == 0 or known.min() == known.max():
        message = f"{label.name} has one value only: a model needs customers who left and customers who stayed."
        return [ImportWarning("one_class", "serious", label.name, message)]
    found = [*_inverted(profile, mapping, label, label_signs(sample))]
    features = {item.mapping.name: item.values for item in sample.columns.values() if item.mapping.feature}
    for name, area in giveaways_from_sample(features, outcome).items():
        message = (
            f"{name} alone tells nearly every time who left (AUC {area:.3f}): is it known before a customer leaves? "
            "The model is judged with and without it."
        )
        found.append(ImportWarning("giveaway", "serious", name, message, {"auc": area}))
    return found


def _inverted(
    profile: TableProfile, mapping: Mapping, label: ColumnMapping, signs: Sequence[Sign]
) -> list[ImportWarning]:
    """A label is doubted when most customers "left", when its values do not say which is which, or when all signs disagree.

    Leaving is the rarer thing in nearly every business; where it is not, one answer from a person settles it.
    """
    if mapping.label_confirmed:
        return []
    counts = profile.column(label.name).counts
    left = sum(count for value, count in counts.items() if value in label.churned_values)
    stayed = sum(count for value, count in counts.items() if value in label.kept_values)
    base = left / max(left + stayed, 1)
    against = [sign for sign in signs if sign.disagrees]
    in_favour = [sign for sign in signs if sign.agrees]
    chosen, other = ", ".join(label.churned_values), ", ".join(label.kept_values)
    detail = {
        "base_rate": round(base, 6),
        "signs": [
            {"column": sign.column, "expectation": sign.expectation, "auc": round(sign.auc, 4)} for sign in signs
        ],
    }
    candidate = next(
        (item for item in find_candidates(profile.columns) if profile.columns[item.position].name == label.name), None
    )
    if candidate is not None and not candidate.certain:
        message = f"The values of {label.name} do not say which means that a customer left; {chosen!r} is taken, the rarer one."
        return [ImportWarning("label_values_unclear", "serious", label.name, message, detail, needs_confirmation=True)]
    contradicted = len(against) >= 2 and not in_favour and min(sign.auc for sign in against) < 0.4
    if base <= 0.5 and not contradicted:
        return []
    message = f"{label.name} = {chosen!r} would mean that {base:.1%} of customers left."
    if against:
        usual = " and ".join(f"{sign.expectation} ({sign.column})" for sign in against[:3])
        message += f" Customers who leave usually show {usual}; here it is those with {other!r}."
    elif in_favour:
        message += " Other columns fit that, but it is unusual."
    message += f" Confirm that {chosen!r} means left, or turn the label round."
    return [ImportWarning("label_inverted", "serious", label.name, message, detail, needs_confirmation=True)]


def _was(count: int) -> str:
    return "was" if count == 1 else "were"


def _do(count: int) -> str:
    return "does" if count == 1 else "do"


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
