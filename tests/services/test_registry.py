"""The registry: verified bytes, dated moves, and what may be put into service."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from retainstream.db import read_unit, unit_of_work
from retainstream.errors import Conflict, NotFound, NotReady
from retainstream.lib import clock
from retainstream.ml.features import FeatureSpec
from retainstream.models import AliasMove, AuditEntry, ChurnDefinition, ModelArtifact, ModelVersion
from retainstream.security.actor import SYSTEM
from retainstream.services import registry, revisions

FEATURES = (FeatureSpec("a", "number", "A"), FeatureSpec("b", "category", "B"))


def _version(session: Session, *, servable: bool = True) -> int:
    if session.get(ChurnDefinition, 1) is None:
        session.add(ChurnDefinition(id=1, name="churn", version=1, kind="labelled_column", created_at=clock.now_us()))
        session.flush()
    version = ModelVersion(
        definition_id=1, feature_set_id=registry.store_feature_set(session, FEATURES).id, servable=servable,
        verdict={"ok": servable, "code": "x", "message": "There is nothing to learn.", "needs": {}}, parameters={}, report={},
        data_window={}, seed=0, calibrated=True, artifact_sha256="ab" * 32 if servable else None, libraries={}, trained_at=clock.now_us(),
    )  # fmt: skip
    return registry.store(session, version, b"bytes" if servable else None).id


def _moves(session: Session) -> list[int | None]:
    return list(session.scalars(select(AliasMove.model_version_id).order_by(AliasMove.id)))


def test_nothing_is_in_service_at_first(minimal_app: Flask) -> None:
    assert minimal_app
    assert registry.warm() is False
    with read_unit() as session:
        assert registry.champion(session) is None
        with pytest.raises(NotReady):
            registry.required_champion(session)


@pytest.mark.usefixtures("minimal_app")
def test_moves_are_rows_and_the_newest_counts() -> None:
    with unit_of_work() as session:
        one, two = _version(session), _version(session)
        assert registry.promote(session, SYSTEM, one, "first model") is True
        assert registry.promote(session, SYSTEM, two) is True
        assert registry.promote(session, SYSTEM, two) is False
    with read_unit() as session:
        champion = registry.champion(session)
        assert champion is not None
        assert champion.version_id == two
        assert _moves(session) == [one, two]
        assert revisions.read(session)["model"] == 4
        assert session.scalars(select(AuditEntry.target_id)).all() == [str(one), str(two)]


@pytest.mark.usefixtures("minimal_app")
def test_rollback_goes_to_the_champion_before_and_back_again() -> None:
    with unit_of_work() as session:
        one, two = _version(session), _version(session)
        with pytest.raises(Conflict, match="no earlier model"):
            registry.rollback(session, SYSTEM)
        registry.promote(session, SYSTEM, one)
        with pytest.raises(Conflict, match="no earlier model"):
            registry.rollback(session, SYSTEM)
        registry.promote(session, SYSTEM, two)
        assert registry.rollback(session, SYSTEM) == one
        assert registry.rollback(session, SYSTEM) == two
        assert _moves(session) == [one, two, one, two]


@pytest.mark.usefixtures("minimal_app")
def test_a_refused_version_is_never_in_service() -> None:
    with unit_of_work() as session:
        one, refused = _version(session), _version(session, servable=False)
        registry.promote(session, SYSTEM, one)
        with pytest.raises(Conflict, match="nothing to learn"):
            registry.promote(session, SYSTEM, refused)
        with pytest.raises(Conflict, match="refused"):
            registry.load(session, refused)
        with pytest.raises(NotFound):
            registry.promote(session, SYSTEM, 99)
        with pytest.raises(NotFound):
            registry.load(session, 99)
        assert _moves(session) == [one]


@pytest.mark.usefixtures("minimal_app")
def test_damaged_bytes_are_refused_before_they_are_read() -> None:
    with unit_of_work() as session:
        one = _version(session)
        with pytest.raises(Conflict, match=f"version {one} cannot be loaded"):
            registry.load(session, one)
        session.delete(session.get_one(ModelArtifact, one))
        session.flush()
        with pytest.raises(Conflict, match="missing"):
            registry.load(session, one)


@pytest.mark.usefixtures("minimal_app")
def test_the_same_features_share_one_set() -> None:
    with unit_of_work() as session:
        first = registry.store_feature_set(session, FEATURES)
        assert registry.store_feature_set(session, FEATURES).id == first.id
        assert registry.store_feature_set(session, FEATURES[::-1]).id != first.id
