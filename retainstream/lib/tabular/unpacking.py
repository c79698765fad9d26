"""From a path to a stream of plain bytes: gz and zip unpacked within limits, and files that are no table named as what they are."""

from __future__ import annotations

import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast

from retainstream.lib.tabular.contracts import TableError, TableLimits

Packing = Literal["none", "gz", "zip", "xlsx"]

HEAD_BYTES = 65_536
_BLOCK = 1 << 20

_SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF8", "a GIF picture"),
    (b"%PDF-", "a PDF document"),
    (b"SQLite format 3\x00", "an SQLite database"),
    (b"PAR1", "a Parquet file"),
    (b"ARROW1", "an Arrow or Feather file"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    (b"Obj\x01", "an Avro file"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel or Word file (save it as .xlsx or CSV)"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive (send the table itself, or gz or zip)"),
    (b"Rar!\x1a\x07", "a rar archive (send the table itself, or gz or zip)"),
    (b"BZh", "a bzip2 file (send the table itself, or gz or zip)"),
    (b"\xfd7zXZ\x00", "an xz file (send the table itself, or gz or zip)"),
    (b"\x28\xb5\x2f\xfd", "a zstd file (send the table itself, or gz or zip)"),
    (b"\x7fELF", "a program"),
    (b"MZ\x90", "a program"),
)
_MARKUP = (b"<!doctype html", b"<html", b"<head", b"<body", b"<table", b"<script")
_DAMAGED = (OSError, zlib.error, zipfile.BadZipFile, lzma.LZMAError, NotImplementedError, RuntimeError, ValueError)


class _Bounded(io.RawIOBase):
    """Reads through, counts what was unpacked, and turns every way of being damaged into one sentence."""

    def __init__(self, source: BinaryIO, limit: int, packing: Packing) -> None:
        super().__init__()
        self._source, self._limit, self._packing, self._seen = source, limit, packing, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer)
        try:
            data = self._source.read(len(view))
        except EOFError as error:
            raise TableError(
                f"The {self._packing} file is cut off: it ends before its data does; send it again."
            ) from error
        except _DAMAGED as error:
            raise TableError(f"The {self._packing} file is damaged and can't be unpacked; send it again.") from error
        self._seen += len(data)
        if self._seen > self._limit:
            raise TableError(f"Unpacked, the file is larger than the limit of {in_words(self._limit)}.")
        view[: len(data)] = data
        return len(data)


class Source:
    """One file as sent, with its packing known.

    Raises
    ------
    TableError
        When the file is empty, larger than the limit, no table at all, or an archive that does not hold exactly one file.
    """

    def __init__(self, path: Path, limits: TableLimits) -> None:
        self.path, self.limits = path, limits
        try:
            with path.open("rb") as stream:
                start = stream.read(8)
            self.size = path.stat().st_size
        except OSError as error:
            raise TableError("The file can't be found or read.") from error
        if self.size == 0:
            raise TableError("The file is empty.")
        if self.size > limits.max_bytes:
            raise TableError(f"The file is larger than the limit of {in_words(limits.max_bytes)}.")
        self._member: str | None = None
        self.packing: Packing = self._find_packing(start)
        if self.packing != "xlsx":
            self.head = self._read_head()
            refuse_what_is_no_table(self.head)

    def _find_packing(self, start: bytes) -> Packing:
        if start[:2] == b"\x1f\x8b":
            return "gz"
        return self._look_into_zip() if start[:4] in (b"PK\x03\x04", b"PK\x05\x06") else "none"

    def _look_into_zip(self) -> Packing:
        try:
            with zipfile.ZipFile(self.path) as archive:
                members = [item for item in archive.infolist() if not _is_clutter(item)]
        except _DAMAGED as error:
            raise TableError("The zip file is damaged and can't be unpacked; send it again.") from error
        names = {item.filename for item in members}
        if "xl/workbook.xml" in names:
            return "xlsx"
        if "[Content_Types].xml" in names or "mimetype" in names:
            raise TableError("The file is an office document and not a table: save the table as .xlsx or CSV.")
        if len(members) != 1:
            found = "no file" if not members else f"{len(members)} files"
            raise TableError(f"The zip file holds {found}: send a zip with exactly one file.")
        if members[0].flag_bits & 0x1:
            raise TableError("The zip file is locked with a password: send it without.")
        self._member = members[0].filename
        return "zip"

    def _read_head(self) -> bytes:
        with self.open() as stream:
            return stream.read(HEAD_BYTES)

    @contextmanager
    def open(self) -> Iterator[io.BufferedReader]:
        """Open the unpacked bytes; reading raises TableError above the limit or when the packing is damaged."""
        limit = self.limits.max_unpacked_bytes
        with self.path.open("rb") as raw:
            if self.packing == "gz":
                inner: BinaryIO = cast(BinaryIO, gzip.GzipFile(fileobj=raw))
            elif self.packing == "zip":
                try:
                    archive = zipfile.ZipFile(raw)
                    inner = cast(BinaryIO, archive.open(str(self._member)))
                except (KeyError, *_DAMAGED) as error:
                    raise TableError("The zip file is damaged and can't be unpacked; send it again.") from error
            else:
                inner = raw
            yield io.BufferedReader(_Bounded(inner, limit, self.packing), _BLOCK)

    def check_members(self) -> None:
        """Unpack every member of a workbook once, to nowhere, so that a bomb is met here and not inside the reader."""
        total = 0
        try:
            with zipfile.ZipFile(self.path) as archive:
                for item in archive.infolist():
                    with archive.open(item) as member:
                        while block := member.read(_BLOCK):
                            total += len(block)
                            if total > self.limits.max_unpacked_bytes:
                                size = in_words(self.limits.max_unpacked_bytes)
                                raise TableError(f"Unpacked, the file is larger than the limit of {size}.")
        except TableError:
            raise
        except (EOFError, *_DAMAGED) as error:
            raise TableError("The xlsx file is damaged and can't be unpacked; send it again.") from error


def refuse_what_is_no_table(head: bytes) -> None:
    """Raise TableError when the first bytes belong to a known kind of file that is no table."""
    for signature, words in _SIGNATURES:
        if head.startswith(signature):
            raise TableError(f"The file is {words}, not a CSV, JSON or xlsx table.")
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:512]
    if not start and len(head) < HEAD_BYTES:
        raise TableError("The file is empty.")
    if start.lower().startswith(_MARKUP):
        raise TableError("The file is a web page (HTML), not a table: download the data itself.")
    if start.startswith(b"<?xml"):
        raise TableError("The file is XML, not a CSV, JSON or xlsx table.")
    if start.startswith(b"version https://git-lfs.github.com/spec/"):
        raise TableError("The file is only a Git LFS pointer: fetch the real file with `git lfs pull` and send that.")


def in_words(size: int) -> str:
    """Write a number of bytes in the largest unit of which it is a whole number, as a setting would: 2,000 MB, and not 1.953 GB."""
    for unit, factor in (("GB", 1 << 30), ("MB", 1 << 20), ("KB", 1 << 10)):
        if size >= factor and size % factor == 0:
            return f"{size // factor:,} {unit}"
    return f"{size:,} bytes"


def _is_clutter(item: zipfile.ZipInfo) -> bool:
    return item.is_dir() or item.filename.startswith("__MACOSX/") or item.filename.endswith((".DS_Store", "Thumbs.db"))
