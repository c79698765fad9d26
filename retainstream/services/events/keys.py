"""128-bit keys by which an event or a subscription is known again: from the sender's key, or from what the row says.

An event without a key is known by its content and by how often that content came before in the same load: two equal rows of a
file are two events, and the same file loaded again brings nothing new. Such a key begins with the minute in which the event happened:
rows that come in the order of time then meet the same few pages of the index, instead of one page each.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING

from retainstream.lib import clock
from retainstream.services.events.rows import EventRows

if TYPE_CHECKING:
    import numpy as np

KEY_BYTES = 16
_MINUTE_BYTES = 4
_DIGEST_BYTES = KEY_BYTES - _MINUTE_BYTES
_MERGED = 2
"""Sorted parts are joined as soon as the older one is not this much larger; keeps their number logarithmic."""


def of_key(source: str, key: str) -> bytes:
    """Return the key of what its sender has named; a source is free of control characters, so that it cannot run into the key."""
    return blake2b(f"k\x1f{source}\x1f{key}".encode(), digest_size=KEY_BYTES).digest()


def of_subscription(source: str, key: str | None, user_id: str, started: int) -> bytes:
    """Return the key of a subscription: by the sender's name of it, or by whose it is and when it began."""
    text = f"s\x1f{source}\x1f{key}" if key is not None else f"t\x1f{source}\x1f{started}\x1f{user_id}"
    return blake2b(text.encode(), digest_size=KEY_BYTES).digest()


class EventKeys:
    """Makes the keys of one load, chunk after chunk.

    What it remembers of earlier chunks is eight bytes for each row without a key, and a count for each content that was repeated.
    """

    def __init__(self, source: str) -> None:
        self.source = source
        self._seen = _Seen()
        self._repeats: dict[bytes, int] = {}

    def make(self, rows: EventRows) -> list[bytes]:
        """Return the key of each row."""
        source = self.source
        if None not in rows.keys:
            return [of_key(source, key) for key in rows.keys if key is not None]
        columns = zip(
            rows.keys, rows.kinds, rows.occurred, rows.values, rows.properties, rows.user_ids, strict=True
        )  # the identifier last: it alone may hold anything
        made = [
            (occurred // clock.MINUTE_US).to_bytes(_MINUTE_BYTES, "big")
            + blake2b(
                f"c\x1f{source}\x1f{kind}\x1f{occurred}\x1f{value!r}\x1f{properties or ''}\x1f{user_id}".encode(),
                digest_size=_DIGEST_BYTES,
            ).digest()
            if key is None
            else of_key(source, key)
            for key, kind, occurred, value, properties, user_id in columns
        ]
        self._number(made, rows.keys)
        return made

    def _number(self, made: list[bytes], keys: Sequence[str | None]) -> None:
        """Put a key of its own in the place of every further occurrence of a content."""
        if keys.count(None) == len(keys):
            plain = made
        else:
            plain = [digest for digest, key in zip(made, keys, strict=True) if key is None]
        known = self._seen.known(plain)
        self._seen.add(plain)
        if not known and len(set(plain)) == len(plain):
            return
        counts: dict[bytes, int] = {}
        repeats = self._repeats
        for at, (digest, key) in enumerate(zip(made, keys, strict=True)):
            if key is not None:
                continue
            before = repeats.get(digest) or counts.get(digest) or int(digest in known)
            if before:
                again = blake2b(b"n\x1f%d\x1f" % before + digest, digest_size=_DIGEST_BYTES).digest()
                made[at] = digest[:_MINUTE_BYTES] + again
                repeats[digest] = before + 1
            else:
                counts[digest] = 1


class _Seen:
    """Which digests came in earlier chunks: sorted arrays of their last eight bytes, the newest chunk as it came.

    Two contents that agree in eight bytes would be counted as one repeated, which harms nothing: their keys stay different.
    """

    def __init__(self) -> None:
        self._parts: list[np.ndarray] = []
        self._newest: list[bytes] = []

    def known(self, digests: Sequence[bytes]) -> set[bytes]:
        """Return those that were added before."""
        if self._newest:
            self._fold()
        if not self._parts:
            return set()
        import numpy as np

        tails = _tails(digests)
        order = np.argsort(tails)
        rising, found = tails[order], np.zeros(len(tails), dtype=bool)
        for part in self._parts:
            at = np.minimum(np.searchsorted(part, rising), len(part) - 1)
            found |= part[at] == rising
        return {digests[index] for index in order[found].tolist()}

    def add(self, digests: Sequence[bytes]) -> None:
        """Remember a chunk; a load of one chunk pays nothing for it."""
        self._newest = list(digests)

    def _fold(self) -> None:
        import numpy as np

        parts = self._parts
        parts.append(np.sort(_tails(self._newest)))
        self._newest = []
        while len(parts) > 1 and len(parts[-2]) < _MERGED * len(parts[-1]):
            last = parts.pop()
            parts[-1] = np.sort(np.concatenate([parts[-1], last]), kind="stable")


def _tails(digests: Sequence[bytes]) -> np.ndarray:
    import numpy as np

    return np.frombuffer(b"".join(digests), dtype=np.uint64)[1 :: KEY_BYTES // 8].copy()
