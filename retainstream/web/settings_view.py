"""Words of the settings pages: devices, roles, scopes and acts of the trail. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from retainstream.security.permissions import Permission, Role

ROLES = {
    Role.ADMIN: ("Admin", "Everything: people, preferences, the audit trail, erasing customers."),
    Role.ANALYST: ("Analyst", "Imports, trains, scores, exports; sees and edits customers."),
    Role.AGENT: ("Agent", "Works at the desk; sees and edits customers with their names; sees imports."),
    Role.VIEWER: ("Viewer", "Looks at figures, customers without their names, and the model."),
}
"""Role -> its word and what it may do."""
SCOPES = {
    Permission.DASHBOARD_READ: "See the key figures",
    Permission.CUSTOMERS_READ: "See customers",
    Permission.CUSTOMERS_PERSONAL: "See names and addresses",
    Permission.CUSTOMERS_WRITE: "Edit customers",
    Permission.CUSTOMERS_ERASE: "Erase customers",
    Permission.CUSTOMERS_EXPORT: "Export customers",
    Permission.IMPORTS_READ: "See imports",
    Permission.IMPORTS_WRITE: "Import and undo",
    Permission.EVENTS_READ: "See events",
    Permission.EVENTS_WRITE: "Send events",
    Permission.PREDICTIONS_READ: "See scores",
    Permission.PREDICTIONS_WRITE: "Start scoring",
    Permission.MODEL_READ: "See the model",
    Permission.MODEL_TRAIN: "Start training",
    Permission.MODEL_PROMOTE: "Put models into service",
    Permission.JOBS_READ: "See jobs",
    Permission.JOBS_CANCEL: "Cancel jobs",
    Permission.TASKS_READ: "See the desk",
    Permission.TASKS_WRITE: "Work at the desk",
    Permission.PLAYS_WRITE: "Write plays",
    Permission.SEGMENTS_WRITE: "Write segments",
    Permission.MONTHS_CLOSE: "Close months",
    Permission.TOKENS_OWN: "See and end your tokens",
    Permission.USERS_MANAGE: "Manage people",
    Permission.AUDIT_READ: "Read the audit trail",
    Permission.SETTINGS_WRITE: "Change preferences",
}
_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS", "Mac"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)
# Order counts: Edge and Opera call themselves Chrome, too, and Chrome calls itself Safari.
_BROWSERS = (
    ("Edg", "Edge"),
    ("OPR", "Opera"),
    ("Firefox", "Firefox"),
    ("FxiOS", "Firefox"),
    ("Chrome", "Chrome"),
    ("CriOS", "Chrome"),
    ("Safari", "Safari"),
)
_TRIES = (
    (Permission.CUSTOMERS_READ, "/api/v1/customers?limit=5"),
    (Permission.DASHBOARD_READ, "/api/v1/dashboard/metrics"),
    (Permission.PREDICTIONS_READ, "/api/v1/predictions/results?limit=5"),
    (Permission.MODEL_READ, "/api/v1/model/status"),
    (Permission.JOBS_READ, "/api/v1/jobs?limit=5"),
    (Permission.IMPORTS_READ, "/api/v1/customers/imports"),
    (Permission.AUDIT_READ, "/api/v1/audit?limit=5"),
    (Permission.USERS_MANAGE, "/api/v1/users"),
)
_ACTS = {
    "user.register": "Joined",
    "user.invite": "Invited somebody",
    "user.uninvite": "Took an invitation back",
    "user.change": "Changed an account",
    "user.create": "Made an account",
    "user.deactivate": "Deactivated an account",
    "user.password": "Changed the password",
    "user.reset_start": "Started a password reset",
    "user.reset_finish": "Chose a new password by link",
    "user.ensure_admin": "Made the demo's administrator",
    "login.succeed": "Signed in",
    "login.try": "Failed to sign in",
    "login.locked": "Was locked out",
    "login.refresh": "Renewed a log-in",
    "login.reuse": "A used refresh token came again",
    "logout.here": "Logged out",
    "logout.everywhere": "Logged out everywhere",
    "logout.session": "Ended a session",
    "logout.others": "Ended all other sessions",
    "token.create": "Made an API token",
    "token.revoke": "Revoked an API token",
    "settings.change": "Changed preferences",
    "settings.reset": "Set preferences back",
    "job.queue": "Asked for work",
    "job.cancel": "Cancelled work",
    "import.queue": "Sent a file",
    "import.queue_undo": "Asked to undo an import",
    "import.apply": "An import was taken in",
    "import.undo": "An import was undone",
    "import.fail": "An import failed",
    "import.cancel": "An import was cancelled",
    "model.train": "A model was trained",
    "model.promote": "Put a model into service",
    "scores.run": "Customers were scored",
    "scores.replay": "A past day was replayed",
    "churn_definition.create": "Made a churn definition",
    "churn_definition.activate": "Put a churn definition in force",
    "feature.declare": "Declared a feature",
    "feature.withdraw": "Withdrew a feature",
    "feed.change": "Changed a feed",
    "feed.heartbeat": "A feed gave a sign of life",
    "exposure.record": "Noted an act on a customer",
    "exposure.void": "Took an act on a customer back",
    "task.take": "Took a customer as a task",
    "task.change": "Changed a task",
    "task.end": "Ended a task",
    "task.drop": "Dropped a task",
    "task.reopen": "Reopened a task",
    "note.write": "Wrote a note",
    "note.delete": "Deleted a note",
    "play.create": "Made a play",
    "play.change": "Changed a play",
    "play.retire": "Retired a play",
    "play.restore": "Brought a play back",
    "view.save": "Saved a view",
    "view.delete": "Deleted a view",
    "customer.change": "Edited a customer",
    "customer.erase": "Erased a customer",
    "customer.export": "Exported customers",
    "segment.create": "Made a segment",
    "segment.change": "Changed a segment",
    "segment.delete": "Deleted a segment",
    "health_scheme.create": "Made a health scheme",
    "health_scheme.change": "Changed a health scheme",
    "health_scheme.delete": "Deleted a health scheme",
    "month.close": "Closed a month",
    "report.create": "Made a report",
    "report.change": "Changed a report",
    "report.delete": "Deleted a report",
    "report.download": "Took a report's file",
    "finding.mute": "Muted a finding",
    "finding.unmute": "Let a finding speak again",
    "backup.create": "Made a backup",
}
_MACHINES = {"system": "The box", "command": "Command line", "anonymous": "Nobody yet"}


@dataclass(frozen=True)
class ScopeChoice:
    """A box to tick in the form of a new token."""

    name: str
    words: str
    on: bool


def device(user_agent: str) -> str:
    """Return the browser and system that a user agent names, roughly; the words are only there to tell sessions apart."""
    browser = next((word for mark, word in _BROWSERS if mark in user_agent), "")
    system = next((word for mark, word in _SYSTEMS if mark in user_agent), "")
    if browser and system:
        return f"{browser} on {system}"
    return browser or system or "Unknown device"


def signed_in_by(item: Mapping[str, object]) -> str:
    """Return what somebody is signed in with: a device, or a script or tool that logged in by the API."""
    return "Log-in by the API" if item["kind"] == "api" else device(str(item["user_agent"]))


def scope_choices(held: Iterable[Permission], chosen: Iterable[str] | None) -> list[ScopeChoice]:
    """Return the scopes that a person can give, in the order of the product; without a choice those that only read."""
    held, wanted = set(held), None if chosen is None else set(chosen)
    return [
        ScopeChoice(item.value, words, item.value in wanted if wanted is not None else item.value.endswith(":read"))
        for item, words in SCOPES.items()
        if item in held
    ]


def scope_words(scopes: Iterable[str]) -> str:
    """Return what a token may do."""
    names = {item.value: words for item, words in SCOPES.items()}
    return ", ".join(names.get(scope, scope).lower() for scope in scopes)


def first_call(scopes: Iterable[str]) -> str:
    """Return the address of a call that a token with these scopes may make."""
    held = set(scopes)
    return next((address for permission, address in _TRIES if permission.value in held), "/api/v1/auth/tokens")


def role_word(role: str) -> str:
    """Return what a role is called."""
    return ROLES[Role(role)][0]


def act(action: str) -> str:
    """Return an action of the trail in words; one that has none yet as it is written, with blanks."""
    return _ACTS.get(action) or action.replace(".", " · ").replace("_", " ").capitalize()


def actor_words(kind: str, email: str | None, token_id: int | None) -> str:
    """Return who acted."""
    if email is None:
        return _MACHINES.get(kind, kind)
    return f"{email} by token {token_id}" if token_id is not None else email
