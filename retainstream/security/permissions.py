"""One page that says who may do what: permissions, roles, and the map between them."""

from __future__ import annotations

from enum import StrEnum


class Permission(StrEnum):
    """What a caller may do. API tokens carry a subset of their owner's as scopes."""

    DASHBOARD_READ = "dashboard:read"
    CUSTOMERS_READ = "customers:read"
    CUSTOMERS_PERSONAL = "customers:personal"
    CUSTOMERS_WRITE = "customers:write"
    CUSTOMERS_ERASE = "customers:erase"
    CUSTOMERS_EXPORT = "customers:export"
    IMPORTS_READ = "imports:read"
    IMPORTS_WRITE = "imports:write"
    EVENTS_READ = "events:read"
    EVENTS_WRITE = "events:write"
    PREDICTIONS_READ = "predictions:read"
    PREDICTIONS_WRITE = "predictions:write"
    MODEL_READ = "model:read"
    MODEL_TRAIN = "model:train"
    MODEL_PROMOTE = "model:promote"
    JOBS_READ = "jobs:read"
    JOBS_CANCEL = "jobs:cancel"
    TASKS_READ = "tasks:read"
    TASKS_WRITE = "tasks:write"
    PLAYS_WRITE = "plays:write"
    SEGMENTS_WRITE = "segments:write"
    MONTHS_CLOSE = "months:close"
    TOKENS_OWN = "tokens:own"
    USERS_MANAGE = "users:manage"
    AUDIT_READ = "audit:read"
    SETTINGS_WRITE = "settings:write"


class Role(StrEnum):
    """Each role may do all that the ones below it in this list may."""

    ADMIN = "admin"
    ANALYST = "analyst"
    AGENT = "agent"
    VIEWER = "viewer"


_VIEWER = frozenset(
    {
        Permission.DASHBOARD_READ,
        Permission.CUSTOMERS_READ,
        Permission.PREDICTIONS_READ,
        Permission.MODEL_READ,
        Permission.JOBS_READ,
        Permission.TASKS_READ,
        Permission.TOKENS_OWN,
    }
)
_AGENT = _VIEWER | {
    Permission.CUSTOMERS_PERSONAL,
    Permission.CUSTOMERS_WRITE,
    Permission.IMPORTS_READ,
    Permission.EVENTS_READ,
    Permission.TASKS_WRITE,
}
_ANALYST = _AGENT | {
    Permission.CUSTOMERS_EXPORT,
    Permission.IMPORTS_WRITE,
    Permission.EVENTS_WRITE,
    Permission.PREDICTIONS_WRITE,
    Permission.MODEL_TRAIN,
    Permission.MODEL_PROMOTE,
    Permission.JOBS_CANCEL,
    Permission.PLAYS_WRITE,
    Permission.SEGMENTS_WRITE,
    Permission.MONTHS_CLOSE,
}

ROLE_PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.VIEWER: frozenset(_VIEWER),
    Role.AGENT: frozenset(_AGENT),
    Role.ANALYST: frozenset(_ANALYST),
    Role.ADMIN: frozenset(Permission),
}


def permissions_of(role: Role | str, scopes: list[str] | None = None) -> frozenset[Permission]:
    """Return what a role may do, cut down to `scopes` when the caller holds an API token."""
    allowed = ROLE_PERMISSIONS[Role(role)]
    return allowed if scopes is None else frozenset(item for item in allowed if item.value in scopes)
