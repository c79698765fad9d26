"""Access below HTTP: password hashes, browser sessions, the demo's administrator, and races that the write lock must decide."""

from __future__ import annotations

import threading

import pytest
import time_machine
from flask import Flask
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from retainstream.config import Settings
from retainstream.db import read_unit, unit_of_work
from retainstream.errors import Conflict, Forbidden, InvalidInput, NotFound, RetainStreamError, Unauthenticated
from retainstream.models import RefreshToken, User
from retainstream.security.actor import SYSTEM, Actor
from retainstream.security.passwords import check_rule, hash_password, verify_password
from retainstream.services.access import accounts, login, sessions, setup

HASH = hash_password("correct horse 42", 4)
NOBODY = Actor(kind="anonymous", permissions=frozenset())
QUICK = hypothesis_settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@given(password=st.text(min_size=1, max_size=200), other=st.text(min_size=1, max_size=200))
@QUICK
def test_a_hash_fits_its_password_and_no_other(password: str, other: str) -> None:
    import unicodedata

    hashed = hash_password(password, 4)
    assert verify_password(password, hashed, 4)
    same = unicodedata.normalize("NFKC", password) == unicodedata.normalize("NFKC", other)
    assert verify_password(other, hashed, 4) == same


def test_all_characters_of_a_long_password_count() -> None:
    hashed = hash_password("x" * 199 + "a", 4)
    assert verify_password("x" * 199 + "a", hashed, 4)
    assert not verify_password("x" * 199 + "b", hashed, 4)
    assert verify_password("caf\u00e9 au lait", hash_password("cafe\u0301 au lait", 4), 4), (
        "composed and decomposed letters are one"
    )
    assert not verify_password("correct horse 42", None, 4)
    assert verify_password("\ud800 half a pair", hash_password("\ud800 half a pair", 4), 4)


def test_the_rule_counts_characters_at_its_edges() -> None:
    check_rule("x" * 10)
    check_rule("x" * 200)
    for bad in ("x" * 9, "x" * 201):
        with pytest.raises(InvalidInput):
            check_rule(bad)


def make(email: str = "ana@example.com", role: str = "admin") -> User:
    with unit_of_work() as session:
        return accounts.create_user(session, email, "Ana", role, HASH)


def test_a_user_is_never_made_with_a_readable_password(minimal_app: Flask) -> None:
    with pytest.raises(ValueError, match="bcrypt"), unit_of_work() as session:
        accounts.create_user(session, "a@example.com", "A", "viewer", "correct horse 42")
    with pytest.raises(ValueError, match="bcrypt"), unit_of_work() as session:
        accounts.ensure_admin(session, "a@example.com", "correct horse 42")


def test_addresses_are_one_whatever_their_case(minimal_app: Flask) -> None:
    make("Ana@Example.com")
    with pytest.raises(Conflict):
        make(" ANA@example.COM ")


def test_the_demo_administrator_can_be_ensured_again_and_again(minimal_app: Flask) -> None:
    other = hash_password("another horse 43", 4)
    for hashed in (HASH, other):
        with unit_of_work() as session:
            first = accounts.ensure_admin(session, "demo@example.com", hashed)
    with read_unit() as session:
        user = session.query(User).one()
        assert (user.id, user.role, user.password_hash) == (first.id, "admin", other)
        assert not setup.setup_needed(session)


def test_the_set_up_code_stays_until_it_is_used(minimal_app: Flask, settings: Settings) -> None:
    with read_unit() as session:
        assert setup.setup_needed(session)
    code = setup.setup_code(settings)
    assert setup.setup_code(settings) == code
    setup.check_code(settings, f" {code.lower()} ")
    for wrong in ("", code[:-1], code + "A", "é", "\ud800"):
        with pytest.raises(Forbidden):
            setup.check_code(settings, wrong)
    setup.finish(settings)
    setup.finish(settings)
    assert setup.setup_code(settings) != code


def test_open_registration_makes_viewers(minimal_app: Flask, settings: Settings) -> None:
    from dataclasses import replace

    make()
    with pytest.raises(Forbidden), unit_of_work() as session:
        accounts.register(session, settings, NOBODY, email="b@example.com", name="", password_hash=HASH)
    with unit_of_work() as session:
        user = accounts.register(
            session,
            replace(settings, open_registration=True),
            NOBODY,
            email="b@example.com",
            name="",
            password_hash=HASH,
        )
    assert user.role == "viewer"


def test_of_two_first_registrations_one_becomes_administrator(minimal_app: Flask, settings: Settings) -> None:
    code, outcomes = setup.setup_code(settings), []
    barrier = threading.Barrier(2)

    def register(number: int) -> None:
        barrier.wait()
        with minimal_app.app_context():
            try:
                with unit_of_work() as session:
                    user = accounts.register(
                        session,
                        settings,
                        NOBODY,
                        email=f"u{number}@example.com",
                        name="",
                        password_hash=HASH,
                        setup_code=code,
                    )
                    outcomes.append(user.role)
            except RetainStreamError as error:
                outcomes.append(error.code)

    threads = [threading.Thread(target=register, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["admin", "forbidden"]


def test_of_many_uses_of_one_refresh_token_one_gets_the_pair_and_none_survives(
    minimal_app: Flask, settings: Settings
) -> None:
    user = make()
    with unit_of_work() as session:
        pair = login.issue_tokens(session, settings, user)
    got: list[login.TokenPair | None] = []
    barrier = threading.Barrier(4)

    def use() -> None:
        barrier.wait()
        with minimal_app.app_context(), unit_of_work() as session:
            got.append(login.refresh_tokens(session, settings, NOBODY, pair.refresh))

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    winners = [one for one in got if one is not None]
    assert len(winners) == 1
    with unit_of_work() as session:
        assert login.refresh_tokens(session, settings, NOBODY, winners[0].refresh) is None
        assert session.query(RefreshToken).count() == 2


def test_a_password_that_changed_between_check_and_log_in_does_not_count(
    minimal_app: Flask, settings: Settings
) -> None:
    user = make()
    verified = login.Verified(user.id, HASH)
    with unit_of_work() as session:
        token = accounts.start_reset(session, SYSTEM, user.id).token
        accounts.finish_reset(session, NOBODY, token, hash_password("another horse 43", 4))
    with pytest.raises(Unauthenticated), unit_of_work() as session:
        login.admitted(session, NOBODY, verified, means="api")


def find(token: str) -> tuple[Actor, bool] | None:
    with read_unit() as session:
        return sessions.find(session, token)


def test_a_browser_session_lives_until_it_is_ended(minimal_app: Flask, settings: Settings) -> None:
    user, stranger = make(), make("bob@example.com", "viewer")
    with unit_of_work() as session:
        token = sessions.create(session, settings, user, user_agent="Firefox" * 100, address="10.0.0.1")
        other = sessions.create(session, settings, user)
    found = find(token)
    assert found is not None
    assert found[0].user_id == user.id
    assert found[0].kind == "user"
    assert not found[1]
    with read_unit() as session:
        listed = sessions.open_sessions(session, user.id)
        assert len(listed) == 2
        assert token not in str(listed)
    person = found[0]
    assert person.session_id is not None
    with pytest.raises(NotFound), unit_of_work() as session:
        sessions.revoke(session, Actor(kind="user", permissions=frozenset(), user_id=stranger.id), person.session_id)
    with unit_of_work() as session:
        sessions.revoke(session, person, person.session_id)
    assert find(token) is None
    assert find(other) is not None
    assert find("unknown") is None


def test_sessions_end_by_age_epoch_and_deactivation(minimal_app: Flask, settings: Settings) -> None:
    make()
    user = make("bob@example.com", "viewer")

    def fresh() -> str:
        with unit_of_work() as session:
            return sessions.create(session, settings, session.get_one(User, user.id))

    token = fresh()
    with time_machine.travel("2099-01-01"):
        assert find(token) is None
    with unit_of_work() as session:
        accounts.end_everything(session, session.get_one(User, user.id))
    assert find(token) is None
    token = fresh()
    assert find(token) is not None
    with unit_of_work() as session:
        accounts.change(session, SYSTEM, user.id, active=False)
    assert find(token) is None


def test_a_visit_is_noted_at_most_once_an_hour(minimal_app: Flask, settings: Settings) -> None:
    user = make()
    with time_machine.travel("2031-05-01T10:00:00Z", tick=False) as clock:
        with unit_of_work() as session:
            token = sessions.create(session, settings, user)
        clock.shift(3599)
        first = find(token)
        clock.shift(1)
        second = find(token)
        assert first is not None
        assert not first[1]
        assert second is not None
        assert second[1]
        with unit_of_work() as session:
            sessions.touch(session, second[0].session_id or 0)
        third = find(token)
        assert third is not None
        assert not third[1]
