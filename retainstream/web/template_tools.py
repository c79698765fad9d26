"""What every template may use: addresses of static files that change with their content, and formats of figures, money and times."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from flask import Flask, Response, current_app, request

from retainstream.config import Settings
from retainstream.lib import clock
from retainstream.lib.money import exponent, to_major
from retainstream.web import appearance

_SYMBOLS = {"USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥", "INR": "₹", "KRW": "₩", "CHF": "CHF ", "BRL": "R$"}
_TWO_MONTHS = 61 * 86_400
_A_YEAR = "public, max-age=31536000, immutable"
_THIN = "\N{NARROW NO-BREAK SPACE}"


def register(app: Flask) -> None:
    """Attach the filters, the globals and the caching of static files."""
    app.jinja_env.trim_blocks = True
    app.jinja_env.lstrip_blocks = True
    app.jinja_env.globals["static_url"] = static_url
    app.jinja_env.filters.update(whole=whole, percent=percent, cash=cash, moment=moment, day=day, ago=ago)
    app.context_processor(lambda: {"theme": appearance.theme(), "here_address": request.full_path.rstrip("?")})

    @app.after_request
    def cache_static(response: Response) -> Response:
        if request.endpoint == "static" and response.status_code in (200, 304):
            lasting = "v" in request.args or "/vendor/" in request.path
            response.headers["Cache-Control"] = _A_YEAR if lasting else "no-cache"
        return response


def static_url(name: str) -> str:
    """Return the address of a static file; it carries a part of the content's hash, so browsers may keep it for good."""
    path = Path(str(current_app.static_folder)) / name
    return f"/static/{name}?v={_fingerprint(path, path.stat().st_mtime_ns)}"


@lru_cache(maxsize=256)
def _fingerprint(path: Path, _changed_ns: int) -> str:
    """Return a part of the content's hash; the time of the change only keys the cache, so that an edit shows at once."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]


def whole(value: float | None) -> str:
    """Return a count with separators; a dash where there is none."""
    return "–" if value is None else f"{round(value):,}"


def percent(value: float | None, digits: int = 1) -> str:
    """Return a share between 0 and 1 as per cent."""
    return "–" if value is None else f"{100 * value:.{digits}f}%"


def cash(value: dict[str, Any] | None, *, short: bool = False) -> str:
    """Return an amount in the API's form for people; `short` leaves the decimals out from 1,000 on."""
    if value is None:
        return "–"
    currency = str(value["currency"])
    amount = to_major(int(value["amount_minor"]), currency)
    digits = 0 if short and abs(amount) >= 1000 else exponent(currency)
    sign = "−" if amount < 0 else ""
    return f"{sign}{_SYMBOLS.get(currency, currency + _THIN)}{abs(amount):,.{digits}f}"


def moment(value: str | None, *, today: datetime | None = None) -> str:
    """Return an ISO instant as "20 Nov, 06:10" in the box's time zone; with the year when it is not this one."""
    return "–" if value is None else f"{day(value, today=today)}, {_local(datetime.fromisoformat(value)):%H:%M}"


def day(value: str | None, *, today: datetime | None = None) -> str:
    """Return the day of an ISO instant as "20 Nov" in the box's time zone; with the year when it is not this one."""
    if value is None:
        return "–"
    local, now = _local(datetime.fromisoformat(value)), _local(today or clock.now())
    return f"{local.day} {local:%b}" + ("" if local.year == now.year else f" {local.year}")


def last_day(as_of: str | None, *, today: datetime | None = None) -> str:
    """Return the last day before an as-of time, as `day` does: what was known at a midnight are data to the end of the day before."""
    if as_of is None:
        return "–"
    return day((datetime.fromisoformat(as_of) - timedelta(microseconds=1)).isoformat(), today=today)


def local_date(value: str | None) -> str:
    """Return the day of an ISO instant in the box's time zone as it stands in addresses: `2026-11-20`; nothing where there is none."""
    return "" if value is None else _local(datetime.fromisoformat(value)).date().isoformat()


def ago(value: str | None, *, today: datetime | None = None) -> str:
    """Return how long an ISO instant lies back, roughly: "now", "5 min ago", "3 h ago", "6 days ago"; a day from two months on."""
    if value is None:
        return "–"
    seconds = ((today or clock.now()) - datetime.fromisoformat(value)).total_seconds()
    if seconds < 0 or seconds >= _TWO_MONTHS:
        return day(value, today=today)
    for length, word in ((86_400, "day"), (3_600, "h"), (60, "min")):
        count = int(seconds // length)
        if count:
            return f"{count} {word}{'s' if word == 'day' and count > 1 else ''} ago"
    return "now"


def _local(instant: datetime) -> datetime:
    settings: Settings = current_app.config["RETAINSTREAM"]
    return instant.astimezone(ZoneInfo(settings.time_zone))
