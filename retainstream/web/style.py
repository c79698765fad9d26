"""The living style page: every part that pages are made of, in each of its states. Only while developing (`make dev`); nothing links to it."""

from __future__ import annotations

from flask import Blueprint, render_template
from werkzeug.wrappers import Response as BaseResponse

from retainstream.db import read_unit
from retainstream.security.permissions import Permission
from retainstream.web import frame
from retainstream.web.charts import Axes, Tick, sparkline
from retainstream.web.guards import requires_page

blueprint = Blueprint("web_style", __name__)
_LINE = ((0.0, 0.1), (1.0, 0.3), (2.0, 0.25), (3.0, 0.6), (4.0, 0.55))


@blueprint.get("/style")
@requires_page(Permission.DASHBOARD_READ)
def show() -> BaseResponse:
    """Show the parts."""
    axes = Axes((0.0, 4.0), (0.0, 0.8), height=180.0)
    with read_unit() as session:
        return frame.page(
            session,
            "style/style.html",
            here="",
            axes=axes,
            line=axes.line(_LINE),
            area=axes.area(_LINE),
            x_ticks=[Tick(float(at), f"week {at}") for at in range(5)],
            y_ticks=[Tick(share, f"{share:.0%}") for share in (0.0, 0.4, 0.8)],
            spark=sparkline([3, 5, 4, 8, 7, 9]),
        )


@blueprint.get("/style/toast/<tone>")
@requires_page(Permission.DASHBOARD_READ)
def toast(tone: str) -> str:
    """Answer a toast, as a form would get it."""
    return render_template(
        "_toast.html", tone=tone, title="A title", message="What happened, and what to do.", request_id=""
    )
