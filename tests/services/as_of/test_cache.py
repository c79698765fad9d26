"""The columns on disk: with them and without them, and after whatever comes and goes, the history is equal to the bit."""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as bounded
from hypothesis import strategies as st
from sqlalchemy import delete, select

from retainstream.app import create_minimal_app
from retainstream.config import Settings
from retainstream.db import db, read_unit, unit_of_work
from retainstream.ml.asof.columns import EventLog
from retainstream.models import Customer, Event, Identity, ImportBatch
from retainstream.security.actor import COMMAND
from retainstream.services import as_of
from retainstream.services.as_of import cache, reading
from retainstream.services.customers import erasure
from tests.services.as_of import happened

pytestmark = pytest.mark.usefixtures("minimal_app")
KINDS, DEVICES = ("login", "watch", "purchase"), ("tv", "phone", "", "1", "1.0")


@pytest.fixture(autouse=True)
def _eager(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "WORTH_KEEPING", 1)


def _full(properties: tuple[str, ...] = ("device",)) -> EventLog:
    """Return what the tables say, read without columns on disk."""
    with read_unit() as session:
        log = EventLog.of(reading.read_events(session, reading.kinds(session), properties))
        there = np.array(session.scalars(select(Customer.id).where(Customer.visible())).all(), np.int64)
    return log.take(np.isin(log.customer, there))


def _read(settings: Settings, properties: tuple[str, ...] | None = None) -> EventLog:
    with read_unit() as session:
        return as_of.history(session, settings, properties=properties).events


def _same(one: EventLog, two: EventLog) -> None:
    assert one.kinds == two.kinds and set(one.properties) == set(two.properties)
    for name in ("customer", "kind", "occurred", "received", "value", "order"):
        first, second = getattr(one, name), getattr(two, name)
        assert first.dtype == second.dtype and first.tobytes() == second.tobytes(), name
    for name, codes in two.properties.items():
        assert one.properties[name].tobytes() == codes.tobytes(), name


def _folder(settings: Settings) -> Path:
    return settings.instance_path / cache.FOLDER


def _fill(n: int = 30) -> list[int]:
    with unit_of_work() as session:
        people = [happened.customer(session, f"u{k}") for k in range(3)]
        for k in range(n):
            happened.event(session, people[k % 3], KINDS[k % 3], (7 * k) % 11, value=float(k), device=DEVICES[k % 5])
    return people


class _Box:
    """A box to which things happen, chosen by numbers."""

    def __init__(self, settings: Settings) -> None:
        self.settings, self.made = settings, 0
        self.people: list[int] = []
        self.loads: list[int] = []

    def customer(self, _: int) -> None:
        with unit_of_work() as session:
            self.people.append(happened.customer(session, f"p{self.made}"))
        self.made += 1

    def events(self, choice: int) -> None:
        with unit_of_work() as session:
            for k in range(choice % 4 + 1):
                self._event(session, choice + k, None)

    def load(self, choice: int) -> None:
        """Rows of a new load, or more of one that is not done, between those of others."""
        with unit_of_work() as session:
            if choice % 2 or not self.loads:
                self.loads.append(happened.batch(session))
            load = self.loads[choice % len(self.loads)]
            if session.get_one(ImportBatch, load).state == "applying":
                self._event(session, choice, load)

    def apply(self, choice: int) -> None:
        self._turn(choice, {"applying": "applied"})

    def undo(self, choice: int) -> None:
        self._turn(choice, {"applied": "undoing", "applying": "failed", "undoing": "undone", "failed": "applied"})

    def erase(self, choice: int) -> None:
        if not self.people:
            return
        gone = self.people.pop(choice % len(self.people))
        with unit_of_work() as session:
            user_id = session.get_one(Identity, gone).user_id
            erasure.erase(session, COMMAND, user_id, key=b"k")
        if choice % 2:
            as_of.forget_columns(self.settings)

    def look(self, choice: int) -> None:
        names = [None, ("device",), ("room",), ("device", "room"), ()][choice % 5]
        _same(_read(self.settings, names), _full(("device",) if names is None else names))

    def _event(self, session: db.Session, choice: int, load: int | None) -> None:
        if self.people:
            customer, room = self.people[choice % len(self.people)], {"room": choice % 3} if choice % 2 else {}
            happened.event(
                session, customer, KINDS[choice % 3], choice % 13, late=choice % 5, value=choice / 7 if choice % 3 else None,
                batch_id=load, device=DEVICES[choice % 5], **room,
            )  # fmt: skip

    def _turn(self, choice: int, moves: dict[str, str]) -> None:
        if self.loads:
            load = self.loads[choice % len(self.loads)]
            with unit_of_work() as session:
                state = session.get_one(ImportBatch, load).state
                if state in moves:
                    happened.turn(session, load, moves[state])


@pytest.fixture
def boxes(tmp_path: Path, migrated_file: Path) -> Iterator[Callable[[], _Box]]:
    """A function that makes the test's database empty again and returns what happens to it."""
    settings = Settings(instance=str(tmp_path / "box"), jobs=False)
    with create_minimal_app(settings).app_context():

        def fresh() -> _Box:
            db.engine.dispose()
            shutil.rmtree(settings.instance_path, ignore_errors=True)
            settings.instance_path.mkdir()
            shutil.copy(migrated_file, settings.database_file)
            return _Box(settings)

        yield fresh
        db.engine.dispose()


_STEPS = st.tuples(
    st.sampled_from(["customer", "events", "events", "load", "load", "apply", "undo", "erase", "look", "look"]),
    st.integers(0, 1000),
)


@bounded(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=st.lists(_STEPS, min_size=5, max_size=40))
def test_incremental_and_full_reads_agree(boxes: Callable[[], _Box], steps: list[tuple[str, int]]) -> None:
    box = boxes()
    box.customer(0)
    for name, choice in steps:
        getattr(box, name)(choice)
    box.look(0)
    box.look(0)


def test_only_new_rows_are_read_and_old_ones_come_from_disk(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = _fill()
    _same(_read(settings), _full())
    asked: list[int] = []
    plain = reading.read_events

    def watched(*args: object, **options: int) -> EventLog:
        asked.append(options["after"])
        return plain(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(cache, "read_events", watched)
    with unit_of_work() as session:
        newest = happened.event(session, people[0], "watch", 3)
    for after in (newest - 1, newest):
        _same(_read(settings), _full())
        assert asked.pop() == after


def test_many_segments_become_one(settings: Settings) -> None:
    people = _fill(400)
    _read(settings)
    most = 0
    for k in range(2 * cache.MOST_SEGMENTS):
        with unit_of_work() as session:
            happened.event(session, people[k % 3], "login", k % 5)
        _same(_read(settings), _full())
        most = max(most, len(list(_folder(settings).glob("*.0.npy"))))
    assert 1 < most <= cache.MOST_SEGMENTS


def test_files_are_their_owners_alone(settings: Settings) -> None:
    _fill()
    _read(settings)
    files = [*_folder(settings).iterdir(), settings.instance_path / cache.LOCK]
    assert len(files) > 7 and {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert stat.S_IMODE(_folder(settings).stat().st_mode) == 0o700


@pytest.mark.parametrize("harm", ["short", "gone", "header", "longer", "old"])
def test_a_torn_cache_is_made_anew(settings: Settings, harm: str) -> None:
    _fill()
    _read(settings)
    folder = _folder(settings)
    one, header = next(folder.glob("*.2.npy")), folder / cache.HEADER
    if harm == "short":
        one.write_bytes(one.read_bytes()[:-9])
    elif harm == "gone":
        one.unlink()
    elif harm == "header":
        header.write_text(header.read_text()[:40])
    elif harm == "longer":
        header.write_text(header.read_text().replace(", 30]", ", 31]"))
    else:
        header.write_text(header.read_text().replace('"format": 1', '"format": 0'))
    before = header.read_text()
    _same(_read(settings), _full())
    assert header.read_text() != before
    assert not one.exists()


def test_another_database_in_the_same_place_is_noticed(settings: Settings, migrated_file: Path) -> None:
    _fill()
    _read(settings)
    db.engine.dispose()
    shutil.copy(migrated_file, settings.database_file)  # the same file by its number
    with unit_of_work() as session:
        ada = happened.customer(session, "ada")
        for k in range(40):
            happened.event(session, ada, KINDS[k % 3], k)
    _same(_read(settings), _full())


def test_who_cannot_write_reads_all_the_same(settings: Settings) -> None:
    people = _fill()
    _read(settings)
    before = sorted(path.name for path in _folder(settings).iterdir())
    with unit_of_work() as session:
        happened.event(session, people[1], "watch", 2)
    handle = os.open(settings.instance_path / cache.LOCK, os.O_WRONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        _same(_read(settings), _full())
    finally:
        os.close(handle)
    assert sorted(path.name for path in _folder(settings).iterdir()) == before


def test_a_session_that_began_earlier_sees_what_it_saw(settings: Settings) -> None:
    people = _fill()
    _read(settings)
    before = _full()
    with read_unit() as old:
        old.scalar(select(Event.id).limit(1))
        connection = db.engine.raw_connection()
        try:
            cursor = connection.cursor()
            cursor.execute(
                "INSERT INTO events (customer_id, kind_id, feed_id, occurred_at, received_at, key)"
                " SELECT customer_id, kind_id, feed_id, occurred_at, received_at, randomblob(16) FROM events"
            )
        finally:
            connection.close()
        header = cache._load(old, settings, reading.kinds(old), ("device",))
        assert header is not None
        _same(as_of.history(old, settings).events, before)
    assert len(people) == 3 and len(_read(settings)) == 60


def test_whoever_is_erased_while_columns_are_written_is_not_in_them(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = _fill()
    plain = cache._probes

    def erased_meanwhile(log: EventLog) -> tuple[tuple[int, int, int, int], ...]:
        connection = db.engine.raw_connection()
        try:
            cursor = connection.cursor()
            cursor.execute("DELETE FROM customers WHERE id = ?", (people[1],))
            cursor.execute(
                "INSERT INTO revisions (name, value) VALUES ('removals', 1) ON CONFLICT DO UPDATE SET value = value + 1"
            )
        finally:
            connection.close()
        as_of.forget_columns(settings)
        return plain(log)

    monkeypatch.setattr(cache, "_probes", erased_meanwhile)
    _read(settings)
    assert list(_folder(settings).glob("*.npy")) == [] and not (_folder(settings) / cache.HEADER).exists()
    monkeypatch.setattr(cache, "_probes", plain)
    assert people[1] not in _read(settings).customer
    assert people[1] not in np.load(next(_folder(settings).glob("*.0.npy")))


def test_nothing_of_an_erased_person_stays_after_the_next_read(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "_PROBES", 1)  # the counter alone must tell
    people = _fill()
    _read(settings)
    with unit_of_work() as session:
        erasure.erase(session, COMMAND, "u1", key=b"k")
    assert people[1] not in _read(settings).customer
    held = [np.load(path) for path in _folder(settings).glob("*.0.npy")]
    assert held and all(people[1] not in column for column in held)
    as_of.forget_columns(settings)
    assert list(_folder(settings).iterdir()) == []
    as_of.forget_columns(settings)


def test_what_a_kill_in_the_middle_of_an_erasure_left_is_removed_at_the_start(settings: Settings) -> None:
    _fill()
    _read(settings)
    held = {path.name for path in _folder(settings).iterdir()}
    with read_unit() as session:
        as_of.forget_outdated_columns(session, settings)
    assert {path.name for path in _folder(settings).iterdir()} == held != set()
    with unit_of_work() as session:
        erasure.erase(session, COMMAND, "u1", key=b"k")
    with read_unit() as session:
        as_of.forget_outdated_columns(session, settings)
    assert list(_folder(settings).iterdir()) == []
    (_folder(settings) / "torn.0.npy").write_bytes(b"half a column")
    with read_unit() as session:
        as_of.forget_outdated_columns(session, settings)
    assert list(_folder(settings).iterdir()) == []


def test_customers_whose_import_was_taken_back_are_not_there(settings: Settings) -> None:
    people = _fill()
    _read(settings)
    with unit_of_work() as session:
        session.execute(
            delete(Customer).where(Customer.id == people[2])
        )  # their events go with them, and no counter moves
    _same(_read(settings), _full())
    assert people[2] not in _read(settings).customer
