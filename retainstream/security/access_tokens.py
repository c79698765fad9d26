"""Access tokens: short-lived signed claims (JWT, HS256). Nothing here asks the database whether they still hold; `services.access.resolve` does."""

from __future__ import annotations

import functools
import hashlib
import hmac
from dataclasses import dataclass
from typing import Any

import jwt

from retainstream.errors import Unauthenticated
from retainstream.lib import clock
from retainstream.lib.identifiers import new_id

ISSUER = "retainstream"
AUDIENCE = "retainstream-api"
TYPE = "access"
ALGORITHM = "HS256"
_EXPIRED = "The access token has expired; get a new one at /api/v1/auth/refresh."
_FOREIGN = "This is no token of this server: log in for an access token, or make an API token."
_CLAIMS = ["exp", "iat", "sub", "jti", "aud", "iss", "type", "epoch", "family"]


@dataclass(frozen=True)
class AccessClaims:
    """What a genuine token says: whose it is, the user's epoch at issue, and the log-in (refresh family) it came from."""

    user_id: int
    epoch: int
    family_id: str
    token_id: str


@dataclass(frozen=True)
class SigningKey:
    """A derived key with the name that goes into the token's header, so that a rotated key is recognised."""

    secret: bytes
    kid: str


@functools.lru_cache(maxsize=16)
def signing_key(secret_key: str) -> SigningKey:
    """Return the key for access tokens, derived so that the app's other uses of its secret key share nothing with it."""
    derived = hmac.new(secret_key.encode(), b"retainstream access token 1", hashlib.sha256).digest()
    return SigningKey(derived, hashlib.sha256(derived).hexdigest()[:12])


def issue(key: SigningKey, *, user_id: int, epoch: int, family_id: str, lifetime_seconds: int) -> str:
    """Return a signed token that holds for `lifetime_seconds` from now."""
    now = clock.now_us() // clock.SECOND_US
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": str(user_id),
        "jti": new_id(),
        "iat": now,
        "exp": now + lifetime_seconds,
        "type": TYPE,
        "epoch": epoch,
        "family": family_id,
    }
    return jwt.encode(claims, key.secret, algorithm=ALGORITHM, headers={"kid": key.kid})


def read(key: SigningKey, token: str) -> AccessClaims:
    """Return the claims of a token.

    Raises
    ------
    Unauthenticated
        When the token has expired, was signed by another key or in another way, or is not an access token of this server.
    """
    claims, expires = _verified(key, token)
    if clock.now_us() >= expires * clock.SECOND_US:
        raise Unauthenticated(_EXPIRED)
    return claims


@functools.lru_cache(maxsize=2048)
def _verified(key: SigningKey, token: str) -> tuple[AccessClaims, int]:
    """Return the claims of a genuine token and its end; kept, because a script shows the same token for a quarter of an hour."""
    try:
        decoded: dict[str, Any] = jwt.decode_complete(
            token, key.secret, algorithms=[ALGORITHM], audience=AUDIENCE, issuer=ISSUER, options={"require": _CLAIMS}
        )
    except jwt.ExpiredSignatureError:
        raise Unauthenticated(_EXPIRED) from None
    except (jwt.InvalidTokenError, ValueError):
        raise Unauthenticated(_FOREIGN) from None
    claims = decoded["payload"]
    subject, epoch, family = claims["sub"], claims["epoch"], claims["family"]
    sound = (
        decoded["header"].get("kid") == key.kid
        and claims["type"] == TYPE
        and subject.isascii()
        and subject.isdigit()
        and len(subject) < 19
        and isinstance(epoch, int)
        and isinstance(family, str)
    )
    if not sound:
        raise Unauthenticated(_FOREIGN)
    return AccessClaims(int(subject), epoch, family, claims["jti"]), int(claims["exp"])
