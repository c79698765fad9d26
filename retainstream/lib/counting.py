"""How many of something, in words."""

from __future__ import annotations


def counted(count: int, noun: str) -> str:
    """Return a count with its noun, in the plural where it is not one: "1 row", "2,000 rows". The noun takes an s."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
