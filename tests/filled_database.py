"""One row in every table, made from the tables' own columns, so that a new table is covered on the day it is added."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, BigInteger, Boolean, Column, Float, Integer, LargeBinary, Table

from retainstream.db import Base, unit_of_work

_CHOICES = {
    ("users", "role"): "admin",
    ("invitations", "role"): "viewer",
    ("churn_definitions", "kind"): "labelled_column",
    ("attribute_definitions", "kind"): "number",
    ("import_batches", "state"): "applied",
    ("job_runs", "state"): "succeeded",
    ("scoring_runs", "state"): "complete",
    ("subscriptions", "end_reason"): "voluntary",
    ("findings", "severity"): "info",
    ("exposures", "arm"): "treated",
    ("tasks", "state"): "done",
    ("tasks", "kind"): "call",
    ("tasks", "outcome"): "saved",
    ("analysis_runs", "kind"): "rfm",
    ("analysis_runs", "state"): "complete",
    ("reports", "format"): "csv",
    ("report_files", "state"): "made",
    ("report_files", "holds"): "figures",
    ("identities", "name"): "Filled In",
}


def _value(table: Table, column: Column[Any]) -> object:
    if (table.name, column.name) in _CHOICES:
        return _CHOICES[table.name, column.name]
    if column.foreign_keys:
        return _key(column)
    if isinstance(column.type, JSON):
        return {}
    if isinstance(column.type, Boolean):
        return True
    if isinstance(column.type, Float):
        return 0.5
    if isinstance(column.type, Integer | BigInteger):
        return 1
    if isinstance(column.type, LargeBinary):
        return b"x"
    return "1"


def _key(column: Column[Any]) -> object:
    target = next(iter(column.foreign_keys)).column
    return 1 if isinstance(target.type, Integer | BigInteger) else "1"


def fill() -> None:
    """Insert one row into each table."""
    with unit_of_work() as session:
        for table in Base.metadata.sorted_tables:
            session.execute(table.insert().values({column.name: _value(table, column) for column in table.columns}))
