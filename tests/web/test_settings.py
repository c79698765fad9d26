"""The settings: account, sessions, tokens, people, preferences and the trail, each for those who may."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from flask import Flask

from retainstream.db import read_unit, unit_of_work
from retainstream.models import AuditEntry, User
from retainstream.security.actor import COMMAND
from retainstream.services import audit, preferences
from tests.conftest import Cast
from tests.web.conftest import Browser

SignIn = Callable[[str], Browser]
ADMIN_ONLY = ("/settings/people", "/settings/preferences", "/settings/audit", "/settings/audit.csv")


def secret(page: str, name: str) -> str:
    """Return a secret that a page shows once."""
    found = re.search(rf'id="{name}"[^>]*>([^<]+)</code>', page)
    assert found, f"the page shows no {name}"
    return found[1].replace("&#39;", "'")


@pytest.mark.parametrize("who", ["viewer", "agent", "analyst"])
def test_only_administrators_see_and_open_what_is_theirs(as_: SignIn, who: str) -> None:
    browser = as_(who)
    page = browser.get("/settings").text
    assert 'href="/settings/tokens"' in page
    for address in ADMIN_ONLY:
        assert f'href="{address}"' not in page
        assert browser.get(address).status_code == 403
    for address in ("/settings/people", "/settings/preferences", "/settings/people/1/role"):
        assert browser.post(address, {}, page="/settings").status_code == 403


def test_name_is_changed_and_a_blank_one_keeps_the_rest(app: Flask, as_: SignIn, cast: Cast) -> None:
    browser = as_("viewer")
    assert browser.post("/settings/name", {"name": "Ana Silva"}, page="/settings").location == "/settings"
    assert "Account of Ana Silva" in browser.get("/settings").text
    refused = browser.post("/settings/name", {"name": " "}, page="/settings")
    assert refused.status_code == 422
    assert "Expected a name of 1 to 200 characters." in refused.text


def test_password_change_ends_other_sessions_and_keeps_this_one(app: Flask, as_: SignIn, cast: Cast) -> None:
    browser, elsewhere = as_("agent"), as_("agent")
    form = {"current": cast.password, "password": "quite another one", "again": "quite another one"}
    for wrong, says in (
        ({"current": "nonsense"}, "Expected your current password."),
        ({"password": "short", "again": "short"}, "Expected from 10 to 200 characters."),
        ({"again": "other"}, "Expected the same as the new password."),
    ):
        refused = browser.post("/settings/password", {**form, **wrong}, page="/settings")
        assert refused.status_code == 422
        assert says in refused.text
        assert "quite another one" not in refused.text
    assert browser.post("/settings/password", form, page="/settings").location == "/settings"
    assert "Your password is changed" in browser.get("/settings").text
    assert elsewhere.get("/settings").location == "/sign-in?next=%2Fsettings"
    assert "Your session has ended" in elsewhere.get("/sign-in").text
    assert Browser(app).sign_in(cast.emails["agent"], cast.password).status_code == 422
    assert Browser(app).sign_in(cast.emails["agent"], "quite another one").status_code == 303


def test_sessions_are_ended_one_by_one_or_all_others(app: Flask, as_: SignIn, cast: Cast) -> None:
    first, second, third = as_("viewer"), as_("viewer"), as_("viewer")
    page = first.get("/settings").text
    ids = re.findall(r'action="/settings/sessions/(\d+)/end"', page)
    assert len(ids) == 3
    mine = ids[0]  # one's own stands first
    assert "this one" in page.split(f"/settings/sessions/{mine}/end")[0]
    stranger = as_("agent")
    stranger.post(f"/settings/sessions/{mine}/end", {}, page="/settings")
    assert "There is no such session." in stranger.get("/settings").text
    ended = min(ids, key=lambda one: (one == mine, int(one)))
    assert first.post(f"/settings/sessions/{ended}/end", {}, page="/settings").location == "/settings"
    assert second.get("/").status_code == 303
    first.post("/settings/sessions/end-others", {}, page="/settings")
    assert third.get("/").status_code == 303
    page = first.get("/settings").text
    assert "2 sessions have ended." in page  # the third, and the log-in by the API that every test's person has
    assert "End all others" not in page
    assert first.post(f"/settings/sessions/{mine}/end", {}, page="/settings").location == "/sign-in"
    assert first.get("/").status_code == 303


def test_log_ins_by_the_api_are_listed_beside_sessions_and_ended(app: Flask, as_: SignIn, cast: Cast) -> None:
    def logged_in() -> dict[str, str]:
        answer = app.test_client().post(
            "/api/v1/auth/login", json={"email": cast.emails["viewer"], "password": cast.password}
        )
        return {"Authorization": f"Bearer {answer.json['access_token']}"}

    def may(headers: dict[str, str]) -> int:
        return int(app.test_client().get("/api/v1/auth/sessions", headers=headers).status_code)

    def named() -> set[str]:
        page = browser.get("/settings").text
        found = re.findall(r'action="/settings/sessions/([0-9a-f]{32})/end"', page)
        assert len(found) == page.count("Log-in by the API<") + page.count("Log-in by the API <")
        return set(found)

    browser = as_("viewer")
    before = named()
    one, another = logged_in(), logged_in()
    name, *rest = sorted(named() - before)
    assert len(rest) == 1
    as_("agent").post(f"/settings/sessions/{name}/end", {}, page="/settings")
    assert (may(one), may(another)) == (200, 200)
    browser.post(f"/settings/sessions/{name}/end", {}, page="/settings")
    assert sorted((may(one), may(another))) == [200, 401]
    browser.post("/settings/sessions/end-others", {}, page="/settings")
    assert (may(one), may(another), named()) == (401, 401, set())


def test_token_is_shown_once_and_works(app: Flask, as_: SignIn) -> None:
    browser = as_("viewer")
    assert "No tokens yet" in browser.get("/settings/tokens").text
    form = {"name": "night export", "days": "30", "scopes": "dashboard:read"}
    made = browser.post("/settings/tokens", form)
    assert made.status_code == 201
    token = secret(made.text, "token")
    assert f"curl -H 'X-API-Key: {token}' 'http://localhost/api/v1/dashboard/metrics'" == secret(made.text, "call")
    listed = browser.get("/settings/tokens").text
    assert token not in listed
    assert token[:9] in listed
    assert app.test_client().get("/api/v1/dashboard/metrics", headers={"X-API-Key": token}).status_code == 200
    assert app.test_client().get("/api/v1/jobs", headers={"X-API-Key": token}).status_code == 403
    token_id = re.search(r"/settings/tokens/(\d+)/revoke", listed)
    assert token_id
    other = as_("agent")
    other.post(f"/settings/tokens/{token_id[1]}/revoke", {}, page="/settings/tokens")
    assert "There is no such token." in other.get("/settings/tokens").text
    browser.post(f"/settings/tokens/{token_id[1]}/revoke", {}, page="/settings/tokens")
    assert app.test_client().get("/api/v1/dashboard/metrics", headers={"X-API-Key": token}).status_code == 401
    assert "/revoke" not in browser.get("/settings/tokens").text


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"name": " "}, "Expected a name of 1 to 100 characters."),
        ({"days": "7"}, "Expected one of the list."),
        ({"scopes": ""}, "own permissions"),
        ({"scopes": "users:manage"}, "own permissions"),
    ],
)
def test_wrong_token_forms_say_where(as_: SignIn, wrong: dict[str, str], says: str) -> None:
    form = {"name": "mine", "days": "30", "scopes": "jobs:read", **wrong}
    refused = as_("viewer").post("/settings/tokens", form)
    assert refused.status_code == 422
    assert says in refused.text
    if "scopes" not in wrong:
        assert re.search(r'value="jobs:read" checked', refused.text)
        assert not re.search(r'value="model:read" checked', refused.text)


def test_invitation_link_lets_one_person_in(app: Flask, as_: SignIn) -> None:
    owner = as_("owner")
    made = owner.post("/settings/people", {"email": "new@example.com", "role": "agent"})
    assert made.status_code == 201
    link = secret(made.text, "link").removeprefix("http://localhost")
    assert link not in owner.get("/settings/people").text
    guest = Browser(app)
    joined = {"email": "new@example.com", "name": "New Person", "password": "a few easy words"}
    assert guest.post(link, joined).location == "/"
    page = owner.get("/settings/people").text
    assert "New Person" in page
    assert "Invited, not here yet" not in page


def test_invitation_is_taken_back(app: Flask, as_: SignIn) -> None:
    owner = as_("owner")
    link = secret(owner.post("/settings/people", {"email": "new@example.com", "role": "agent"}).text, "link")
    found = re.search(r"/settings/people/invitations/(\d+)/withdraw", owner.get("/settings/people").text)
    assert found
    for says in ("The invitation for new@example.com is taken back", "used or taken back already"):
        owner.post(found[0], {}, page="/settings/people")
        assert says in owner.get("/settings/people").text
    guest = {"email": "new@example.com", "name": "New", "password": "a few easy words"}
    assert Browser(app).post(link.removeprefix("http://localhost"), guest).status_code == 422


@pytest.mark.parametrize(
    ("form", "says"),
    [
        ({"email": "nonsense", "role": "agent"}, "Expected an address such as ana@example.com."),
        ({"email": "viewer@example.com", "role": "agent"}, "Expected an address without an account."),
        ({"email": "new@example.com", "role": "king"}, "Expected one of the list."),
    ],
)
def test_wrong_invitations_say_where_and_keep_the_address(as_: SignIn, form: dict[str, str], says: str) -> None:
    refused = as_("owner").post("/settings/people", form)
    assert refused.status_code == 422
    assert says in refused.text
    assert f'value="{form["email"]}"' in refused.text


def test_role_counts_from_the_next_click_and_the_last_administrator_stays(as_: SignIn, cast: Cast) -> None:
    owner, viewer = as_("owner"), as_("viewer")
    address = f"/settings/people/{cast.users['viewer']}"
    assert owner.post(f"{address}/role", {"role": "analyst"}, page=address).location == address
    assert "Viewer is now analyst." in owner.get(address).text
    assert "Analyst" in viewer.get("/settings").text
    own = f"/settings/people/{cast.users['owner']}"
    last = owner.post(f"{own}/role", {"role": "viewer"}, page=own)
    assert last.status_code == 409
    assert "last active administrator" in last.text
    assert "Deactivate" not in last.text
    assert owner.get("/settings/people/999").status_code == 404


def test_deactivated_person_is_out_until_let_in_again(app: Flask, as_: SignIn, cast: Cast) -> None:
    owner, viewer = as_("owner"), as_("viewer")
    address = f"/settings/people/{cast.users['viewer']}"
    owner.post(f"{address}/active", {"active": "no"}, page=address)
    page = owner.get(address).text
    assert "Viewer is out" in page
    assert "Make a link" not in page
    assert viewer.get("/jobs").location == "/sign-in?next=%2Fjobs"
    owner.post(f"{address}/reset", {}, page=address)
    assert "This account is not active" in owner.get(address).text
    owner.post(f"{address}/active", {"active": "yes"}, page=address)
    assert Browser(app).sign_in(cast.emails["viewer"], cast.password).status_code == 303


def test_reset_link_is_shown_once_and_sets_a_password(app: Flask, as_: SignIn, cast: Cast) -> None:
    owner = as_("owner")
    address = f"/settings/people/{cast.users['agent']}"
    made = owner.post(f"{address}/reset", {}, page=address)
    assert made.status_code == 201
    link = secret(made.text, "link").removeprefix("http://localhost")
    assert Browser(app).post(link, {"password": "quite another one"}).location == "/sign-in"
    assert Browser(app).sign_in(cast.emails["agent"], "quite another one").status_code == 303


def fields_of(page: str) -> dict[str, str]:
    """Return what the preferences form holds."""
    return dict(re.findall(r'<input id="(\w+)" name="\1" type="text" value="([^"]*)"', page))


def test_preferences_are_kept_in_their_units_and_set_back(app: Flask, as_: SignIn) -> None:
    owner = as_("owner")
    address = "/settings/preferences"
    form = fields_of(owner.get(address).text)
    assert (form["risk_medium"], form["riskiest_very_high"], form["acceptance"]) == ("20", "3", "30")
    assert (form["value_minor"], form["hold_out_share"]) == ("200.00", "5")
    assert "Set back to default" not in owner.get(address).text
    assert owner.post(address, form).location == address
    assert "Nothing was different" in owner.get(address).text
    changed = {**form, "risk_medium": "5 %", "risk_high": "10,5", "value_minor": "120.5", "riskiest_medium": "25"}
    owner.post(address, changed)
    page = owner.get(address).text
    assert "Bands count from the next scoring on." in page
    assert fields_of(page) == {**changed, "risk_medium": "5", "risk_high": "10.5", "value_minor": "120.50"}
    with app.app_context(), read_unit() as session:
        chosen = preferences.read(session)
        assert chosen.risk_bands == (0.05, 0.105, 0.7)
        assert chosen.percentile_bands == (0.75, 0.9, 0.97)
        assert chosen.value_minor == 12_050
        assert preferences.changed(session) == {"risk_bands", "percentile_bands", "value_minor"}
    owner.post(f"{address}/reset", {"back": "risk_bands"}, page=address)
    assert fields_of(owner.get(address).text)["risk_medium"] == "20"


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"risk_high": "10"}, "Expected three rising numbers between 0 and 100."),
        ({"riskiest_high": "30"}, "Expected three falling numbers between 100 and 0."),
        ({"acceptance": "0"}, "Expected a number above 0 and up to 100."),
        ({"hold_out_share": "51"}, "Expected a number from 0 to 50."),
        ({"value_minor": "-1"}, "Expected an amount from 0 on, in USD."),
        ({"contact_cost_minor": "ten"}, "Expected a number."),
        ({"risk_medium": "nan"}, "Expected a number of per cent."),
        ({"value_minor": "1e400"}, "Expected a number."),
        ({"daily_capacity": "0"}, "Expected a whole number from 1 to 10,000."),
        ({"due_days": "2.5"}, "Expected a whole number from 0 to 90."),
        ({"rest_days": "366"}, "Expected a whole number from 0 to 365."),
        ({"margin": "0"}, "Expected a number above 0 and up to 100."),
        ({"annual_discount": "-1"}, "Expected a number from 0 to 100."),
        ({"value_months": "0"}, "Expected a whole number from 1 to 60."),
    ],
)
def test_wrong_preferences_say_where_and_lose_nothing(
    app: Flask, as_: SignIn, wrong: dict[str, str], says: str
) -> None:
    owner = as_("owner")
    form = {**fields_of(owner.get("/settings/preferences").text), "high_value_share": "33", **wrong}
    refused = owner.post("/settings/preferences", form)
    assert refused.status_code == 422
    assert says in refused.text
    assert fields_of(refused.text) == form
    with app.app_context(), read_unit() as session:
        assert preferences.changed(session) == frozenset()


def test_trail_is_filtered_and_sent_as_a_file(app: Flask, as_: SignIn, cast: Cast) -> None:
    with app.app_context(), unit_of_work() as session:
        audit.record(session, COMMAND, "customer.erase", "customer", 77)
        session.get_one(User, cast.users["viewer"]).email = "=cmd@example.com"
    as_("agent").post("/settings/name", {"name": "New name"}, page="/settings")
    owner = as_("owner")
    page = owner.get("/settings/audit").text
    assert "Erased a customer" in page
    assert "customer 77" in page
    assert "Command line" in page
    for query, there, gone in (
        ("action=customer.erase", "customer 77", "Changed an account</td>"),
        (f"person={cast.users['agent']}", "Changed an account", "customer 77"),
        ("kind=customer&id=77", "customer 77", "Changed an account</td>"),
        ("kind=customer&id=78", "No entries", "customer 77"),
        ("to=2001-01-01", "No entries", "customer 77"),
        ("from=2001-01-01", "customer 77", "No entries"),
    ):
        found = owner.get(f"/settings/audit?{query}").text
        assert there in found, query
        assert gone not in found, query
    for wrong in ("person=x", "from=nonsense", "to=0001-01-01", "from=2026-02-02&to=2026-02-01"):
        assert owner.get(f"/settings/audit?{wrong}").status_code == 422, wrong
    file = owner.get("/settings/audit.csv?action=customer.erase")
    assert file.mimetype == "text/csv"
    rows = file.text.strip().split("\r\n")
    assert rows[0].startswith("id,at,who,action,outcome")
    assert ",customer.erase,done,customer,77," in rows[1]
    assert len(rows) == 2


def test_trail_is_paged_and_the_file_holds_all_of_it(app: Flask, as_: SignIn) -> None:
    with app.app_context(), unit_of_work() as session:
        for number in range(620):
            audit.record(session, COMMAND, "customer.change", "customer", number)
    owner = as_("owner")
    page = owner.get("/settings/audit?action=customer.change").text
    assert "620 entries" in page
    following = re.search(r'href="([^"]+)" rel="next"', page)
    assert following
    second = owner.get(following[1].replace("&amp;", "&")).text
    shown = [re.findall(r"customer (\d+)</td>", one) for one in (page, second)]
    assert [len(one) for one in shown] == [50, 50]
    assert not set(shown[0]) & set(shown[1])
    with app.app_context(), read_unit() as session:
        assert session.query(AuditEntry).filter_by(action="customer.change").count() == 620
    rows = owner.get("/settings/audit.csv?action=customer.change").text.strip().split("\r\n")
    assert len(rows) == 621
