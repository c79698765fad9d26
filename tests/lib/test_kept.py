"""Answers kept in memory: made once however many ask together, the one longest unasked goes first, a failure is nobody's answer."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from retainstream.lib.kept import Kept


def test_the_one_that_was_not_asked_for_the_longest_goes() -> None:
    kept: Kept[str] = Kept(2)
    calls: list[str] = []

    def ask(name: str) -> str:
        def make() -> str:
            calls.append(name)
            return name.upper()

        return kept.of(name, make)

    assert [ask(name) for name in "abacab"] == list("ABACAB")
    assert calls == ["a", "b", "c", "b"]
    assert kept.get("a") == "A"
    assert kept.get("c") is None
    kept.clear()
    ask("a")
    assert calls[-1] == "a"


def test_who_asks_meanwhile_waits_and_another_key_does_not() -> None:
    kept: Kept[int] = Kept()
    began, go_on = threading.Event(), threading.Event()
    calls: list[int] = []

    def slowly() -> int:
        calls.append(1)
        began.set()
        assert go_on.wait(10)
        return 7

    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(kept.of, "slow", slowly) for _ in range(3)]
        assert began.wait(10)
        assert pool.submit(kept.of, "quick", lambda: 1).result(10) == 1
        go_on.set()
        assert [one.result(10) for one in asked] == [7, 7, 7]
    assert calls == [1]


def test_a_failure_and_a_none_are_not_kept() -> None:
    kept: Kept[int | None] = Kept()

    def fails() -> int:
        raise ValueError("not now")

    with pytest.raises(ValueError, match="not now"):
        kept.of("x", fails)
    assert kept.of("x", lambda: None) is None
    assert kept.of("x", lambda: 0) == 0
    assert kept.of("x", lambda: 1) == 0


def test_one_key_may_be_made_of_another() -> None:
    kept: Kept[int] = Kept()
    assert kept.of("outer", lambda: 1 + kept.of("inner", lambda: 2)) == 3
    assert kept.get("inner") == 2
