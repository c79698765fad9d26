"""Settings come from the environment only, and a wrong one stops the start with its name."""

from __future__ import annotations

import stat
from dataclasses import fields
from pathlib import Path

import pytest

from retainstream.app import create_minimal_app
from retainstream.config import PREFIX, ROOT, Settings, SettingsError, configuration_table, load_settings
from retainstream.db import db


def test_an_empty_environment_gives_the_defaults() -> None:
    assert load_settings({"PATH": "/bin"}) == Settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("JOBS", "maybe"),
        ("ACCESS_MINUTES", "-5"),
        ("ACCESS_MINUTES", "fifteen"),
        ("LIMIT_LOGIN", "often"),
        ("CORS_ORIGINS", "*"),
        ("TIME_ZONE", "Middle/Earth"),
        ("TIME_ZONE", "../etc/passwd"),
        ("CURRENCY", "euro"),
        ("SECRET_KEY", "short"),
        ("DATABASE_URL", "postgresql://localhost/x"),
        ("DATABASE_URL", "sqlite:///:memory:"),
        ("LOG_LEVEL", "shout"),
        ("TYPO", "1"),
    ],
)
def test_a_wrong_value_names_its_variable(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=PREFIX + name):
        load_settings({PREFIX + name: value})


def test_values_are_read(tmp_path: Path) -> None:
    settings = load_settings(
        {
            "RETAINSTREAM_INSTANCE": str(tmp_path),
            "RETAINSTREAM_CORS_ORIGINS": "https://a.example.com, http://localhost:3000",
            "RETAINSTREAM_SECURE_COOKIES": "yes",
            "RETAINSTREAM_LIMIT_LOGIN": "5 per 1 hour",
        }
    )
    assert settings.database_file == tmp_path / "retainstream.db"
    assert settings.cors_origins == ("https://a.example.com", "http://localhost:3000")
    assert settings.secure_cookies and settings.limit_login == "5 per 1 hour"


def test_a_relative_database_lies_where_it_is_opened(tmp_path: Path) -> None:
    settings = Settings(instance=str(tmp_path / "box"), database_url="sqlite:///inner.db")
    app = create_minimal_app(settings)
    with app.app_context():
        opened = db.engine.url.database
        db.engine.dispose()
    assert settings.database_file == Path(str(opened)) == tmp_path / "box" / "inner.db"
    assert not Path("inner.db").exists()


def test_the_secret_key_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    settings = Settings(instance=str(tmp_path / "new"))
    key = settings.resolved_secret_key()
    file = tmp_path / "new" / "secret_key"
    assert len(key) >= 32
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert Settings(instance=str(tmp_path / "new")).resolved_secret_key() == key


def test_the_readme_shows_the_configuration_table_of_the_code() -> None:
    readme = (ROOT / "README.md").read_text()
    assert configuration_table() in readme, (
        "run: python -c 'from retainstream.config import *; print(configuration_table())'"
    )
    for item in fields(Settings):
        assert f"{PREFIX}{item.name.upper()}" in readme
