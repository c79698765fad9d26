"""Loads that a person is still deciding on: the file was received once and stays, with what was found in it and what was said about it so far.

A draft lives beside its upload as a small JSON file and goes with it: when it is loaded, thrown away, or a day after anybody last touched it.
The rows are judged by the same previews that the API answers with; asking, wording and drawing are up to the pages.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from sqlalchemy.orm import Session

from retainstream.config import Settings
from retainstream.errors import ConfirmationNeeded, InvalidInput, NotFound, UnsupportedMedia
from retainstream.lib import clock
from retainstream.lib.tabular import TableError, open_table
from retainstream.models import ImportBatch, JobRun
from retainstream.security.actor import Actor
from retainstream.services.events import preview as event_preview
from retainstream.services.events.guess import likely_target
from retainstream.services.events.hints import moment_of
from retainstream.services.events.loading import ROW_WARNINGS
from retainstream.services.events.mapping import TARGETS, Target
from retainstream.services.imports import batches, files
from retainstream.services.imports import preview as customer_preview
from retainstream.services.imports.columns import ColumnProfile
from retainstream.services.imports.files import Upload
from retainstream.services.imports.labels import find_candidates
from retainstream.services.imports.learning import Answer
from retainstream.services.imports.names import words_of
from retainstream.services.imports.profile import TableProfile, profile_table
from retainstream.services.imports.proposal import read_kind

CUSTOMERS = batches.CUSTOMERS
ALL_TARGETS = (CUSTOMERS, *TARGETS)
HEAD_ROWS = 20_000
SHOWN_VALUES = 12
_SAMPLES = 3
_TOKEN = re.compile(r"[0-9a-f]{32}")
_GONE = "This upload is no longer kept: it was loaded, thrown away, or lay untouched for a day. Choose the file again."
_AMBIGUOUS = "ambiguous_label"


@dataclass(frozen=True)
class Draft:
    """A received file and what is to become of it.

    Attributes
    ----------
    token : str
        Name of the upload, 32 hexadecimal digits.
    owner : int or None
        Number of the person who sent it; nobody else finds it.
    target : str
        One of ``ALL_TARGETS``.
    mapping : dict
        JSON form of the mapping, proposed or edited.
    edited : bool
        Whether a person changed the mapping; if not, the job may refine what the head of a large file suggested.
    answered : bool
        Whether a person said that no column, or which, is the label.
    source, unknown, on_error : str or None, "create" or "skip", "skip" or "reject"
    found : dict
        The preview of this mapping, without the mapping itself.
    columns : list of dict
        Facts of each column: name, samples, filled, blanks, distinct, values with counts where there are few, and how it could be read.
    """

    token: str
    owner: int | None
    filename: str
    sha256: str
    size_bytes: int
    received_at: int
    target: str
    mapping: dict[str, Any] = field(default_factory=dict)
    edited: bool = False
    answered: bool = False
    source: str | None = None
    unknown: str = "create"
    on_error: str = "skip"
    found: dict[str, Any] = field(default_factory=dict)
    columns: list[dict[str, Any]] = field(default_factory=list)

    @property
    def questions(self) -> list[dict[str, Any]]:
        """The warnings that a person must answer before this can be loaded."""
        return [item for item in self.found["warnings"] if item["needs_confirmation"]]


def begin(session: Session, settings: Settings, actor: Actor, upload: Upload, target: str | None = None) -> Draft:
    """Look at a received file and keep it as a draft; it is thrown away when it cannot be read.

    Parameters
    ----------
    session : Session
        Of a reading unit.
    target : str, optional
        What it holds; guessed when absent.

    Raises
    ------
    UnsupportedMedia
        When the file is not a table that can be read.
    """
    try:
        if target is None:
            target = _guessed(settings, upload)
        blank = Draft(
            upload.name, actor.user_id, upload.filename, upload.sha256, upload.size_bytes, clock.now_us(), target
        )
        return check(session, settings, blank)
    except BaseException:
        files.discard(settings, upload.name)
        raise


def find(settings: Settings, actor: Actor, token: str) -> Draft:
    """Return a draft of this person; raises NotFound when it is gone, or is somebody else's."""
    if not _TOKEN.fullmatch(token):
        raise NotFound(_GONE)
    try:
        kept = json.loads(_sheet(settings, token).read_text("utf-8"))
    except (OSError, ValueError) as gone:
        raise NotFound(_GONE) from gone
    if kept.get("owner") != actor.user_id or not files.path_of(settings, token).exists():
        raise NotFound(_GONE)
    return Draft(**kept)


def check(
    session: Session,
    settings: Settings,
    draft: Draft,
    mapping: dict[str, Any] | None = None,
    *,
    label: Answer | None = None,
    kind: str | None = None,
) -> Draft:
    """Look at a draft's file again and keep what was found.

    Parameters
    ----------
    mapping : dict, optional
        As a person edited it; without one the file is read as proposed.
    label : "confirm" or "flip", optional
        A person's answer about which way round the label is.
    kind : str, optional
        Kind of every event, where no mapping is given.

    Raises
    ------
    InvalidInput
        When the mapping does not fit; the draft stays as it was.
    """
    path = files.path_of(settings, draft.token)
    try:
        if draft.target == CUSTOMERS:
            looked = customer_preview.preview(path, draft.filename, settings, mapping, label=label, session=session)
            found, profile = looked.to_dict(), looked.learnt.profile
        else:
            asked = event_preview.Asked(kind, draft.source, draft.unknown)
            seen = event_preview.preview(
                path, draft.filename, settings, cast(Target, draft.target), asked, mapping, session=session
            )
            found, profile = seen.to_dict(), seen.profile
    except FileNotFoundError as gone:
        raise NotFound(_GONE) from gone
    fresh = replace(
        draft,
        mapping=found.pop("mapping"),
        edited=draft.edited or mapping is not None,
        found=found,
        columns=_facts(profile),
    )
    fresh = _still_asking(fresh)
    keep(settings, fresh)
    return fresh


def keep(settings: Settings, draft: Draft) -> None:
    """Write a draft down, and let it live for another day."""
    sheet = _sheet(settings, draft.token)
    fresh = sheet.with_suffix(".new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as target:
        json.dump(asdict(draft), target)
    fresh.replace(sheet)
    with contextlib.suppress(OSError):
        os.utime(files.path_of(settings, draft.token))


@contextmanager
def taken(settings: Settings, draft: Draft) -> Iterator[None]:
    """Take a draft off its place while it is queued, so that a second press finds nothing; it comes back when queueing fails."""
    sheet = _sheet(settings, draft.token)
    aside = sheet.with_suffix(".taken")
    try:
        sheet.rename(aside)
    except OSError as gone:
        raise NotFound(_GONE) from gone
    try:
        yield
    except BaseException:
        aside.rename(sheet)
        raise
    aside.unlink(missing_ok=True)


def queue(session: Session, actor: Actor, draft: Draft) -> tuple[ImportBatch, JobRun]:
    """Queue the load of a draft; call it within `taken`.

    Raises
    ------
    ConfirmationNeeded
        While a person has to answer a question about it.
    """
    if draft.questions:
        raise ConfirmationNeeded(str(draft.questions[0]["message"]))
    customers = draft.target == CUSTOMERS
    told = draft.found["warnings"]
    upload = Upload(draft.token, Path(draft.token), draft.filename, draft.sha256, draft.size_bytes)
    return batches.queue(
        session,
        actor,
        upload,
        draft.mapping,
        on_error=draft.on_error,
        known_at_time=bool(draft.mapping.get("known_at_time")),
        warnings=told if customers else [item for item in told if item["code"] not in ROW_WARNINGS],
        refine=customers and not draft.edited and not draft.found["complete"],
        source="browser",
        target=draft.target,
        options=None if customers else {"feed": draft.source, "unknown": draft.unknown},
    )


def discard(settings: Settings, draft: Draft) -> None:
    """Throw a draft and its file away."""
    _sheet(settings, draft.token).unlink(missing_ok=True)
    files.discard(settings, draft.token)


def _sheet(settings: Settings, token: str) -> Path:
    return files.folder(settings) / f"{token}.draft"


def _guessed(settings: Settings, upload: Upload) -> str:
    try:
        table = open_table(upload.path, files.limits(settings)).head(HEAD_ROWS)
        return likely_target(profile_table(table), clock.now_us())
    except TableError as error:
        raise UnsupportedMedia(str(error), fields={"file": [str(error)]}) from error
    except UnicodeEncodeError:
        return CUSTOMERS  # the preview tells what is wrong with it


def _still_asking(draft: Draft) -> Draft:
    """Keep a question about the label open while nobody answered it: an edit of something else is no answer."""
    if draft.target != CUSTOMERS or draft.answered:
        return draft
    warnings = [
        item | {"needs_confirmation": True} if item["code"] == _AMBIGUOUS else item for item in draft.found["warnings"]
    ]
    return replace(draft, found=draft.found | {"warnings": warnings})


def _facts(profile: TableProfile) -> list[dict[str, Any]]:
    guesses = {item.position: item for item in find_candidates(profile.columns)}
    facts = []
    for column in profile.columns:
        words = words_of(column.name) if profile.has_header else []
        kind, form = read_kind(column, words)
        moment = moment_of(column, frozenset(words) | {"time"})
        guess = guesses.get(column.position)
        facts.append(
            {
                "name": column.name,
                "samples": _samples(column),
                "filled": column.filled,
                "blanks": column.blanks,
                "distinct": column.distinct,
                "distinct_exact": column.distinct_exact,
                "values": [list(pair) for pair in column.counts.items()] if len(column.counts) <= SHOWN_VALUES else [],
                "kind": kind,
                "date_format": form or column.date_format,
                "time_format": moment.format if moment else column.date_format,
                "decimal": column.decimal,
                "point_zeros": bool(column.point_zeros) and column.point_zeros == column.filled,
                "left": list(guess.churned) if guess else [],
            }
        )
    return facts


def _samples(column: ColumnProfile) -> list[str]:
    common = list(column.counts)[:_SAMPLES] if len(column.counts) <= SHOWN_VALUES else []
    return [text[:60] for text in (common or column.samples[:_SAMPLES])]


def require_target(target: str) -> str:
    """Return a target; raises InvalidInput for anything else."""
    if target not in ALL_TARGETS:
        raise InvalidInput("Choose what the file holds.", fields={"target": [f"one of {', '.join(ALL_TARGETS)}"]})
    return target
