"""Tables and constraints, one file per aggregate. Importing this package registers every table on the metadata."""

from retainstream.models.access import ApiToken, Invitation, PasswordReset, RefreshToken, TokenFamily, User, UserSession
from retainstream.models.analysis import (
    AnalysisRun,
    ClosedMonth,
    HealthScheme,
    HealthScore,
    LifetimeValue,
    MonthCorrection,
    RfmScore,
)
from retainstream.models.audit import AuditEntry
from retainstream.models.churn_definition import ChurnDefinition
from retainstream.models.customer import (
    AttributeDefinition,
    AttributeVersion,
    Customer,
    Identity,
    IdentityChange,
    Label,
)
from retainstream.models.desk import Note, Play, Task
from retainstream.models.erasure import ErasureEntry
from retainstream.models.event import Event, EventKind, Feed, Subscription
from retainstream.models.exposure import Exposure
from retainstream.models.feature_definition import FeatureDefinition
from retainstream.models.finding import Finding
from retainstream.models.idempotency import IdempotencyKey
from retainstream.models.import_batch import ImportBatch, ImportRowError
from retainstream.models.job import JobRun, Schedule
from retainstream.models.model_version import (
    AliasMove,
    FeatureImportance,
    FeatureSet,
    ModelArtifact,
    ModelMetric,
    ModelVersion,
)
from retainstream.models.outbox import OutboxMessage
from retainstream.models.performance import RunPerformance, ScoreOutcome, TestOpening
from retainstream.models.report import Report, ReportFile
from retainstream.models.saved_view import SavedView
from retainstream.models.score import LatestScore, ScoreHistory, ScoringRun
from retainstream.models.segment import Segment, SegmentMember, SegmentSize
from retainstream.models.setting import Revision, Setting

__all__ = [
    "AliasMove",
    "AnalysisRun",
    "ApiToken",
    "AttributeDefinition",
    "AttributeVersion",
    "AuditEntry",
    "ChurnDefinition",
    "ClosedMonth",
    "Customer",
    "ErasureEntry",
    "Event",
    "EventKind",
    "Exposure",
    "FeatureDefinition",
    "FeatureImportance",
    "FeatureSet",
    "Feed",
    "Finding",
    "HealthScheme",
    "HealthScore",
    "IdempotencyKey",
    "Identity",
    "IdentityChange",
    "ImportBatch",
    "ImportRowError",
    "Invitation",
    "JobRun",
    "Label",
    "LatestScore",
    "LifetimeValue",
    "ModelArtifact",
    "ModelMetric",
    "ModelVersion",
    "MonthCorrection",
    "Note",
    "OutboxMessage",
    "PasswordReset",
    "Play",
    "RefreshToken",
    "Report",
    "ReportFile",
    "Revision",
    "RfmScore",
    "RunPerformance",
    "SavedView",
    "Schedule",
    "ScoreHistory",
    "ScoreOutcome",
    "ScoringRun",
    "Segment",
    "SegmentMember",
    "SegmentSize",
    "Setting",
    "Subscription",
    "Task",
    "TestOpening",
    "TokenFamily",
    "User",
    "UserSession",
]
