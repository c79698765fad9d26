"""The candidates of `bench.storage`: one class for each way of storing customers' attributes in SQLite.

Lives here: the columns that are stored, the tables, how each candidate writes, reads, filters and builds a matrix. Made-up customers, the
checks and the clock are in `storage.py`.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from math import isnan
from operator import itemgetter
from typing import Any, ClassVar

import numpy as np

Row = tuple[Any, ...]  # 14 numbers (None when missing), then 6 texts
NUMBERS = [
    "tenure_months", "logins_30d", "tickets_90d", "seats", "late_payments", "age_years", "monthly_charges",
    "total_charges", "discount", "refunds", "usage_trend", "session_minutes", "score_a", "score_b",
]  # fmt: skip
CATEGORIES = {"contract": 3, "payment_method": 4, "internet": 5, "plan": 8, "channel": 15, "region": 30}
NAMES = [*NUMBERS, *CATEGORIES]
TEXTS = [[f"{name.replace('_', ' ').title()} {k + 1}" for k in range(n)] for name, n in CATEGORIES.items()]
CODES = [{text: code for code, text in enumerate(texts)} for texts in TEXTS]
WIDTH, SPLIT = len(NAMES), len(NUMBERS)
CHARGES, TENURE, PLAN = NAMES.index("monthly_charges"), NAMES.index("tenure_months"), NAMES.index("plan")
LOW, HIGH, PLAN_CODE = 40.0, 60.0, 2
CHANGED = [TENURE, CHARGES, PLAN]  # what an update touches
IMPORT_BLOCK, CHUNK, FETCH = 5_000, 4_096, 256  # fetching 256 at a time beats 8,192 by a third: the rows stay in cache
NOW = 1_790_000_000_000_000
MISSING_CODE = 0xFFFF


def pick(charges: np.ndarray, plan: np.ndarray, tenure: np.ndarray) -> tuple[int, list[int]]:
    """Filter and sort in numpy; missing tenures come last, as NULLs do in a descending sort."""
    hits = np.flatnonzero((charges >= LOW) & (charges <= HIGH) & (plan == PLAN_CODE))
    order = np.lexsort((hits, -tenure[hits]))[:50]
    return len(hits), hits[order].tolist()


def blocks(cursor: Any) -> Iterator[list[Row]]:
    """Yield small lists of rows until the cursor is empty."""
    while rows := cursor.fetchmany(FETCH):
        yield rows


def coded(row: Row) -> list[float | None]:
    """Return the row with codes in place of texts."""
    return [*row[:SPLIT], *(CODES[i][text] for i, text in enumerate(row[SPLIT:]))]


def uncoded(values: Sequence[Any]) -> Row:
    """Undo `coded`; NaN becomes None."""
    numbers = tuple(None if x is None or isnan(x) else float(x) for x in values[:SPLIT])
    return numbers + tuple(TEXTS[i][int(code)] for i, code in enumerate(values[SPLIT:]))


def fill_columns(batches: Iterable[list[Row]], count: int) -> np.ndarray:
    """Turn tuples of numbers and texts into a matrix, column by column within small blocks."""
    matrix = np.empty((count, WIDTH), np.float32, order="F")
    start = 0
    for rows in batches:
        stop = start + len(rows)
        for i, column in enumerate(zip(*rows, strict=True)):
            # numpy turns None into NaN when it is told the type
            matrix[start:stop, i] = column if i < SPLIT else [CODES[i - SPLIT].get(x) for x in column]
        start = stop
    return matrix


class RowStorage:
    """One version row per customer and import; a subclass says what the row's payload looks like."""

    name: ClassVar[str]
    block: ClassVar[int] = IMPORT_BLOCK
    ddl: ClassVar[str]
    payload: ClassVar[list[str]]
    placeholders: ClassVar[str] = ""
    charges: ClassVar[str]
    tenure: ClassVar[str]
    plan: ClassVar[str]

    def __init__(self, con: Any) -> None:
        self.con = con

    def create(self) -> None:
        self.con.executescript(f"""
            CREATE TABLE customers (id INTEGER PRIMARY KEY, user_id TEXT NOT NULL UNIQUE, current_version_id INTEGER);
            CREATE TABLE versions (id INTEGER PRIMARY KEY, customer_id INTEGER NOT NULL REFERENCES customers (id),
                batch_id INTEGER NOT NULL, valid_from INTEGER NOT NULL, known_at INTEGER NOT NULL, {self.ddl});
            CREATE INDEX versions_customer ON versions (customer_id, valid_from);""")

    def encode(self, row: Row) -> Row:
        return row

    def decode(self, payload: Row) -> Row:
        return payload

    def _insert_versions(self, first: int, ids: Sequence[int], batch: int, rows: list[Row]) -> None:
        marks = self.placeholders or ",".join("?" * len(self.payload))
        self.con.executemany(
            f"INSERT INTO versions (id, customer_id, batch_id, valid_from, known_at, {','.join(self.payload)})"
            f" VALUES (?,?,?,?,?,{marks})",
            [(first + k, i, batch, NOW, NOW, *self.encode(r)) for k, (i, r) in enumerate(zip(ids, rows, strict=True))],
        )

    def insert(self, ids: range, rows: list[Row]) -> None:
        add_customers(self.con, ids)
        self._insert_versions(ids.start, ids, 1, rows)

    def update(self, ids: list[int], rows: list[Row]) -> None:
        first = self.con.execute("SELECT max(id) + 1 FROM versions").fetchone()[0]
        self._insert_versions(first, ids, 2, rows)
        pointers = [(first + k, i) for k, i in enumerate(ids)]
        self.con.executemany("UPDATE customers SET current_version_id = ? WHERE id = ?", pointers)

    def current(self, what: str, rest: str = "ORDER BY c.id") -> Any:
        return self.con.execute(f"SELECT {what} FROM customers c JOIN versions v ON v.id = c.current_version_id {rest}")

    def read(self, customer: int) -> Row:
        sql = f"SELECT {','.join(self.payload)} FROM customers c JOIN versions v ON v.id = c.current_version_id"
        return self.decode(self.con.execute(sql + " WHERE c.id = ?", (customer,)).fetchone())

    def segment(self) -> tuple[int, list[int]]:
        where = f"WHERE {self.plan} AND {self.charges} BETWEEN {LOW} AND {HIGH}"
        count = self.current("count(*)", where).fetchone()[0]
        return count, [r[0] for r in self.current("c.id", f"{where} ORDER BY {self.tenure} DESC, c.id LIMIT 50")]

    def matrix(self, count: int) -> np.ndarray:
        return fill_columns(blocks(self.current(",".join(self.payload))), count)


def add_customers(con: Any, ids: range) -> None:
    """Insert customers whose current version has the customer's own number, as a first import can arrange."""
    con.executemany("INSERT INTO customers VALUES (?,?,?)", [(i, f"user-{i:08d}", i) for i in ids])


def slots(text_type: str) -> str:
    """Return the columns n01..n40, t01..t30 and overflow."""
    numbers = [f"n{i:02d} REAL" for i in range(1, 41)]
    return ", ".join([*numbers, *(f"t{i:02d} {text_type}" for i in range(1, 31)), "overflow TEXT"])


class Slots(RowStorage):
    name = "a  slots, text"
    ddl = slots("TEXT")
    payload = [f"n{i:02d}" for i in range(1, SPLIT + 1)] + [f"t{i:02d}" for i in range(1, len(CATEGORIES) + 1)]
    charges, tenure = payload[CHARGES], payload[TENURE]
    plan = f"{payload[PLAN]} = '{TEXTS[PLAN - SPLIT][PLAN_CODE]}'"


class CodedSlots(Slots):
    name = "a2 slots, codes"
    ddl = slots("INTEGER")
    plan = f"{Slots.payload[PLAN]} = {PLAN_CODE}"

    def encode(self, row: Row) -> Row:
        return tuple(coded(row))

    def decode(self, payload: Row) -> Row:
        return uncoded(payload)

    def matrix(self, count: int) -> np.ndarray:
        # numbers only, so no tuple outlives its row; an infinity stands for NULL, which a float iterator can't carry
        cells = chain.from_iterable(self.current(",".join(f"ifnull({x},9e999)" for x in self.payload)))
        matrix = np.empty((count, WIDTH), np.float32)
        for start in range(0, count, 65_536):
            part = matrix[start : start + 65_536]
            part[:] = np.fromiter(islice(cells, part.size), np.float64, part.size).reshape(part.shape)
            part[np.isinf(part)] = np.nan
        return matrix


class JsonText(RowStorage):
    name = "b  JSON text"
    ddl, payload = "attributes TEXT NOT NULL", ["attributes"]
    charges, tenure = "attributes ->> 'monthly_charges'", "attributes ->> 'tenure_months'"
    plan = f"attributes ->> 'plan' = '{TEXTS[PLAN - SPLIT][PLAN_CODE]}'"
    as_text = "attributes"

    def encode(self, row: Row) -> Row:
        return (json.dumps(dict(zip(NAMES, row, strict=True)), separators=(",", ":")),)

    def decode(self, payload: Row) -> Row:
        return tuple(itemgetter(*NAMES)(json.loads(payload[0])))

    def read(self, customer: int) -> Row:
        return self.decode(self.current(self.as_text, f"WHERE c.id = {customer}").fetchone())

    def matrix(self, count: int) -> np.ndarray:
        get, cursor = itemgetter(*NAMES), self.current(self.as_text)
        # one parse per block, not per row; extracting twenty paths in SQL was slower
        parsed = (json.loads("[" + ",".join([r[0] for r in rows]) + "]") for rows in blocks(cursor))
        return fill_columns((list(map(get, rows)) for rows in parsed), count)


class JsonBinary(JsonText):
    name = "b2 JSONB"
    ddl, placeholders, as_text = "attributes BLOB NOT NULL", "jsonb(?)", "json(attributes)"


class PackedRow(RowStorage):
    name = "c  packed row"
    ddl, payload = "vector BLOB NOT NULL", ["vector"]
    layout = struct.Struct(f"<{WIDTH}d")
    charges, tenure = f"number(vector, {CHARGES})", f"number(vector, {TENURE})"
    # a code compares as eight bytes in plain SQL; numbers need a Python function
    plan = f"substr(vector, {8 * PLAN + 1}, 8) = x'{struct.pack('<d', PLAN_CODE).hex()}'"

    def __init__(self, con: Any) -> None:
        super().__init__(con)
        unpack = struct.Struct("<d").unpack_from

        def number(vector: bytes, position: int) -> float | None:
            value: float = unpack(vector, 8 * position)[0]
            return None if isnan(value) else value

        con.create_function("number", 2, number, deterministic=True)

    def encode(self, row: Row) -> Row:
        return (self.layout.pack(*[np.nan if x is None else x for x in coded(row)]),)

    def decode(self, payload: Row) -> Row:
        return uncoded(self.layout.unpack(payload[0]))

    def matrix(self, count: int) -> np.ndarray:
        matrix, start = np.empty((count, WIDTH), np.float32), 0
        for rows in blocks(self.current("vector")):
            part = np.frombuffer(b"".join([r[0] for r in rows]), "<f8").reshape(-1, WIDTH)
            matrix[start : start + len(part)] = part
            start += len(part)
        return matrix


class Eav(RowStorage):
    name = "e  EAV, codes"
    ddl, payload = "note TEXT", ["note"]

    def create(self) -> None:
        super().create()
        self.con.execute("""CREATE TABLE cells (version_id INTEGER, attribute INTEGER, value REAL,
                            PRIMARY KEY (version_id, attribute)) WITHOUT ROWID""")

    charges, tenure, plan = "a.value", "t.value", f"p.value = {PLAN_CODE}"

    def encode(self, row: Row) -> Row:
        return (None,)

    def _insert_versions(self, first: int, ids: Sequence[int], batch: int, rows: list[Row]) -> None:
        super()._insert_versions(first, ids, batch, rows)
        cells = ((first + k, i, x) for k, row in enumerate(rows) for i, x in enumerate(coded(row)) if x is not None)
        self.con.executemany("INSERT INTO cells VALUES (?,?,?)", cells)

    def current(self, what: str, rest: str = "ORDER BY c.id") -> Any:
        joins = "".join(
            f" {kind} JOIN cells {x} ON {x}.version_id = c.current_version_id AND {x}.attribute = {attribute}"
            for kind, x, attribute in (("", "p", PLAN), ("", "a", CHARGES), ("LEFT", "t", TENURE))
        )
        return self.con.execute(f"SELECT {what} FROM customers c {joins} {rest}")

    def read(self, customer: int) -> Row:
        sql = "SELECT attribute, value FROM customers c JOIN cells ON version_id = current_version_id WHERE c.id = ?"
        found = dict(self.con.execute(sql, (customer,)))
        return uncoded([found.get(i) for i in range(WIDTH)])

    def matrix(self, count: int) -> np.ndarray:
        source = "customers c JOIN cells ON version_id = current_version_id"
        sql = f"SELECT c.id, attribute, value FROM {source} ORDER BY c.id"
        cells, matrix = chain.from_iterable(self.con.execute(sql)), np.full((count, WIDTH), np.nan, np.float32)
        while len(part := np.fromiter(islice(cells, 3 * 500_000), np.float64)):
            triples = part.reshape(-1, 3)
            matrix[triples[:, 0].astype(int), triples[:, 1].astype(int)] = triples[:, 2]
        return matrix


class Chunks:
    """One blob per attribute and 4,096 customers; an update writes a new blob for every column it touches."""

    name, block = "d  chunks, raw", CHUNK

    def __init__(self, con: Any) -> None:
        self.con = con

    def pack(self, data: bytes) -> bytes:
        return data

    def unpack(self, data: bytes) -> bytes:
        return data

    def create(self) -> None:
        self.con.executescript("""
            CREATE TABLE customers (id INTEGER PRIMARY KEY, user_id TEXT NOT NULL UNIQUE, current_version_id INTEGER);
            CREATE TABLE chunks (id INTEGER PRIMARY KEY, chunk INTEGER, attribute INTEGER, batch_id INTEGER NOT NULL,
                valid_from INTEGER NOT NULL, known_at INTEGER NOT NULL, data BLOB NOT NULL);
            CREATE TABLE heads (attribute INTEGER, chunk INTEGER, chunk_id INTEGER NOT NULL REFERENCES chunks (id),
                PRIMARY KEY (attribute, chunk)) WITHOUT ROWID;""")

    def _write(self, chunk: int, attribute: int, batch: int, data: np.ndarray) -> None:
        row = (chunk, attribute, batch, NOW, NOW, self.pack(data.tobytes()))
        sql = "INSERT INTO chunks (chunk, attribute, batch_id, valid_from, known_at, data) VALUES (?,?,?,?,?,?)"
        new = self.con.execute(sql, row).lastrowid
        self.con.execute("INSERT OR REPLACE INTO heads VALUES (?,?,?)", (attribute, chunk, new))

    def _values(self, attribute: int, column: Iterable[Any]) -> np.ndarray:
        if attribute < SPLIT:
            return np.array(column, dtype="<f8")
        return np.array([CODES[attribute - SPLIT].get(x, MISSING_CODE) for x in column], dtype="<u2")

    def insert(self, ids: range, rows: list[Row]) -> None:
        add_customers(self.con, ids)
        for attribute, column in enumerate(zip(*rows, strict=True)):
            self._write(ids.start // CHUNK, attribute, 1, self._values(attribute, column))

    def _column(self, attribute: int, where: str = "") -> np.ndarray:
        sql = f"SELECT data FROM heads h JOIN chunks k ON k.id = h.chunk_id WHERE h.attribute = {attribute} {where}"
        data = b"".join([self.unpack(r[0]) for r in self.con.execute(sql + " ORDER BY h.chunk")])
        return np.frombuffer(data, "<f8" if attribute < SPLIT else "<u2")

    def update(self, ids: list[int], rows: list[Row]) -> None:
        by_chunk: dict[int, list[int]] = {}
        for position, customer in enumerate(ids):
            by_chunk.setdefault(customer // CHUNK, []).append(position)
        for chunk, positions in by_chunk.items():
            for attribute in CHANGED:
                data = self._column(attribute, f"AND h.chunk = {chunk}").copy()
                new = self._values(attribute, [rows[p][attribute] for p in positions])
                data[[ids[p] % CHUNK for p in positions]] = new
                self._write(chunk, attribute, 2, data)

    def read(self, customer: int) -> Row:
        chunk, offset = divmod(customer, CHUNK)
        return uncoded([self._column(a, f"AND h.chunk = {chunk}")[offset] for a in range(WIDTH)])

    def segment(self) -> tuple[int, list[int]]:
        return pick(self._column(CHARGES), self._column(PLAN), self._column(TENURE))

    def matrix(self, count: int) -> np.ndarray:
        matrix = np.empty((count, WIDTH), np.float32, order="F")
        for attribute in range(WIDTH):
            matrix[:, attribute] = self._column(attribute)
        return matrix


class ZippedChunks(Chunks):
    name = "d2 chunks, zlib"

    def pack(self, data: bytes) -> bytes:
        return zlib.compress(data, 1)

    def unpack(self, data: bytes) -> bytes:
        return zlib.decompress(data)


CANDIDATES: list[Any] = [Slots, CodedSlots, JsonText, JsonBinary, PackedRow, Chunks, ZippedChunks, Eav]
