"""Answers that are kept in memory: the last few that were asked for, each made once, however many ask for it together."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Kept(Generic[Value]):
    """A store of answers by what they depend on; the one that was not asked for the longest goes when there are too many. None is never kept."""

    def __init__(self, most: int = 8) -> None:
        self._most = most
        self._guard = threading.Lock()
        self._values: OrderedDict[Hashable, Value] = OrderedDict()
        self._turns: dict[Hashable, threading.Lock] = {}

    def get(self, key: Hashable) -> Value | None:
        """Return what is kept under a key; None where nothing is."""
        with self._guard:
            found = self._values.get(key)
            if found is not None:
                self._values.move_to_end(key)
            return found

    def of(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """Return what is kept under a key, made now where it is not there; who comes meanwhile waits. `make` must not ask for the same key."""
        found = self.get(key)
        if found is not None:
            return found
        with self._guard:
            turn = self._turns.setdefault(key, threading.Lock())
        with turn:
            found = self.get(key)
            if found is not None:
                return found
            try:
                made = make()
                if made is not None:
                    self.keep(key, made)
                return made
            finally:
                with self._guard:
                    self._turns.pop(key, None)

    def keep(self, key: Hashable, value: Value) -> None:
        """Keep an answer that was made elsewhere."""
        with self._guard:
            self._values[key] = value
            self._values.move_to_end(key)
            while len(self._values) > self._most:
                self._values.popitem(last=False)

    def clear(self) -> None:
        """Forget all."""
        with self._guard:
            self._values.clear()
