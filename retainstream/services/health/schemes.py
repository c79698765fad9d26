"""Schemes: which parts make the health score of whom, with what weights. A row never changes: an edit is a new row, and the older one is retired."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from retainstream.errors import Conflict, InvalidInput, NotFound
from retainstream.lib import clock
from retainstream.models import HealthScheme, Segment
from retainstream.security.actor import Actor
from retainstream.security.permissions import Permission
from retainstream.services import audit, revisions
from retainstream.services.analyses import job as analyses
from retainstream.services.health import parts as parts_catalogue

if TYPE_CHECKING:
    from retainstream.ml.health import Scheme

BAND_NAMES = ("critical", "weak", "fair", "good")
EDGES = (40.0, 60.0, 80.0)
DEFAULT_NAME = "Default"
MOST_PARTS, MOST_SCHEMES, LONGEST_NAME = 12, 20, 80
_LARGEST = 1e300
FIELDS = ("name", "segment_id", "parts", "bands")
_PART_FIELDS = ("key", "weight", "worst", "best")


@dataclass(frozen=True)
class SchemePart:
    """One part: its weight, and the values that give 0 points (`worst`) and 100 (`best`); straight between them, level outside."""

    key: str
    title: str
    weight: int
    worst: float
    best: float
    unit: str = ""


@dataclass(frozen=True)
class SchemeView:
    """A scheme as people see it.

    Attributes
    ----------
    segment_id, segment : int and str, or None
        Whom it is for; None: everybody whom no other scheme covers.
    parts : tuple of SchemePart
        Weights add up to 100.
    bands : tuple of three floats
        Where `weak`, `fair` and `good` begin; `critical` lies below.
    default : bool
        Made by the box itself, by nobody's hand.
    proposed : bool
        Its weights were proposed by a back-test.
    """

    id: int
    name: str
    segment_id: int | None
    segment: str | None
    parts: tuple[SchemePart, ...]
    bands: tuple[float, ...]
    proposed: bool
    default: bool
    created_at: int
    retired_at: int | None

    @property
    def keys(self) -> tuple[str, ...]:
        """Return the parts' keys, in their order."""
        return tuple(part.key for part in self.parts)

    def of_ml(self) -> Scheme:
        """Return the scheme as the maths take it."""
        from retainstream.ml.health import Band, Part, Scheme

        edges = zip(BAND_NAMES, (0.0, *self.bands), strict=True)
        return Scheme(
            tuple(Part(one.key, one.title, one.weight, "high" if one.best > one.worst else "low", _thresholds(one)) for one in self.parts),
            tuple(Band(name, lowest) for name, lowest in edges),
        )  # fmt: skip

    def to_dict(self) -> dict[str, object]:
        """Return the API's form."""
        return {
            "id": self.id,
            "name": self.name,
            "segment_id": self.segment_id,
            "segment": self.segment,
            "parts": [asdict(part) for part in self.parts],
            "bands": list(self.bands),
            "proposed": self.proposed,
            "default": self.default,
            "created_at": clock.iso(self.created_at),
            "retired_at": clock.iso(self.retired_at),
        }


def _thresholds(part: SchemePart) -> tuple[tuple[float, float], ...]:
    ends = sorted(((part.worst, 0.0), (part.best, 100.0)))
    return tuple(ends)


def active(session: Session) -> tuple[SchemeView, ...]:
    """Return the schemes in use: that for everybody else first, then those of segments by the segment's id, which is the order in which they count."""
    rows = session.execute(_query().where(HealthScheme.retired_at.is_(None)).order_by(HealthScheme.id))
    found = [_view(row[0], row[1]) for row in rows if not _orphaned(row[0])]
    return tuple(sorted(found, key=lambda one: (one.segment_id is not None, one.segment_id or 0, one.id)))


def read(session: Session, scheme_id: int) -> SchemeView:
    """Return one scheme, in use or retired; raises NotFound."""
    row = session.execute(_query().where(HealthScheme.id == scheme_id)).first()
    if row is None:
        raise NotFound("There is no such health scheme.")
    return _view(row[0], row[1])


def before(session: Session, scheme: SchemeView) -> SchemeView | None:
    """Return the scheme whose place another took; None for the first one of its customers."""
    same = (
        HealthScheme.segment_id.is_(None) if scheme.segment_id is None else HealthScheme.segment_id == scheme.segment_id
    )
    row = session.execute(
        _query().where(same, HealthScheme.retired_at == scheme.created_at, HealthScheme.id < scheme.id)
        .order_by(HealthScheme.id.desc())
    ).first()  # fmt: skip
    return None if row is None else _view(row[0], row[1])


def create(session: Session, actor: Actor, wanted: Mapping[str, Any]) -> SchemeView:
    """Keep a scheme for a segment, or for everybody else where there is none yet.

    Parameters
    ----------
    wanted : mapping
        `name`, `parts` (`key`, `weight`, `worst`, `best` each) and optionally `segment_id` and `bands`.

    Raises
    ------
    InvalidInput
        Naming each field that is not as expected.
    Conflict
        When there is a scheme for these customers already, or there are as many as may be.
    """
    actor.require(Permission.SEGMENTS_WRITE)
    values = checked(session, {"bands": EDGES, "segment_id": None, **wanted})
    if missing := {name: ["is needed"] for name in ("name", "parts") if name not in values}:
        raise InvalidInput("A health scheme needs a name and parts.", fields=missing)
    there = active(session)
    if len(there) >= MOST_SCHEMES:
        raise Conflict(f"There are {MOST_SCHEMES} health schemes already: delete one that nobody uses any longer.")
    _insist_on_free(there, values["segment_id"], None)
    return _kept(session, actor, values, "health_scheme.create")


def change(
    session: Session, actor: Actor, scheme_id: int, changes: Mapping[str, Any], *, proposed: bool = False
) -> SchemeView:
    """Put an edited scheme in the place of one in use, which is retired; returns the new one. Raises NotFound, and as `create`."""
    actor.require(Permission.SEGMENTS_WRITE)
    old = _in_use(session, scheme_id)
    same = {
        "name": old.name,
        "segment_id": old.segment_id,
        "bands": old.bands,
        "parts": [asdict(one) for one in old.parts],
    }
    values = checked(session, {**same, **changes}, kept=old.parts)
    if (old.segment_id is None) != (values["segment_id"] is None):
        raise InvalidInput(
            "A scheme for everybody else stays one, and so does one for a segment.",
            fields={"segment_id": ["that of the scheme, or another segment"]},
        )
    _insist_on_free(active(session), values["segment_id"], old.id)
    now = clock.now_us()
    session.get_one(HealthScheme, old.id).retired_at = now
    session.flush()
    return _kept(session, actor, values, "health_scheme.change", proposed=proposed, now=now)


def reweighed(session: Session, actor: Actor, scheme_id: int, weights: Mapping[str, int]) -> SchemeView:
    """Put proposed weights, by key, in the place of a scheme's own; errors as `change`."""
    old = _in_use(session, scheme_id)
    found = [asdict(replace(one, weight=int(weights.get(one.key, 0)))) for one in old.parts]
    return change(session, actor, scheme_id, {"parts": found}, proposed=True)


def undone(session: Session, actor: Actor, scheme_id: int) -> SchemeView:
    """Put what a scheme had replaced in its place again; raises NotFound when it had replaced none."""
    present = _in_use(session, scheme_id)
    old = before(session, present)
    if old is None:
        raise NotFound("Nothing stood in this scheme's place before it.")
    wanted = {"name": old.name, "bands": old.bands, "parts": [asdict(one) for one in old.parts]}
    return change(session, actor, scheme_id, wanted, proposed=old.proposed)


def delete(session: Session, actor: Actor, scheme_id: int) -> str:
    """Retire the scheme of a segment, and return its name; its customers come under the one for everybody else. Raises NotFound, Conflict for that one."""
    actor.require(Permission.SEGMENTS_WRITE)
    old = _in_use(session, scheme_id)
    if old.segment_id is None:
        raise Conflict("Everybody whom no other scheme covers needs this one: change it instead.")
    session.get_one(HealthScheme, old.id).retired_at = clock.now_us()
    audit.record(session, actor, "health_scheme.delete", "health_scheme", old.id)
    _moved(session, actor)
    return old.name


def keep_default(session: Session, parts: Sequence[SchemePart]) -> SchemeView:
    """Keep the scheme that the box makes of what it has, by nobody's hand."""
    now = clock.now_us()
    row = HealthScheme(
        name=DEFAULT_NAME, segment_id=None, parts=[asdict(one) for one in parts], bands=list(EDGES), created_at=now
    )
    session.add(row)
    session.flush()
    revisions.bump(session, "analyses")
    return _view(row, None)


def checked(session: Session, given: Mapping[str, Any], *, kept: Sequence[SchemePart] = ()) -> dict[str, Any]:
    """Return the values of a scheme as they are stored; raises InvalidInput naming each field. `kept` are parts that may stay although the box no longer makes them."""
    problems: dict[str, list[str]] = {name: ["there is no such field"] for name in given if name not in FIELDS}
    found: dict[str, Any] = {}
    if "name" in given:
        found["name"] = " ".join(str(given["name"] or "").split())
        if not 1 <= len(found["name"]) <= LONGEST_NAME or not found["name"].isprintable():
            problems["name"] = [f"a text of 1 to {LONGEST_NAME} characters"]
    if "segment_id" in given:
        found["segment_id"] = given["segment_id"]
        if given["segment_id"] is not None and session.get(Segment, given["segment_id"]) is None:
            problems["segment_id"] = ["a segment that exists"]
    if "bands" in given:
        found["bands"] = _edges(given["bands"], problems)
    if "parts" in given:
        found["parts"] = _parts(session, given["parts"], kept, problems)
    if problems:
        raise InvalidInput("The health scheme is not as expected.", fields=problems)
    return found


def _edges(given: Any, problems: dict[str, list[str]]) -> list[float]:
    try:
        edges = [float(one) for one in given]
    except (TypeError, ValueError):
        edges = []
    rising = len(edges) == 3 and all(a < b for a, b in zip([0.0, *edges], [*edges, 100.0], strict=True))
    if not rising:
        problems["bands"] = ["three rising figures between 0 and 100"]
    return edges


def _parts(
    session: Session, given: Any, kept: Sequence[SchemePart], problems: dict[str, list[str]]
) -> list[dict[str, Any]]:
    items = list(given) if isinstance(given, list | tuple) else []
    if not 1 <= len(items) <= MOST_PARTS or not all(isinstance(one, Mapping) for one in items):
        problems["parts"] = [f"1 to {MOST_PARTS} parts"]
        return []
    known = parts_catalogue.catalogue(session)
    stays = {one.key: one for one in kept}
    found: list[dict[str, Any]] = []
    for place, one in enumerate(items):
        key = str(one.get("key", ""))
        if key not in known and key not in stays:
            problems[f"parts.{place}.key"] = ["a part that this box can make"]
            continue
        if any(each["key"] == key for each in found):
            problems[f"parts.{place}.key"] = ["each part once"]
        weight = _number(one.get("weight"))
        if weight is None or weight != int(weight) or not 0 <= weight <= 100:
            problems[f"parts.{place}.weight"] = ["a whole number from 0 to 100"]
        worst, best = _number(one.get("worst")), _number(one.get("best"))
        if worst is None or best is None or worst == best:
            problems[f"parts.{place}.best"] = ["two different numbers, for 0 points and for 100 points"]
        title, unit = (known[key].title, known[key].unit) if key in known else (stays[key].title, stays[key].unit)
        found.append(
            {"key": key, "title": title, "weight": int(weight or 0), "worst": worst, "best": best, "unit": unit}
        )
    total = sum(each["weight"] for each in found)
    if not problems and total != 100:
        problems["parts"] = [f"weights that add up to 100, not {total}"]
    return found


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < _LARGEST:
        return None
    return float(value)


def _insist_on_free(there: Sequence[SchemeView], segment_id: int | None, own_id: int | None) -> None:
    other = next((one for one in there if one.segment_id == segment_id and one.id != own_id), None)
    if other is not None:
        whom = "everybody else" if segment_id is None else f"the segment {other.segment!r}"
        raise Conflict(f"There is a health scheme for {whom} already.", detail={"scheme_id": other.id})


def _in_use(session: Session, scheme_id: int) -> SchemeView:
    found = read(session, scheme_id)
    if found.retired_at is not None:
        raise NotFound("This health scheme was replaced or deleted meanwhile.")
    return found


def _kept(
    session: Session,
    actor: Actor,
    values: Mapping[str, Any],
    action: str,
    *,
    proposed: bool = False,
    now: int | None = None,
) -> SchemeView:
    segment_id = values["segment_id"]
    parts = [{**each, **({} if segment_id is None else {"segment_id": segment_id})} for each in values["parts"]]
    row = HealthScheme(
        name=values["name"], segment_id=segment_id, parts=parts, bands=list(values["bands"]), proposed=proposed,
        created_at=now or clock.now_us(), created_by=actor.user_id,
    )  # fmt: skip
    session.add(row)
    session.flush()
    audit.record(session, actor, action, "health_scheme", row.id, fields=FIELDS)
    _moved(session, actor)
    return read(session, row.id)


def _moved(session: Session, actor: Actor) -> None:
    """Tell whoever keeps answers, and have the scores made anew: a run that is under way goes by the schemes of its beginning, so one more follows it."""
    revisions.bump(session, "analyses")
    session.flush()
    analyses.request_anew(session, actor)


def _query() -> Any:
    return select(HealthScheme, Segment.name).outerjoin(Segment, Segment.id == HealthScheme.segment_id)


def _orphaned(row: HealthScheme) -> bool:
    """Tell whether the scheme's segment was deleted: the key is empty then, and a part still says that there was one."""
    return row.segment_id is None and any("segment_id" in one for one in row.parts)


def _view(row: HealthScheme, segment: str | None) -> SchemeView:
    parts = tuple(
        SchemePart(
            str(one["key"]),
            str(one["title"]),
            int(one["weight"]),
            float(one["worst"]),
            float(one["best"]),
            str(one.get("unit", "")),
        )
        for one in row.parts
    )
    return SchemeView(
        id=row.id,
        name=row.name,
        segment_id=row.segment_id,
        segment=segment,
        parts=parts,
        bands=tuple(float(one) for one in row.bands),
        proposed=row.proposed,
        default=row.created_by is None and row.segment_id is None and row.name == DEFAULT_NAME and not row.proposed,
        created_at=row.created_at,
        retired_at=row.retired_at,
    )
