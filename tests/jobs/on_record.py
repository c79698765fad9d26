"""What is on record of models, scores, judgements, events and jobs, without what may differ between two equal runs: times, and ids of runs and customers."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections import Counter
from typing import Any

import numpy as np
from sqlalchemy import text
from sqlalchemy.orm import Session

from retainstream.config import Settings
from retainstream.db import read_unit
from retainstream.ml.asof.columns import EventLog
from retainstream.services import as_of
from retainstream.services.as_of import cache, reading
from tests.services.events.filing import people_seen, rows_in, statements_seen

_ONCE = ("model.train", "model.promote", "scores.run", "scores.replay", "import.apply")
_TABLES = {
    "versions": "SELECT id, kind, definition_id, feature_set_id, servable, verdict, parameters, report, data_window, seed, calibrated, aborted,"
    " as_of FROM model_versions ORDER BY id",
    "figures": "SELECT model_version_id, subject, name, value, low, high FROM model_metrics ORDER BY 1, 2, 3",
    "importances": "SELECT model_version_id, feature_name, shap_value, share FROM feature_importance ORDER BY 1, 2",
    "openings": "SELECT model_version_id, first_as_of, last_as_of FROM test_openings ORDER BY 1",
    "aliases": "SELECT alias, model_version_id, reason FROM alias_moves ORDER BY id",
    "feeds": "SELECT name, first_occurred_at, last_occurred_at, n_rows FROM feeds ORDER BY id",
    "kinds": "SELECT name FROM event_kinds ORDER BY name",
    "batches": "SELECT id, state, target, counts, warnings, error, upload_name FROM import_batches ORDER BY id",
    "row_errors": "SELECT batch_id, line, code FROM import_row_errors ORDER BY 1, 2",
}
# A second attempt at a load gives its customers other ids.
_NAME = "(SELECT user_id FROM identities AS i WHERE i.customer_id = s.customer_id)"
_OF_RUNS = {
    "history": f"SELECT run_id, {_NAME}, margin, version_id FROM score_history AS s ORDER BY 1, 2",
    "latest": (
        f"SELECT run_id, {_NAME}, margin, probability, p0, p1, percentile, band, predicted, reasons, notices, reason_values"
        " FROM latest_scores AS s ORDER BY 2"
    ),
    "outcomes": f"SELECT run_id, {_NAME}, state, left_at FROM score_outcomes AS s ORDER BY 1, 2",
    "judgements": "SELECT run_id, data_end, metrics FROM run_performance ORDER BY 1",
}
_EVENTS = (
    "SELECT i.user_id, k.name, e.occurred_at, e.value, e.properties FROM events AS e JOIN identities AS i ON i.customer_id = e.customer_id"
    " JOIN event_kinds AS k ON k.id = e.kind_id WHERE e.batch_id IS NULL OR e.batch_id IN (SELECT id FROM import_batches WHERE state = 'applied')"
    " ORDER BY 1, 2, 3, 4, 5"
)
_RUNS = (
    "SELECT id, model_version_id, role, scope, as_of, definition_id, feature_hash, n_scored, summary, histograms, job_id"
    " FROM scoring_runs WHERE state = 'complete' ORDER BY id"
)


def on_record() -> dict[str, Any]:
    """Return everything of the open box that two runs of the same work must share, to the bit. Fails when a part contradicts another."""
    with read_unit() as session:
        found: dict[str, Any] = {name: _rows(session, query) for name, query in _TABLES.items()}
        runs = _rows(session, _RUNS)
        place = {row[0]: number for number, row in enumerate(runs)}
        _no_traces_of_the_dead(session, set(place))
        found["versions"] = [tuple(_untimed(value) for value in row) for row in found["versions"]]
        found["artifacts"] = _artifacts(session)
        found["runs"] = [row[1:] for row in runs]
        for name, query in _OF_RUNS.items():
            found[name] = [(place[row[0]], *row[1:]) for row in _rows(session, query)]
        audited = Counter(row[0] for row in _rows(session, "SELECT action FROM audit_entries"))
        found["audit"] = {verb: audited[verb] for verb in _ONCE}
        found["jobs"] = [
            (number, kind, state, error, _result(result, place))
            for number, kind, state, error, result in _rows(
                session, "SELECT id, kind, state, error, result FROM job_runs ORDER BY id"
            )
        ]
        _consistent(session)
        # A load that does not know when its rows became known takes the moment of its attempt: `received_at` is not compared.
        found["events"] = _rows(session, _EVENTS)
    found["statements"] = [row[:-1] for row in statements_seen()]
    found["people"], found["counts"] = people_seen(), rows_in("events", "subscriptions", "customers")
    return found


def _rows(session: Session, query: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in session.execute(text(query))]


def _result(written: str | None, place: dict[int, int]) -> Any:
    result = None if written is None else json.loads(written)
    if isinstance(result, dict) and result.get("run_id") is not None:
        result["run_id"] = place[result["run_id"]]
    return result


def _untimed(value: Any) -> Any:
    """Return a training's report without how long each part took."""
    if isinstance(value, str) and '"timings"' in value:
        return {key: part for key, part in json.loads(value).items() if key != "timings"}
    return value


def _artifacts(session: Session) -> list[tuple[Any, ...]]:
    """Return what is in each artifact, and check that it is the one that its version names."""
    query = "SELECT v.id, v.artifact_sha256, a.sha256, a.data FROM model_versions AS v JOIN model_artifacts AS a ON a.model_version_id = v.id"
    found: list[tuple[Any, ...]] = []
    for version, named, noted, data in _rows(session, query + " ORDER BY v.id"):
        assert named == noted == hashlib.sha256(data).hexdigest()
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            parts = {name: packed.read(name) for name in packed.namelist()}
        manifest = json.loads(parts.pop("manifest.json"))
        manifest["manifest"]["report"].pop("timings")
        manifest.pop("sha256", None)
        found.append((version, manifest, parts))
    return found


def _no_traces_of_the_dead(session: Session, complete: set[int]) -> None:
    """No run is left running, and nothing is there of runs that are not complete; outcomes stand beside figures only."""
    states = dict(_rows(session, "SELECT state, COUNT(*) FROM scoring_runs GROUP BY state"))
    assert "running" not in states, states
    for table in ("score_history", "latest_scores", "score_outcomes", "run_performance"):
        seen = {row[0] for row in _rows(session, f"SELECT DISTINCT run_id FROM {table}")}
        assert seen <= complete, f"{table} holds rows of runs {seen - complete} that are not complete"
    half = _rows(
        session, "SELECT DISTINCT run_id FROM score_outcomes WHERE run_id NOT IN (SELECT run_id FROM run_performance)"
    )
    assert not half, f"runs {half} have outcomes without figures"
    versions = _rows(session, "SELECT job_id, COUNT(*) FROM model_versions GROUP BY job_id HAVING COUNT(*) > 1")
    assert not versions, f"a training made several versions: {versions}"
    runs = _rows(
        session,
        "SELECT job_id, COUNT(*) FROM scoring_runs WHERE state = 'complete' GROUP BY job_id HAVING COUNT(*) > 1",
    )
    assert not runs, f"a job made several runs that count: {runs}"
    orphans = _rows(
        session,
        "SELECT id FROM model_versions WHERE servable AND id NOT IN (SELECT model_version_id FROM model_artifacts)",
    )
    assert not orphans, f"versions {orphans} may be served and have no artifact"


def _consistent(session: Session) -> None:
    """Each run's history is as long as it says, and the scores in force are one run's, equal to its history."""
    for run, said, there in _rows(
        session,
        "SELECT r.id, r.n_scored, (SELECT COUNT(*) FROM score_history AS h WHERE h.run_id = r.id) FROM scoring_runs AS r"
        " WHERE r.state = 'complete'",
    ):
        assert said == there, f"run {run} says {said} and has {there}"
    strangers = _rows(
        session,
        "SELECT l.customer_id FROM latest_scores AS l LEFT JOIN score_history AS h ON h.run_id = l.run_id AND h.customer_id = l.customer_id"
        " WHERE h.margin IS NULL OR h.margin <> l.margin",
    )
    assert not strangers, f"scores in force of customers {strangers} are not in the history"
    newest = _rows(session, "SELECT MAX(id) FROM scoring_runs WHERE state = 'complete' AND role = 'champion'")[0][0]
    assert {row[0] for row in _rows(session, "SELECT DISTINCT run_id FROM latest_scores")} <= {newest}


def differences(one: dict[str, Any], two: dict[str, Any]) -> list[str]:
    """Return which parts differ, and the first place in each."""
    told = []
    for name, first in one.items():
        second = two[name]
        if first == second:
            continue
        if isinstance(first, list):
            at = next(
                (i for i, (a, b) in enumerate(zip(first, second, strict=False)) if a != b), min(len(first), len(second))
            )
            told.append(
                f"{name} ({len(first)}, {len(second)}) at {at}: {str(first[at : at + 1])[:300]} | {str(second[at : at + 1])[:300]}"
            )
        else:
            told.append(f"{name}: {str(first)[:300]} | {str(second)[:300]}")
    return told


def columns_are_true(settings: Settings) -> int:
    """Check that history through the column cache equals the tables to the bit, and that the folder then holds nothing torn; returns its files."""
    with read_unit() as session:
        cached = as_of.history(session, settings).events
        plain = EventLog.of(reading.read_events(session, reading.kinds(session), tuple(cached.properties)))
        there = as_of.history(session, settings, customer_ids=[]).customers
        assert not len(there)
        visible = np.array([row[0] for row in session.execute(text(_VISIBLE))], np.int64)
    plain = plain.take(np.isin(plain.customer, visible))
    assert cached.kinds == plain.kinds
    for name in ("customer", "kind", "occurred", "received", "value", "order"):
        first, second = getattr(cached, name), getattr(plain, name)
        assert first.dtype == second.dtype and first.tobytes() == second.tobytes(), name
    for name, codes in plain.properties.items():
        assert cached.properties[name].tobytes() == codes.tobytes(), name
    folder = settings.instance_path / cache.FOLDER
    if not folder.is_dir():
        return 0
    files = {path.name for path in folder.iterdir()}
    if files:
        segments = [name for name, _ in json.loads((folder / cache.HEADER).read_text())["segments"]]
        torn = {name for name in files - {cache.HEADER} if not name.startswith(tuple(segments))}
        assert not torn, f"left behind by a dead process: {torn}"
    return len(files)


_VISIBLE = "SELECT id FROM customers WHERE batch_id IS NULL OR batch_id IN (SELECT id FROM import_batches WHERE state = 'applied')"
