"""What the words in a column's header suggest. Only suggestions: ``proposal`` weighs them against the values."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_a-zA-Z]+")
# Words that are often written together without a sign between them; longer ones first, so that they win.
_JOINED = re.compile(
    r"(customer|client|subscriber|member|account|user|phone|mobile|contact|monthly|signup|tenure|subscription|membership"
    r"|first|last|sur|full|email|mail|churn|cancel|number|length|charges?|price|revenue|date|name|code|id|no|num|age|type"
    r"|plan|months?|days?|reason|score|status|flag|label|value|since|start|end|is|has)"
)


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


CHURN = _words(
    "churn churned churner churners churning attrition attrited attrit exited left leaver leavers leaving leave cancelled canceled "
    "cancel cancels cancellation cancelation cancelling lapsed lapse terminated termination unsubscribed unsubscribe closed lost "
    "defected defection departed quit abandoned dropout dropped discontinued deactivated ended gone lostcustomer abwanderung "
    "gekündigt gekuendigt kündigung kuendigung resilie resiliation résilié baja abandono desistencia opgezegd"
)
KEPT = _words(
    "active retained retention retain renewed renew stayed stay staying existing current loyal kept alive subscribed aktiv actif activo ativo attivo"
)
LEFT_VALUES = CHURN | frozenset(
    [
        "inactive",
        "inaktiv",
        "inactif",
        "inactivo",
        "former",
        "expired",
        "nonactive",
        "notactive",
        "nonrenewed",
        "notrenewed",
        "ex",
    ]
)
KEPT_VALUES = KEPT | frozenset(
    ["joined", "new", "open", "notchurned", "nonchurn", "nochurn", "nonchurned", "ongoing", "remain"]
)
_SUBJECTS = _words(
    "customer client subscriber member account user cust acct subscription contact person household patient student guest "
    "player company organisation organization kunde kunden cliente"
)
_IDS = _words("id ids identifier key uuid guid no nr number num nummer ref code")
_COUNTERS = _words("row index rownumber idx unnamed line record sno serial")
DATES = _words(
    "date time ts timestamp datetime at on since day registration registered created updated joined signup start started end ended "
    "expires expiry last first activated activation birthday dob datum fecha"
)
_SIGNUPS = _words(
    "signup registration registered register joined joining join start started since created creation onboarded activation "
    "activated enrolled enrolment enrollment subscribed opened acquisition"
)
_PREDICTIONS = _words("propensity predicted prediction predict predictions forecast forecasted classifier bayes logit")
_CORE = _words("churn churned churning attrition leaving exit leave")
_OUTCOME_DETAILS = _words("reason reasons category date time day month comment comments cause motive feedback type")


def words_of(name: str) -> list[str]:
    """Split a header into small-letter words: at spaces, signs, capitals, digits, and between usual words written together."""
    words: list[str] = []
    for word in _WORDS.findall(name):
        small = word.casefold()
        pieces = [piece for piece in _JOINED.split(small) if piece]
        whole = (
            small in CHURN
            or small in _SIGNUPS
            or small in _IDS
            or small in _COUNTERS
            or small in KEPT
            or small in DATES
        )
        # A split counts only when every piece is a known word: "accountlength", but not "ide-n-tity".
        known = all(_JOINED.fullmatch(piece) for piece in pieces)
        words.extend([small] if whole or not known else pieces)
    return words


def slug(name: str, position: int, taken: set[str]) -> str:
    """Make a unique snake-case attribute name of at most 64 ASCII letters, and add it to `taken`."""
    plain = unicodedata.normalize("NFKD", name.replace("ß", "ss")).encode("ascii", "ignore").decode()
    base = "_".join(word.casefold() for word in _WORDS.findall(plain))[:56].strip("_")
    if not base:
        base = f"column_{position + 1}"
    elif not base[0].isalpha():
        base = f"c_{base}"
    result, number = base, 2
    while result in taken:
        result, number = f"{base}_{number}", number + 1
    taken.add(result)
    return result


def title(name: str) -> str:
    """Make a readable title: words apart, the first with a capital, abbreviations kept."""
    words = [
        word if word.isupper() and len(word) > 1 else word.casefold()
        for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[^\W_A-Z]+", name)
    ]
    text = " ".join(words) or name.strip() or "Unnamed"
    return text[0].upper() + text[1:]


def identifier_strength(words: Sequence[str]) -> int:
    """0: no sign of an identifier; 1: a bare number or code; 2: "id"; 3: "customer id" and the like."""
    if _COUNTERS & set(words):
        return 0
    has_id, subject = bool(_IDS & set(words)), bool(_SUBJECTS & set(words))
    if has_id and subject:
        return 3
    if {"id", "uuid", "guid", "identifier", "msisdn"} & set(words):
        return 2
    return 1 if has_id or (subject and len(words) == 1) or "phone" in words else 0


def is_counter_name(words: Sequence[str]) -> bool:
    """Whether the header speaks of the row and not of a customer."""
    return not words or bool(_COUNTERS & set(words)) or (len(words) == 2 and words[0] == "column")


def label_strength(words: Sequence[str]) -> float:
    """3: names leaving; -2: names staying; 1: a general target; 0.5: a status; 0: nothing (the sign gives the direction)."""
    if CHURN & set(words):
        return 3.0
    if {"inactive", "nonactive"} & set(words):
        return 2.0
    if KEPT & set(words):
        return -2.0
    if len(words) <= 2 and {"target", "label", "outcome"} & set(words):
        return 1.0
    return 0.5 if "status" in words else 0.0


def is_churn_itself(words: Sequence[str]) -> bool:
    """Whether the header is hardly more than a word for leaving, so that such a column can't be a mere feature."""
    return bool(_CORE & set(words)) and len(words) <= 2


def is_prediction(words: Sequence[str]) -> bool:
    """Whether the header names the output of another model ("credit score" is none, "churn score" is one)."""
    found = set(words)
    if found & _PREDICTIONS:
        return True
    outcome = bool(found & (CHURN | {"risk", "model", "retention"}))
    measure = bool(found & {"score", "probability", "prob", "likelihood", "risk", "rank", "decile"})
    return list(words) == ["score"] or (measure and outcome and len(found) > 1)


def is_outcome_detail(words: Sequence[str], numeric: bool) -> bool:
    """Whether the header names something about leaving itself: its reason, date or kind.

    For numbers only unmistakable words count: "cancelled orders per day" is told before anybody leaves.
    """
    return bool(set(words) & (_CORE if numeric else CHURN)) and bool(set(words) & _OUTCOME_DETAILS)


def is_signup(words: Sequence[str]) -> bool:
    """Whether the header names the start of the relation."""
    return bool(set(words) & _SIGNUPS) or ("sign" in words and "up" in words)


def plan_strength(words: Sequence[str]) -> int:
    """How clearly a header names the plan a customer pays for, 0 to 3."""
    found = set(words)
    if "plan" in found or found & {"tier", "tariff"}:
        return 3
    if found & {"package", "membership", "edition"} or {"subscription", "type"} <= found:
        return 2
    return 1 if list(words) == ["contract"] or {"contract", "type"} == found else 0


def is_monthly_revenue(words: Sequence[str]) -> bool:
    """Whether the header names what a customer pays per month."""
    found = set(words)
    if found & {"mrr", "arpu"}:
        return True
    money = {"charge", "charges", "revenue", "fee", "fees", "price", "spend", "payment", "bill", "amount", "rent"}
    return (
        bool(found & {"monthly", "month"}) and bool(found & money) and not found & {"total", "average", "avg", "last"}
    )


def is_tenure(words: Sequence[str]) -> bool:
    """Whether the header names how long somebody has been a customer."""
    found = set(words)
    return (
        "tenure" in found
        or {"months", "book"} <= found
        or (
            bool(found & {"length", "age", "duration"})
            and bool(found & {"account", "subscription", "membership", "customer"})
        )
        or {"months", "customer"} <= found
    )


def unit_of(words: Sequence[str]) -> str | None:
    """Return the unit of time that a header names."""
    for unit in ("day", "week", "month", "year"):
        if unit in words or f"{unit}s" in words:
            return f"{unit}s"
    return None


def personal_field(words: Sequence[str]) -> str | None:
    """Return the kind of personal detail that a header names: name, email, phone, other, or None."""
    found = set(words)
    if found & {"email", "mail"}:
        return "email"
    if found & {"phone", "mobile", "telephone", "msisdn", "fax"} and (
        len(found) == 1 or found & {"number", "no", "nr", "num"}
    ):
        return "phone"
    whose = {"first", "last", "full", "family", "given", "middle", "nick"} | _SUBJECTS
    of_a_person = "name" in found and (len(found) == 1 or bool(found & whose))
    if of_a_person or found & {"surname", "lastname", "firstname", "fullname", "forename", "sur"}:
        return "name"
    if (
        found & {"address", "street", "ssn", "iban", "passport", "birthday", "dob", "birthdate"}
        or {"birth", "date"} <= found
    ):
        return "other"
    return None


def is_area_code(words: Sequence[str]) -> bool:
    """Whether the header names a postcode: digits that are no quantity."""
    found = set(words)
    return bool(found & {"zip", "zipcode", "postcode", "postal", "plz"})


def is_date(words: Sequence[str]) -> bool:
    """Whether the header suggests a moment in time."""
    return bool(set(words) & DATES)
