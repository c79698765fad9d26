"""How well a name fits what was typed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retainstream.services.search.finding import LONGEST, clean
from retainstream.services.search.ranking import ALSO, BEGINS, EXACT, WITHIN, WORD, folded, rank


@pytest.mark.parametrize(
    ("asked", "name", "also", "expected"),
    [
        ("model", "Model", "", EXACT),
        ("mod", "Model versions", "", BEGINS),
        ("ver mod", "Model versions", "", WORD),
        ("kaplan", "Survival", "kaplan meier", ALSO),
        ("surv mei", "Survival", "kaplan meier", ALSO),
        ("odel", "Model", "", WITHIN),
        ("meier", "Model", "", None),
        ("%", "Model", "", None),
        ("straße", "STRASSE 1", "", BEGINS),
        ("", "Model", "", BEGINS),
    ],
)
def test_rank(asked: str, name: str, also: str, expected: int | None) -> None:
    assert rank(folded(asked), name, also) == expected


@given(st.text(max_size=30))
def test_a_name_fits_itself_and_its_beginnings(name: str) -> None:
    whole = folded(name)
    assert rank(whole, name) == EXACT
    if whole:
        assert rank(whole[: len(whole) // 2], name) in (EXACT, BEGINS)


@given(st.text(max_size=300))
def test_what_is_searched_for_is_one_printable_line(text: str) -> None:
    found = clean(text)
    assert len(found) <= LONGEST
    assert found.isprintable()
    assert clean(found) == found
