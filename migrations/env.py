"""Alembic's entry: runs revisions on the app's own engine, each in one writing transaction."""

from alembic import context
from flask import current_app

from retainstream.db import Base, db

# Made by hand in the revisions, unknown to the metadata, and not to be dropped by a comparison.
OWN_TABLES = ("customer_search",)


def include_object(_object, name, kind, _reflected, _compare_to):
    """Leave the full-text tables out of comparisons."""
    return not (kind == "table" and name.startswith(OWN_TABLES))


def run() -> None:
    """Upgrade or downgrade within the current app."""
    assert current_app
    engine = db.engine.execution_options(retainstream_writes=True)
    with engine.connect() as connection:
        # Batch operations rebuild tables, which must not fire ON DELETE.
        raw = connection.connection.dbapi_connection
        raw.execute("PRAGMA foreign_keys=OFF")
        try:
            context.configure(
                connection=connection,
                target_metadata=Base.metadata,
                render_as_batch=True,
                include_object=include_object,
                compare_type=True,
            )
            with context.begin_transaction():
                context.run_migrations()
            connection.commit()
        finally:
            connection.rollback()
            raw.execute("PRAGMA foreign_keys=ON")


run()
