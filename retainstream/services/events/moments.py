"""Whole columns of times read at once: ISO 8601, compact dates and unix times in any unit; other notations each different text once.

Which format a column has is decided in `proposal`; single dates are read by `retainstream.services.imports.values.parse_date`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from retainstream.services.imports.values import DATE_FORMATS, parse_date

UNIX_SCALE = {"unix_s": 1_000_000.0, "unix_ms": 1_000.0, "unix_us": 1.0, "unix_ns": 0.001}
"""Microseconds in one unit."""
FORMATS: tuple[str, ...] = (*DATE_FORMATS, "unix_us", "unix_ns")
NO_TIME = int(np.iinfo(np.int64).min)
EARLIEST, LATEST = -2_208_988_800_000_000, 4_102_444_800_000_000
"""From 1900 to 2100, in microseconds since 1970 UTC."""
_UTC_ENDS = ("Z", "+00:00", "+0000", " UTC")
_DIGITS = {
    10: (0, 1, 2, 3, 5, 6, 8, 9),
    16: (0, 1, 2, 3, 5, 6, 8, 9, 11, 12, 14, 15),
    19: (0, 1, 2, 3, 5, 6, 8, 9, 11, 12, 14, 15, 17, 18),
}
_SIGNS = {4: "-", 7: "-", 10: "T ", 13: ":", 16: ":", 19: "."}


def read_moments(texts: Sequence[str | None], form: str) -> np.ndarray:
    """Read a column of times.

    Parameters
    ----------
    texts : sequence of (str or None), n long
        Without blanks around them; None is missing.
    form : str
        One of ``FORMATS``. A time without zone is UTC.

    Returns
    -------
    numpy.ndarray
        int64 (n,), microseconds since 1970 UTC; ``NO_TIME`` where the text is missing, is no such time, or lies outside 1900 to 2100.
    """
    if not len(texts):
        return np.zeros(0, np.int64)
    found: np.ndarray | None = None
    if form in UNIX_SCALE:
        found = _read_unix(texts, form)
    elif form == "iso":
        found = _read_iso(texts)
    elif form == "yyyymmdd":
        found = _read_compact(texts)
    if found is None:
        return _read_each(texts, form)
    return np.where((found >= EARLIEST) & (found < LATEST), found, NO_TIME)


def read_moment(text: str, form: str) -> int | None:
    """Read one time as `read_moments` does; None when it is none."""
    if form not in UNIX_SCALE:
        return parse_date(text, form)
    try:
        number = float(text)
    except ValueError:
        return None
    if not math.isfinite(number) or "_" in text or not text.isascii():
        return None
    # Whole numbers stay exact: nanoseconds do not fit a float.
    whole = text.removesuffix(".0")
    scale = UNIX_SCALE[form]
    if whole.isdigit():
        instant = int(whole) * int(scale) if scale >= 1 else int(whole) // 1000
    else:
        instant = round(number * scale)
    return instant if EARLIEST <= instant < LATEST else None


def _read_each(texts: Sequence[str | None], form: str) -> np.ndarray:
    known: dict[str | None, int] = {None: NO_TIME}
    for text in set(texts):
        if text is not None:
            moment = read_moment(text, form)
            known[text] = NO_TIME if moment is None else moment
    return np.fromiter(map(known.__getitem__, texts), dtype=np.int64, count=len(texts))


def _read_unix(texts: Sequence[str | None], form: str) -> np.ndarray | None:
    """Read whole numbers without a sign; None when any text is something else."""
    joined = "".join(texts) if None not in texts else ""  # type: ignore[arg-type]
    if not (joined.isascii() and joined.isdigit()) or max(map(len, texts)) > 18 or "" in texts:  # type: ignore[arg-type]
        return None
    values = np.array(texts, dtype="U18").astype(np.int64)
    scale = UNIX_SCALE[form]
    if scale < 1:
        return values // 1000
    # A number that would overflow is far outside of the range anyway.
    return np.where(values < LATEST // int(scale) + 1, values * np.int64(int(scale)), NO_TIME)


def _read_iso(texts: Sequence[str | None]) -> np.ndarray | None:
    """Read ISO times that are all written alike, in UTC; None when they are not."""
    first = texts[0]
    if first is None or None in texts:
        return None
    plain: Sequence[str] = texts  # type: ignore[assignment]
    end = next((mark for mark in _UTC_ENDS if first.endswith(mark)), "")
    if end:
        if not all(text.endswith(end) for text in plain):
            return None
        plain = [text[: -len(end)] for text in plain]
    width = len(plain[0])
    if set(map(len, plain)) != {width} or not (width in _DIGITS or 20 < width <= 26):
        return None
    table = np.array(plain, dtype=f"U{width}")
    letters = table.view(np.uint32).reshape(len(plain), width)
    digits = _DIGITS[width] if width in _DIGITS else (*_DIGITS[19], *range(20, width))
    if not _all_digits(letters[:, digits]):
        return None
    for at, signs in _SIGNS.items():
        if at < width and not np.isin(letters[:, at], [ord(sign) for sign in signs]).all():
            return None
    try:
        return table.astype("datetime64[us]").astype(np.int64)
    except ValueError:
        return None  # a thirteenth month somewhere: found one by one


def _read_compact(texts: Sequence[str | None]) -> np.ndarray | None:
    """Read eight digits as a day; None when any text is something else."""
    if None in texts or set(map(len, texts)) != {8}:  # type: ignore[arg-type]
        return None
    letters = np.array(texts, dtype="U8").view(np.uint32).reshape(len(texts), 8)
    if not _all_digits(letters):
        return None
    values = (letters - ord("0")).astype(np.int64) @ np.array([10**power for power in range(7, -1, -1)])
    days, where = np.unique(values, return_inverse=True)
    moments = [read_moment(str(day), "yyyymmdd") for day in days.tolist()]
    return np.array([NO_TIME if moment is None else moment for moment in moments], dtype=np.int64)[where]


def _all_digits(letters: np.ndarray) -> bool:
    return bool(((letters >= ord("0")) & (letters <= ord("9"))).all())
