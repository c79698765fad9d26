"""The one family of domain errors, and the table that gives each its HTTP status.

Services raise these; the API turns them into the JSON envelope, the pages into an error page. Nothing here knows of Flask.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence


class RetainStreamError(Exception):
    """A failure that a person can understand.

    Parameters
    ----------
    message : str
        One sentence that says what happened and what was expected.
    fields : mapping of str to sequence of str, optional
        Path of each offending field with its complaints.
    detail : mapping, optional
        Machine-readable extras that the API adds to the envelope.
    """

    code = "error"
    status = 500

    def __init__(
        self,
        message: str,
        *,
        fields: Mapping[str, Sequence[str]] | None = None,
        detail: Mapping[str, object] | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.fields = {key: list(value) for key, value in (fields or {}).items()}
        self.detail = dict(detail or {})
        self.retry_after = retry_after


class InvalidInput(RetainStreamError):
    code, status = "invalid_input", 422


class BadRequest(RetainStreamError):
    code, status = "bad_request", 400


class Unauthenticated(RetainStreamError):
    code, status = "unauthenticated", 401


class Forbidden(RetainStreamError):
    code, status = "forbidden", 403


class NotFound(RetainStreamError):
    code, status = "not_found", 404


class Conflict(RetainStreamError):
    code, status = "conflict", 409


class ConfirmationNeeded(Conflict):
    """The person must confirm or change something before the work may start."""

    code = "confirmation_needed"


class TooLarge(RetainStreamError):
    code, status = "too_large", 413


class UnsupportedMedia(RetainStreamError):
    code, status = "unsupported_media_type", 415


class NotReady(RetainStreamError):
    """What was asked needs something that does not exist yet, such as a trained model."""

    code, status = "not_ready", 409


class TooManyRequests(RetainStreamError):
    code, status = "too_many_requests", 429


class Busy(RetainStreamError):
    """Something of which there is only one is in use: the database stayed locked for too long, or the same heavy work is under way."""

    code, status = "busy", 503


HTTP_CODES: dict[int, str] = {
    400: "bad_request",
    401: "unauthenticated",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    406: "not_acceptable",
    409: "conflict",
    411: "length_required",
    412: "precondition_failed",
    413: "too_large",
    415: "unsupported_media_type",
    422: "invalid_input",
    428: "precondition_required",
    429: "too_many_requests",
    500: "internal_error",
    503: "unavailable",
}
"""HTTP status -> the code in the envelope, for errors that the framework raised."""
