"""Uploads on disk: received as a stream into a mode-600 file with a random name, found again by a job, and thrown away after use."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from sqlalchemy import select
from sqlalchemy.orm import Session

from retainstream.config import PREFIX, Settings
from retainstream.errors import TooLarge
from retainstream.lib import clock
from retainstream.lib.identifiers import new_id
from retainstream.lib.tabular import TableLimits
from retainstream.models import ImportBatch

MADE_HERE = "demo"
"""The source of a batch whose file the box made itself; no request can name it."""
_BLOCK = 1 << 20
_MB = 1024 * 1024
_CELL_CEILING = 131_072  # where the CSV parser itself stops
_NAME_LENGTH = 200
_NO_LIMIT = 1 << 40
_ORPHAN_AFTER_US = clock.DAY_US


@dataclass(frozen=True)
class Upload:
    """A received file: `name` is random and unique in the uploads folder, `filename` is what its sender called it."""

    name: str
    path: Path
    filename: str
    sha256: str
    size_bytes: int


def folder(settings: Settings) -> Path:
    """Return the folder of uploads, made on first use for its owner only."""
    path = settings.instance_path / "uploads"
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def receive(stream: BinaryIO, filename: str, settings: Settings) -> Upload:
    """Write a stream to the uploads folder, hashing on the way.

    Raises
    ------
    TooLarge
        When it is larger than `import_max_mb`; nothing stays on disk then.
    """
    name = new_id()
    path = folder(settings) / name
    digest, size = hashlib.sha256(), 0
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as target:
            while block := stream.read(_BLOCK):
                size += len(block)
                if size > settings.import_max_mb * _MB:
                    raise TooLarge(f"The file is larger than the limit of {settings.import_max_mb:,} MB.")
                digest.update(block)
                target.write(block)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return Upload(name, path, tidy_filename(filename), digest.hexdigest(), size)


def allowed(settings: Settings, source: str) -> Settings:
    """Return the settings by which a file is taken: the limits on what people send do not hold for one that the box made itself."""
    if source != MADE_HERE:
        return settings
    return replace(settings, import_max_mb=_NO_LIMIT, import_max_unpacked_mb=_NO_LIMIT, import_max_rows=_NO_LIMIT)


def tidy_filename(filename: str) -> str:
    """Return a sender's file name without folders and control characters, cut to 200 characters; it names nothing on this disk."""
    base = re.split(r"[/\\]", filename)[-1]
    return "".join(char for char in base if char.isprintable())[:_NAME_LENGTH].strip() or "upload"


def path_of(settings: Settings, name: str) -> Path:
    """Return where an upload lies, whether or not it is still there."""
    return folder(settings) / Path(name).name


def discard(settings: Settings, name: str | None) -> None:
    """Remove an upload; one that is gone already is fine."""
    if name:
        with contextlib.suppress(OSError):
            path_of(settings, name).unlink()


def limits(settings: Settings) -> TableLimits:
    """Return the limits on tables that the settings ask for; a refusal names the setting that decides."""
    own_ceiling = settings.import_max_cell > _CELL_CEILING
    return TableLimits(
        max_bytes=settings.import_max_mb * _MB,
        max_unpacked_bytes=max(settings.import_max_unpacked_mb, settings.import_max_mb) * _MB,
        max_columns=settings.import_max_columns,
        max_cell_length=min(settings.import_max_cell, _CELL_CEILING),
        max_rows=settings.import_max_rows,
        columns_hint=f", the limit of {PREFIX}IMPORT_MAX_COLUMNS",
        cell_hint="" if own_ceiling else f", the limit of {PREFIX}IMPORT_MAX_CELL",
    )


def sweep(session: Session, settings: Settings) -> int:
    """Remove uploads older than a day that no waiting or running import needs, such as those of a request that was cut off; return how many."""
    needed = set(session.scalars(select(ImportBatch.upload_name).where(ImportBatch.state.in_(("queued", "applying")))))
    before = (clock.now_us() - _ORPHAN_AFTER_US) / 1_000_000
    removed = 0
    for path in folder(settings).iterdir():
        with contextlib.suppress(OSError):
            if path.is_file() and path.name not in needed and path.stat().st_mtime < before:
                path.unlink()
                removed += 1
    return removed
