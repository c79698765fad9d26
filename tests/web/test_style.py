"""The living style page is there while developing, and only then."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.web.conftest import Browser


def test_it_is_not_there_in_service(as_: Callable[[str], Browser]) -> None:
    assert as_("owner").get("/style").status_code == 404


class TestWhileDeveloping:
    """With the switch that `make dev` sets."""

    @pytest.fixture(autouse=True)
    def developing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("FLASK_DEBUG", "1")

    @pytest.fixture
    def as_developing(self, developing: None, app: object, cast: object) -> Callable[[str], Browser]:
        def sign_in(who: str) -> Browser:
            browser = Browser(app)  # type: ignore[arg-type]
            assert browser.sign_in(cast.emails[who], cast.password).status_code == 303  # type: ignore[attr-defined]
            return browser

        return sign_in

    def test_it_shows_every_part_and_passes_the_linter(self, as_developing: Callable[[str], Browser]) -> None:
        browser = as_developing("viewer")
        page = browser.get("/style").text
        for part in ("button--act", "badge--bad", "plot__line", "spark", "pager", "empty", "timeline", "notice--warn"):
            assert part in page
        assert "What happened" in browser.get("/style/toast/good").text
