"""People: registering by set-up code, invitation or open registration; listing, changing and deactivating them; one-time password links."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from retainstream.config import Settings
from retainstream.errors import Conflict, Forbidden, InvalidInput, NotFound
from retainstream.lib import clock
from retainstream.lib.identifiers import hash_token, new_token
from retainstream.lib.pagination import FIRST_PAGE, Page, PageRequest
from retainstream.models import ApiToken, Invitation, PasswordReset, TokenFamily, User, UserSession
from retainstream.security.actor import COMMAND, Actor
from retainstream.security.passwords import check_rule, hash_password
from retainstream.security.permissions import Role
from retainstream.services import audit
from retainstream.services.access import setup
from retainstream.services.paging import page_by_id

INVITATION_DAYS = 7
RESET_HOURS = 24
_EMAIL = re.compile(r"[^\s@<>\"'\\,;:()\[\]]{1,64}@[^\s@<>\"'\\,;:()\[\]]{1,189}", re.ASCII)


@dataclass(frozen=True)
class Leave:
    """A secret that is shown once: the token, for which address, and until when (microseconds)."""

    token: str
    email: str
    expires_at: int


def clean_email(email: str) -> str:
    """Return an address in the form in which it is stored; raises InvalidInput for what cannot be one."""
    cleaned = email.strip().lower()
    if not (cleaned.isascii() and cleaned.isprintable() and _EMAIL.fullmatch(cleaned)):
        raise InvalidInput(
            "The e-mail address is not as expected.", fields={"email": ["an address such as ana@example.com"]}
        )
    return cleaned


def present(user: User) -> dict[str, object]:
    """Return what others may see of a user."""
    return {
        "id": user.id,
        "email": user.email,
        "name": user.name,
        "role": user.role,
        "active": user.active,
        "created_at": clock.iso(user.created_at),
        "last_login_at": clock.iso(user.last_login_at),
    }


def create_user(session: Session, email: str, name: str, role: Role | str, password_hash: str) -> User:
    """Add a person; raises Conflict when the address is taken. Leaves the audit to the caller, who knows why."""
    _insist_on_hash(password_hash)
    address = clean_email(email)
    if session.scalar(select(User.id).where(User.email == address)) is not None:
        raise Conflict(
            "There is already an account with this e-mail address.", fields={"email": ["an address without an account"]}
        )
    user = User(
        email=address,
        name=name.strip(),
        role=Role(role).value,
        password_hash=password_hash,
        active=True,
        epoch=0,
        created_at=clock.now_us(),
    )
    session.add(user)
    session.flush()
    return user


def _insist_on_hash(password_hash: str) -> None:
    if not password_hash.startswith("$2"):
        raise ValueError("expected a bcrypt hash, made by security.passwords before the unit of work")


def register(
    session: Session,
    settings: Settings,
    actor: Actor,
    *,
    email: str,
    name: str,
    password_hash: str,
    setup_code: str | None = None,
    invitation: str | None = None,
) -> User:
    """Add the person who asks: the first one as administrator by set-up code, later ones by invitation, or as viewer where that is open to all.

    Raises
    ------
    Forbidden
        When the code or the invitation does not hold, or none was given and registration is not open.
    Conflict
        When the address has an account already.
    """
    if setup.setup_needed(session):
        if not setup_code:
            raise Forbidden("The first account needs the set-up code that the server printed at its first start.")
        setup.check_code(settings, setup_code)
        role, means = Role.ADMIN, "setup_code"
    elif invitation:
        role, means = _accept_invitation(session, invitation, clean_email(email)), "invitation"
    elif settings.open_registration:
        role, means = Role.VIEWER, "open"
    else:
        raise Forbidden("Registering needs an invitation; ask an administrator for one.")
    user = create_user(session, email, name, role, password_hash)
    audit.record(
        session,
        replace(actor, user_id=user.id),
        "user.register",
        "user",
        user.id,
        fields=["email", "name", "role", means],
    )
    session.flush()
    return user


def _accept_invitation(session: Session, token: str, email: str) -> Role:
    invitation = session.scalar(select(Invitation).where(Invitation.token_hash == hash_token(token)))
    if invitation is None or invitation.used_at is not None or invitation.expires_at <= clock.now_us():
        raise Forbidden(
            "The invitation does not hold: it is unknown, used or older than a week. Ask an administrator for a new one."
        )
    if invitation.email != email:
        raise Forbidden(
            "The invitation is for another e-mail address.", fields={"email": ["the address that was invited"]}
        )
    invitation.used_at = clock.now_us()
    return Role(invitation.role)


def ensure_admin(session: Session, email: str, password_hash: str) -> User:
    """Return the demo's administrator: made, or given this password and let in again, when the address has an account already."""
    _insist_on_hash(password_hash)
    user = session.scalar(select(User).where(User.email == clean_email(email)))
    if user is None:
        user = create_user(session, email, "Administrator", Role.ADMIN, password_hash)
    else:
        user.password_hash, user.role, user.active, user.epoch = password_hash, Role.ADMIN.value, True, user.epoch + 1
    audit.record(session, COMMAND, "user.ensure_admin", "user", user.id, fields=["password", "role"])
    session.flush()
    return user


def invite(session: Session, actor: Actor, *, email: str, role: Role | str) -> Leave:
    """Return a fresh invitation; an earlier open one for the same address ends. Raises Conflict when the address has an account."""
    address = clean_email(email)
    if session.scalar(select(User.id).where(User.email == address)) is not None:
        raise Conflict(
            "There is already an account with this e-mail address.", fields={"email": ["an address without an account"]}
        )
    now = clock.now_us()
    session.execute(
        update(Invitation).where(Invitation.email == address, Invitation.used_at.is_(None)).values(used_at=now)
    )
    token = new_token("ri_")
    row = Invitation(
        email=address,
        role=Role(role).value,
        token_hash=hash_token(token),
        created_by=actor.user_id,
        created_at=now,
        expires_at=now + INVITATION_DAYS * clock.DAY_US,
    )
    session.add(row)
    session.flush()
    audit.record(session, actor, "user.invite", "invitation", row.id, fields=["email", "role"])
    session.flush()
    return Leave(token, address, row.expires_at)


def get(session: Session, user_id: int) -> User:
    """Return a user; raises NotFound."""
    user = session.get(User, user_id)
    if user is None:
        raise NotFound("There is no such user.")
    return user


def users(session: Session, request: PageRequest = FIRST_PAGE) -> Page:
    """Return users in the order in which they came; raises InvalidInput for a cursor of another list."""
    total = session.scalar(select(func.count()).select_from(User)) or 0
    rows, following = page_by_id(session, select(User), User.id, "users", request, newest_first=False)
    return Page([present(row[0]) for row in rows], following, total)


def change(
    session: Session,
    actor: Actor,
    user_id: int,
    *,
    name: str | None = None,
    role: Role | str | None = None,
    active: bool | None = None,
) -> User:
    """Change what is given; a role counts from the next request on, deactivating ends everything that is open.

    Raises
    ------
    NotFound
        When there is no such user.
    Conflict
        When the last active administrator would lose the role or the account.
    """
    user = get(session, user_id)
    changed = []
    if name is not None and name.strip() != user.name:
        user.name = name.strip()
        changed.append("name")
    loses_admin = (role is not None and Role(role) is not Role.ADMIN) or active is False
    if loses_admin and _is_last_admin(session, user):
        raise Conflict("This is the last active administrator; make somebody else administrator first.")
    if role is not None and Role(role).value != user.role:
        user.role = Role(role).value
        changed.append("role")
    if active is not None and active != user.active:
        user.active = active
        changed.append("active")
        if not active:
            end_everything(session, user)
            _revoke_api_tokens(session, user)
    if changed:
        audit.record(
            session, actor, "user.deactivate" if active is False else "user.change", "user", user.id, fields=changed
        )
    session.flush()
    return user


def _is_last_admin(session: Session, user: User) -> bool:
    if user.role != Role.ADMIN.value or not user.active:
        return False
    others = (
        select(func.count())
        .select_from(User)
        .where(User.role == Role.ADMIN.value, User.active.is_(True), User.id != user.id)
    )
    return session.scalar(others) == 0


def end_everything(session: Session, user: User) -> None:
    """End all sessions and log-ins of a user: the raised epoch makes every access token and cookie void at once."""
    now = clock.now_us()
    user.epoch += 1
    session.execute(
        update(UserSession)
        .where(UserSession.user_id == user.id, UserSession.revoked_at.is_(None))
        .values(revoked_at=now)
    )
    families = update(TokenFamily).where(TokenFamily.user_id == user.id, TokenFamily.revoked_at.is_(None))
    session.execute(families.values(revoked_at=now, revoked_reason="everywhere"))
    session.flush()


def _revoke_api_tokens(session: Session, user: User) -> None:
    """An account that is let in again later must not bring forgotten tokens back to life."""
    session.execute(
        update(ApiToken)
        .where(ApiToken.user_id == user.id, ApiToken.revoked_at.is_(None))
        .values(revoked_at=clock.now_us())
    )


def change_password(session: Session, actor: Actor, current_hash: str, password_hash: str) -> User:
    """Set the actor's own password and end every session and log-in, the asking one too; API tokens stay.

    Parameters
    ----------
    current_hash : str
        The hash that the current password was checked against a moment ago.

    Raises
    ------
    Conflict
        When the password was changed meanwhile by somebody else.
    """
    _insist_on_hash(password_hash)
    user = get(session, actor.user_id or 0)
    if user.password_hash != current_hash:
        raise Conflict("The password was changed a moment ago; sign in with the new one.")
    user.password_hash = password_hash
    end_everything(session, user)
    audit.record(session, actor, "user.password", "user", user.id, fields=["password"])
    session.flush()
    return user


def names(session: Session) -> dict[int, str]:
    """Return what everybody is called, by id; somebody without a name goes by the e-mail address."""
    rows = session.execute(select(User.id, User.name, User.email).order_by(User.id))
    return {user_id: name or email for user_id, name, email in rows}


def start_reset(session: Session, actor: Actor, user_id: int) -> Leave:
    """Return a one-time token with which a person chooses a new password; earlier ones end. The old password holds until then."""
    user = get(session, user_id)
    if not user.active:
        raise Conflict("This account is not active; let the person in again first.")
    now = clock.now_us()
    session.execute(
        update(PasswordReset)
        .where(PasswordReset.user_id == user.id, PasswordReset.used_at.is_(None))
        .values(used_at=now)
    )
    token = new_token("rp_")
    expires_at = now + RESET_HOURS * clock.HOUR_US
    session.add(
        PasswordReset(
            user_id=user.id,
            token_hash=hash_token(token),
            created_by=actor.user_id,
            created_at=now,
            expires_at=expires_at,
        )
    )
    audit.record(session, actor, "user.reset_start", "user", user.id)
    session.flush()
    return Leave(token, user.email, expires_at)


def _open_reset(session: Session, token: str) -> tuple[PasswordReset, User]:
    found = session.execute(
        select(PasswordReset, User)
        .join(User, User.id == PasswordReset.user_id)
        .where(PasswordReset.token_hash == hash_token(token))
    ).first()
    if found is None or found[0].used_at is not None or found[0].expires_at <= clock.now_us() or not found[1].active:
        raise Forbidden(
            "The link does not hold: it is unknown, used or older than a day. Ask an administrator for a new one."
        )
    return found[0], found[1]


def reset_email(session: Session, token: str) -> str:
    """Return whose password a one-time token may set; raises Forbidden when it does not hold."""
    return _open_reset(session, token)[1].email


def finish_reset(session: Session, actor: Actor, token: str, password_hash: str) -> User:
    """Set the new password, use the token up and end everything that is open; raises Forbidden when the token does not hold."""
    reset, user = _open_reset(session, token)
    reset.used_at = clock.now_us()
    user.password_hash = password_hash
    end_everything(session, user)
    _revoke_api_tokens(session, user)
    audit.record(session, replace(actor, user_id=user.id), "user.reset_finish", "user", user.id, fields=["password"])
    session.flush()
    return user


def checked_hash(settings: Settings, email: str, password: str) -> str:
    """Return the hash of a new password after the rule was checked; slow, so called before any unit of work is opened."""
    check_rule(password, email)
    return hash_password(password, settings.bcrypt_cost)
