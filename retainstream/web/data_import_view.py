"""What the page of a file on trial shows: headline, questions, counts, one row of the editor for each column, and the first rows. Pure functions of a draft."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from retainstream.services.events.drafts import CUSTOMERS, Draft
from retainstream.services.events.mapping import REASONS
from retainstream.web import data_words as words
from retainstream.web.data_mapping_form import SHOWN_COLUMNS, shown_read, shown_role, sorted_reasons
from retainstream.web.template_tools import percent, whole

Options = tuple[tuple[str, str], ...]
_COLUMN = re.compile(r"mapping\.columns\[(\d+)\](?:\.(\w+))?")
_SHOWN_CELLS = 60
_ASKED = ("label_inverted", "label_values_unclear")
_ABOVE = "The question above is about this column."
_TAKEN = "already used by columns"


@dataclass(frozen=True)
class Told:
    """One warning: how much it matters (`serious`, `warning` or `info`), and its sentence."""

    severity: str
    text: str


@dataclass(frozen=True)
class Value:
    """A value of a label's column: how many rows have it, and whether it means that the customer left."""

    text: str
    rows: str
    left: bool


@dataclass(frozen=True)
class ColumnView:
    """One column of the editor. `at` is its position; `reads` is empty where there is nothing to choose."""

    at: int
    name: str
    samples: str
    facts: str
    role: str
    roles: Options
    read: str
    reads: Options
    unit: str
    values: tuple[Value, ...]
    note: str
    told: tuple[Told, ...]
    problems: tuple[str, ...]
    label: bool = False


@dataclass(frozen=True)
class Choice:
    """A button that answers a question: name and value of what is sent, and its words."""

    name: str
    value: str
    words: str
    primary: bool = False


@dataclass(frozen=True)
class Question:
    """What a person must say first, with the buttons that say it; without buttons the editor below is where to answer."""

    title: str
    text: str
    choices: tuple[Choice, ...]


@dataclass(frozen=True)
class Count:
    """A figure with what it counts."""

    label: str
    figure: str
    note: str = ""
    tone: str = ""


@dataclass(frozen=True)
class DraftView:
    """Everything on the page."""

    token: str
    filename: str
    target: str
    targets: Options
    title: str
    lead: str
    facts: tuple[str, ...]
    questions: tuple[Question, ...]
    counts: tuple[Count, ...]
    told: tuple[Told, ...]
    problems: tuple[str, ...]
    columns: tuple[ColumnView, ...]
    hidden_columns: int
    import_words: str
    may_import: bool
    on_error: str
    bad: int
    known_at_time: bool
    currency: str | None
    kind: str | None
    source: str
    unknown: str
    reasons: tuple[tuple[str, str], ...]
    reason_words: Options
    sample_head: tuple[str, ...]
    sample_rows: tuple[tuple[str, ...], ...]
    as_read_head: tuple[str, ...]
    as_read_rows: tuple[tuple[str, ...], ...]
    errors: tuple[tuple[str, str, str, str], ...]


def draft_view(draft: Draft, problems: Mapping[str, Sequence[str]] | None = None, message: str = "") -> DraftView:
    """Return the page of a draft.

    Parameters
    ----------
    problems : mapping, optional
        Path of what is wrong in the mapping with its sentences, as the services complain.
    message : str
        What to say of the whole file first.
    """
    beside, above = _sorted_problems(problems or {})
    if message and not above and not beside:
        above = (message,)
    found, mapping = draft.found, draft.mapping
    named = {str(column["name"]) for column in mapping["columns"]} | {
        str(column.get("attribute")) for column in mapping["columns"]
    }
    told = [item for item in found["warnings"] if not item["needs_confirmation"] and item["column"] not in named]
    head, rows = _sample(found["sample"])
    read_head, read_rows = _sample([words.as_read(item) for item in found.get("as_read", [])])
    return DraftView(
        token=draft.token,
        filename=draft.filename,
        target=draft.target,
        targets=tuple(words.SHORT_TARGETS.items()),
        title=_title(draft),
        lead=_lead(draft),
        facts=_facts(draft),
        questions=tuple(_question(draft, item) for item in draft.questions),
        counts=_counts(draft),
        told=tuple(Told(item["severity"], words.told(item)) for item in told),
        problems=above,
        columns=_columns(draft, beside),
        hidden_columns=max(0, len(mapping["columns"]) - SHOWN_COLUMNS),
        import_words=_import_words(draft),
        may_import=not draft.questions,
        on_error=draft.on_error,
        bad=int(found["counts"].get("bad", 0)),
        known_at_time=bool(mapping.get("known_at_time")),
        currency=_currency(draft),
        kind=mapping.get("kind") if draft.target == "events" else None,
        source=draft.source or "",
        unknown=draft.unknown,
        reasons=tuple(sorted_reasons(mapping)) if draft.target == "subscriptions" else (),
        reason_words=tuple((reason, words.REASONS[reason]) for reason in REASONS),
        sample_head=head,
        sample_rows=rows,
        as_read_head=read_head,
        as_read_rows=read_rows,
        errors=tuple(
            (whole(item["line"]), item["column"] or "–", _cell(item["value"]), item["expected"])
            for item in found["errors"]
        ),
    )


def _sorted_problems(problems: Mapping[str, Sequence[str]]) -> tuple[dict[int, list[str]], tuple[str, ...]]:
    """Part complaints into those about a column and those about the file."""
    beside: dict[int, list[str]] = {}
    above: list[str] = []
    for path, sentences in problems.items():
        fits = _COLUMN.match(path)
        for sentence in sentences:
            said = "Another column has this role already: choose one of them." if _TAKEN in sentence else sentence
            if fits is None:
                above.append(words.file_problem(path, said))
            elif said not in beside.setdefault(int(fits[1]), []):
                beside[int(fits[1])].append(said)
    return beside, tuple(dict.fromkeys(above))


def _title(draft: Draft) -> str:
    rows = whole(draft.found["counts"]["rows"])
    about = "" if draft.found["complete"] else "More than "
    if draft.questions:
        count = len(draft.questions)
        return (
            f"{about}{rows} rows, and {'one question' if count == 1 else f'{count} questions'} before they can come in."
        )
    if draft.target == CUSTOMERS:
        rate = draft.found.get("base_rate")
        tail = "" if rate is None else f", of whom {percent(rate)} left"
        return f"{about}{rows} customers{tail}."
    return f"{about}{rows} {words.ROWS[draft.target]}."


def _lead(draft: Draft) -> str:
    told = "Nothing of this file is on record yet. Check below how each column is read, then import."
    if not draft.found["complete"]:
        told += " The file is large: its first 20,000 rows were looked at; the import reads all of it."
    return told


def _facts(draft: Draft) -> tuple[str, ...]:
    found = draft.found
    form = words.FORMATS.get(found["format"], str(found["format"]).upper())
    if found["format"] == "csv" and found["delimiter"]:
        form += f", separated by {words.DELIMITERS.get(found['delimiter'], repr(found['delimiter']))}"
    size = (
        f"{draft.size_bytes / 1_000_000:.1f} MB" if draft.size_bytes >= 100_000 else f"{draft.size_bytes / 1000:.1f} kB"
    )
    facts = [form, str(found["encoding"] or "").upper().removesuffix("-SIG"), size, f"{len(draft.columns)} columns"]
    return tuple(fact for fact in facts if fact)


def _question(draft: Draft, item: Mapping[str, Any]) -> Question:
    code, label = item["code"], _label(draft)
    if code in _ASKED and label is not None:
        left, stayed = (", ".join(label.get(name, [])) for name in ("churned_values", "kept_values"))
        rate = float(draft.found["base_rate"] or 0.0)
        return Question(
            f"Which value of {label['name']} means that a customer left?",
            item["message"].replace(f" Confirm that {left!r} means left, or turn the label round.", ""),
            (
                Choice("answer", "confirm", f"“{left}” means left: {percent(rate)}", primary=rate <= 0.5),
                Choice("answer", "flip", f"“{stayed}” means left: {percent(1 - rate)}", primary=rate > 0.5),
            ),
        )
    if code == "ambiguous_label":
        names = [column["name"] for column in draft.mapping["columns"]]
        choices = [
            Choice("label", str(names.index(name)), f"Use {name}", primary=at == 0)
            for at, name in enumerate(item["detail"]["columns"])
            if name in names
        ]
        return Question(
            "Which column says who left?", item["message"], (*choices, Choice("label", "none", "None of them"))
        )
    title = words.QUESTIONS.get(code, "This has to be settled first.")
    return Question(title, words.told(item), ())


def _label(draft: Draft) -> Mapping[str, Any] | None:
    return next((column for column in draft.mapping["columns"] if column["role"] == "label"), None)


def _counts(draft: Draft) -> tuple[Count, ...]:
    counts = draft.found["counts"]
    shown = [Count("Rows in the file" if draft.found["complete"] else "Rows looked at", whole(counts["rows"]))]
    for name, label, note, always, tone in words.COUNTS[CUSTOMERS if draft.target == CUSTOMERS else "events"]:
        if counts.get(name) or (always and name in counts):
            some = bool(counts.get(name))
            shown.append(Count(label, whole(counts[name]), note if some else "", tone if some else ""))
    return tuple(shown)


def _import_words(draft: Draft) -> str:
    counts = draft.found["counts"]
    if not draft.found["complete"]:
        return "Import the whole file"
    good = int(counts.get("accepted" if draft.target != CUSTOMERS else "good", counts["rows"]))
    if not good:
        return "Import"
    return f"Import {whole(good)} {'row' if good == 1 else 'rows'}"


def _currency(draft: Draft) -> str | None:
    roles = {column["role"] for column in draft.mapping["columns"]}
    needed = roles & {"monthly_revenue", "price", "amount"} and "currency" not in roles
    return (draft.mapping.get("currency") or "") if needed else None


def _columns(draft: Draft, problems: Mapping[int, Sequence[str]]) -> tuple[ColumnView, ...]:
    facts = {str(fact["name"]): fact for fact in draft.columns}
    about: dict[str, list[Told]] = {}
    for item in draft.found["warnings"]:
        if item["column"] is not None:
            said = _ABOVE if item["needs_confirmation"] and item["code"] in _ASKED else words.told(item)
            about.setdefault(item["column"], []).append(Told(item["severity"], said))
    shown = []
    for at, column in enumerate(draft.mapping["columns"][:SHOWN_COLUMNS]):
        fact = facts.get(column["name"], {})
        told = [*about.get(column["name"], [])]
        if column.get("attribute") != column["name"]:
            told += about.get(str(column.get("attribute")), [])
        shown.append(_column(draft.target, at, column, fact, tuple(told), tuple(problems.get(at, ()))))
    return tuple(shown)


def _column(
    target: str,
    at: int,
    column: Mapping[str, Any],
    fact: Mapping[str, Any],
    told: tuple[Told, ...],
    problems: tuple[str, ...],
) -> ColumnView:
    role = str(column["role"])
    read, reads = shown_read(target, column)
    return ColumnView(
        at=at,
        name=str(column["name"]),
        samples=" · ".join(fact.get("samples", [])),
        facts=_column_facts(fact),
        role=shown_role(column),
        roles=words.ROLES[target],
        read=read,
        reads=reads,
        unit=str(column.get("unit") or "months") if role == "tenure" else "",
        values=_values(column, fact) if role == "label" else (),
        note=_note(target, column),
        told=told,
        problems=problems,
        label=role == "label",
    )


def _column_facts(fact: Mapping[str, Any]) -> str:
    if not fact:
        return ""
    if not fact["filled"]:
        return "empty"
    exact = fact["distinct_exact"]
    different = (
        f"{whole(fact['distinct'])} different" if exact else f"more than {whole(fact['distinct'] - 1)} different"
    )
    return different + (f", {whole(fact['blanks'])} blank" if fact["blanks"] else "")


def _note(target: str, column: Mapping[str, Any]) -> str:
    if column["role"] == "ignored":
        return str(column.get("reason") or "")
    if target == CUSTOMERS and column["role"] == "feature" and not column.get("feature"):
        return "It is kept, but a model does not learn from it."
    return ""


def _values(column: Mapping[str, Any], fact: Mapping[str, Any]) -> tuple[Value, ...]:
    rows = dict(fact.get("values", []))
    left = list(column.get("churned_values", []))
    known = list(dict.fromkeys([*rows, *left, *column.get("kept_values", [])]))
    return tuple(Value(text, whole(rows[text]) if text in rows else "0", text in left) for text in known)


def _sample(items: Sequence[Mapping[str, Any]]) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    if not items:
        return (), ()
    head = tuple(items[0])[:_SHOWN_CELLS]
    return head, tuple(tuple(_cell(item.get(name)) for name in head) for item in items)


def _cell(value: object) -> str:
    text = "" if value is None else str(value)
    return text if len(text) <= 80 else f"{text[:79]}…"
