"""Counts with their nouns."""

from __future__ import annotations

import pytest

from retainstream.lib.counting import counted


@pytest.mark.parametrize(("count", "said"), [(0, "0 rows"), (1, "1 row"), (2, "2 rows"), (12_345, "12,345 rows")])
def test_one_is_one_and_all_others_are_several(count: int, said: str) -> None:
    assert counted(count, "row") == said
