"""The pages and acts that the search offers: one line for each, with the permission that it takes. What else has a name is found by `finding`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from retainstream.security.actor import Actor
from retainstream.security.permissions import Permission


@dataclass(frozen=True)
class Place:
    """A page, or an act: where it is, what it takes, and the other words that people look for it by.

    An act with `posts` is done by sending `fields` to the address; without it, the address is a page on which it is done, or a file.
    """

    title: str
    address: str
    permission: Permission
    icon: str
    also: str = ""
    detail: str = ""
    posts: bool = False
    fields: Mapping[str, str] = field(default_factory=dict)


PAGES = (
    Place("Home", "/", Permission.DASHBOARD_READ, "home", "start overview figures dashboard"),
    Place("Today", "/today", Permission.TASKS_READ, "today", "queue call list desk reach"),
    Place("All tasks", "/today/tasks", Permission.TASKS_READ, "today", "open done overdue snoozed work"),
    Place("Plays", "/today/plays", Permission.TASKS_READ, "today", "steps script"),
    Place("Customers", "/customers", Permission.CUSTOMERS_READ, "people", "list people users accounts"),
    Place("Segments", "/segments", Permission.CUSTOMERS_READ, "segments", "rules groups of customers"),
    Place("RFM", "/segments/rfm", Permission.CUSTOMERS_READ, "segments", "recency frequency monetary groups map"),
    Place("Cohorts", "/segments/cohorts", Permission.CUSTOMERS_READ, "segments", "retention grid months weeks"),
    Place("Survival", "/segments/survival", Permission.CUSTOMERS_READ, "segments", "kaplan meier curve tenure log-rank"),
    Place("Revenue", "/revenue", Permission.DASHBOARD_READ, "revenue", "mrr bridge expansion contraction at risk money"),
    Place("Months", "/revenue/months", Permission.DASHBOARD_READ, "revenue", "revenue closed corrections close"),
    Place("Lifetime value", "/revenue/lifetime", Permission.CUSTOMERS_READ, "revenue", "clv worth bg/nbd gamma"),
    Place("Health", "/health-scores", Permission.DASHBOARD_READ, "health", "scores bands customers business"),
    Place("Health scores by scheme", "/health-scores/schemes", Permission.DASHBOARD_READ, "health", "weights parts back-test"),
    Place("Model", "/model", Permission.MODEL_READ, "model", "card quality auc champion"),
    Place("Model versions", "/model/versions", Permission.MODEL_READ, "model", "registry challenger earlier"),
    Place("Realised quality", "/model/performance", Permission.PREDICTIONS_READ, "model", "performance outcomes came of"),
    Place("Replay", "/model/replay", Permission.PREDICTIONS_READ, "model", "past scores history"),
    Place("Imports", "/data", Permission.IMPORTS_READ, "data", "data files csv uploads"),
    Place("Feeds", "/data/feeds", Permission.EVENTS_READ, "data", "events sources"),
    Place("Findings", "/data/findings", Permission.EVENTS_READ, "data", "data quality problems"),
    Place("Churn definitions", "/data/definitions", Permission.MODEL_READ, "data", "label inactivity what counts"),
    Place("Features", "/data/features", Permission.MODEL_READ, "data", "dictionary columns"),
    Place("Reports", "/reports", Permission.DASHBOARD_READ, "report", "scheduled pdf csv excel"),
    Place("Jobs", "/jobs", Permission.JOBS_READ, "jobs", "running queue failed"),
    Place("Your account", "/settings", Permission.TOKENS_OWN, "settings", "settings password name sessions"),
    Place("API tokens", "/settings/tokens", Permission.TOKENS_OWN, "settings", "settings keys scripts"),
    Place("People", "/settings/people", Permission.USERS_MANAGE, "settings", "settings users roles invite colleagues"),
    Place("Preferences", "/settings/preferences", Permission.SETTINGS_WRITE, "settings", "settings bands costs hold-out capacity"),
    Place("Audit trail", "/settings/audit", Permission.AUDIT_READ, "settings", "settings log who did"),
    Place("Keys", "/keys", Permission.DASHBOARD_READ, "keys", "keyboard shortcuts help"),
)  # fmt: skip
"""Every page that has an address of its own and is no step of something else."""

ACTS = (
    Place("Take the next of today’s list", "/today/next", Permission.TASKS_WRITE, "today", "task work call", "the first that nobody has becomes yours", posts=True),
    Place("Hand out today’s list", "/today?whose=unassigned", Permission.TASKS_WRITE, "today", "assign give team tasks", "to somebody of the team"),
    Place("Train now", "/train", Permission.MODEL_TRAIN, "model", "learn model fit", "with the defaults, as a job", posts=True),
    Place("Score now", "/score", Permission.PREDICTIONS_WRITE, "model", "predict predictions all", "everybody, as a job", posts=True),
    Place("Import a file", "/data/import", Permission.IMPORTS_WRITE, "upload", "upload load csv excel data", "customers or events"),
    Place("Train with settings", "/model/train", Permission.MODEL_TRAIN, "model", "learn fit trials"),
    Place("Propose a churn definition", "/data/definitions/propose", Permission.MODEL_TRAIN, "data", "new label"),
    Place("New feature", "/data/features/new", Permission.MODEL_TRAIN, "plus", "write add column"),
    Place("New segment", "/segments/new", Permission.SEGMENTS_WRITE, "plus", "add rule builder"),
    Place("New health scheme", "/health-scores/schemes/new", Permission.SEGMENTS_WRITE, "plus", "add weights parts"),
    Place("Make a report", "/reports/new", Permission.CUSTOMERS_EXPORT, "report", "new add schedule pdf"),
    Place("Export customers as CSV", "/customers.csv", Permission.CUSTOMERS_EXPORT, "download", "download list file", "everybody who has not left"),
    Place("Export customers to Excel", "/customers.xlsx", Permission.CUSTOMERS_EXPORT, "download", "download list file xlsx", "everybody who has not left"),
    Place("Close a month", "/revenue/months#next-title", Permission.MONTHS_CLOSE, "lock", "books revenue month end"),
    Place("New play", "/today/plays/new", Permission.PLAYS_WRITE, "plus", "add steps script"),
    Place("Dark theme", "/appearance", Permission.DASHBOARD_READ, "theme", "appearance colours night", posts=True, fields={"theme": "dark"}),
    Place("Light theme", "/appearance", Permission.DASHBOARD_READ, "theme", "appearance colours day", posts=True, fields={"theme": "light"}),
    Place("Sign out", "/sign-out", Permission.DASHBOARD_READ, "out", "log leave end", posts=True),
)  # fmt: skip


def offered(actor: Actor, places: tuple[Place, ...]) -> tuple[Place, ...]:
    """Return those that would not refuse an actor, in their order."""
    return tuple(place for place in places if actor.may(place.permission))
