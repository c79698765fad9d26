"""The editor of a health scheme: what was typed, read from and written back to its fields, and told to the service. No database and no request here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from retainstream.lib.identifiers import row_id
from retainstream.services.health.schemes import EDGES, MOST_PARTS, SchemePart, SchemeView

BANDS = ("weak", "fair", "good")


@dataclass(frozen=True)
class Row:
    """One part as typed, with what is wrong with it."""

    key: str
    title: str
    unit: str
    weight: str
    worst: str
    best: str
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class Form:
    """The whole editor; `problems` by field, those of parts stand in their rows."""

    name: str = ""
    segment_id: str = ""
    rows: tuple[Row, ...] = ()
    bands: tuple[str, str, str] = ("40", "60", "80")
    problems: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def total(self) -> str:
        """Return what the weights add up to, as far as they are numbers."""
        known = [number(row.weight) for row in self.rows]
        return plain(sum(one for one in known if one is not None))


def number(text: str) -> float | None:
    """Return a typed number, with a point or a comma; None for anything else."""
    try:
        found = float(text.strip().replace(",", ".").replace("−", "-"))
    except ValueError:
        return None
    return found if abs(found) < 1e15 else None


def plain(value: float) -> str:
    """Return a number as a field holds it: without an exponent and needless digits."""
    return f"{value:.4f}".rstrip("0").rstrip(".") if value != int(value) else str(int(value))


def row_of(part: SchemePart) -> Row:
    """Return a part as a row."""
    return Row(part.key, part.title, part.unit, str(part.weight), plain(part.worst), plain(part.best))


def of_scheme(scheme: SchemeView) -> Form:
    """Return the editor filled with a scheme."""
    weak, fair, good = (plain(one) for one in scheme.bands)
    segment = "" if scheme.segment_id is None else str(scheme.segment_id)
    return Form(scheme.name, segment, tuple(row_of(part) for part in scheme.parts), (weak, fair, good))


def of_sent(sent: Mapping[str, str], titles: Mapping[str, tuple[str, str]]) -> Form:
    """Return the editor as it was sent; `titles` are title and unit of the parts that there are. Dropped rows are left out."""
    rows = []
    for place in range(MOST_PARTS + 1):
        key = sent.get(f"part-{place}-key", "")[:100]
        if not key or sent.get("drop") == str(place):
            continue
        title, unit = titles.get(key, (key, ""))
        weight, worst, best = (sent.get(f"part-{place}-{name}", "")[:40] for name in ("weight", "worst", "best"))
        rows.append(Row(key, title, unit, weight, worst, best))
    usual = (plain(edge) for edge in EDGES)
    weak, fair, good = (sent.get(f"band-{name}", edge)[:20] for name, edge in zip(BANDS, usual, strict=True))
    return Form(sent.get("name", "")[:200], sent.get("segment_id", "")[:20], tuple(rows), (weak, fair, good))


def body_of(form: Form) -> dict[str, Any]:
    """Return what the service is asked for; what is no number goes as None, and is named by the service."""
    return {
        "name": form.name,
        "segment_id": row_id(form.segment_id),
        "bands": [number(one) for one in form.bands],
        "parts": [
            {"key": row.key, "weight": number(row.weight), "worst": number(row.worst), "best": number(row.best)}
            for row in form.rows
        ],
    }


def with_problems(form: Form, fields: Mapping[str, Sequence[str]]) -> Form:
    """Return the editor with each complaint beside what it is about."""
    words = {"weight": "Weight", "best": "Ends", "key": "Part"}
    rows = list(form.rows)
    rest: dict[str, Sequence[str]] = {}
    for name, told in fields.items():
        place, _, what = name.removeprefix("parts.").partition(".")
        if name.startswith("parts.") and place.isdecimal() and int(place) < len(rows):
            said = tuple(f"{words.get(what, what)}: expected {one}." for one in told)
            rows[int(place)] = replace(rows[int(place)], problems=(*rows[int(place)].problems, *said))
        else:
            rest[name] = told
    return replace(form, rows=tuple(rows), problems=rest)


def parts_of(form: Form) -> tuple[SchemePart, ...] | None:
    """Return the parts as a preview takes them, whatever their weights add up to; None while something is no number."""
    found = []
    for row in form.rows:
        weight, worst, best = number(row.weight), number(row.worst), number(row.best)
        if weight is None or worst is None or best is None or worst == best or not 0 <= weight <= 100:
            return None
        found.append(SchemePart(row.key, row.title, round(weight), worst, best, row.unit))
    return tuple(found) if any(part.weight for part in found) else None
