"""Migrations go up and down on a filled database, and leave what the models say."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from flask import Flask
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError

from retainstream.app import create_minimal_app
from retainstream.config import ROOT, Settings
from retainstream.db import Base, db, read_unit, unit_of_work
from retainstream.extensions import migrate
from tests.filled_database import fill


@pytest.fixture
def fresh(tmp_path: Path) -> Flask:
    """An app on a file that does not exist yet."""
    app = create_minimal_app(Settings(instance=str(tmp_path)))
    migrate.init_app(app, db, directory=str(ROOT / "migrations"), render_as_batch=True)
    return app


def _rows() -> dict[str, int]:
    with read_unit() as session:
        return {
            name: session.execute(text(f'SELECT count(*) FROM "{name}"')).scalar_one() for name in Base.metadata.tables
        }


def test_up_and_down_on_a_filled_database(fresh: Flask) -> None:
    from flask_migrate import downgrade, upgrade

    with fresh.app_context():
        upgrade()
        fill()
        filled = _rows()
        assert all(filled.values()), {name for name, n in filled.items() if not n}
        upgrade()
        assert _rows() == filled
        downgrade(revision="base")
        with read_unit() as session:
            left = set(
                session.execute(text("SELECT name FROM sqlite_master WHERE type IN ('table','trigger')")).scalars()
            )
        assert left <= {"alembic_version", "sqlite_sequence"}
        upgrade()
        came_with_it = {name: n for name, n in _rows().items() if n}
        assert came_with_it == {"settings": 1}, "the salt of the hold-out, and nothing else"


def test_the_migrated_database_is_what_the_models_say(fresh: Flask) -> None:
    from flask_migrate import upgrade

    with fresh.app_context():
        upgrade()
        with db.engine.connect() as connection:
            context = MigrationContext.configure(
                connection,
                opts={
                    "compare_type": True,
                    "include_object": lambda _o, name, *_: not (name or "").startswith("customer_search"),
                },
            )
            assert compare_metadata(context, Base.metadata) == []


def test_the_file_has_the_pragmas_that_must_precede_its_first_table(fresh: Flask) -> None:
    from flask_migrate import upgrade

    with fresh.app_context():
        upgrade()
        with read_unit() as session:
            found = {
                name: session.execute(text(f"PRAGMA {name}")).scalar_one()
                for name in ("auto_vacuum", "page_size", "journal_mode", "foreign_keys")
            }
    assert found == {"auto_vacuum": 2, "page_size": 4096, "journal_mode": "wal", "foreign_keys": 1}


def test_the_audit_trail_cannot_be_changed(minimal_app: Flask) -> None:
    fill()
    for statement in ("UPDATE audit_entries SET action = 'x'", "DELETE FROM audit_entries"):
        with pytest.raises(DatabaseError, match="append-only"), unit_of_work() as session:
            session.execute(text(statement))


def test_search_follows_the_identities(minimal_app: Flask) -> None:
    fill()

    def found(words: str) -> int:
        with read_unit() as session:
            return session.execute(
                text("SELECT count(*) FROM customer_search WHERE customer_search MATCH :w"), {"w": f'"{words}"'}
            ).scalar_one()

    assert found("Filled") == 1
    with unit_of_work() as session:
        session.execute(text("UPDATE identities SET name = 'Somebody Else'"))
    assert found("Filled") == 0 and found("Somebody") == 1
    with unit_of_work() as session:
        session.execute(text("DELETE FROM customers"))
    assert found("Somebody") == 0
