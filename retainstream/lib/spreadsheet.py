"""Cells of CSV files that people open in a spreadsheet: a text must not be run as a formula."""

from __future__ import annotations

import re

_NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?%?")


def safe_cell(value: object) -> str:
    """Return a cell's text; what a spreadsheet would take for a formula gets an apostrophe in front. None is empty, a bool a word."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value)
    if text[:1] in ("=", "+", "-", "@", "\t", "\r") and not _NUMBER.fullmatch(text):
        return "'" + text
    return text
