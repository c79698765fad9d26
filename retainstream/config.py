"""Settings: a frozen dataclass read once from the environment. A wrong or unknown value stops the start and names the variable."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

PREFIX = "RETAINSTREAM_"
ROOT = Path(__file__).resolve().parent.parent


class SettingsError(Exception):
    """A variable of the environment that cannot be used; the message names it and says what was expected."""


def _text(value: str) -> str:
    return value.strip()


def _flag(value: str) -> bool:
    word = value.strip().lower()
    if word in ("1", "true", "yes", "on"):
        return True
    if word in ("0", "false", "no", "off"):
        return False
    raise ValueError("one of 1, 0, true, false, yes, no, on, off")


def _whole(low: int, high: int) -> Callable[[str], int]:
    def parse(value: str) -> int:
        if not re.fullmatch(r"\d{1,12}", value.strip()) or not low <= int(value) <= high:
            raise ValueError(f"a whole number from {low} to {high}")
        return int(value)

    return parse


def _rate(value: str) -> str:
    if not re.fullmatch(r"[1-9]\d{0,8} per [1-9]\d{0,3} (second|minute|hour|day)s?", value.strip()):
        raise ValueError("a rate such as '100 per 15 minutes'")
    return value.strip()


def _origins(value: str) -> tuple[str, ...]:
    origins = tuple(part.strip() for part in value.split(",") if part.strip())
    for origin in origins:
        if not re.fullmatch(r"https?://[A-Za-z0-9.\-\[\]:]+", origin):
            raise ValueError("origins such as https://app.example.com, separated by commas")
    return origins


def _choice(*words: str) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if value.strip().lower() not in words:
            raise ValueError("one of " + ", ".join(words))
        return value.strip().lower()

    return parse


def _zone(value: str) -> str:
    try:
        ZoneInfo(value.strip())
    except (KeyError, ValueError, OSError) as bad:
        raise ValueError("a time zone such as Europe/Berlin") from bad
    return value.strip()


def _currency(value: str) -> str:
    if not re.fullmatch(r"[A-Z]{3}", value.strip()):
        raise ValueError("a currency code such as EUR")
    return value.strip()


def _secret(value: str) -> str:
    if len(value.strip()) < 32:
        raise ValueError("at least 32 characters")
    return value.strip()


def _database_url(value: str) -> str:
    url = value.strip()
    if re.match(r"postgres(ql)?(\+\w+)?://", url):
        raise ValueError("a SQLite address: PostgreSQL is not supported yet")
    if not re.fullmatch(r"sqlite:///.+", url) or ":memory:" in url:
        raise ValueError("a file, such as sqlite:////srv/retainstream/retainstream.db")
    return url


def _setting(default: Any, parse: Callable[[str], Any], doc: str) -> Any:
    return field(default=default, metadata={"parse": parse, "doc": doc})


@dataclass(frozen=True)
class Settings:
    """Everything that the environment may say. Each field is the variable RETAINSTREAM_<NAME>."""

    instance: str = _setting("instance", _text, "Folder of the database, the keys, uploads and the log-in file.")
    database_url: str = _setting(
        "", _database_url, "Database address; empty means retainstream.db in the instance folder."
    )
    secret_key: str = _setting(
        "", _secret, "Signing key; empty means a key made on first start in the instance folder."
    )
    trusted_proxies: int = _setting(
        0, _whole(0, 5), "Number of reverse proxies whose X-Forwarded-* headers are believed."
    )
    secure_cookies: bool = _setting(False, _flag, "Send cookies over HTTPS only; switch on behind TLS.")
    cors_origins: tuple[str, ...] = _setting(
        (), _origins, "Origins whose browsers may call the API, separated by commas."
    )
    open_registration: bool = _setting(False, _flag, "Let anybody register as a viewer.")
    bcrypt_cost: int = _setting(12, _whole(4, 16), "Cost of the password hash.")
    access_minutes: int = _setting(15, _whole(1, 120), "Life of an access token, in minutes.")
    refresh_days: int = _setting(30, _whole(1, 365), "Life of a refresh token, in days.")
    session_days: int = _setting(14, _whole(1, 365), "Life of a browser session, in days.")
    limit_anonymous: str = _setting(
        "100 per 15 minutes", _rate, "API calls by callers who are not signed in, per address."
    )
    limit_signed_in: str = _setting("12000 per 15 minutes", _rate, "API calls by a signed-in caller.")
    limit_login: str = _setting("10 per 15 minutes", _rate, "Log-in tries, per account and per address.")
    import_max_mb: int = _setting(200, _whole(1, 20_000), "Largest upload, in megabytes.")
    import_max_unpacked_mb: int = _setting(
        2_000, _whole(1, 200_000), "Largest unpacked size of a compressed upload, in megabytes."
    )
    import_max_columns: int = _setting(500, _whole(1, 2_000), "Most columns of an imported table.")
    import_max_cell: int = _setting(10_000, _whole(10, 1_000_000), "Longest cell of an imported table, in characters.")
    import_max_rows: int = _setting(5_000_000, _whole(1, 100_000_000), "Most rows of an imported table.")
    jobs: bool = _setting(True, _flag, "Run background jobs in this server; off leaves them queued.")
    job_lease_seconds: int = _setting(
        15, _whole(2, 600), "How long a running job may be silent before another worker takes it over."
    )
    job_threads_day: int = _setting(1, _whole(1, 64), "Threads of a training or scoring job by day.")
    job_threads_night: int = _setting(2, _whole(1, 64), "Threads of a training or scoring job from 22:00 to 06:00.")
    train_trials: int = _setting(25, _whole(1, 500), "Trials of the hyper-parameter search.")
    train_minutes: int = _setting(120, _whole(1, 1440), "A training that takes longer is ended.")
    time_zone: str = _setting("UTC", _zone, "Time zone of calendar reports and schedules.")
    currency: str = _setting("USD", _currency, "Currency of amounts that come without one.")
    log_level: str = _setting(
        "info", _choice("debug", "info", "warning", "error"), "Least severe log line that is written."
    )
    log_format: str = _setting("json", _choice("json", "text"), "Form of the log lines.")

    @property
    def instance_path(self) -> Path:
        """The instance folder as an absolute path; a relative one is taken from the repository's root."""
        path = Path(self.instance).expanduser()
        return path if path.is_absolute() else ROOT / path

    @property
    def resolved_database_url(self) -> str:
        """The database address, with the default filled in."""
        return self.database_url or f"sqlite:///{self.instance_path / 'retainstream.db'}"

    @property
    def database_file(self) -> Path:
        """The SQLite file behind the address; a relative one lies in the instance folder, where Flask-SQLAlchemy opens it."""
        return (self.instance_path / self.resolved_database_url.removeprefix("sqlite:///")).absolute()

    def resolved_secret_key(self) -> str:
        """Return the signing key; made on first use, in a file that only its owner may read."""
        return self.secret_key or secret_file(self.instance_path / "secret_key", lambda: secrets.token_urlsafe(48))


def secret_file(path: Path, make: Callable[[], str]) -> str:
    """Return the text of a mode-600 file, writing it with `make()` when it is absent; safe between processes."""
    import os

    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        fresh = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(make() + "\n")
        try:
            os.link(fresh, path)  # fails when another process was first; then its text counts
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    return path.read_text().strip()


# Read by the Makefile and the launcher, not by the application; listed so that the strict reader knows them.
LAUNCHER_VARIABLES = frozenset({"RETAINSTREAM_TEST_DATA"})


def load_settings(environ: Mapping[str, str]) -> Settings:
    """Return the settings of an environment.

    Raises
    ------
    SettingsError
        For a variable with the prefix that is unknown, or whose value does not parse; names the variable.
    """
    known = {PREFIX + item.name.upper(): item for item in fields(Settings)}
    values: dict[str, Any] = {}
    for name, raw in environ.items():
        if not name.startswith(PREFIX) or name in LAUNCHER_VARIABLES:
            continue
        if name not in known:
            raise SettingsError(f"{name} is not a setting of RetainStream; see the table in the README")
        if raw.strip() == "":
            continue
        item = known[name]
        try:
            values[item.name] = item.metadata["parse"](raw)
        except ValueError as expected:
            raise SettingsError(f"{name} is {raw!r}; expected {expected}") from None
    return Settings(**values)


def configuration_table() -> str:
    """Return the README's Markdown table of all settings."""
    rows = ["| variable | default | meaning |", "| --- | --- | --- |"]
    for item in fields(Settings):
        default = item.default
        shown = (
            {True: "on", False: "off", "": "", (): ""}.get(default, default)
            if not isinstance(default, int) or isinstance(default, bool)
            else default
        )
        rows.append(
            f"| `{PREFIX}{item.name.upper()}` | {f'`{shown}`' if shown != '' else ''} | {item.metadata['doc']} |"
        )
    return "\n".join(rows)
