"""What the values of one column, and the words in its header, say about its part in a file of events, orders or subscriptions.

Only suggestions, one column at a time; `proposal` weighs them against one another. Values come first: a header may be wrong.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from retainstream.services.events.moments import UNIX_SCALE, read_moment
from retainstream.services.events.rows import kind_name
from retainstream.services.imports import names
from retainstream.services.imports.columns import ColumnProfile

MOSTLY = 0.95
MOST_KINDS = 500
_EARLIEST_UNIX, _LATEST_UNIX = 631_152_000_000_000, 4_102_444_800_000_000  # 1990 to 2100, microseconds


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


TIME = _set("time timestamp ts date datetime day at occurred happened when datum zeit fecha moment clock epoch")
HAPPENED = _set("occurred happened event order purchase invoice transaction sale played sent")
RECEIVED = _set("received ingested ingest loaded inserted arrived imported recorded processed synced")
NOT_WHEN = _set(
    "registration registered signup birth birthday dob expiry expires due delivery shipped updated modified valid until"
)
PERSON = _set(
    "user customer client member subscriber account player patient student guest buyer shopper kunde visitor username userid"
)
FIRST_PARTY = _set("source src sender from actor who caller follower")
SECOND_PARTY = _set("target recipient receiver to dst followee friend")
OTHER_THING = _set(
    "session order invoice product item transaction event stock message device ip song artist sku basket cart receipt page article "
    "row index quantity amount price value total count weight score age rating status target recipient zip postcode plan"
)  # fmt: skip
KIND = ((_set("event kind eventtype eventname"), 5.0), (_set("action activity verb"), 4.0), (_set("type"), 3.0), (_set("page screen"), 2.0))  # fmt: skip
AMOUNT = _set(
    "amount total revenue sales sale value paid spend spent gross net subtotal turnover dollar dollars euro euros pounds betrag umsatz"
)
PRICE = _set("price cost rate unitprice preis fee charge charges mrr")
QUANTITY = _set("quantity qty units pieces items amountitems menge anzahl")
LENGTH = _set("value duration length seconds minutes hours watched played score points bytes size")
ORDER = _set("order invoice receipt basket transaction cart orderno invoiceno bestellung rechnung")
PRODUCT = _set("product item sku article stock asin isbn produkt artikel stockcode")
KEY = _set("uuid guid key")
KEY_SUBJECT = _set("event message transaction idempotency request line record")
STARTED = _set(
    "start started starts begin began begins since from created signup subscribed activated opened joined registered beginn"
)
ENDED = _set(
    "end ended ends cancel cancelled canceled cancellation expired expires until to terminated closed churn churned left stopped ende"
)
REASON = _set("reason reasons cause why grund motive")
_REASON_WORDS: tuple[tuple[str, frozenset[str]], ...] = (
    ("payment_failed", _set("payment pay card declined dunning failed failure unpaid billing insufficient funds due delinquent chargeback involuntary nonpayment")),
    ("trial_ended", _set("trial trialended")),
    ("voluntary", _set(
        "voluntary customer requested request user price expensive cost switched switching competitor unused missing features quality moved "
        "quit cancel cancelled canceled cancellation churn left dissatisfied budget unneeded needed bugs support self"
    )),
)  # fmt: skip


@dataclass(frozen=True)
class Moment:
    """How a column's values are times: the format, and the earliest and latest, microseconds UTC."""

    format: str
    low: int
    high: int


def words_in(column: ColumnProfile, has_header: bool) -> frozenset[str]:
    """Return the words of a column's header; none where the file has no header."""
    return frozenset(names.words_of(column.name)) if has_header else frozenset()


def moment_of(column: ColumnProfile, words: frozenset[str]) -> Moment | None:
    """Tell how a column's values can be read as times: a date format that fits nearly all of them, or a unix time by magnitude and range."""
    if not column.filled:
        return None
    timely = bool(words & (TIME | STARTED | ENDED))
    # Eight digits that are all the same may be any number; a date with its signs is a date.
    telling = column.date_format != "yyyymmdd" or column.distinct >= 2 or timely
    if column.date_format is not None and column.date_share >= MOSTLY and telling:
        return Moment(column.date_format, column.date_minimum or 0, column.date_maximum or 0)
    low, high = column.minimum, column.maximum
    if low is None or high is None or column.number_share < MOSTLY or column.percents or column.currency:
        return None
    named_otherwise = not timely and bool(words & (PRICE | AMOUNT | QUANTITY) or names.personal_field(sorted(words)))
    if named_otherwise or (not timely and column.distinct < 2) or (column.padded and not timely):
        return None
    if not timely and names.identifier_strength(sorted(words)) >= 2:
        return None
    for form, scale in UNIX_SCALE.items():
        if low * scale >= _EARLIEST_UNIX and high * scale < _LATEST_UNIX:
            return Moment(form, int(low * scale), int(high * scale))
    return None


def time_score(moment: Moment, words: frozenset[str], column: ColumnProfile) -> float:
    """Say how well a column of times tells when something happened; larger is better."""
    score = 10.0 + (4.0 if words & TIME else 0.0) + (2.0 if words & HAPPENED else 0.0)
    score -= 6.0 if words & NOT_WHEN or words & RECEIVED else 0.0
    score -= 5.0 * column.blanks / max(column.rows, 1)
    return score + (1.0 if moment.high > moment.low else 0.0)


def is_id_like(column: ColumnProfile) -> bool:
    """Whether values could name somebody: short texts or whole numbers, more than one of them, not counting the rows."""
    if not column.filled or column.is_row_counter or column.mean_length > 80 or column.currency or column.percents:
        return False
    if column.distinct < 2 and column.filled > 20:
        return False
    if column.number_share < MOSTLY:
        return True
    return column.integers == column.numbers and (column.minimum or 0) >= 0


def customer_score(column: ColumnProfile, words: frozenset[str]) -> float:
    """Say how well a column names the customer; 0 when it can't."""
    if not is_id_like(column):
        return 0.0
    person, other = bool(words & PERSON), bool(words & OTHER_THING)
    strength = names.identifier_strength(sorted(words))
    if "subscription" in words and not person:
        return 0.0
    if person and (strength == 3 or not other):
        return 10.0 if strength == 3 or words & {"userid", "username"} else 8.0
    if words & FIRST_PARTY:
        return 7.0
    if other:
        return 0.0
    share = column.distinct / column.filled
    lonely = -3.0 if column.unique and column.rows >= 50 else 0.0
    if words & {"id", "identifier", "uuid", "guid"}:
        return max(5.0 + lonely, 0.5)
    if column.emails > MOSTLY:
        return 4.0
    if column.number_share < MOSTLY and column.codes < MOSTLY and column.uuids < MOSTLY:
        return 0.0
    score = 3.5 if column.padded else 3.0 if column.point_zeros else 2.5 if column.distinct >= 10 else 1.0
    return max(score + lonely - (1.0 if share < 0.001 else 0.0) - (1.0 if words else 0.0), 0.1)


def kind_score(column: ColumnProfile, words: frozenset[str], has_header: bool) -> float:
    """Say how well a column tells what happened; 0 when it can't."""
    if column.number_share >= MOSTLY or not column.counts or column.distinct > MOST_KINDS or column.mean_length > 40:
        return 0.0
    if column.distinct > 20 and column.distinct * 2 > column.filled:
        return 0.0
    if not has_header:
        wordy = all(any(sign.isalpha() for sign in text) for text in column.counts)
        return 1.0 if wordy and column.distinct <= 50 and column.distinct * 2 <= column.filled else 0.0
    if words & {"id", "uuid"} or not any(map(kind_name, column.counts)):
        return 0.0
    return next((score for known, score in KIND if words & known), 0.0)


def is_number(column: ColumnProfile) -> bool:
    """Whether nearly all values are numbers and none has a leading zero, which would be a code."""
    return bool(column.filled) and column.number_share >= MOSTLY and column.padded <= 0.02 * column.filled


def is_quantity(column: ColumnProfile, words: frozenset[str]) -> bool:
    """Whether a column says how many."""
    counted = bool(words & QUANTITY) or {"number", "of"} <= words or words in ({"count"}, {"num"})
    return counted and is_number(column) and not words & AMOUNT


def has_fractions(column: ColumnProfile) -> bool:
    """Whether a column holds numbers that are not all whole."""
    return is_number(column) and column.integers < column.numbers


def end_reason(word: str) -> str | None:
    """Return which reason of an end a word in a file means; None when it says nothing known."""
    if word in ("voluntary", "payment_failed", "trial_ended", "other"):
        return word
    found = set(re.findall(r"[^\W\d_]+", word.casefold()))
    return next((reason for reason, known in _REASON_WORDS if found & known), None)


def reads_all(texts: Sequence[str], form: str) -> bool:
    """Whether a format reads every one of some texts."""
    return all(read_moment(text.strip(), form) is not None for text in texts)
