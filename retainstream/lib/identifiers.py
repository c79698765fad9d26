"""Random tokens, keyed hashes, and ids of rows as texts hold them. Tokens leave the process once; only their hashes are kept."""

from __future__ import annotations

import hashlib
import hmac
import secrets

_ID_DIGITS = 18
"""What any id has at most; so many digits fit into 64 bits."""
_SETUP_ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"


def new_token(prefix: str = "") -> str:
    """Return an unguessable URL-safe token of 256 bits, after `prefix`."""
    return prefix + secrets.token_urlsafe(32)


def new_id() -> str:
    """Return 128 random bits as 32 hexadecimal digits."""
    return secrets.token_hex(16)


def row_id(text: str) -> int | None:
    """Return the id of a row, or a place in a list, that a text of an address or a form holds; None for what is no number or too long for one."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _ID_DIGITS else None


def hash_token(token: str) -> str:
    """Return the SHA-256 of a high-entropy token in hexadecimal; not for passwords."""
    return hashlib.sha256(token.encode()).hexdigest()


def keyed_hash(key: bytes, text: str) -> str:
    """Return the HMAC-SHA-256 of text in hexadecimal."""
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def readable_code(groups: int = 3, length: int = 4) -> str:
    """Return a code that people can type, such as K7QX-M2PA-9DTR, without look-alike letters."""
    return "-".join("".join(secrets.choice(_SETUP_ALPHABET) for _ in range(length)) for _ in range(groups))
