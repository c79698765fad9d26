"""A mapping survives its JSON form, and every mistake in an edited one is named with its path."""

from __future__ import annotations

from typing import Any

import pytest

from retainstream.services.imports.mapping import ColumnMapping, Mapping, MappingError


def good() -> dict[str, Any]:
    return Mapping(
        columns=(
            ColumnMapping("Customer", "identifier", "customer", "Customer", format="drop_point_zero"),
            ColumnMapping("Fee", "monthly_revenue", "fee", "Fee", "number", True, decimal=","),
            ColumnMapping("Mail", "personal", "mail", "Mail", field="email"),
            ColumnMapping("Since", "signup", "since", "Since", "date", format="dmy"),
            ColumnMapping("Left", "label", "left", "Left", "category", churned_values=("Yes",), kept_values=("No",)),
            ColumnMapping("Row", "ignored", "row", "Row", "integer", reason="It only counts the rows."),
        ),
        currency="EUR",
        known_at_time=True,
    ).to_dict()


def test_json_form_and_back() -> None:
    mapping = Mapping.from_dict(good())
    assert mapping.to_dict() == good()
    assert mapping.identifier is not None
    assert mapping.identifier.format == "drop_point_zero"


@pytest.mark.parametrize(
    ("path", "value", "where"),
    [
        (("columns", 1, "role"), "price", "columns[1].role"),
        (("columns", 1, "role"), 7, "columns[1].role"),
        (("columns", 1, "kind"), "text", "columns[1].kind"),
        (("columns", 1, "decimal"), ";", "columns[1].decimal"),
        (("columns", 1, "attribute"), "Fee!", "columns[1].attribute"),
        (("columns", 1, "attribute"), "customer", "columns[1].attribute"),
        (("columns", 1, "name"), "Customer", "columns[1].name"),
        (("columns", 1, "colour"), "red", "columns[1].colour"),
        (("columns", 2, "field"), None, "columns[2].field"),
        (("columns", 2, "feature"), True, "columns[2].feature"),
        (("columns", 3, "format"), "dd.mm", "columns[3].format"),
        (("columns", 4, "churned_values"), [], "columns[4].churned_values"),
        (("columns", 4, "kept_values"), ["yes "], "columns[4].kept_values"),
        (("columns", 5, "role"), "identifier", "columns[5].role"),
        (("columns", 0), "Customer", "columns[0]"),
        (("columns",), [], "columns"),
        (("currency",), "euro", "currency"),
        (("identifier_made",), True, "identifier_made"),
        (("label_confirmed",), "yes", "label_confirmed"),
        (("blanks",), [1], "blanks"),
        (("version",), 2, "version"),
        (("surprise",), 1, "surprise"),
    ],
)
def test_a_mistake_is_named_with_its_path(path: tuple[Any, ...], value: object, where: str) -> None:
    data: Any = good()
    inner = data
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    with pytest.raises(MappingError) as caught:
        Mapping.from_dict(data)
    assert where in [found for found, _ in caught.value.errors]


def test_a_column_that_the_file_lacks_is_named() -> None:
    with pytest.raises(MappingError) as caught:
        Mapping.from_dict(good()).check_columns(["Customer", "Fee", "Since", "Left"])
    assert [path for path, _ in caught.value.errors] == ["columns[2].name"]


def test_flipping_swaps_the_values_and_confirms() -> None:
    flipped = Mapping.from_dict(good()).flipped()
    assert flipped.label is not None
    assert (flipped.label.churned_values, flipped.label.kept_values, flipped.label_confirmed) == (
        ("No",),
        ("Yes",),
        True,
    )
