"""Shapes of users, invitations and password links."""

from __future__ import annotations

import marshmallow as ma

from retainstream.schemas.base import Schema
from retainstream.schemas.paging import MOMENT, ListSchema, TrueOrFalse, secret_field, text_field
from retainstream.security.permissions import Role

ROLES = [role.value for role in Role]


def role_field(**options: object) -> ma.fields.String:
    """Return a field for one of the four roles."""
    return ma.fields.String(validate=ma.validate.OneOf(ROLES), **options)  # type: ignore[arg-type]


class UserSchema(Schema):
    """A person who may sign in."""

    id = ma.fields.Integer(required=True)
    email = ma.fields.String(required=True)
    name = ma.fields.String(required=True)
    role = role_field(required=True)
    active = ma.fields.Boolean(required=True)
    created_at = ma.fields.String(required=True, metadata=MOMENT)
    last_login_at = ma.fields.String(required=True, allow_none=True, metadata=MOMENT)


class UserListSchema(ListSchema):
    """A page of users."""

    items = ma.fields.List(ma.fields.Nested(UserSchema), required=True)


class InviteSchema(Schema):
    """Whom to invite, and as what."""

    email = text_field(254, 3, required=True)
    role = role_field(required=True)


class InvitationSchema(Schema):
    """An invitation that still holds."""

    id = ma.fields.Integer(required=True)
    email = ma.fields.String(required=True)
    role = role_field(required=True)
    created_at = ma.fields.String(required=True, metadata=MOMENT)
    expires_at = ma.fields.String(required=True, metadata=MOMENT)


class InvitationListSchema(ListSchema):
    """All invitations that still hold."""

    items = ma.fields.List(ma.fields.Nested(InvitationSchema), required=True)


class LeaveSchema(Schema):
    """A secret that is shown this once."""

    token = ma.fields.String(required=True, metadata={"description": "Shown once; only its hash is kept"})
    email = ma.fields.String(required=True)
    expires_at = ma.fields.String(required=True, metadata=MOMENT)


class UserChangeSchema(Schema):
    """What to change; what is left out stays."""

    name = text_field(200)
    role = role_field()
    active = TrueOrFalse()


class ResetSchema(Schema):
    """A new password by one-time token."""

    token = secret_field(required=True)
    password = secret_field(200, 10, required=True)
