"""From a profile to a proposed mapping: which column is the identifier, the label, a feature, a personal detail, or ignored.

Rules look at headers and values in general; a person confirms or edits the result.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from retainstream.services.imports import names
from retainstream.services.imports.badrows import is_added
from retainstream.services.imports.columns import ColumnProfile
from retainstream.services.imports.labels import LabelCandidate, choose_label, find_candidates
from retainstream.services.imports.mapping import ColumnMapping, Mapping
from retainstream.services.imports.profile import TableProfile
from retainstream.services.imports.values import Blanks, boolean_pair, parse_date

MAX_CATEGORIES = 200
UNREAD_LABEL = "Its name says who left, but its values do not say which of them mean it."
_MOSTLY = 0.95
_FEW = 20
_UNIX_SECONDS = (631_152_000, 4_102_444_800)  # 1990 to 2100


@dataclass(frozen=True)
class Proposal:
    """A mapping with the positions of the columns between which a person has to choose the label."""

    mapping: Mapping
    ambiguous_labels: tuple[int, ...] = ()
    label_certain: bool = True


def propose(profile: TableProfile, today: int | None = None) -> Mapping:
    """Propose a mapping.

    Parameters
    ----------
    profile : TableProfile
    today : int, optional
        Now in microseconds since 1970 UTC; with it, a file whose dates all lie in the past is proposed as known at the time.

    Returns
    -------
    Mapping
    """
    return propose_with_doubts(profile, today).mapping


def propose_with_doubts(profile: TableProfile, today: int | None = None) -> Proposal:
    """Propose a mapping, and say where the label is a matter of choice."""
    candidates = find_candidates(profile.columns)
    label, copies, ambiguous = choose_label(candidates, profile.sample)
    identifier = _find_identifier(profile, {label.position} if label else set())
    comma = any(column.decimal == "," for column in profile.columns)
    taken: set[str] = set()
    columns: list[ColumnMapping] = []
    for column in profile.columns:
        base = ColumnMapping(
            name=column.name,
            role="ignored",
            attribute=names.slug(column.name, column.position, taken),
            title=names.title(column.name),
            decimal="," if comma and column.only_grouped else column.decimal,
        )
        if label is not None and column.position == label.position:
            columns.append(
                replace(base, role="label", kind="category", churned_values=label.churned, kept_values=label.kept)
            )
        elif column.position == identifier:
            form = "drop_point_zero" if column.point_zeros and column.point_zeros == column.filled else None
            columns.append(replace(base, role="identifier", kind="text", format=form))
        elif column.position in copies:
            columns.append(_ignored(base, column, "It says the same as the label."))
        elif column.position in ambiguous:
            columns.append(_ignored(base, column, "It may be the label: choose one."))
        else:
            columns.append(_describe(base, column, profile, label))
    columns = _single_roles(columns, profile)
    return Proposal(
        Mapping(
            columns=tuple(columns),
            identifier_made=identifier is None,
            currency=_currency(columns, profile),
            known_at_time=_lies_in_the_past(columns, profile, today),
            blanks=profile.blanks or Mapping(()).blanks,
        ),
        tuple(ambiguous),
        label is None or label.certain,
    )


def read_kind(column: ColumnProfile, words: Sequence[str]) -> tuple[str, str | None]:
    """Tell how a column's text is read: (kind, date format or None)."""
    if column.filled == 0:
        return "text", None
    moment = _date_format(column, words)
    if moment is not None:
        return "date", moment
    if len(column.counts) == 2 and boolean_pair(column.counts) is not None:
        return "boolean", None
    if column.number_share >= _MOSTLY:
        # Leading zeros mean a code (a postcode, a product): as a number it would lose them.
        padded = column.padded > 0.02 * column.filled or names.is_area_code(words)
        if padded and column.integers == column.numbers:
            return ("category" if _is_category(column) else "text"), None
        return ("integer" if column.integers == column.numbers else "number"), None
    return ("category" if _is_category(column) else "text"), None


def _is_category(column: ColumnProfile) -> bool:
    """Few different texts, and each of them shared by rows: two hundred texts in two hundred rows are no categories."""
    if not column.counts or column.distinct > MAX_CATEGORIES:
        return False
    return column.distinct <= _FEW or column.distinct * 2 <= column.filled


def _date_format(column: ColumnProfile, words: Sequence[str]) -> str | None:
    readable = column.date_format is not None and column.date_share >= _MOSTLY
    if readable and (column.date_format != "yyyymmdd" or column.distinct >= 5 or names.is_date(words)):
        return column.date_format
    whole = column.number_share == 1.0 and column.integers == column.numbers
    if whole and names.is_date(words) and column.minimum is not None and column.maximum is not None:
        low, high = _UNIX_SECONDS
        if low <= column.minimum and column.maximum < high:
            return "unix_s"
        if low * 1000 <= column.minimum and column.maximum < high * 1000:
            return "unix_ms"
    return None


def _find_identifier(profile: TableProfile, used: set[int]) -> int | None:
    best: tuple[float, int] | None = None
    for column in profile.columns:
        out = column.position in used or is_added(column.name)
        score = 0.0 if out else _identifier_score(column)
        if score > 0 and (best is None or score > best[0]):
            best = (score, column.position)
    return best[1] if best else None


def _identifier_score(column: ColumnProfile) -> float:
    """Zero when a column can't identify customers; larger the better it does."""
    words = names.words_of(column.name)
    strength = names.identifier_strength(words)
    texty = column.number_share < _MOSTLY
    whole = not texty and column.integers == column.numbers
    if not (texty or whole) or column.filled < 0.5 * column.rows or column.distinct < 2:
        return 0.0
    share = column.distinct / column.filled
    pattern = column.uuids > _MOSTLY or column.emails > _MOSTLY or column.phones > _MOSTLY or column.codes > _MOSTLY
    near_unique = column.distinct_exact and share >= 0.98 and column.filled >= 0.95 * column.rows
    if strength == 3 and (near_unique or (column.distinct >= 50 and {"id", "identifier", "uuid"} & set(words))):
        # Named as the customer's id: it stays the identifier when it repeats, and the repeats are reported.
        return 10.0 + share
    if not near_unique:
        return 0.0
    if strength == 2:
        return 8.0 + share
    if column.is_row_counter or names.is_counter_name(words):
        return 0.0
    if strength == 1:
        return 6.0 + share
    if column.uuids > _MOSTLY or (column.emails > _MOSTLY and column.unique):
        return 5.0 + share
    return (
        3.0 + share if texty and pattern and column.unique and column.rows >= 20 and not names.is_date(words) else 0.0
    )


def _ignored(base: ColumnMapping, column: ColumnProfile, reason: str) -> ColumnMapping:
    kind, form = read_kind(column, names.words_of(column.name))
    return replace(base, role="ignored", kind=kind, format=form, reason=reason)


def _describe(
    base: ColumnMapping, column: ColumnProfile, profile: TableProfile, label: LabelCandidate | None
) -> ColumnMapping:
    words = names.words_of(column.name)
    kind, form = read_kind(column, words)
    base = replace(base, kind=kind, format=form)
    reason = _reason_to_ignore(column, words, kind, profile, label)
    if reason is not None:
        return replace(base, role="ignored", reason=reason)
    personal = _personal_field(column, words, kind)
    if personal is not None:
        return replace(base, role="personal", field=personal, kind="text", format=None)
    if kind == "date":
        outcome = names.label_strength(words) == 3.0
        role = "churn_date" if outcome else "signup" if names.is_signup(words) else "date"
        return replace(base, role=role)
    if kind == "text":
        near = (
            "nearly every row has its own text"
            if _near_unique(column)
            else f"more than {MAX_CATEGORIES} different texts"
        )
        return replace(base, role="ignored", reason=f"It is free text: {near}.")
    if kind == "integer" and column.unique and names.identifier_strength(words) >= 1 and column.rows >= 20:
        return replace(
            base, role="ignored", reason="It numbers the rows or another thing, and says nothing about the customer."
        )
    unit = "%" if column.percents * 2 > column.filled else None
    return replace(base, role="feature", feature=True, unit=unit)


def _reason_to_ignore(
    column: ColumnProfile, words: Sequence[str], kind: str, profile: TableProfile, label: LabelCandidate | None
) -> str | None:
    if is_added(column.name):
        return "It was added by RetainStream to a file of bad rows."
    if column.filled == 0:
        return "It is empty."
    if names.is_prediction(words):
        return "Its name says that it is a prediction, not something that happened."
    if kind != "date" and names.is_outcome_detail(words, kind in ("number", "integer")):
        return "Its name says that it is known only once a customer has left."
    if label is None and kind in ("category", "boolean") and names.is_churn_itself(words):
        return UNREAD_LABEL
    if column.is_row_counter:
        return "It only counts the rows."
    if column.distinct_exact and column.distinct == 1 and column.rows > 1 and column.blanks == 0:
        return "It has the same value in every row."
    if label is None or not column.blanks or (kind == "date" and names.label_strength(words) == 3.0):
        return None
    if kind in ("date", "text", "category") and _filled_only_for_leavers(profile, column.position, label):
        return "It is filled only for customers who left, so it is known only afterwards."
    return None


def _filled_only_for_leavers(profile: TableProfile, position: int, label: LabelCandidate) -> bool:
    blank = Blanks(profile.blanks)
    left = stayed = left_filled = stayed_filled = 0
    for value, outcome in zip(profile.sample[position], profile.sample[label.position], strict=True):
        if outcome in label.churned:
            left += 1
            left_filled += not blank(value)
        elif outcome in label.kept:
            stayed += 1
            stayed_filled += not blank(value)
    return left >= 5 and stayed >= 5 and left_filled >= 0.9 * left and stayed_filled <= 0.01 * stayed


def _personal_field(column: ColumnProfile, words: Sequence[str], kind: str) -> str | None:
    if column.emails >= 0.9:
        return "email"
    field = names.personal_field(words)
    # A phone has at least seven digits; a column of small numbers that is merely called "mobile" is a count.
    if field == "phone":
        return "phone" if column.phones >= 0.5 else None
    if field == "email":
        return "email" if column.emails >= 0.5 else None
    if field == "name":
        return "name" if kind in ("text", "category") and column.distinct > 5 else None
    if field == "other":
        return "other" if kind in ("text", "date") or column.distinct > 50 else None
    return "phone" if column.phones >= 0.9 and kind == "text" and _near_unique(column) else None


def _near_unique(column: ColumnProfile) -> bool:
    return column.distinct_exact and column.filled > 0 and column.distinct >= 0.9 * column.filled


def _single_roles(columns: list[ColumnMapping], profile: TableProfile) -> list[ColumnMapping]:
    """Give plan, monthly revenue, tenure, signup and churn date to the clearest column each; a draw gives them to none."""
    scored: dict[str, list[tuple[float, int]]] = {"plan": [], "monthly_revenue": [], "tenure": []}
    for index, column in enumerate(columns):
        if column.role != "feature":
            continue
        words = names.words_of(column.name)
        profiled = profile.columns[index]
        if column.kind in ("number", "integer"):
            if names.is_monthly_revenue(words):
                scored["monthly_revenue"].append((1.0, index))
            if names.is_tenure(words):
                scored["tenure"].append((2.0 if "tenure" in words else 1.0, index))
        if column.kind in ("category", "integer") and names.plan_strength(words) and 2 <= profiled.distinct <= 50:
            scored["plan"].append((float(names.plan_strength(words)), index))
    result = list(columns)
    for role, found in scored.items():
        best = [index for strength, index in found if strength == max(found)[0]]
        if len(best) == 1:
            unit = names.unit_of(names.words_of(columns[best[0]].name)) if role == "tenure" else result[best[0]].unit
            kind = "category" if role == "plan" else result[best[0]].kind
            result[best[0]] = replace(result[best[0]], role=role, kind=kind, unit=unit)
    for role in ("signup", "churn_date"):
        for index in [index for index, column in enumerate(result) if column.role == role][1:]:
            reason = "It is a second date about leaving." if role == "churn_date" else None
            result[index] = replace(result[index], role="ignored" if reason else "date", reason=reason)
    return result


def _currency(columns: Sequence[ColumnMapping], profile: TableProfile) -> str | None:
    for column, profiled in zip(columns, profile.columns, strict=True):
        if column.role == "monthly_revenue" and profiled.currency:
            return profiled.currency
    return next(
        (profiled.currency for profiled in profile.columns if profiled.currency and profiled.number_share > _MOSTLY),
        None,
    )


def _lies_in_the_past(columns: Sequence[ColumnMapping], profile: TableProfile, today: int | None) -> bool:
    if today is None:
        return False
    latest: list[int] = []
    for column, profiled in zip(columns, profile.columns, strict=True):
        if column.kind == "date" and column.role != "ignored":
            moment = profiled.date_maximum
            if column.format in ("unix_s", "unix_ms") and profiled.maximum is not None:
                moment = parse_date(str(int(profiled.maximum)), column.format)
            if moment is not None:
                latest.append(moment)
    return bool(latest) and max(latest) < today
