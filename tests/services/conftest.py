"""Boxes that services are tested on: a champion trained on 500 customers, and the same with everybody scored."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import func, select

from retainstream.app import create_minimal_app
from retainstream.config import Settings
from retainstream.db import db, read_unit, unit_of_work
from retainstream.models import Customer
from tests.population import FRAME, populate
from tests.work import run_job


@pytest.fixture(scope="session")
def templates(tmp_path_factory: pytest.TempPathFactory, migrated_file: Path) -> dict[str, Path]:
    """Two database files, made once and copied: a champion trained on 500 customers, and the same with everybody scored."""
    settings = Settings(instance=str(tmp_path_factory.mktemp("templates")), bcrypt_cost=4, jobs=False, train_trials=1)
    shutil.copy(migrated_file, settings.database_file)
    found = {}
    with create_minimal_app(settings).app_context():
        with unit_of_work() as session:
            populate(session, FRAME)
        result = run_job(settings, "train", {"score": False})
        assert result["servable"], result["verdict"]
        for name in ("trained", "scored"):
            if name == "scored":
                run_job(settings, "score", {})
            found[name] = settings.instance_path / f"{name}.db"
            with unit_of_work() as session:
                assert session.scalar(select(func.count()).select_from(Customer)) == len(FRAME)
            db.engine.dispose()  # the last connection to go folds the write-ahead log into the file
            shutil.copy(settings.database_file, found[name])
    return found


def _ids() -> list[int]:
    with read_unit() as session:
        return list(session.scalars(select(Customer.id).order_by(Customer.id)))


@pytest.fixture
def people(minimal_app: Flask, settings: Settings, templates: dict[str, Path]) -> list[int]:
    """500 customers and a champion that was trained on them; nobody is scored yet."""
    assert minimal_app
    shutil.copy(templates["trained"], settings.database_file)
    return _ids()


@pytest.fixture
def scored(minimal_app: Flask, settings: Settings, templates: dict[str, Path]) -> list[int]:
    """The same, with everybody scored once."""
    assert minimal_app
    shutil.copy(templates["scored"], settings.database_file)
    return _ids()
