"""Lists of tasks by API, narrowed by how they stand, by play and by when they ended."""

from __future__ import annotations

from typing import Any

from flask import Flask
from flask.testing import FlaskClient

from retainstream.config import Settings
from retainstream.db import unit_of_work
from retainstream.lib import clock
from retainstream.models import Task
from retainstream.security.actor import SYSTEM
from retainstream.services import preferences
from retainstream.services.desk import endings, play_templates, tasks
from tests.conftest import Cast
from tests.web.stocked import stock


def test_tasks_are_listed_by_standing_play_and_end(
    app: Flask, client: FlaskClient, cast: Cast, settings: Settings
) -> None:
    with app.app_context():
        stock(20)
        with unit_of_work() as session:
            preferences.write(session, SYSTEM, {"hold_out_share": 0.0})
            play = play_templates.adopt(session, SYSTEM, "drifting_away").id
            late, asleep, ended = (
                tasks.take(session, SYSTEM, settings, f"cus_{at:05d}", owner=None, play=play if at else None).id
                for at in range(3)
            )
            session.get_one(Task, late).due_at = clock.now_us() - 1
            tasks.snooze(session, SYSTEM, settings, asleep, clock.now_us() + clock.DAY_US)
            endings.end(session, SYSTEM, settings, ended, "saved")

    def listed(query: str) -> list[int]:
        answer = client.get(f"/api/v1/tasks?{query}", headers=cast.token("viewer"))
        assert answer.status_code == 200, answer.text
        assert answer.json["total"] == len(answer.json["items"])
        return [item["id"] for item in answer.json["items"]]

    assert listed("standing=overdue") == listed("standing=awake") == [late]
    assert listed("standing=snoozed") == [asleep]
    assert listed(f"play_id={play}") == [ended, asleep]
    assert listed("ended_after=2020-01-01T00:00:00Z") == [ended]
    assert listed("ended_after=2100-01-01T00:00:00Z") == []
    assert client.get("/api/v1/tasks?standing=lost", headers=cast.token("viewer")).status_code == 422


def test_today_is_paged_by_number_as_every_list(app: Flask, client: FlaskClient, cast: Cast) -> None:
    with app.app_context():
        stock(60)
        with unit_of_work() as session:
            preferences.write(session, SYSTEM, {"hold_out_share": 0.0, "daily_capacity": 11})

    def today(query: str, status: int = 200) -> dict[str, Any]:
        answer = client.get(f"/api/v1/tasks/today?{query}", headers=cast.token("viewer"))
        assert answer.status_code == status, answer.text
        return as_object(answer.json)

    whole = today("limit=500")
    assert whole["valued_by"] == "revenue" and whole["total"] == len(whole["items"]) == 11
    users = [item["user_id"] for item in whole["items"]]
    paged = [today(f"page={number}&page_size=4") for number in (1, 2, 3)]
    assert [item["user_id"] for page in paged for item in page["items"]] == users
    assert [page["total"] for page in paged] == [11, 11, 11] and paged[2]["next_cursor"] is None
    following = today(f"limit=4&cursor={paged[0]['next_cursor']}")
    assert [item["user_id"] for item in following["items"]] == users[4:8]
    assert today("page=9&page_size=4")["items"] == []
    assert "page" in today(f"page=2&cursor={paged[0]['next_cursor']}", 422)["error"]["fields"]


def as_object(body: Any) -> dict[str, Any]:
    """Return the body of an answer, which is an object here."""
    assert isinstance(body, dict)
    return body
