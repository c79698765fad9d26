"""The one-time set-up code: whoever can read it on the machine may register the first administrator."""

from __future__ import annotations

import hmac
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.orm import Session

from retainstream.config import Settings, secret_file
from retainstream.errors import Forbidden
from retainstream.lib.identifiers import readable_code


def setup_needed(session: Session) -> bool:
    """Tell whether nobody has registered yet."""
    return session.execute(text("SELECT 1 FROM users LIMIT 1")).first() is None


def code_file(settings: Settings) -> Path:
    """Return where the code is kept, mode 600, until it is used."""
    return settings.instance_path / "setup-code"


def setup_code(settings: Settings) -> str:
    """Return the code, made on first call; the launcher prints it while `setup_needed`."""
    return secret_file(code_file(settings), readable_code)


def check_code(settings: Settings, code: str) -> None:
    """Raise Forbidden unless `code` is the one in the file; case and surrounding blanks do not count."""
    expected = setup_code(settings)
    if not hmac.compare_digest(expected.encode(), code.strip().upper().encode("utf-8", "replace")):
        raise Forbidden(
            "The set-up code is not the one that the server printed at its first start (file setup-code in the instance folder)."
        )


def finish(settings: Settings) -> None:
    """Remove the code; called after the commit that made the first administrator."""
    code_file(settings).unlink(missing_ok=True)
