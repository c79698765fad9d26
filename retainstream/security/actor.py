"""Who acts: handed to every service that writes, and to the audit."""

from __future__ import annotations

from dataclasses import dataclass, field

from retainstream.errors import Forbidden
from retainstream.security.permissions import Permission, Role


@dataclass(frozen=True)
class Actor:
    """The caller of a service.

    `kind` is `user` (browser session), `access_token`, `api_token`, `command` or `system`; `family_id` names the refresh family of an access token.
    """

    kind: str
    permissions: frozenset[Permission]
    user_id: int | None = None
    email: str = ""
    name: str = ""
    role: Role | None = None
    api_token_id: int | None = None
    family_id: str | None = None
    session_id: int | None = None
    request_id: str | None = None
    address: str | None = field(default=None, repr=False)

    def may(self, permission: Permission) -> bool:
        """Tell whether the actor holds a permission."""
        return permission in self.permissions

    def require(self, permission: Permission) -> None:
        """Raise Forbidden unless the actor holds a permission."""
        if not self.may(permission):
            raise Forbidden(f"This needs the permission {permission.value}, which your role or token does not include.")


SYSTEM = Actor(kind="system", permissions=frozenset(Permission))
"""The box itself: schedules and jobs."""

COMMAND = Actor(kind="command", permissions=frozenset(Permission))
"""Somebody with a shell on the machine."""
