"""What a load of events, orders or subscriptions would do: the mapping, what there is to know, and what would become of the rows. Writes nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from retainstream.config import Settings
from retainstream.errors import ConfirmationNeeded, InvalidInput, UnsupportedMedia
from retainstream.lib import clock
from retainstream.lib.tabular import Table, TableError, open_table
from retainstream.services.events import hints
from retainstream.services.events.advice import advise, ambiguous_dates
from retainstream.services.events.comparing import Comparer, as_read, times
from retainstream.services.events.loading import (
    COUNTED,
    ROW_WARNINGS,
    Repeats,
    about_rows,
    read_table,
    reader_for,
)
from retainstream.services.events.mapping import MOMENTS, EventColumn, EventMapping, Target, mapping_from
from retainstream.services.events.proposal import blanks_of, propose
from retainstream.services.events.rows import LONGEST_FEED, kind_name
from retainstream.services.imports.badrows import BadRow
from retainstream.services.imports.columns import ColumnReader
from retainstream.services.imports.files import limits
from retainstream.services.imports.profile import TableProfile, profile_table
from retainstream.services.imports.values import Blanks

WHOLE_BYTES = 8 * 1024 * 1024
HEAD_ROWS = 20_000
SETTLING_ROWS = 2_000_000
SHOWN_ERRORS = 20
SHOWN_ROWS = 10
_CHUNK = 5_000
_NOT_UNICODE = "The file holds escapes (\\ud800 to \\udfff) that stand for no character: mend them and send it again."


@dataclass(frozen=True)
class Asked:
    """What a person says about a file beside its mapping.

    Attributes
    ----------
    kind : str or None
        Of every event of a file that does not say what happened.
    feed : str or None
        The source of the rows; by default one for each target.
    unknown : "create" or "skip"
    known_at_time : bool or None
        None takes what the mapping says.
    """

    kind: str | None = None
    feed: str | None = None
    unknown: str = "create"
    known_at_time: bool | None = None


@dataclass(frozen=True)
class EventPreview:
    """What a load would do.

    Attributes
    ----------
    complete : bool
        False when only the first 20,000 rows of a large file were read; counts then cover these.
    counts : dict
        rows, good, bad, no_customer; the good ones by fate: accepted, duplicate, unknown_customer, erased; late, future, new_customers, repeated.
    samples : list of dict
        The first rows as they would be kept.
    """

    filename: str
    table: Table
    profile: TableProfile
    mapping: EventMapping
    complete: bool
    counts: dict[str, int]
    warnings: list[dict[str, Any]]
    errors: list[dict[str, Any]]
    sample: list[dict[str, str | None]]
    samples: list[dict[str, Any]]

    @property
    def questions(self) -> list[dict[str, Any]]:
        """The warnings that a load has to wait for."""
        return [item for item in self.warnings if item["needs_confirmation"]]

    @property
    def lasting_warnings(self) -> list[dict[str, Any]]:
        """The warnings about the file and its mapping; those about its rows are told afresh by the job, which reads all of them."""
        return [item for item in self.warnings if item["code"] not in ROW_WARNINGS]

    def to_dict(self) -> dict[str, Any]:
        """Return the API's form."""
        return {
            "filename": self.filename,
            "target": self.mapping.target,
            "format": self.table.format,
            "encoding": self.table.encoding or None,
            "delimiter": self.table.delimiter,
            "complete": self.complete,
            "mapping": self.mapping.to_dict(),
            "counts": self.counts,
            "warnings": self.warnings,
            "errors": self.errors,
            "sample": self.sample,
            "as_read": self.samples,
            "confirmation_needed": [item["code"] for item in self.questions],
        }

    def require_answers(self) -> None:
        """Raise ConfirmationNeeded while no column is known for what a load cannot do without."""
        if self.questions:
            facts = {key: value for key, value in self.to_dict().items() if key not in ("sample", "as_read", "errors")}
            raise ConfirmationNeeded(str(self.questions[0]["message"]), detail={"preview": facts})


def _check(asked: Asked) -> None:
    """Raise InvalidInput for a name that no source, or no kind, can have."""
    name = asked.feed
    if name is not None and not (0 < len(name) <= LONGEST_FEED and name.isprintable() and name == name.strip()):
        expected = f"1 to {LONGEST_FEED} printable characters, without spaces around them"
        raise InvalidInput("The source is not as expected.", fields={"source": [expected]})
    if asked.kind is not None and kind_name(asked.kind) is None:
        expected = "small letters, digits and underscores, at most 64, with a letter first"
        raise InvalidInput("The kind is not as expected.", fields={"kind": [expected]})


def preview(
    path: Path,
    filename: str,
    settings: Settings,
    target: Target,
    asked: Asked,
    mapping: object | None = None,
    *,
    session: Session | None = None,
) -> EventPreview:
    """Read a file, or the head of a large one, and say what a load of it would do.

    Parameters
    ----------
    mapping : JSON object, optional
        As an earlier preview proposed it, edited or not.
    session : Session, optional
        Of a reading unit; with it rows are compared with what is on record.

    Raises
    ------
    UnsupportedMedia
        When the file is not a table that can be read.
    InvalidInput
        When the mapping or what was asked does not fit the file.
    """
    now = clock.now_us()
    _check(asked)
    try:
        whole_table = table = open_table(path, limits(settings))
        complete = table.unpacked_size <= WHOLE_BYTES or table.format == "xlsx"
        if not complete:
            table = table.head(HEAD_ROWS)
        profile = profile_table(table, blanks_of(target))
        if not complete:
            profile = _look_further(whole_table, profile, blanks_of(target))
        if mapping is not None:
            found = mapping_from(mapping, target, table.columns)
        else:
            found = _proposed(profile, target, asked, now, None if complete else whole_table)
        if asked.known_at_time is not None:
            found = replace(found, known_at_time=asked.known_at_time)
        warned = advise(profile, found)
        if any(item.needs_confirmation for item in warned):
            counts, errors, samples = (
                {"rows": profile.rows + profile.ragged},
                list[dict[str, Any]](),
                list[dict[str, Any]](),
            )
        else:
            counts, errors, samples = _try_rows(table, found, settings, asked, now, session)
            warned += about_rows(counts, found)
        sample = _sample(table)
    except TableError as error:
        raise UnsupportedMedia(str(error), fields={"file": [str(error)]}) from error
    except UnicodeEncodeError as error:
        raise UnsupportedMedia(_NOT_UNICODE, fields={"file": [_NOT_UNICODE]}) from error
    warnings = [item.to_dict() for item in warned]
    return EventPreview(filename, whole_table, profile, found, complete, counts, warnings, errors, sample, samples)


def _look_further(table: Table, profile: TableProfile, blanks: Blanks) -> TableProfile:
    """Read on in a large file whose head leaves columns empty, until each of them holds something.

    A file of subscriptions in the order of their starts has no end at its head.
    """
    waiting = {column.position for column in profile.columns if not column.filled}
    columns, rows = list(profile.columns), 0
    for chunk in table.chunks(_CHUNK * 4) if waiting else ():
        for at in sorted(waiting):
            if any(text is not None and not blanks(text) for text in set(chunk.columns[at])):
                reader = ColumnReader(blanks)
                reader.add(chunk, at)
                columns[at] = reader.finish(at, columns[at].name, columns[at].original)
                waiting.discard(at)
        rows += len(chunk)
        if not waiting or rows >= SETTLING_ROWS:
            break
    return replace(profile, columns=tuple(columns))


def _proposed(profile: TableProfile, target: Target, asked: Asked, now: int, rest: Table | None) -> EventMapping:
    """Propose a mapping from the head of a file, or from all of it; `rest` is the whole table where only its head was learnt."""
    found = propose(profile, target, now, None if asked.kind is None else kind_name(asked.kind))
    doubtful = {column.name for column in found.columns if ambiguous_dates(profile, column)}
    return found if rest is None or not doubtful else _settle_dates(rest, found, doubtful)


def _settle_dates(table: Table, mapping: EventMapping, doubtful: set[str]) -> EventMapping:
    """Read on in a large file whose head does not tell day from month, until a date does."""
    columns = list(mapping.columns)
    waiting = {at: column for at, column in enumerate(columns) if column.name in doubtful and column.role in MOMENTS}
    rows = 0
    for chunk in table.chunks(_CHUNK * 4):
        for at, column in list(waiting.items()):
            texts = sorted({text for text in chunk.columns[at] if text and text.strip()})
            settled = _settled(texts, column)
            if settled is not None:
                columns[at] = replace(column, format=settled)
                del waiting[at]
        rows += len(chunk)
        if not waiting or rows >= SETTLING_ROWS:
            break
    return replace(mapping, columns=tuple(columns))


def _settled(texts: Sequence[str], column: EventColumn) -> str | None:
    """Return which of day first and month first reads some texts; None while both do, or neither."""
    fitting = [form for form in ("dmy", "mdy") if hints.reads_all(texts, form)]
    return fitting[0] if len(fitting) == 1 and column.format in ("dmy", "mdy") else None


def _try_rows(
    table: Table, mapping: EventMapping, settings: Settings, asked: Asked, now: int, session: Session | None
) -> tuple[dict[str, int], list[dict[str, Any]], list[dict[str, Any]]]:
    reader, repeats = reader_for(mapping, table, settings, now), Repeats()
    comparer = (
        None
        if session is None
        else Comparer(session, mapping, asked.feed, asked.unknown, settings.resolved_secret_key().encode())
    )
    counts: Counter[str] = Counter()
    bad: list[BadRow] = []
    samples: list[dict[str, Any]] = []
    for chunk, read, _ in read_table(table, reader, _CHUNK):
        repeats.add(chunk)
        counts["rows"] += len(chunk) + len(chunk.ragged)
        counts["bad"] += len(read.bad_rows)
        counts["no_customer"] += read.no_customer
        bad.extend(read.bad_rows[: SHOWN_ERRORS - len(bad)])
        counts.update(times(read.rows, now))
        if comparer is not None:
            counts.update(comparer.compare(read.rows))
        if len(samples) < SHOWN_ROWS:
            samples += as_read(read.rows, SHOWN_ROWS - len(samples))
    counts["good"] = counts["rows"] - counts["bad"]
    counts["repeated"] = repeats.count()
    errors = [
        {"line": one.line, "column": one.column, "value": one.value, "expected": one.expected, "code": one.code}
        for row in bad
        for one in row.errors
    ]
    told = dict.fromkeys(() if comparer is None else COUNTED, 0) | counts
    return told, errors[:SHOWN_ERRORS], samples


def _sample(table: Table) -> list[dict[str, str | None]]:
    chunk = next(iter(table.chunks(SHOWN_ROWS)), None)
    if chunk is None:
        return []
    rows = islice(zip(*chunk.columns, strict=True), SHOWN_ROWS)
    return [dict(zip(table.columns, row, strict=True)) for row in rows]
