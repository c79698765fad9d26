"""Shapes of customers, in and out."""

from __future__ import annotations

import re
from typing import Any

import marshmallow as ma

from retainstream.schemas.base import MomentField, Schema
from retainstream.schemas.paging import MOMENT, ListSchema

RISK_WORDS = ("low", "medium", "high", "very_high")
SORTS = tuple(
    f"{sign}{name}"
    for sign in ("", "-")
    for name in ("risk", "revenue", "tenure", "signup", "plan", "created", "user_id")
)
GROUP_ORDER = "group"
MAX_MINOR = 10**15
MOST_CELLS = 4
INTERVAL = {
    "description": "[low, high], the smallest that holds the probability and its Venn-Abers pair; null where the probability is withheld"
}
CONFIDENCE = {"description": "1 - (high - low) of the interval; null where the probability is withheld"}


class MoneySchema(Schema):
    """An amount in minor units."""

    amount_minor = ma.fields.Integer(
        required=True, strict=True, validate=ma.validate.Range(min=-MAX_MINOR, max=MAX_MINOR)
    )
    currency = ma.fields.String(
        required=True, validate=ma.validate.Regexp(r"^[A-Z]{3}$", error="three capital letters, such as EUR")
    )


class ReasonSchema(Schema):
    """What the model saw, which way it moved the score, and how large a part of the margin that was."""

    feature = ma.fields.String(required=True)
    title = ma.fields.String(required=True)
    value = ma.fields.Raw(required=True, allow_none=True)
    direction = ma.fields.String(required=True, validate=ma.validate.OneOf(("raises", "lowers")))
    share = ma.fields.Float(required=True)
    contribution = ma.fields.Float(metadata={"description": "On the margin (log-odds)"})
    sentence = ma.fields.String(required=True)
    finding = ma.fields.String(
        required=True, metadata={"description": "The sentence's part that says what the model saw, without the effect"}
    )


MODEL_KINDS = ("snapshot", "forward", "simple_rule")


class DefinitionInShortSchema(Schema):
    """The churn definition behind a score; a labelled column has neither horizon nor lead."""

    id = ma.fields.Integer(required=True)
    name = ma.fields.String(required=True)
    kind = ma.fields.String(required=True)
    horizon_days = ma.fields.Integer(required=True, allow_none=True)
    lead_days = ma.fields.Integer(required=True, allow_none=True)


class ScoreFieldsSchema(Schema):
    """The score in force of a customer; every field is null for one that was never scored."""

    churn_probability = ma.fields.Float(required=True, allow_none=True, validate=ma.validate.Range(min=0, max=1))
    risk_percentile = ma.fields.Float(required=True, allow_none=True)
    confidence = ma.fields.Float(required=True, allow_none=True, metadata=CONFIDENCE)
    interval = ma.fields.List(ma.fields.Float(), required=True, allow_none=True, metadata=INTERVAL)
    risk_band = ma.fields.String(required=True, allow_none=True, validate=ma.validate.OneOf(RISK_WORDS))
    predicted = ma.fields.Boolean(required=True, allow_none=True)
    margin = ma.fields.Float(required=True, allow_none=True)
    reasons = ma.fields.List(ma.fields.Nested(ReasonSchema), required=True)
    model_version = ma.fields.Integer(required=True, allow_none=True)
    kind = ma.fields.String(
        required=True,
        allow_none=True,
        metadata={
            "description": "snapshot (not forward-looking), forward, or simple_rule (too little history for a model)"
        },
    )
    definition = ma.fields.Nested(DefinitionInShortSchema, required=True, allow_none=True)
    as_of = ma.fields.String(required=True, allow_none=True, metadata=MOMENT)
    data_as_of = ma.fields.String(required=True, allow_none=True, metadata=MOMENT)
    scored_at = ma.fields.String(required=True, allow_none=True, metadata=MOMENT)
    stale = ma.fields.Boolean(required=True, allow_none=True)
    stale_reasons = ma.fields.List(
        ma.fields.String(),
        required=True,
        metadata={"description": "Of: model_replaced, values_changed, as_of_old, feed_silent"},
    )


class HealthInShortSchema(Schema):
    """The health score in force, and which share of its parts' weight is known. All of it: GET /customers/{user_id}/health."""

    score = ma.fields.Float(required=True, allow_none=True, metadata={"description": "0 to 100"})
    band = ma.fields.String(required=True, allow_none=True)
    confidence = ma.fields.Float(required=True)


class LifetimeInShortSchema(Schema):
    """What the customer is expected to bring, with its interval."""

    value = ma.fields.Nested(MoneySchema, required=True)
    low = ma.fields.Nested(MoneySchema, required=True, allow_none=True)
    high = ma.fields.Nested(MoneySchema, required=True, allow_none=True)


class CustomerSchema(ScoreFieldsSchema):
    """A customer as lists show it. Name, e-mail and phone come only with their permission."""

    user_id = ma.fields.String(required=True)
    plan = ma.fields.String(required=True, allow_none=True)
    revenue = ma.fields.Nested(MoneySchema, required=True, allow_none=True)
    signup_at = ma.fields.String(required=True, allow_none=True, metadata=MOMENT)
    tenure_months = ma.fields.Float(required=True, allow_none=True)
    churned = ma.fields.Boolean(required=True, allow_none=True)
    tags = ma.fields.List(ma.fields.String(), required=True)
    created_at = ma.fields.String(required=True, metadata=MOMENT)
    updated_at = ma.fields.String(required=True, metadata=MOMENT)
    health = ma.fields.Nested(HealthInShortSchema, required=True, allow_none=True)
    rfm_group = ma.fields.String(required=True, allow_none=True)
    lifetime_value = ma.fields.Nested(LifetimeInShortSchema, required=True, allow_none=True)
    name = ma.fields.String(allow_none=True)
    email = ma.fields.String(allow_none=True)
    phone = ma.fields.String(allow_none=True)


class AttributeSchema(Schema):
    """One attribute with its definition."""

    name = ma.fields.String(required=True)
    title = ma.fields.String(required=True)
    kind = ma.fields.String(required=True)
    unit = ma.fields.String(required=True, allow_none=True)
    value = ma.fields.Raw(required=True, allow_none=True)
    feature = ma.fields.Boolean(required=True)


class CustomerRecordSchema(CustomerSchema):
    """A customer with all attributes."""

    attributes = ma.fields.List(ma.fields.Nested(AttributeSchema), required=True)
    other_personal = ma.fields.Dict(keys=ma.fields.String())


class CustomerListSchema(ListSchema):
    """One page of customers."""

    items = ma.fields.List(ma.fields.Nested(CustomerSchema), required=True)


class WordsField(ma.fields.Field[tuple[str, ...]]):
    """Words of a query string: separated by commas, or in a parameter that comes several times, or both. Addresses of pages are written so, too."""

    EXPECTED = "words separated by commas"
    is_multiple = True  # webargs then gives every value of a parameter that comes several times

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> tuple[str, ...]:  # noqa: ARG002 - the parent's shape
        given = value if isinstance(value, list) else [value]
        if not all(isinstance(one, str) for one in given) or sum(map(len, given)) > 2_000:
            raise ma.ValidationError(self.EXPECTED)
        return tuple(dict.fromkeys(stripped for one in self._parts(given) if (stripped := one.strip())))

    def _parts(self, given: list[str]) -> list[str]:
        return ",".join(given).split(",")


class PlansField(WordsField):
    """Names of plans. Several values are taken as they are, since a name may hold a comma; only one that comes alone is split at its commas."""

    def _parts(self, given: list[str]) -> list[str]:
        return super()._parts(given) if len(given) == 1 else given


class CellsField(ma.fields.Field[tuple[str, ...]]):
    """Addresses of figures separated by semicolons, or one by one; whether each leads anywhere is told when the list is read."""

    is_multiple = True

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> tuple[str, ...]:  # noqa: ARG002 - the parent's shape
        given = value if isinstance(value, list) else [value]
        found = tuple(dict.fromkeys(part.strip() for one in given for part in str(one).split(";") if part.strip()))
        if not all(isinstance(one, str) for one in given) or len(found) > MOST_CELLS:
            raise ma.ValidationError(f"up to {MOST_CELLS} addresses of figures, separated by semicolons")
        return found


class SegmentsField(WordsField):
    """Ids of segments, as the addresses of their members; whether each is there is told when the list is read."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> tuple[str, ...]:
        found = tuple(dict.fromkeys(super()._deserialize(value, attr, data, **kwargs)))
        if len(found) > MOST_CELLS or not all(re.fullmatch(r"[1-9][0-9]{0,17}", part) for part in found):
            raise ma.ValidationError(f"up to {MOST_CELLS} ids of segments, separated by commas")
        return tuple(f"segment:{part}" for part in found)


def segments_field() -> SegmentsField:
    """Return the parameter by which a list is narrowed to those whom every one of some segments means now."""
    described = "Ids of segments, separated by commas: only customers whom all of them mean now"
    return SegmentsField(load_default=(), metadata={"type": "string", "description": described, "example": "3"})


class ScoreFilterSchema(Schema):
    """The filters that lists of customers and of scores have in common."""

    band = WordsField(
        load_default=(), metadata={"type": "string", "description": "low, medium, high, very_high; separated by commas"}
    )
    plan = PlansField(
        load_default=(),
        metadata={"type": "string", "description": "Plans: separated by commas, or a parameter each, then as they are"},
    )
    min_probability = ma.fields.Float(load_default=None, validate=ma.validate.Range(min=0, max=1))
    segment = segments_field()
    cell = CellsField(
        load_default=(),
        metadata={
            "type": "string",
            "description": "Addresses of figures, such as segment:3 or rfm:at_risk, separated by semicolons: customers whom all of them count",
        },
    )

    @ma.validates("band")
    def check_band(self, value: tuple[str, ...], data_key: str) -> None:  # noqa: ARG002 - marshmallow passes it
        """Name the bands that exist."""
        if any(word not in RISK_WORDS for word in value):
            raise ma.ValidationError("some of " + ", ".join(RISK_WORDS))

    @ma.validates_schema
    def check_cells(self, data: dict[str, Any], **_: Any) -> None:
        """Bound how many figures a list is narrowed by."""
        if len({*data["cell"], *data["segment"]}) > MOST_CELLS:
            raise ma.ValidationError({"cell": [f"up to {MOST_CELLS} figures and segments together"]})

    @ma.post_load
    def join_cells(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        """Let a segment be what it is: the address of its members."""
        return {**data, "cell": tuple(dict.fromkeys((*data["cell"], *data["segment"])))}


class CustomerFilterSchema(ScoreFilterSchema):
    """Filters of a list of customers."""

    status = ma.fields.String(load_default="active", validate=ma.validate.OneOf(("active", "left", "all")))
    q = ma.fields.String(
        load_default="",
        validate=ma.validate.Length(max=200),
        metadata={"description": "Part of identifier, name or e-mail"},
    )
    tag = WordsField(load_default=(), metadata={"type": "string", "description": "Tags that must all be there"})
    max_probability = ma.fields.Float(load_default=None, validate=ma.validate.Range(min=0, max=1))
    min_revenue = ma.fields.Integer(load_default=None, validate=ma.validate.Range(min=-MAX_MINOR, max=MAX_MINOR))
    max_revenue = ma.fields.Integer(load_default=None, validate=ma.validate.Range(min=-MAX_MINOR, max=MAX_MINOR))
    min_tenure = ma.fields.Float(load_default=None, validate=ma.validate.Range(min=0, max=10_000))
    max_tenure = ma.fields.Float(load_default=None, validate=ma.validate.Range(min=0, max=10_000))
    group = ma.fields.String(
        load_default="",
        validate=ma.validate.OneOf(("", "leaving_soon", "risen", "payment_trouble", "new_drifting", "saved")),
        metadata={
            "description": "A named group of active customers, such as those whose rank has risen since last week"
        },
    )
    sort = ma.fields.String(
        load_default=None,
        validate=ma.validate.OneOf((*SORTS, GROUP_ORDER)),
        metadata={
            "description": "A leading minus means largest first. Without it: -risk, in a group the group's own order"
        },
    )

    @ma.validates_schema
    def check_order(self, data: dict[str, Any], **_: Any) -> None:
        """Only a group has an order of its own."""
        if data["sort"] == GROUP_ORDER and not data["group"]:
            raise ma.ValidationError({"sort": [f"{GROUP_ORDER} together with a group only"]})

    @ma.post_load
    def choose_order(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        """Sort as nobody asked otherwise."""
        return {**data, "sort": data["sort"] or (GROUP_ORDER if data["group"] else "-risk")}


class TagField(ma.fields.String):
    """A short word for a group of customers."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        written = super()._deserialize(value, attr, data, **kwargs)
        if not re.fullmatch(r"[^\s,][^,\x00-\x1f]{0,58}[^\s,]|[^\s,\x00-\x1f]", written):
            raise ma.ValidationError("1 to 60 characters without commas")
        return written


class CustomerChangeSchema(Schema):
    """What may be changed; a key that is absent stays, null clears."""

    plan = ma.fields.String(allow_none=True, validate=ma.validate.Length(min=1, max=200))
    revenue = ma.fields.Nested(MoneySchema, allow_none=True)
    signup_at = MomentField(allow_none=True)
    tenure_months = ma.fields.Float(allow_none=True, validate=ma.validate.Range(min=0, max=10_000))
    name = ma.fields.String(allow_none=True, validate=ma.validate.Length(min=1, max=300))
    email = ma.fields.String(allow_none=True, validate=ma.validate.Length(min=3, max=254))
    phone = ma.fields.String(allow_none=True, validate=ma.validate.Length(min=1, max=60))
    tags = ma.fields.List(TagField(), validate=ma.validate.Length(max=50))
    attributes = ma.fields.Dict(
        keys=ma.fields.String(), values=ma.fields.Raw(allow_none=True), validate=ma.validate.Length(max=500)
    )


class ErasedSchema(Schema):
    """How many rows of each table an erasure removed."""

    erased = ma.fields.Boolean(required=True)
    removed = ma.fields.Dict(keys=ma.fields.String(), values=ma.fields.Integer(), required=True)
