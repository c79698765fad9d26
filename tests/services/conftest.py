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
from tests.history import Past, make_box, make_past
from tests.once import made_once
from tests.population import FRAME, populate
from tests.work import run_job


@pytest.fixture(scope="session")
def templates(tmp_path_factory: pytest.TempPathFactory, migrated_file: Path) -> dict[str, Path]:
    """Two database files, made once and copied: a champion trained on 500 customers, and the same with everybody scored."""
    folder = made_once(tmp_path_factory, "templates", lambda folder: _make_templates(folder, migrated_file))
    return {name: folder / f"{name}.db" for name in ("trained", "scored")}


def _make_templates(folder: Path, migrated_file: Path) -> None:
    settings = Settings(instance=str(folder), bcrypt_cost=4, jobs=False, train_trials=1)
    shutil.copy(migrated_file, settings.database_file)
    with create_minimal_app(settings).app_context():
        with unit_of_work() as session:
            populate(session, FRAME)
        result = run_job(settings, "train", {"score": False})
        assert result["servable"], result["verdict"]
        for name in ("trained", "scored"):
            if name == "scored":
                run_job(settings, "score", {})
            with unit_of_work() as session:
                assert session.scalar(select(func.count()).select_from(Customer)) == len(FRAME)
            db.engine.dispose()  # the last connection to go folds the write-ahead log into the file
            shutil.copy(settings.database_file, folder / f"{name}.db")


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


@pytest.fixture(scope="session")
def past() -> Past:
    """A year of 700 customers; see `tests.history`."""
    return make_past()


@pytest.fixture(scope="session")
def looking_ahead(tmp_path_factory: pytest.TempPathFactory, migrated_file: Path, past: Past) -> dict[str, Path]:
    """Database files, made once and copied: a past with a rule in force, a model that looks ahead trained on it, and everybody scored by it."""
    folder = made_once(tmp_path_factory, "ahead", lambda folder: _look_ahead(folder, migrated_file, past))
    return {name: folder / f"{name}.db" for name in ("past", "trained", "scored")}


def _look_ahead(folder: Path, migrated_file: Path, past: Past) -> None:
    settings = Settings(instance=str(folder), bcrypt_cost=4, jobs=False, train_trials=2)
    shutil.copy(make_box(folder, migrated_file, past), folder / "past.db")
    with create_minimal_app(settings).app_context():
        for name, kind in (("trained", "train"), ("scored", "score")):
            result = run_job(settings, kind, {"score": False} if kind == "train" else {})
            assert result.get("servable", True), result["verdict"]
            db.engine.dispose()
            shutil.copy(settings.database_file, folder / f"{name}.db")


@pytest.fixture
def past_box(minimal_app: Flask, settings: Settings, looking_ahead: dict[str, Path]) -> Settings:
    """Customers with a past and a churn rule in force; no model yet."""
    assert minimal_app
    shutil.copy(looking_ahead["past"], settings.database_file)
    return settings


@pytest.fixture
def ahead_box(minimal_app: Flask, settings: Settings, looking_ahead: dict[str, Path]) -> Settings:
    """The same with a model that looks ahead, and everybody scored by it."""
    assert minimal_app
    shutil.copy(looking_ahead["scored"], settings.database_file)
    return settings
