"""JSON as a table: one object per line, or one list of objects. Objects inside objects are flattened one level with dots."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from io import TextIOWrapper
from typing import Any, Literal

from retainstream.lib.tabular.contracts import BrokenRecord, Cell, Records, TableError, TableLimits
from retainstream.lib.tabular.unpacking import Source

JsonShape = Literal["lines", "list"]

_MAX_RECORD_CHARS = 8 * 1024 * 1024
_BLOCK = 1 << 18
_PROBE_LINES = 20
_SPACE = " \t\r\n"
# Numbers stay the text that is in the file: an identifier such as 007 or 17850.0 is not rounded or rewritten.
_DECODER = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=str)


def json_shape(source: Source, encoding: str) -> JsonShape | None:
    """Tell whether the text is JSON that can be a table; None for anything else.

    Raises
    ------
    TableError
        For JSON that is no list of objects.
    """
    with source.open() as stream, TextIOWrapper(stream, encoding=encoding) as text:
        head = text.read(4096).lstrip(_SPACE)
        if head.startswith("["):
            after = head[1:].lstrip(_SPACE)
            if after.startswith("]"):
                raise TableError("The JSON list is empty.")
            if after.startswith("{"):
                return "list"
            if after[:1] in set('["0123456789-') or after.startswith(("true", "false", "null")):
                raise TableError(
                    "The JSON list holds values and not objects: send one object with named values per row."
                )
            return None
    if not head.startswith("{"):
        return None
    lines = 0
    broken = 0
    for _, value in _read_lines(source, encoding):
        lines += 1
        broken += isinstance(value, BrokenRecord)
        if lines >= _PROBE_LINES:
            break
    if broken * 2 > lines:
        raise TableError("The file looks like JSON but is not one object per line, and not a list of objects.")
    if lines == 1 and any(isinstance(item, list) and item and isinstance(item[0], dict) for item in value.values()):
        raise TableError(
            "The JSON file holds one object with a list inside: send that list itself, one object per row."
        )
    return "lines"


def json_columns(source: Source, encoding: str, shape: JsonShape, limits: TableLimits) -> list[str]:
    """Collect the keys of all objects, in the order in which they are first met."""
    keys: dict[str, None] = {}
    for _, value in _values(source, encoding, shape):
        if not isinstance(value, BrokenRecord):
            keys.update(dict.fromkeys(_flat(value)))
            if len(keys) > limits.max_columns:
                raise TableError(f"The table has more than {limits.max_columns:,} columns{limits.columns_hint}.")
    if not keys:
        raise TableError("The JSON file holds no object with a named value.")
    return list(keys)


def read_json(source: Source, encoding: str, shape: JsonShape, keys: list[str], limits: TableLimits) -> Records:
    """Yield ``(line, cells)`` in the order of `keys`; a missing key and null are None, a broken line is a BrokenRecord."""
    longest = limits.max_cell_length
    for line, value in _values(source, encoding, shape):
        if isinstance(value, BrokenRecord):
            yield line, value
            continue
        flat = _flat(value)
        cells = [flat.get(key) for key in keys]
        if any(cell is not None and len(cell) > longest for cell in cells):
            raise TableError(f"Line {line:,} holds a cell of more than {longest:,} characters{limits.cell_hint}.")
        yield line, cells


def _values(source: Source, encoding: str, shape: JsonShape) -> Iterator[tuple[int, Any]]:
    return _read_lines(source, encoding) if shape == "lines" else _read_list(source, encoding)


def _flat(value: dict[str, Any]) -> dict[str, Cell]:
    flat: dict[str, Cell] = {}
    for key, item in value.items():
        if type(item) is str:
            flat[key] = item
        elif isinstance(item, dict):
            for inner, content in item.items():
                flat[f"{key}.{inner}"] = _text(content)
        else:
            flat[key] = _text(item)
    return flat


def _text(value: Any) -> Cell:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value, ensure_ascii=False)


def _read_lines(source: Source, encoding: str) -> Iterator[tuple[int, Any]]:
    with source.open() as stream, TextIOWrapper(stream, encoding=encoding) as text:
        for number, line in enumerate(iter(partial(text.readline, _MAX_RECORD_CHARS + 1), ""), start=1):
            if len(line) > _MAX_RECORD_CHARS:
                raise TableError(f"Line {number:,} is longer than {_MAX_RECORD_CHARS:,} characters.")
            content = line.strip()
            if not content:
                continue
            try:
                value = _DECODER.decode(content)
            except (ValueError, RecursionError):
                value = None
            yield number, value if isinstance(value, dict) else BrokenRecord(content[:1000])


def _read_list(source: Source, encoding: str) -> Iterator[tuple[int, Any]]:
    """Read the objects of one list through a sliding window, so that the list is never in memory as a whole."""
    with source.open() as stream, TextIOWrapper(stream, encoding=encoding) as text:
        window, line = text.read(_BLOCK), 1
        at = window.index("[") + 1
        line += window.count("\n", 0, at)
        while True:
            while True:  # to the next thing that is neither space nor comma
                after = at
                while after < len(window) and window[after] in " \t\r\n,":
                    after += 1
                line += window.count("\n", at, after)
                at = after
                if at < len(window):
                    break
                window, at = text.read(_BLOCK), 0
                if not window:
                    raise TableError("The JSON list is cut off: its closing bracket is missing.")
            if window[at] == "]":
                return
            value, end, window, at = _next_object(text, window, at, line)
            yield line, value
            line += window.count("\n", at, end)
            at = end
            if at > _BLOCK:
                window, at = window[at:], 0


def _next_object(text: TextIOWrapper, window: str, at: int, line: int) -> tuple[Any, int, str, int]:
    """Decode the object at `at`, reading on (twice as much each time) until it is complete."""
    more = _BLOCK
    while True:
        try:
            value, end = _DECODER.raw_decode(window, at)
            if isinstance(value, dict):
                return value, end, window, at
            if end < len(window):
                raise TableError(f"The JSON list holds something that is not an object on line {line:,}.")
        except (ValueError, RecursionError) as error:
            if isinstance(error, TableError):
                raise
        addition = text.read(more)
        if not addition:
            raise TableError(f"The JSON list is damaged or cut off in the object that starts on line {line:,}.")
        window, at, more = window[at:] + addition, 0, more * 2
        if len(window) > _MAX_RECORD_CHARS:
            raise TableError(
                f"The JSON list is damaged in the object that starts on line {line:,}, or that object is too long."
            )
