"""Working one step ahead in a second thread: the next chunk is read and cast while the database writes the one before."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from typing import Generic, TypeVar

Item = TypeVar("Item")
_WAIT_SECONDS = 0.2


class Ahead(Generic[Item]):
    """The items of another iterator, in its order, at most two of them made before they are asked for.

    What the other iterator raises is raised in its place. Leave the `with` block to stop the thread, early or at the end. The iterator must touch
    nothing that belongs to the thread of its reader, such as a unit of work.
    """

    def __init__(self, items: Iterator[Item]) -> None:
        self._items = items
        self._made: queue.Queue[tuple[Item | None, BaseException | None]] = queue.Queue(maxsize=1)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._work, name="import-reader", daemon=True)

    def __enter__(self) -> Iterator[Item]:
        self._thread.start()
        return self._handed_out()

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()

    def _handed_out(self) -> Iterator[Item]:
        while True:
            item, error = self._made.get()
            if error is not None:
                raise error
            if item is None:
                return
            yield item

    def _work(self) -> None:
        try:
            for item in self._items:
                if not self._put((item, None)):
                    return
            self._put((None, None))
        except BaseException as error:  # noqa: BLE001 (every error belongs to the reader of the items)
            self._put((None, error))

    def _put(self, made: tuple[Item | None, BaseException | None]) -> bool:
        """Hand over one item as soon as the one before was taken; False when nobody wants any more."""
        while not self._stopped.is_set():
            try:
                self._made.put(made, timeout=_WAIT_SECONDS)
            except queue.Full:
                continue
            return True
        return False
