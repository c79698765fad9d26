"""Which encoding a text file has. Decided on the whole file, so that no later line can contradict it."""

from __future__ import annotations

import codecs
from dataclasses import dataclass

from retainstream.lib.tabular.contracts import TableError
from retainstream.lib.tabular.unpacking import Source

_BLOCK = 1 << 20
_CONTROL = bytes(code for code in range(32) if code not in b"\t\n\r\f\x1a\x1b") + b"\x7f"
_CP1252_UNUSED = b"\x81\x8d\x8f\x90\x9d"
_BINARY = "The file is binary data and not text: send a CSV, JSON or xlsx table."


@dataclass(frozen=True)
class Encoding:
    """Name for Python's codecs, whether it is a guess, and the number of unpacked bytes."""

    name: str
    guessed: bool
    unpacked_bytes: int


def detect_encoding(source: Source) -> Encoding:
    """Tell the encoding of an unpacked file by reading all of it once, in blocks.

    UTF-8 and UTF-16 are proven (a mark at the start, or every byte fits). What fits neither is read as Windows-1252, or as
    Latin-1 where a byte has no meaning in Windows-1252; both are guesses and are marked so.

    Raises
    ------
    TableError
        For binary data, damaged UTF-16, and everything that unpacking can raise.
    """
    head = source.head
    name = _marked_encoding(head)
    if name is None:
        sample = head[:8192]
        if b"\x00" in head or sum(sample.count(code) for code in _CONTROL) > len(sample) * 0.02:
            raise TableError(_BINARY)
    decoder = codecs.getincrementaldecoder(name or "utf-8")("strict")
    valid, only_latin, size = True, False, 0
    with source.open() as stream:
        while block := stream.read(_BLOCK):
            size += len(block)
            if valid:
                try:
                    decoder.decode(block)
                except UnicodeDecodeError:
                    valid = False
            only_latin = only_latin or any(code in block for code in _CP1252_UNUSED)
    if valid:
        try:
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            valid = False
    if valid:
        return Encoding(name or "utf-8", False, size)
    if name is not None and name.startswith("utf-16"):
        raise TableError("The file starts as UTF-16 text but is damaged further on; send it again or save it as UTF-8.")
    return Encoding("latin-1" if only_latin else "cp1252", True, size)


def _marked_encoding(head: bytes) -> str | None:
    if head.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    pairs = len(head[:4096]) // 2
    if pairs >= 4:
        even, odd = head[0 : 2 * pairs : 2], head[1 : 2 * pairs : 2]
        if odd.count(0) > 0.7 * pairs and even.count(0) == 0:
            return "utf-16-le"
        if even.count(0) > 0.7 * pairs and odd.count(0) == 0:
            return "utf-16-be"
    return None
