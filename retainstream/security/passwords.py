"""Passwords: the rule they must keep, and their bcrypt hash. The hash is slow on purpose, so never call it inside a unit of work."""

from __future__ import annotations

import base64
import hashlib
import unicodedata

import bcrypt

from retainstream.errors import InvalidInput

SHORTEST = 10
LONGEST = 200


def check_rule(password: str, email: str = "") -> None:
    """Raise InvalidInput unless a new password has 10 to 200 characters and is not the e-mail address."""
    complaint = ""
    if not SHORTEST <= len(password) <= LONGEST:
        complaint = f"from {SHORTEST} to {LONGEST} characters"
    elif email and password.strip().casefold() == email.strip().casefold():
        complaint = "not the e-mail address"
    if complaint:
        raise InvalidInput("The password is not as expected.", fields={"password": [complaint]})


def _digest(password: str) -> bytes:
    """Return 64 bytes that stand for the whole password: bcrypt itself reads no more than 72.

    The text is normalised first, because keyboards differ in how they compose accented letters. Base64 keeps zero bytes out.
    """
    text = unicodedata.normalize("NFKC", password)
    return base64.b64encode(hashlib.sha384(text.encode("utf-8", "surrogatepass")).digest())


def hash_password(password: str, cost: int) -> str:
    """Return the salted hash of a password; `cost` is the base-2 logarithm of the rounds (4 to 16)."""
    return bcrypt.hashpw(_digest(password), bcrypt.gensalt(cost)).decode("ascii")


def verify_password(password: str, stored: str | None, cost: int) -> bool:
    """Tell whether a password belongs to a stored hash.

    Without one (there is no such account) the same work is done for nothing, so that the time of the answer does not tell.
    """
    if stored is None:
        bcrypt.hashpw(_digest(password), bcrypt.gensalt(cost))
        return False
    return bcrypt.checkpw(_digest(password), stored.encode("ascii"))
