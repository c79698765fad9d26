"""What is proposed for a file from its names and values: customers, times in any notation, kinds, money, reasons; and what is said about it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retainstream.errors import InvalidInput
from retainstream.lib import clock
from retainstream.lib.tabular import open_table
from retainstream.services.events.advice import advise
from retainstream.services.events.hints import end_reason
from retainstream.services.events.mapping import EventMapping, mapping_from
from retainstream.services.events.moments import NO_TIME, read_moment, read_moments
from retainstream.services.events.proposal import propose
from retainstream.services.imports.profile import profile_table

NOW = clock.to_us(datetime(2026, 6, 1, tzinfo=UTC))
DAY = 86_400


def proposed(tmp_path: Path, content: str, target: Any = "events", **more: Any) -> tuple[EventMapping, set[str]]:
    path = tmp_path / "file.csv"
    path.write_text(content)
    profile = profile_table(open_table(path))
    mapping = propose(profile, target, NOW, **more)
    return mapping, {item.code for item in advise(profile, mapping)}


def roles(mapping: EventMapping) -> dict[str, str]:
    return {column.role: column.name for column in mapping.columns if column.role not in ("property", "ignored")}


def log(header: str, row: Any, count: int = 200) -> str:
    return "\n".join([header, *(row(n) for n in range(count))]) + "\n"


@pytest.mark.parametrize(
    ("form", "write"),
    [
        ("iso", lambda n: f"2024-03-{n % 28 + 1:02d}T10:{n % 60:02d}:05Z"),
        ("iso", lambda n: f"2024-03-{n % 28 + 1:02d}"),
        ("dmy", lambda n: f"{n % 28 + 1}/3/2024 10:{n % 60:02d}"),
        ("mdy", lambda n: f"3/{n % 28 + 1}/2024"),
        ("dmy", lambda n: f"{n % 28 + 1:02d}.03.2024"),
        ("d_month_y", lambda n: f"{n % 28 + 1} Mar 2024"),
        ("yyyymmdd", lambda n: f"202403{n % 28 + 1:02d}"),
        ("unix_s", lambda n: str(1_709_251_200 + n * DAY)),
        ("unix_s", lambda n: f"{1_709_251_200 + n * DAY}.25"),
        ("unix_ms", lambda n: str((1_709_251_200 + n * DAY) * 1_000)),
        ("unix_ms", lambda n: f"{(1_709_251_200 + n * DAY) * 1_000}.0"),
        ("unix_us", lambda n: str((1_709_251_200 + n * DAY) * 1_000_000)),
        ("unix_ns", lambda n: str((1_709_251_200 + n * DAY) * 1_000_000_000)),
    ],
)
@pytest.mark.parametrize("name", ["timestamp", "weight"])
def test_times_are_found_by_their_values(tmp_path: Path, form: str, write: Any, name: str) -> None:
    content = log(f"user_id,action,{name}", lambda n: f"u{n % 40},{'login' if n % 3 else 'watch'},{write(n)}")
    mapping, said = proposed(tmp_path, content)
    assert roles(mapping) == {"customer": "user_id", "kind": "action", "time": name}
    time = mapping.role("time")
    assert time is not None and time.format == form
    assert ("misleading_name" in said) == (name == "weight")
    assert mapping.known_at_time and "history" in said
    (moment,) = read_moments([write(0)], form)
    assert clock.iso(int(moment))[:7] == "2024-03"


def test_a_file_of_today_is_no_history(tmp_path: Path) -> None:
    content = log("user_id,ts", lambda n: f"u{n % 40},{NOW // 1_000_000 - n * 60}")
    mapping, said = proposed(tmp_path, content)
    assert not mapping.known_at_time and "history" not in said
    assert mapping.kind == "event" and "no_kind" in said


def test_without_a_header_values_alone_decide(tmp_path: Path) -> None:
    content = log("", lambda n: f"00{n % 50:03d},2024-01-{n % 28 + 1:02d},{n % 5 + 1},{n % 90}.99").lstrip()
    mapping, said = proposed(tmp_path, content, "orders")
    assert roles(mapping) == {
        "customer": "column_1", "time": "column_2", "quantity": "column_3", "amount": "column_4",
    }  # fmt: skip
    assert "header_missing" in said


def test_columns_of_a_shifted_header_are_told_by_their_values(tmp_path: Path) -> None:
    content = log("date,customer_id,amount", lambda n: f"C{n % 50:03d},2024-01-{n % 28 + 1:02d},{n % 90}.99")
    mapping, said = proposed(tmp_path, content, "orders")
    assert roles(mapping)["time"] == "customer_id" and roles(mapping)["amount"] == "amount"
    assert "misleading_name" in said


def test_identifiers_stay_texts(tmp_path: Path) -> None:
    padded, _ = proposed(tmp_path, log("customer_id,date", lambda n: f"{n % 30:05d},2024-01-{n % 28 + 1:02d}"))
    floats, _ = proposed(tmp_path, log("customer_id,date", lambda n: f"{17850 + n % 30}.0,2024-01-{n % 28 + 1:02d}"))
    formats = [mapping.role("customer").format for mapping in (padded, floats)]  # type: ignore[union-attr]
    assert formats == [None, "drop_point_zero"]


def test_two_people_in_a_row_are_one_customer_and_a_property(tmp_path: Path) -> None:
    content = log("a b c", lambda n: f"{n % 40 + 1} {(n * 7) % 40 + 1} {1_082_040_961 + n * 977}")
    mapping, said = proposed(tmp_path, content)
    assert roles(mapping) == {"customer": "a", "time": "c"}
    assert [column.property for column in mapping.properties] == ["b"]
    assert "two_parties" in said


def test_an_order_is_price_times_quantity_with_its_cancellations(tmp_path: Path) -> None:
    def row(n: int) -> str:
        back = n % 20 == 7
        return f"{'C' if back else ''}{536_000 + n // 3},SKU{n % 9},{-2 if back else 3},2024-01-{n % 28 + 1:02d} 08:26:00,£{n % 7}.55,{17_000 + n % 30}.0"

    mapping, said = proposed(
        tmp_path, log("InvoiceNo,StockCode,Quantity,InvoiceDate,UnitPrice,CustomerID", row), "orders"
    )
    assert roles(mapping) == {
        "order": "InvoiceNo", "product": "StockCode", "quantity": "Quantity", "time": "InvoiceDate", "price": "UnitPrice",
        "customer": "CustomerID",
    }  # fmt: skip
    assert mapping.cancelled_prefix == "C" and mapping.currency == "GBP" and "price_times_quantity" in said


def test_subscriptions_have_their_edges_and_reasons(tmp_path: Path) -> None:
    reasons = ("customer cancelled", "card declined", "Trial over", "alien abduction", "")

    def row(n: int) -> str:
        reason = reasons[n % 5]
        end = f"2024-0{n % 6 + 2}-15" if reason else ""
        return f"S{n},u{n},{'basic' if n % 2 else 'pro'},${9 + n % 2 * 10}.99,2024-01-{n % 28 + 1:02d},{end},{reason}"

    header = "subscription_id,customer_id,plan,price,start_date,end_date,cancel_reason"
    mapping, said = proposed(tmp_path, log(header, row), "subscriptions")
    assert roles(mapping) == {
        "key": "subscription_id", "customer": "customer_id", "plan": "plan", "price": "price", "started": "start_date",
        "ended": "end_date", "reason": "cancel_reason",
    }  # fmt: skip
    assert mapping.reasons == {
        "customer cancelled": "voluntary", "card declined": "payment_failed", "trial over": "trial_ended", "alien abduction": "other",
    }  # fmt: skip
    assert "unknown_reasons" in said and mapping.no_reason == "other"
    plain, told = proposed(tmp_path, log("user,start,end", lambda n: f"u{n},2024-01-01,2024-0{n % 9 + 1}-02"), "subscriptions")  # fmt: skip
    assert plain.no_reason == "voluntary" and "no_reason" in told


def test_what_is_missing_is_asked_for(tmp_path: Path) -> None:
    _, said = proposed(tmp_path, log("customer_id,amount", lambda n: f"u{n % 30},{n % 9}.5"), "orders")
    assert "no_time" in said
    _, said = proposed(tmp_path, log("date,amount", lambda n: f"2024-01-{n % 28 + 1:02d},{n % 9}.5"), "orders")
    assert "no_customer" in said


def test_day_and_month_that_cannot_be_told_apart_are_said(tmp_path: Path) -> None:
    _, said = proposed(tmp_path, log("user_id,date", lambda n: f"u{n % 30},{n % 12 + 1:02d}/{n % 9 + 1:02d}/2024"))
    assert "ambiguous_dates" in said


def test_a_mapping_survives_its_json_and_is_checked(tmp_path: Path) -> None:
    content = log("user_id,event,at,device", lambda n: f"u{n % 40},login,2024-01-{n % 28 + 1:02d},tv")
    mapping, _ = proposed(tmp_path, content)
    names = [column.name for column in mapping.columns]
    assert mapping_from(mapping.to_dict(), "events", names) == mapping
    broken = mapping.to_dict()
    broken["columns"][0]["role"] = "boss"
    broken["kind"] = "Not A Name"
    broken["surprise"] = 1
    with pytest.raises(InvalidInput) as wrong:
        mapping_from(broken, "events", names)
    assert set(wrong.value.fields) == {"mapping.columns[0].role", "mapping.kind", "mapping.surprise"}
    twice = mapping.to_dict()
    twice["columns"][3] = {"name": "device", "role": "customer"}
    with pytest.raises(InvalidInput) as wrong:
        mapping_from(twice, "events", names)
    assert "mapping.columns[3].role" in wrong.value.fields


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=8), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["columns", "name", "role", "kind", "reasons", "blanks", "version", "x"]), inner, max_size=4), max_leaves=12)  # fmt: skip


@given(JSON)
def test_any_json_is_a_mapping_or_refused(data: Any) -> None:
    try:
        found: EventMapping | dict[str, list[str]] = mapping_from(data, "events", ["a", "b"])
    except InvalidInput as refused:
        found = refused.fields
    assert isinstance(found, EventMapping) or (found and all(path.startswith("mapping") for path in found))


@given(
    st.lists(st.datetimes(datetime(1980, 1, 1), datetime(2090, 1, 1)), min_size=1, max_size=20),  # noqa: DTZ001
    st.sampled_from(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S.%f", "%Y-%m-%dT%H:%M:%S+00:00"]),
    st.sampled_from(["", "2024-13-01", "soon", " 2024-01-01", "2024-02-30T10:00:00Z"]),
)  # fmt: skip
def test_a_column_of_times_is_read_as_each_of_them_is(moments: list[datetime], style: str, odd: str) -> None:
    texts = [moment.strftime(style) for moment in moments]
    for column in (texts, [*texts, odd]):
        found = read_moments(column, "iso").tolist()
        singly = [read_moment(text, "iso") for text in column]
        assert found == [NO_TIME if moment is None else moment for moment in singly] or odd.startswith(" ")
    parsed = [datetime.strptime(text, style).replace(tzinfo=UTC) for text in texts]
    assert read_moments(texts, "iso").tolist() == [clock.to_us(moment) for moment in parsed]


@given(
    st.lists(st.integers(0, 10**20), min_size=1, max_size=20),
    st.sampled_from(["unix_s", "unix_ms", "unix_us", "unix_ns"]),
)
def test_a_column_of_unix_times_is_read_as_each_of_them_is(numbers: list[int], form: str) -> None:
    texts = [str(number) for number in numbers]
    singly = [read_moment(text, form) for text in texts]
    assert read_moments(texts, form).tolist() == [NO_TIME if moment is None else moment for moment in singly]


@pytest.mark.parametrize(
    ("word", "reason"),
    [("Involuntary", "payment_failed"), ("payment_failed", "payment_failed"), ("too expensive", "voluntary"), ("trial", "trial_ended"), ("?!", None)],
)  # fmt: skip
def test_words_for_reasons(word: str, reason: str | None) -> None:
    assert end_reason(word.casefold()) == reason


def test_json_lines_mean_what_the_same_rows_mean_in_a_request(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    item = '{{"user_id": "u{n}", "kind": "watch", "occurred_at": "2026-03-01T20:15:0{n}Z", "properties": {{"device": "tv"}}{key}}}\n'
    path.write_text("".join(item.format(n=n, key=f', "key": "w-{n}"' if n % 3 else "") for n in range(9)))
    mapping = propose(profile_table(open_table(path)), "events", NOW)
    assert roles(mapping)["key"] == "key"
    assert [column.property for column in mapping.columns if column.role == "property"] == ["device"]


@pytest.mark.parametrize(
    ("name", "different", "named"), [("key", 198, True), ("key", 20, False), ("event_id", 198, False)]
)
def test_only_a_column_called_key_may_repeat_itself(tmp_path: Path, name: str, different: int, named: bool) -> None:
    text = log(
        f"{name},user_id,kind,occurred_at", lambda n: f"e{n % different},u{n % 9},login,2024-03-{n % 28 + 1:02d}"
    )
    assert ("key" in roles(proposed(tmp_path, text)[0])) is named
