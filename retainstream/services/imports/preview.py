"""The dry run: what an import would do, without writing anything. Also the checks that a request makes before it queues an import."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from retainstream.config import Settings
from retainstream.errors import ConfirmationNeeded, Conflict, InvalidInput, UnsupportedMedia
from retainstream.lib import clock
from retainstream.lib.identifiers import keyed_hash
from retainstream.lib.tabular import Table, TableError, open_table
from retainstream.models import ChurnDefinition, ErasureEntry
from retainstream.services import attributes
from retainstream.services.imports.badrows import BadRow
from retainstream.services.imports.casting import Caster
from retainstream.services.imports.files import limits
from retainstream.services.imports.learning import Answer, Learnt, learn
from retainstream.services.imports.mapping import Mapping
from retainstream.services.imports.reading import RowReader, mapping_from, wanted_attributes
from retainstream.services.imports.rows import Rows
from retainstream.services.imports.writing import Writer

WHOLE_BYTES = 8 * 1024 * 1024
HEAD_ROWS = 20_000
SHOWN_ERRORS = 20
SHOWN_ROWS = 10
_CHUNK = 5_000


@dataclass(frozen=True)
class Preview:
    """What an import would do.

    Attributes
    ----------
    complete : bool
        False when only the first 20,000 rows of a large file were read; counts then cover these.
    counts : dict
        rows, good, bad, duplicates; with a database also new, changed, unchanged and erased.
    errors : list of dict
        The first 20 errors of rows.
    """

    filename: str
    table: Table
    learnt: Learnt
    complete: bool
    counts: dict[str, int]
    errors: list[dict[str, Any]]
    sample: list[dict[str, str | None]]
    conflict: Conflict | None = None

    @property
    def mapping(self) -> Mapping:
        """The mapping, proposed or as sent."""
        return self.learnt.mapping

    def to_dict(self) -> dict[str, Any]:
        """Return the API's form."""
        return {
            "filename": self.filename,
            "format": self.table.format,
            "encoding": self.table.encoding or None,
            "delimiter": self.table.delimiter,
            "complete": self.complete,
            "mapping": self.mapping.to_dict(),
            "counts": self.counts,
            "base_rate": None if self.learnt.base_rate is None else round(self.learnt.base_rate, 6),
            "warnings": self.learnt.warnings,
            "errors": self.errors,
            "sample": self.sample,
            "confirmation_needed": [item["code"] for item in self.learnt.questions],
        }

    def require_answers(self) -> None:
        """Raise what keeps the import from being queued.

        Raises
        ------
        Conflict
            When an attribute cannot live beside the one on record.
        ConfirmationNeeded
            While a person has to say which way round the label is, or which it is; `detail` holds the preview's facts.
        """
        if self.conflict is not None:
            raise self.conflict
        if not self.learnt.questions:
            return
        first = self.learnt.questions[0]
        facts = {key: value for key, value in self.to_dict().items() if key not in ("sample", "errors")}
        hint = (
            "Send a mapping that names the label."
            if first["code"] == "ambiguous_label"
            else "Send label=confirm or label=flip."
        )
        raise ConfirmationNeeded(f"{first['message']} {hint}", detail={"preview": facts})


def preview(
    path: Path,
    filename: str,
    settings: Settings,
    mapping: object | None = None,
    *,
    label: Answer | None = None,
    known_at_time: bool | None = None,
    session: Session | None = None,
) -> Preview:
    """Read a file, or the head of a large one, and say what an import of it would do. Writes nothing.

    Parameters
    ----------
    mapping : JSON object, optional
        As an earlier preview proposed it, edited or not.
    session : Session, optional
        Of a reading unit; with it the rows are also compared with the customers on record.

    Raises
    ------
    UnsupportedMedia
        When the file is not a table that can be read.
    InvalidInput
        When the mapping does not fit the file.
    """
    conflict: Conflict | None = None
    try:
        table = open_table(path, limits(settings))
        whole = table.unpacked_size <= WHOLE_BYTES or table.format == "xlsx"
        if not whole:
            table = table.head(HEAD_ROWS)
        given = None if mapping is None else mapping_from(mapping, table.columns)
        if label == "flip" and given is not None and given.label is None:
            raise InvalidInput(
                "There is no label to turn round in this mapping.", fields={"label": ["needs a mapping with a label"]}
            )
        learnt = learn(table, clock.now_us(), mapping=given, label=label)
        if known_at_time is not None:
            learnt = replace(learnt, mapping=replace(learnt.mapping, known_at_time=known_at_time))
        if session is not None:
            conflict = _conflict(session, learnt.mapping)
        counts, errors = _try_rows(table, learnt.mapping, settings, None if conflict else session)
        sample = _sample(table)
    except TableError as error:
        raise UnsupportedMedia(str(error), fields={"file": [str(error)]}) from error
    except UnicodeEncodeError as error:
        message = (
            "The file holds escapes (\\ud800 to \\udfff) that stand for no character: mend them and send it again."
        )
        raise UnsupportedMedia(message, fields={"file": [message]}) from error
    if conflict is not None:
        learnt = replace(learnt, warnings=[*_as_warnings(conflict), *learnt.warnings])
    return Preview(filename, table, learnt, whole, counts, errors, sample, conflict)


def _conflict(session: Session, mapping: Mapping) -> Conflict | None:
    try:
        attributes.check(session, wanted_attributes(mapping))
    except Conflict as found:
        return found
    return None


def _as_warnings(conflict: Conflict) -> list[dict[str, Any]]:
    """Return an attribute conflict as warnings, so that a dry run shows it beside the mapping that has to be edited."""
    return [
        {
            "code": "kind_conflict",
            "severity": "serious",
            "column": name,
            "message": sentences[0],
            "detail": {},
            "needs_confirmation": True,
        }
        for name, sentences in conflict.fields.items()
    ]


def _try_rows(
    table: Table, mapping: Mapping, settings: Settings, session: Session | None
) -> tuple[dict[str, int], list[dict[str, Any]]]:
    caster = Caster(mapping, table.columns)
    reader = RowReader(mapping, settings.currency, clock.now_us())
    writer = _comparer(session, mapping) if session is not None else None
    key = settings.resolved_secret_key().encode()
    counts = {"rows": 0, "good": 0, "bad": 0, "duplicates": 0, "erased": 0}
    bad: list[BadRow] = []
    for chunk in table.chunks(_CHUNK):
        cast = caster.cast(chunk)
        rows, refused = reader.rows(cast)
        found = [*cast.bad_rows, *refused]
        counts["bad"] += len(found)
        counts["good"] += len(rows) + cast.exact_duplicates
        counts["duplicates"] += cast.exact_duplicates
        bad.extend(found[: SHOWN_ERRORS - len(bad)])
        if writer is not None and session is not None:
            allowed = without_erased(session, rows, key)
            counts["erased"] += len(rows) - len(allowed)
            writer.compare(session, allowed)
    counts["rows"] = counts["good"] + counts["bad"]
    if writer is not None:
        counts |= {"new": writer.tally.new, "changed": writer.tally.changed, "unchanged": writer.tally.unchanged}
    errors = [
        {
            "line": error.line,
            "column": error.column,
            "value": error.value,
            "expected": error.expected,
            "code": error.code,
        }
        for row in bad
        for error in row.errors
    ]
    return counts, errors[:SHOWN_ERRORS]


def _comparer(session: Session, mapping: Mapping) -> Writer:
    label = mapping.label
    definition = None
    if label is not None:
        query = select(ChurnDefinition.id).where(
            ChurnDefinition.name == label.name[:100], ChurnDefinition.kind == "labelled_column"
        )
        # An id that no label has: every label is then a new one.
        definition = session.scalar(query) or 0
    return Writer(0, attributes.resolve(session, wanted_attributes(mapping)), definition, clock.now_us())


def without_erased(session: Session, rows: Rows, key: bytes) -> Rows:
    """Leave out people who asked to be erased; the ledger knows them by a keyed hash only."""
    ledger = set(session.scalars(select(ErasureEntry.keyed_hash)))
    if not ledger:
        return rows
    return rows.take([index for index, user_id in enumerate(rows.user_ids) if keyed_hash(key, user_id) not in ledger])


def _sample(table: Table) -> list[dict[str, str | None]]:
    chunk = next(iter(table.chunks(SHOWN_ROWS)), None)
    if chunk is None:
        return []
    rows = islice(zip(*chunk.columns, strict=True), SHOWN_ROWS)
    return [dict(zip(table.columns, row, strict=True)) for row in rows]
