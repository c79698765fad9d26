"""Columns of events on disk, in the folder `columns` of the instance: a box with millions of events reads only those that are new.

Disposable: whoever finds it torn, or of another database, reads the tables and makes it anew. It holds events of no unfinished load, and
none at all from before something was taken away. Segments are sorted by (occurred, order) and never change; a header names those that
count, and its renaming is the moment at which a change happens.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import select
from sqlalchemy.orm import Session

from retainstream.config import Settings
from retainstream.lib.identifiers import new_id
from retainstream.ml.asof.columns import EventLog
from retainstream.models import Event, ImportBatch
from retainstream.services import revisions
from retainstream.services.as_of import facts
from retainstream.services.as_of.reading import Kinds, read_events

FOLDER, LOCK, HEADER = "columns", "columns.lock", "header.json"
FORMAT = 1
WORTH_KEEPING = 20_000
"""New rows for which a file is worth its while; fewer are read in the time that it takes to open one."""
MOST_SEGMENTS = 8
_COLUMNS = ("customer", "kind", "occurred", "received", "value", "order")
_PROBES = 64

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class View:
    """What a session sees that columns on disk must agree with.

    Attributes
    ----------
    database : str
        The file of the database, by its place and its number in the file system.
    removals : int
        The counter of what was taken away.
    hidden : tuple of int
        Loads that are not applied.
    newest_load : int
        Loads after this one were not there; `loads` is a digest of those that were.
    kinds : tuple of str
        Names of the kinds of event, by which their codes are known.
    """

    database: str
    removals: int
    hidden: tuple[int, ...]
    newest_load: int
    loads: str
    kinds: tuple[str, ...]


@dataclass(frozen=True)
class Header:
    """What the columns on disk hold: every visible event up to `last_id`, with these properties.

    `probes` are some of the rows as (id, customer, occurred, received): a copy of the database that was put in its place has others.
    """

    view: View
    properties: tuple[str, ...]
    last_id: int
    segments: tuple[tuple[str, int], ...]
    probes: tuple[tuple[int, int, int, int], ...]
    format: int = FORMAT


@dataclass(frozen=True)
class _Held:
    header: Header
    parts: list[EventLog]


def read(session: Session, settings: Settings, known: Kinds, properties: Sequence[str]) -> EventLog:
    """Return all events that are visible to a session, sorted by (occurred, order); what is new is kept for the next time.

    One process at a time keeps; another one that comes meanwhile, and one that cannot write here, reads all the same.
    """
    folder = settings.instance_path / FOLDER
    held = _load(session, settings, known, properties)
    # Made anew, they hold what this box counts beside what was asked for, so that two wishes do not turn each other out.
    carried = (
        tuple(sorted({*properties, *facts.counted_properties(session)})) if held is None else held.header.properties
    )
    after = 0 if held is None else held.header.last_id
    fresh = read_events(session, known, carried, after=after)
    log = joined([*([] if held is None else held.parts), fresh], known.names)
    with _turn(settings) as mine, contextlib.suppress(OSError):
        if mine:
            _sweep(folder, held)
            if len(fresh) >= WORTH_KEEPING:
                _keep(session, settings, known, held, log, carried)
    return replace(log, properties={name: log.properties[name] for name in properties})


def parts(session: Session, settings: Settings, known: Kinds, properties: Sequence[str]) -> list[EventLog]:
    """Return the same events as `read` in several logs, each sorted, and nothing copied that lies on disk; nothing is kept, either."""
    held = _load(session, settings, known, properties)
    fresh = read_events(session, known, properties, after=0 if held is None else held.header.last_id)
    kept = [] if held is None else held.parts
    narrow = [replace(part, properties={name: part.properties[name] for name in properties}) for part in kept]
    return [*narrow, EventLog.of(fresh)]


def lacking(session: Session, settings: Settings, known: Kinds, properties: Sequence[str]) -> int:
    """Return how many events, at most, a reader would have to take from the tables."""
    held = _load(session, settings, known, properties)
    newest = session.scalar(select(Event.id).order_by(Event.id.desc()).limit(1)) or 0
    return newest - (0 if held is None else held.header.last_id)


def forget(settings: Settings) -> None:
    """Remove all columns from the disk. Whoever is writing some just now removes them again: see `_keep`."""
    folder = settings.instance_path / FOLDER
    with contextlib.suppress(FileNotFoundError):
        for path in [folder / HEADER, *folder.iterdir()]:
            path.unlink(missing_ok=True)


def forget_outdated(session: Session, settings: Settings) -> None:
    """Remove columns from before something was taken away, and what no header names: a process may have died between an erasure and `forget`."""
    folder = settings.instance_path / FOLDER
    try:
        counted = _parsed((folder / HEADER).read_text()).view.removals
    except (OSError, ValueError, KeyError, TypeError):
        counted = None
    if counted != revisions.read(session)["removals"]:
        forget(settings)


def view_of(session: Session, settings: Settings, known: Kinds) -> View:
    """Return what a session sees."""
    file = settings.database_file
    found = session.execute(select(ImportBatch.id, ImportBatch.state, ImportBatch.created_at).order_by(ImportBatch.id))
    loads = [(row.id, row.state, row.created_at) for row in found]
    return View(
        database=f"{file}:{file.stat().st_ino}",
        removals=revisions.read(session)["removals"],
        hidden=tuple(load for load, state, _ in loads if state != "applied"),
        newest_load=loads[-1][0] if loads else 0,
        loads=_digest([(load, made) for load, _, made in loads]),
        kinds=known.names,
    )


def _load(session: Session, settings: Settings, known: Kinds, properties: Sequence[str]) -> _Held | None:
    """Return what is on disk when it is whole, and a part of what this session sees; else None."""
    folder = settings.instance_path / FOLDER
    try:
        header = _parsed((folder / HEADER).read_text())
        if not set(properties) <= set(header.properties) or not _agrees(session, settings, known, header):
            return None
        parts = [_segment(folder, name, rows, header, known.names) for name, rows in header.segments]
    except (OSError, ValueError, KeyError, TypeError, EOFError):
        return None
    return _Held(header, parts)


def _agrees(session: Session, settings: Settings, known: Kinds, header: Header) -> bool:
    was, now = header.view, view_of(session, settings, known)
    if (was.database, was.removals) != (now.database, now.removals) or known.names[: len(was.kinds)] != was.kinds:
        return False
    if {load for load in now.hidden if load <= was.newest_load} - set(was.hidden):
        return False
    loads = select(ImportBatch.id, ImportBatch.created_at).where(ImportBatch.id <= was.newest_load)
    if _digest([tuple(row) for row in session.execute(loads.order_by(ImportBatch.id))]) != was.loads:
        return False
    columns = (Event.id, Event.customer_id, Event.occurred_at, Event.received_at)
    rows = session.execute(select(*columns).where(Event.id.in_([probe[0] for probe in header.probes])))
    return {tuple(row) for row in rows} == set(header.probes)


def _keep(
    session: Session, settings: Settings, known: Kinds, held: _Held | None, log: EventLog, carried: tuple[str, ...]
) -> None:
    """Write what is new as one more segment, or everything as one when there are many or most is new.

    A person may be erased while this session still sees them. The erasure is committed before `forget` runs, so either this call sees its
    counter move and removes what it wrote, or `forget` comes after the header and removes it.
    """
    folder = settings.instance_path / FOLDER
    after = 0 if held is None else held.header.last_id
    stop = _first_hidden(session, after)
    kept = log if stop is None else log.take(log.order < stop)
    new = int((kept.order > after).sum())
    if not new:
        return
    folder.mkdir(mode=0o700, exist_ok=True)
    if held is None or len(held.parts) >= MOST_SEGMENTS or 4 * new > len(kept):
        segments: tuple[tuple[str, int], ...] = (_write(folder, kept, carried),)
    else:
        segments = (*held.header.segments, _write(folder, kept.take(kept.order > after), carried))
    view = view_of(session, settings, known)
    header = Header(view, carried, int(kept.order.max()), segments, _probes(kept))
    path = folder / f"{new_id()}.json"
    with _private(path) as file:
        file.write(json.dumps(asdict(header)).encode())
    path.rename(folder / HEADER)
    if revisions.glance()[revisions.NAMES.index("removals")] != view.removals:
        forget(settings)
    else:
        _sweep(folder, _Held(header, []))


def _first_hidden(session: Session, after: int) -> int | None:
    """Return the id of the first event of a load that may be applied yet: what comes after it is not kept, so that nothing is passed over."""
    waiting = select(ImportBatch.id).where(ImportBatch.state.not_in(("applied", "undone")))
    if not (loads := session.scalars(waiting).all()):
        return None
    query = select(Event.id).where(Event.id > after, Event.batch_id.in_(loads)).order_by(Event.id).limit(1)
    return session.scalar(query)


def joined(parts: list[EventLog], names: tuple[str, ...]) -> EventLog:
    """Return parts with rising, separate ranges of ids as one log, sorted. A single one that is sorted is not copied."""
    full = [part for part in parts if len(part)] or parts[-1:]
    if len(full) == 1:
        log = replace(full[0], kinds=names)
    else:
        columns = {name: np.concatenate([getattr(part, name) for part in full]) for name in _COLUMNS}
        coded = {name: np.concatenate([part.properties[name] for part in full]) for name in full[0].properties}
        log = EventLog(**columns, kinds=names, properties=coded)
    if bool((log.occurred[1:] >= log.occurred[:-1]).all()) and len(full) == 1:
        return log
    # Ids rise among rows of one instant, in each part and from part to part, so a stable sort leaves them so.
    return log.take(np.argsort(log.occurred, kind="stable"))


def _segment(folder: Path, name: str, rows: int, header: Header, kinds: tuple[str, ...]) -> EventLog:
    """Return a segment, read as it is used; raises ValueError for one that is not whole."""
    columns: list[Array] = []
    for place in range(len(_COLUMNS) + len(header.properties)):
        column = np.load(folder / f"{name}.{place}.npy", mmap_mode="r", allow_pickle=False)
        if column.shape != (rows,):
            raise ValueError("a column is not as long as its header says")
        columns.append(column.view(np.ndarray))
    plain = dict(zip(_COLUMNS, columns, strict=False))
    return EventLog(
        **plain, kinds=kinds, properties=dict(zip(header.properties, columns[len(_COLUMNS) :], strict=True))
    )


def _write(folder: Path, log: EventLog, carried: tuple[str, ...]) -> tuple[str, int]:
    """Write a segment under a new name; nobody reads it before a header names it."""
    name = new_id()
    columns = [*(getattr(log, column) for column in _COLUMNS), *(log.properties[column] for column in carried)]
    for place, column in enumerate(columns):
        with _private(folder / f"{name}.{place}.npy") as file:
            np.lib.format.write_array(file, column, allow_pickle=False)
    return name, len(log)


def _probes(log: EventLog) -> tuple[tuple[int, int, int, int], ...]:
    places = {*np.linspace(0, len(log) - 1, _PROBES, dtype=np.int64).tolist(), int(log.order.argmax())}
    columns = (log.order, log.customer, log.occurred, log.received)
    return tuple((int(a[at]), int(b[at]), int(c[at]), int(d[at])) for at in sorted(places) for a, b, c, d in [columns])


def _sweep(folder: Path, held: _Held | None) -> None:
    """Remove whatever does not count: of another database, from before something was taken away, or left by a process that died."""
    if not folder.is_dir():
        return
    named = () if held is None else tuple(name for name, _ in held.header.segments)
    for path in folder.iterdir():
        if not (path.name.startswith(named) if named else False) and (held is None or path.name != HEADER):
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def _turn(settings: Settings) -> Iterator[bool]:
    """Yield whether this process may write; the lock goes with the file's handle, so no crash leaves it behind."""
    try:
        handle = os.open(settings.instance_path / LOCK, os.O_WRONLY | os.O_CREAT, 0o600)
    except OSError:
        yield False
        return
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            mine = True
        except OSError:
            mine = False
        yield mine
    finally:
        os.close(handle)


@contextlib.contextmanager
def _private(path: Path) -> Iterator[Any]:
    """Open a new file that only its owner may read; it is on the disk when the block is left, before any header names it."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        yield file
        file.flush()
        os.fsync(handle)


def _digest(facts: list[Any]) -> str:
    return hashlib.sha256(repr(facts).encode()).hexdigest()


def _parsed(text: str) -> Header:
    """Return a header; raises KeyError, TypeError or ValueError for one of another form."""
    data = json.loads(text)
    if data["format"] != FORMAT:
        raise ValueError("columns of another version of the product")
    view: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in data["view"].items()
    }
    return Header(
        View(**view),
        tuple(data["properties"]),
        int(data["last_id"]),
        tuple((str(name), int(rows)) for name, rows in data["segments"]),
        tuple((int(a), int(b), int(c), int(d)) for a, b, c, d in data["probes"]),
    )
