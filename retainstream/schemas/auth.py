"""Shapes of registering, logging in, and API tokens."""

from __future__ import annotations

import marshmallow as ma

from retainstream.schemas.base import Schema
from retainstream.schemas.paging import MOMENT, ListSchema, TrueOrFalse, secret_field, text_field
from retainstream.schemas.users import UserSchema
from retainstream.security.permissions import Permission

SCOPES = [permission.value for permission in Permission]


class RegisterSchema(Schema):
    """A new account: the first needs the set-up code, later ones an invitation unless registration is open."""

    email = text_field(254, 3, required=True)
    password = secret_field(200, 10, required=True)
    name = text_field(200, load_default="")
    setup_code = secret_field(100, load_default=None, allow_none=True)
    invitation = secret_field(200, load_default=None, allow_none=True)


class LoginSchema(Schema):
    """Who, and the proof."""

    email = text_field(254, 1, required=True)
    password = secret_field(1000, required=True)


class RefreshSchema(Schema):
    """A refresh token; it holds for one use."""

    refresh_token = secret_field(200, required=True)


class LogoutSchema(Schema):
    """How far the log-out goes."""

    everywhere = TrueOrFalse(
        load_default=False, metadata={"description": "End every log-in and browser session of the caller"}
    )


class TokenPairSchema(Schema):
    """A short-lived access token and the refresh token that gets the next pair."""

    access_token = ma.fields.String(required=True)
    refresh_token = ma.fields.String(required=True)
    token_type = ma.fields.String(required=True, validate=ma.validate.Equal("Bearer"))
    expires_in = ma.fields.Integer(required=True, metadata={"description": "Seconds until the access token expires"})


class SignedInSchema(TokenPairSchema):
    """A pair and whose it is."""

    user = ma.fields.Nested(UserSchema, required=True)


class MeSchema(Schema):
    """The caller, with what the token shown may do."""

    user = ma.fields.Nested(UserSchema, required=True)
    permissions = ma.fields.List(ma.fields.String(validate=ma.validate.OneOf(SCOPES)), required=True)
    means = ma.fields.String(required=True, validate=ma.validate.OneOf(["access_token", "api_token"]))


class SessionSchema(Schema):
    """Something that a person is signed in with."""

    id = ma.fields.String(required=True)
    kind = ma.fields.String(required=True, validate=ma.validate.OneOf(("browser", "api")))
    created_at = ma.fields.String(required=True, metadata=MOMENT)
    last_seen_at = ma.fields.String(
        required=True,
        metadata={**MOMENT, "description": "Noted once an hour; of a log-in by the API, its last refresh"},
    )
    expires_at = ma.fields.String(required=True, metadata=MOMENT)
    user_agent = ma.fields.String(required=True, metadata={"description": "Empty for a log-in by the API"})
    address = ma.fields.String(required=True)
    current = ma.fields.Boolean(required=True, metadata={"description": "Whether this call came by it"})


class SessionListSchema(ListSchema):
    """A page of sessions and log-ins."""

    items = ma.fields.List(ma.fields.Nested(SessionSchema), required=True)


class EndedSchema(Schema):
    """How many sessions and log-ins were ended."""

    ended = ma.fields.Integer(required=True)


class PasswordChangeSchema(Schema):
    """The password as it is, and as it is to be."""

    current_password = secret_field(1000, required=True)
    password = secret_field(200, 10, required=True)


class ApiTokenSchema(Schema):
    """A token for scripts, without its secret."""

    id = ma.fields.Integer(required=True)
    name = ma.fields.String(required=True)
    prefix = ma.fields.String(required=True, metadata={"description": "First characters, to tell tokens apart"})
    scopes = ma.fields.List(ma.fields.String(), required=True)
    created_at = ma.fields.String(required=True, metadata=MOMENT)
    expires_at = ma.fields.String(required=True, allow_none=True, metadata=MOMENT)
    last_used_at = ma.fields.String(required=True, allow_none=True, metadata=MOMENT)
    revoked_at = ma.fields.String(required=True, allow_none=True, metadata=MOMENT)


class FreshApiTokenSchema(ApiTokenSchema):
    """A token with its secret, which is shown this once."""

    token = ma.fields.String(required=True)


class ApiTokenListSchema(ListSchema):
    """A page of tokens."""

    items = ma.fields.List(ma.fields.Nested(ApiTokenSchema), required=True)


class NewApiTokenSchema(Schema):
    """What the token is for, what it may do, and for how long."""

    name = text_field(100, 1, required=True)
    scopes = ma.fields.List(
        ma.fields.String(validate=ma.validate.OneOf(SCOPES)),
        load_default=None,
        allow_none=True,
        validate=ma.validate.Length(min=1, max=len(SCOPES)),
        metadata={"description": "A subset of your own permissions; all of them when absent"},
    )
    days = ma.fields.Integer(
        strict=True,
        load_default=None,
        allow_none=True,
        validate=ma.validate.Range(min=1, max=3650),
        metadata={"description": "Life in days; without an end when absent"},
    )
