"""Events, statements about subscriptions and orders over HTTP: item by item, once, and never an error of the server's own."""

from __future__ import annotations

import gzip
import io
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from retainstream.config import Settings
from retainstream.lib import clock
from retainstream.services.events import listing
from tests.conftest import Cast

JSON = {"Content-Type": "application/json"}
NEWEST = clock.iso((clock.now_us() // clock.SECOND_US - 60) * clock.SECOND_US)


def login(**told: Any) -> dict[str, Any]:
    return {"user_id": "u-1", "kind": "login", "occurred_at": NEWEST, **told}


@pytest.fixture
def post(client: FlaskClient, cast: Cast) -> Any:
    """Send a body to one of the three doors as the analyst and return the answer's JSON, which must be 200 unless said."""

    def send(body: Any, door: str = "events", expected: int = 200, **headers: str) -> dict[str, Any]:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        answer = client.post(
            f"/api/v1/{door}",
            data=raw,
            headers=cast.token("analyst") | JSON | {k.replace("_", "-"): v for k, v in headers.items()},
        )
        assert answer.status_code == expected, answer.get_data(as_text=True)
        return dict(answer.get_json())

    return send


@pytest.fixture
def read(client: FlaskClient, cast: Cast) -> Any:
    """Return the JSON of a list as the agent sees it."""

    def get(path: str, expected: int = 200) -> dict[str, Any]:
        answer = client.get(f"/api/v1/{path}", headers=cast.token("agent"))
        assert answer.status_code == expected, answer.get_data(as_text=True)
        return dict(answer.get_json())

    return get


def test_good_items_are_taken_and_bad_ones_explained(post: Any, read: Any) -> None:
    items = [
        login(value=2, properties={"device": "tv", "hd": True, "gap": None}, key="k1"),
        login(key="k1", value=3),
        login(user_id=None),
        login(occurred_at="2026-03-01T12:00:00"),
        login(occurred_at="1970-01-02T00:00:00Z"),
        login(kind="Payment Failed", occurred_at=1_760_000_000_000, user_id=77),
        login(colour="red"),
        login(received_at=NEWEST),
        7,
    ]
    answer = post(items)
    assert [item["status"] for item in answer["items"]] == [
        "accepted",
        "duplicate",
        *["rejected"] * 3,
        "accepted",
        *["rejected"] * 3,
    ]
    codes = {item["index"]: item.get("code") for item in answer["items"] if item["status"] == "rejected"}
    assert codes == {2: "no_customer", 3: "invalid", 4: "out_of_range", 6: "invalid", 7: "invalid", 8: "invalid"}
    counts = answer["counts"]
    assert (counts["accepted"], counts["duplicate"], counts["rejected"], counts["late"]) == (2, 1, 6, 1)
    assert "colour" in answer["items"][6]["message"]
    found = read("events?user_id=u-1")
    assert found["total"] == 1
    (event,) = found["items"]
    assert (
        event["properties"] == {"device": "tv", "hd": True} and event["value"] == 2 and event["occurred_at"] == NEWEST
    )
    (event,) = read("events?kind=payment_failed")["items"]
    assert event["user_id"] == "77" and event["occurred_at"] == "2025-10-09T08:53:20Z"
    assert {item["user_id"] for item in read("customers")["items"]} == {"u-1", "77"}


def test_gzip_an_object_and_an_idempotency_key(post: Any, read: Any, client: FlaskClient, cast: Cast) -> None:
    body = gzip.compress(json.dumps({"events": [login()] * 2, "source": "site"}).encode())
    first = post(body, Content_Encoding="gzip", Idempotency_Key="one")
    assert first["counts"]["accepted"] == 2
    assert post(body, Content_Encoding="gzip", Idempotency_Key="one") == first
    assert post(body, Content_Encoding="gzip")["counts"]["duplicate"] == 2
    assert read("events?source=site")["total"] == 2
    assert read("events?source=api")["total"] == 0


def test_a_report_of_problems_leaves_out_what_went_well(post: Any) -> None:
    answer = post({"events": [login(), 7, login(key="k")], "report": "problems"})
    assert answer["counts"]["accepted"] == 2 and [item["index"] for item in answer["items"]] == [1]


def test_unknown_customers_may_be_skipped(post: Any, read: Any) -> None:
    answer = post({"events": [login()], "unknown_customers": "skip"})
    assert answer["items"][0]["code"] == "unknown_customer" and answer["counts"]["rejected"] == 1
    assert read("customers")["total"] == 0


def test_history_that_was_known_at_the_time(post: Any, read: Any) -> None:
    old = "2025-01-01T00:00:00Z"
    answer = post(
        {
            "events": [login(occurred_at=old), login(occurred_at=old, received_at="2025-01-05T00:00:00Z", key="l")],
            "known_at_time": True,
        }
    )
    assert answer["counts"]["accepted"] == 2 and answer["counts"]["late"] == 1
    assert [item["received_at"] for item in read("events")["items"]] == ["2025-01-05T00:00:00Z", old]
    ahead = clock.iso(clock.now_us() + clock.DAY_US)
    answer = post({"events": [login(received_at=ahead), login(occurred_at=ahead)], "known_at_time": True})
    assert [item.get("code") for item in answer["items"]] == ["out_of_range", None]
    assert answer["counts"]["future"] == 1


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", 400),
        (b"[NaN]", 400),
        (b"[" * 100_000, 400),
        (b'[{"value": 1' + b"0" * 5_000 + b"}]", 400),
        (b"\xff\xfe", 400),
        (b"{}", 422),
        (b"[]", 422),
        (b"7", 422),
        (b'{"events": [{}], "surce": "x"}', 422),
        (b'{"events": [{}], "source": "\\ud800"}', 422),
        (b'{"events": [{}], "known_at_time": "yes"}', 422),
        (b"[" + b"1," * 10_000 + b"1]", 422),
    ],
)
def test_bodies_that_cannot_be_read(post: Any, body: bytes, expected: int) -> None:
    assert post(body, expected=expected)["error"]["message"]


class Unread(io.BytesIO):
    """A body of which nobody may read a byte."""

    def read(self, size: int | None = -1, /) -> bytes:
        raise AssertionError("a body that is too large was read")


@pytest.mark.parametrize("door", ["events", "subscriptions", "orders"])
@pytest.mark.parametrize("repeatable", [True, False])
def test_a_body_that_is_too_large_is_refused_before_it_is_read(
    client: FlaskClient, cast: Cast, door: str, repeatable: bool
) -> None:
    answer = client.post(
        f"/api/v1/{door}",
        input_stream=Unread(),
        headers=cast.token("analyst") | JSON | ({"Idempotency-Key": "large"} if repeatable else {}),
        environ_overrides={"CONTENT_LENGTH": str(40 * 1024 * 1024)},
    )
    assert answer.status_code == 413 and answer.json is not None
    assert "32 MB" in answer.json["error"]["message"]


def test_compressed_bodies_that_cannot_be_read(post: Any) -> None:
    bomb = gzip.compress(b" " * 40_000_000)
    post(bomb, expected=413, Content_Encoding="gzip")
    post(bomb[:1000], expected=400, Content_Encoding="gzip")
    post(b"plain", expected=400, Content_Encoding="gzip")
    body = json.dumps([login()]).encode()
    joined = gzip.compress(body[:9]) + gzip.compress(body[9:])
    assert post(joined, Content_Encoding="gzip")["counts"]["accepted"] == 1
    post(gzip.compress(b"") * 200 + gzip.compress(body), expected=400, Content_Encoding="gzip")
    post(b"[]", expected=415, Content_Encoding="br")
    post(b"[]", expected=415, Content_Type="text/csv")


def test_the_largest_batch_is_taken(post: Any, read: Any) -> None:
    items = [login(user_id=f"u-{number % 700}", key=str(number)) for number in range(10_000)]
    assert post(items)["counts"]["accepted"] == 10_000
    assert post(items)["counts"]["duplicate"] == 10_000
    page = read("events?limit=500")
    after = read(f"events?limit=500&cursor={page['next_cursor']}")
    ids = [item["id"] for item in (*page["items"], *after["items"])]
    assert page["total"] == 10_000 and ids == sorted(ids, reverse=True) and len(set(ids)) == 1_000


def test_callers_at_the_same_time_leave_each_event_once(app: Flask, cast: Cast, read: Any) -> None:
    items = [login(user_id=f"u-{number % 20}", value=number) for number in range(300)]
    gate = threading.Barrier(4)

    def send(_: int) -> tuple[int, int]:
        gate.wait()
        answer = app.test_client().post("/api/v1/events", json=items, headers=cast.token("analyst"))
        counts = answer.get_json()["counts"]
        return counts["accepted"], counts["new_customers"]

    with ThreadPoolExecutor(4) as pool:
        found = sorted(pool.map(send, range(4)))
    assert found == [(0, 0)] * 3 + [(300, 20)]
    assert read("events")["total"] == 300


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(10**14, 10**400)
    | st.floats()
    | st.text(st.characters(), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)
texts = st.text(st.characters(exclude_categories=()), max_size=5)  # halves of surrogate pairs, too
fields = (
    "user_id",
    "kind",
    "occurred_at",
    "value",
    "properties",
    "key",
    "started_at",
    "ended_at",
    "amount",
    "currency",
    "plan",
    "revenue_minor",
    "quantity",
)


@given(
    st.sampled_from(["events", "subscriptions", "orders"]),
    st.lists(st.dictionaries(st.sampled_from(fields), anything | texts), min_size=1, max_size=4),
)
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
def test_nothing_that_is_sent_is_an_error_of_the_server(
    client: FlaskClient, cast: Cast, door: str, items: list[dict[str, Any]]
) -> None:
    good = {
        "events": login(),
        "subscriptions": {"user_id": "u", "started_at": NEWEST},
        "orders": {"user_id": "u", "occurred_at": NEWEST, "amount": 1},
    }[door]
    known = {name for item in items for name in item} & set(good)
    sent = [
        {**good, **{name: cell for name, cell in item.items() if name in good or name not in known}} for item in items
    ]
    answer = client.post(f"/api/v1/{door}", data=json.dumps(sent).encode(), headers=cast.token("analyst") | JSON)
    assert answer.status_code in (200, 400)
    if answer.status_code == 200:
        counts = answer.get_json()["counts"]
        assert counts["accepted"] + counts["duplicate"] + counts["rejected"] == len(sent)


def test_a_long_list_is_walked_stretch_by_stretch(post: Any, read: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    post(
        {
            "events": [
                login(user_id=f"u-{n % 3}", key=str(n), kind="rare" if n % 70 == 3 else "login") for n in range(200)
            ]
        }
    )
    monkeypatch.setattr(listing, "STRETCH", 40)
    pages = [read("events?kind=rare&limit=1")]
    while cursor := pages[-1]["next_cursor"]:
        pages.append(read(f"events?kind=rare&limit=1&cursor={cursor}"))
    assert {page["total"] for page in pages} == {None}
    ids = [item["id"] for page in pages for item in page["items"]]
    assert len(ids) == 3 and ids == sorted(ids, reverse=True) and len(pages) <= 3 + 200 // 40 + 1
    for nobody in ("kind=unheard_of", "source=nowhere", "user_id=nobody"):
        assert read(f"events?{nobody}") == {"items": [], "next_cursor": None, "total": 0}


def test_an_edit_cannot_gainsay_a_subscription(post: Any, read: Any, client: FlaskClient, cast: Cast) -> None:
    told = {"user_id": "s", "plan": "pro", "revenue_minor": 1200, "currency": "EUR", "started_at": "2026-01-01T00:00:00Z"}  # fmt: skip
    post({"source": "billing", "subscriptions": [told]}, "subscriptions")

    def patch(body: dict[str, Any]) -> Any:
        return client.patch("/api/v1/customers/s", json=body, headers=cast.token("agent"))

    before = read("customers/s")
    for body, fields in (
        ({"plan": "basic", "tags": ["vip"]}, ["plan"]),
        ({"revenue": {"amount_minor": 900, "currency": "EUR"}}, ["revenue"]),
        ({"revenue": {"amount_minor": 1200, "currency": "USD"}, "plan": None}, ["plan", "revenue"]),
    ):
        answer = patch(body)
        assert answer.status_code == 409 and sorted(answer.get_json()["error"]["fields"]) == fields
        assert "of the feed billing tell" in answer.get_json()["error"]["message"]
        assert read("customers/s") == before
    assert patch({"plan": "pro", "tenure_months": 7}).status_code == 200
    after = read("customers/s")
    assert (after["plan"], after["revenue"], after["tenure_months"]) == ("pro", before["revenue"], 7)


def test_an_edit_fills_what_no_subscription_tells(post: Any, read: Any, client: FlaskClient, cast: Cast) -> None:
    post([{"user_id": "s", "revenue_minor": 1200, "currency": "EUR", "started_at": "2026-01-01T00:00:00Z"}], "subscriptions")  # fmt: skip
    answer = client.patch("/api/v1/customers/s", json={"plan": "Gold"}, headers=cast.token("agent"))
    assert answer.status_code == 200
    found = read("customers/s")
    assert (found["plan"], found["revenue"]) == ("Gold", {"amount_minor": 1200, "currency": "EUR"})


def test_subscriptions_make_customers_what_they_are(post: Any, read: Any) -> None:
    told = {
        "user_id": "s",
        "key": "sub-1",
        "plan": "pro",
        "revenue_minor": 1200,
        "currency": "EUR",
        "started_at": "2026-01-01T00:00:00Z",
    }
    assert post([told], "subscriptions")["counts"]["statements"] == 1
    customer = read("customers/s")
    assert (customer["plan"], customer["churned"], customer["signup_at"]) == ("pro", False, told["started_at"])
    assert customer["revenue"] == {"amount_minor": 1200, "currency": "EUR"}
    ended = told | {"ended_at": "2026-06-01T00:00:00Z", "end_reason": "voluntary"}
    assert post([told, ended, ended], "subscriptions")["counts"]["duplicate"] == 2
    assert read("customers/s")["churned"] is True
    items = read("subscriptions?user_id=s")["items"]
    assert [(item["current"], item["end_reason"]) for item in items] == [(True, "voluntary"), (False, None)]
    assert items[0]["subscription"] == items[1]["subscription"]
    wrong = [
        told | {"end_reason": "voluntary"},
        ended | {"end_reason": "bored"},
        ended | {"ended_at": "2025-01-01T00:00:00Z"},
        told | {"user_id": "other"},
    ]
    answer = post(wrong, "subscriptions")
    assert [item["code"] for item in answer["items"]] == ["invalid"] * 3 + ["other_customer"]


def test_orders_are_purchases_and_refunds(post: Any, read: Any) -> None:
    line = {"user_id": "o", "occurred_at": NEWEST, "amount": 19.5, "order": "A-1", "product": "mug", "quantity": 2}
    assert post([line, line | {"amount": -19.5, "currency": "EUR"}], "orders")["counts"]["accepted"] == 2
    refund, purchase = read("events?user_id=o")["items"]
    assert (purchase["kind"], purchase["value"]) == ("purchase", 19.5)
    assert purchase["properties"] == {"order": "A-1", "product": "mug", "quantity": 2, "currency": "USD"}
    assert (refund["kind"], refund["value"], refund["properties"]["currency"]) == ("refund", 19.5, "EUR")


def test_lists_of_events_are_filtered_by_time(post: Any, read: Any) -> None:
    post([login(occurred_at=f"2026-03-0{day}T00:00:00Z", key=str(day)) for day in (1, 2, 3)])
    found = read("events?from=2026-03-02T00:00:00Z&to=2026-03-03T00:00:00%2B00:00")["items"]
    assert [item["occurred_at"] for item in found] == ["2026-03-02T00:00:00Z"]
    days = read("events?from=2026-03-02&to=2026-03-03")["items"]  # their beginnings in UTC
    assert days == found
    read("events?from=0001-01-01T00:00:00%2B14:00", expected=422)
    read("events?cursor=abc", expected=422)
    assert read("events?user_id=nobody") == {"items": [], "next_cursor": None, "total": 0}


def test_viewers_see_no_events(client: FlaskClient, cast: Cast) -> None:
    assert client.get("/api/v1/events", headers=cast.token("viewer")).status_code == 403
    assert client.post("/api/v1/events", json=[login()], headers=cast.token("agent")).status_code == 403


def test_erasing_a_person_takes_all_that_happened_along(
    post: Any, read: Any, client: FlaskClient, cast: Cast, settings: Settings
) -> None:
    post([login(user_id="q-7777", properties={"note": "Quokka likes it"}), login()])
    post([{"user_id": "q-7777", "plan": "Quokka plan", "started_at": "2026-01-01T00:00:00Z"}], "subscriptions")
    answer = client.delete("/api/v1/customers/q-7777", headers=cast.token("owner"))
    assert answer.status_code == 200
    assert answer.get_json()["removed"]["events"] == 1 and answer.get_json()["removed"]["subscriptions"] == 1
    for path in settings.instance_path.rglob("*"):
        if path.is_file():
            assert b"Quokka" not in path.read_bytes() and b"q-7777" not in path.read_bytes(), path.name
    answer = post([login(user_id="q-7777")])
    assert answer["items"][0]["code"] == "erased"
    assert read("events")["total"] == 1
